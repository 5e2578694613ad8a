"""What methods for networks with faulty nodes share: who is faulty, steps, momentum, what is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ...kernels import oracles
from ...kernels.checks import count, frozen, real
from ...kernels.ledger import BITS, BITS_DOWN, COMMUNICATIONS, GRADIENTS, new_ledger
from ...kernels.oracles import Batches
from ...problems import Problem
from ...problems.attacks import Attack
from ..base.bound import Bound
from ..base.clocks import RoundClock
from ..base.network import Network
from ..base.noise import noise_floor
from ..base.solver import Solver
from ..base.state import State

_SLOWEST = 1e-3  # progress a round that a run is given time for, if theory promises less
_WIDTH = 64  # bits of a number
_CALLS = 50_000  # numbers that compiled loops do in the time of a round's Python
_LOST = 1e280  # squared norm: a run that is there has diverged, and its sums would soon overflow


@dataclass(frozen=True, eq=False)
class RobustSolver(Solver):
    """A method of synchronous rounds in which some nodes are faulty; an event is a round.

    Attributes
    ----------
    f : int or sequence of int
        How many nodes are faulty, the last ones; or which.
    attack : Attack, optional
        What they send, some node being faulty. None: they compute honestly, of whatever data they have.
    step : float, optional
        Step size; None is theory's, where there is any.
    step_decay : float
        The step of round t is step / (1 + step_decay t).
    momentum : float
        beta in [0, 1) of the nodes' momentum: m <- beta m + (1 - beta) g, from m = g in the first round on.
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. Theory's step has L(b) =
        `problem.expected_smoothness(b)` in place of L.
    """

    f: int | Sequence[int] = field(default=0, kw_only=True)
    attack: Attack | None = field(default=None, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    step_decay: float = field(default=0.0, kw_only=True)
    momentum: float = field(default=0.0, kw_only=True)
    batch_size: int | None = field(default=None, kw_only=True)

    _settings: ClassVar[tuple[str, ...]] = ("steps", "method")
    _attacks: ClassVar[tuple[type, ...]] = (Attack,)

    def faulty(self, n_nodes: int) -> np.ndarray:
        """Return the faulty nodes, ascending.

        Parameters
        ----------
        n_nodes : int
            Of the graph.

        Raises
        ------
        TypeError, ValueError
            Nodes that are not there, or none that is honest.
        """
        n_nodes = count("n_nodes", n_nodes, least=1, most=2**31 - 1)
        if not isinstance(self.f, Sequence | np.ndarray):
            f = count("f", self.f)
            nodes = list(range(max(n_nodes - f, 0), n_nodes))
        else:
            nodes = sorted(count("f", node, most=n_nodes - 1) for node in self.f)
            if len(set(nodes)) < len(nodes):
                raise ValueError(f"f must name each faulty node once, got {list(self.f)}")
        if len(nodes) >= n_nodes:
            raise ValueError(f"f must leave an honest node of the {n_nodes}, got {self.f}")
        return np.array(nodes, np.int64)

    def _computing(self, n_nodes: int) -> np.ndarray:
        """Return the nodes that compute gradients, ascending: faulty ones, if what they send starts there."""
        behaves = self.attack is None or getattr(self.attack, "needs_own", False)
        everyone = np.arange(n_nodes)
        return everyone if behaves else np.setdiff1d(everyone, self.faulty(n_nodes))

    def _step(self, problem: Problem) -> float:
        """Return the step size, theory's where none is set."""
        if self.step is not None:
            return real("step", self.step, above=0.0)
        size = problem.mini_batch(self.batch_size)
        L = problem.smoothness if size is None else problem.expected_smoothness(size)
        if not 0.0 < L < math.inf:
            raise ValueError(
                f"{type(self).__name__} has no theory for step on {type(problem).__name__}, of smoothness "
                f"{L:g}: set step"
            )
        return 1.0 / L

    def _common(self, problem: Problem) -> list[float]:
        """Return the checked numbers of all such methods."""
        if self.attack is not None and not isinstance(self.attack, self._attacks):
            kinds = " or ".join(kind.__name__ for kind in self._attacks)
            raise TypeError(
                f"attack must be an {kinds} of problems.attacks, such as ALIE(), or None, got {self.attack!r}"
            )
        size = problem.mini_batch(self.batch_size)
        return [
            self._step(problem),
            real("step_decay", self.step_decay, least=0.0),
            checked_momentum("momentum", self.momentum),
            float(size or 0),
        ]

    def _check_attack(self, n_nodes: int) -> None:
        """Raise a ValueError where nobody attacks, and what the attack would raise with so many nodes."""
        f = len(self.faulty(n_nodes))
        if self.attack is not None and f == 0:
            raise ValueError(
                f"attack is {self.attack!r}, but f = {self.f!r} leaves no node faulty, so that nobody would "
                "attack: set f, or leave attack out"
            )
        if isinstance(self.attack, Attack):
            self.attack(np.zeros((n_nodes - f, 1)), f, own=np.zeros((f, 1)))

    def _described(self, rule: object) -> np.ndarray:
        """Return what tells rule and attack from others, as numbers."""
        return np.frombuffer(f"{rule!r} {self.attack!r}".encode(), np.uint8).copy()

    def _arrays(self, problem: Problem, steps: list[float], rule: object) -> dict[str, np.ndarray]:
        """Return the arrays that a state of all such methods has."""
        n, d = problem.n_nodes, problem.dim
        return {
            "momenta": np.zeros((n if self.momentum else 0, d)),
            "excluded": np.zeros(n, np.int64),
            "steps": np.array([*steps, *self.faulty(n)], float),
            "method": self._described(rule),
        }


class BoundRobust(Bound):
    """A `RobustSolver` bound to a problem and a graph: gradients, momentum, the ledger."""

    clock = RoundClock()

    def __init__(self, solver: RobustSolver, problem: Problem, network: Network, state: State):
        n = problem.n_nodes
        self._faulty = frozen(solver.faulty(n))
        self.members = self._honest = frozen(np.setdiff1d(np.arange(n), self._faulty))
        attack: Any = solver.attack
        self._attack = attack
        self._computing = frozen(solver._computing(n))
        self._step, self._decay, self._momentum, size = state.arrays["steps"][:4].tolist()
        self._problem, self._size = problem, int(size)
        oracle = self._oracle = problem.oracle if size == 0 else problem.sample_oracle
        most = int(oracle.n_samples.max()) if size else 0
        self._batches = Batches(min(int(size), most), oracle.n_samples, np.uint64(state.key))
        self._gradients = np.zeros((n, problem.dim))
        self.work = _CALLS + oracle.work(int(size)) + self._gradients.size
        down = _WIDTH * problem.dim * network.copies_down
        self._counts = new_ledger()  # of a round
        self._counts[GRADIENTS] = len(self._computing)
        self._counts[COMMUNICATIONS] = network.n_links
        self._counts[BITS] = _WIDTH * problem.dim * int(network.copies.sum()) + down
        self._counts[BITS_DOWN] = down
        self._pace = max(min(self._step * problem.strong_convexity, 1.0), _SLOWEST)

    def apply(self, state: State, count: int, /) -> None:
        """Do some rounds."""
        with np.errstate(over="ignore", invalid="ignore"):  # attacks and diverging runs overflow
            for turn in range(state.n_events, state.n_events + count):
                self._round(state, turn)
        state.ledger.add(count * self._counts)

    def check(self, state: State) -> None:
        """Refuse counts of excluded messages that are negative, too."""
        super().check(state)
        excluded = state.arrays["excluded"]
        if excluded.min(initial=0) < 0:
            raise ValueError(f"state.arrays['excluded'] counts messages, and has {excluded.min()}")

    def _round(self, state: State, turn: int) -> None:
        """Do one round."""
        raise NotImplementedError

    def _length(self, turn: int) -> float:
        """Return the step size of a round."""
        return self._step / (1.0 + self._decay * turn)

    def _directions(self, state: State, turn: int, X: np.ndarray) -> np.ndarray:
        """Return gradients at the rows of X, with momentum; of nodes that compute none, anything."""
        G = self._gradients
        oracles.batch_gradients(self._oracle, self._batches, turn, self._computing, X, G)
        if self._momentum == 0.0:
            return G
        M = state.arrays["momenta"]
        if turn == 0:
            M[self._computing] = G[self._computing]
        else:
            M *= self._momentum
            M += (1.0 - self._momentum) * G
        return M

    def _sent(self, rows: np.ndarray, turn: int) -> np.ndarray:
        """Return what all nodes send, in place of `rows`, what honest ones would."""
        if self._attack is None:
            return rows
        own = rows[self._faulty] if self._attack.needs_own else None
        sent = rows.copy()
        sent[self._faulty] = self._attack(rows[self._honest], len(self._faulty), own=own, step=turn)
        return sent

    def _is_lost(self, rows: np.ndarray) -> bool:
        """Whether an honest row is not finite, or nearly too large for the rules: the run diverges."""
        return not (np.einsum("ij,ij->i", rows, rows)[self._honest] < _LOST).all()

    def noise_floor(self, state: State, x: np.ndarray) -> float:
        """Return the bound of descent with the mean in place of the rule."""
        if not self._size:
            return 0.0
        problem, L = self._problem, self._problem.expected_smoothness(self._size)
        noise = problem.gradient_noise(self._size, x)
        return noise_floor(self._length(state.n_events), L, problem.strong_convexity, noise)

    def time_limit(self, tol: float) -> float:
        """Return rounds for the error to fall by tol, e^10 standing for its constant."""
        return math.ceil(4 * (10 - math.log(max(min(tol, 1.0), 1e-16))) / self._pace)


def checked_momentum(name: str, value: float) -> float:
    """Return a factor of momentum, in [0, 1)."""
    beta = real(name, value, least=0.0)
    if beta >= 1.0:
        raise ValueError(f"{name} must be below 1, got {beta}")
    return beta
