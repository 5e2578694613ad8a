"""Decentralised SGD whose nodes mix robustly with their neighbours."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...graphs import Graph
from ...kernels.aggregation.neighbours import centred_gram
from ...kernels.gossip import Mixer
from ...problems import Problem
from ...problems.attacks import Attack, Dissension
from ..base.network import gossip_network
from ..base.state import State
from ..gossip_rules import GossipRule, Neighbourhood
from .base import BoundRobust, RobustSolver


@dataclass(frozen=True, eq=False)
class RobustGossip(RobustSolver):
    """Decentralised SGD with a robust rule in place of the mean of the neighbours' models.

    Each round, every node takes a step along its (mini-batch) gradient, or its momentum, sends the model to
    its neighbours, and moves towards what it receives by a rule of `solvers.gossip_rules`.

    Parameters
    ----------
    rule : GossipRule
        Such as ``NNA(1)``, ``ClippedGossip(1)`` or ``OnDifferences(Flag())``.
    f : int or sequence of int
        How many nodes are faulty, the last ones; or which. The rule is told by its own parameters, how many
        of the neighbours may be.
    attack : Attack or Dissension, optional
        What faulty nodes send in place of models; it needs an f. None: they send honestly computed models, of
        data that may be spoilt (``problem.flipped(nodes)``) or not (the baseline), and only do not count.
    step : float, optional
        Step size; None: 1/L, or 1/L(b) with mini-batches.
    step_decay : float
        The step of round t is step / (1 + step_decay t).
    momentum : float
        beta of the nodes' momentum, m <- beta m + (1 - beta) g.
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. Theory's step has L(b) =
        `problem.expected_smoothness(b)` in place of L.
    mixing : str or (n, n) array_like
        Mixing matrix W, none of its weights negative, or its kind in `graphs.mixing_matrix`.

    Notes
    -----
    Objective, consensus and the mean iterate are those of the honest nodes. The accuracy is that of their
    mean iterate on the test samples, or on all samples, flipped ones too, if there are none. Models that are
    not finite are left out: ``state.arrays["excluded"]`` counts by sender at how many nodes. With full
    gradients and a constant step the nodes reach a neighbourhood of the minimiser, as in `DGD`. A round sends
    d numbers of 64 bits from each node to each neighbour. Faulty nodes whose attack does not start from their
    own models compute nothing, and their rows of X stay where they began.

    Examples
    --------
    >>> import numpy as np
    >>> from gossamer import graphs, problems, solvers
    >>> from gossamer.solvers import gossip_rules
    >>> problem = problems.Averaging(np.array([[0.9], [1.0], [1.1], [1.0], [1.0], [7.0]]))
    >>> attack = problems.attacks.UniformNoise(100.0)
    >>> robust = solvers.RobustGossip(gossip_rules.NNA(1), f=1, attack=attack, step=0.1)
    >>> robust.solve(problem, graphs.complete(6), max_events=200).x.round(2).tolist()
    [1.0]
    """

    rule: GossipRule
    attack: Attack | Dissension | None = field(default=None, kw_only=True)  # pyright: ignore
    mixing: str | Mixer | ArrayLike = field(default="metropolis", kw_only=True)

    _attacks: ClassVar[tuple[type, ...]] = (Attack, Dissension)
    _settings: ClassVar[tuple[str, ...]] = ("steps", "method", "weights", "columns")

    @functools.cached_property
    def _mixing(self) -> str | Mixer:
        return self.mixing if isinstance(self.mixing, str | Mixer) else Mixer(self.mixing)

    def _start(self, problem: Problem, graph: Graph, X: np.ndarray) -> dict[str, np.ndarray]:
        if not isinstance(self.rule, GossipRule):
            raise TypeError(f"rule must be one of solvers.gossip_rules, such as NNA(1), got {self.rule!r}")
        steps = self._common(problem)
        mixer = gossip_network(graph, self._mixing).mixer
        assert mixer is not None
        weights = mixer.weights(float)
        if len(weights) and weights.min() < 0.0:
            raise ValueError(
                f'mixing must not be negative, but an entry is {weights.min():g}: take "metropolis"'
            )
        self._check_attack(problem.n_nodes)
        if problem.n_nodes > 1:
            self._check_degrees(graph)
        own = {"X": X.copy(), "weights": weights.copy(), "columns": mixer.indices.copy()}
        return own | self._arrays(problem, steps, self.rule)

    def _check_degrees(self, graph: Graph) -> None:
        """Raise what the rule would raise at a node that moves: too few neighbours, or too many subsets."""
        moving = self._computing(graph.n_nodes)
        degrees, first = np.unique(graph.degrees[moving], return_index=True)
        for degree, place in zip(degrees.tolist(), first, strict=True):
            try:
                self.rule._check(degree)
            except ValueError as error:
                raise ValueError(f"at node {moving[place]}, of degree {degree}: {error}") from error

    def _prepare(self, problem: Problem, graph: Graph, state: State) -> _BoundGossip:
        return _BoundGossip(self, problem, graph, state)


class _BoundGossip(BoundRobust):
    """`RobustGossip` bound to a problem and a graph."""

    def __init__(self, solver: RobustGossip, problem: Problem, graph: Graph, state: State):
        from scipy.sparse import csr_array

        network = gossip_network(graph, solver._mixing)
        super().__init__(solver, problem, network, state)
        assert network.mixer is not None
        n, self._rule = problem.n_nodes, solver.rule
        indptr = network.mixer.indptr.astype(np.int64)
        entries = state.arrays["weights"], state.arrays["columns"].astype(np.int64), indptr
        self._W = csr_array(entries, shape=(n, n))
        is_faulty = self._is_faulty = np.isin(np.arange(n), self._faulty)
        self._near: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._told: list[int] = []  # nodes that faulty neighbours speak to, where each is told something else
        for i in range(n):
            row = slice(indptr[i], indptr[i + 1])
            others, weights = entries[1][row], entries[0][row]
            others, weights = others[others != i], weights[others != i]
            heard = others.copy()
            if isinstance(self._attack, Dissension) and is_faulty[others].any():
                heard[is_faulty[others]] = n + len(self._told)
                self._told.append(i)
            elif self._attack is not None:
                heard[is_faulty[others]] = n + np.searchsorted(self._faulty, others[is_faulty[others]])
            self._near.append((others, np.concatenate([[i], heard]), weights))

    def iterates(self, state: State) -> np.ndarray:
        """Return the models of all nodes."""
        return state.arrays["X"].copy()

    def _round(self, state: State, turn: int) -> None:
        from scipy.sparse import csr_array

        X = state.arrays["X"]
        moving = self._computing
        X[moving] -= self._length(turn) * self._directions(state, turn, X)[moving]
        if self._is_lost(X):
            X[:] = np.nan
            return
        # near agreement, differences keep their digits
        models = np.concatenate([X, self._lies(X, turn)]) - X[self._honest[0]]
        gram = centred_gram(models)
        finite = np.isfinite(gram.diagonal())
        data, columns, starts = [], [], np.zeros(len(X) + 1, np.int64)
        moves = np.zeros_like(X)
        for i in moving:
            others, heard, weights = self._near[i]
            if len(others) == 0:
                continue
            state.arrays["excluded"][others[~finite[heard[1:]]]] += 1
            near = Neighbourhood(models, heard, gram[np.ix_(heard, heard)], weights, turn)
            found, move = self._rule._move(near)
            if move is not None:
                moves[i] = move
            if found is not None:
                used = np.flatnonzero(found)
                data += [found[used], [-found.sum()]]
                columns += [heard[1:][used], heard[:1]]
                starts[i + 1] = len(used) + 1
        if data:
            entries = np.concatenate(data), np.concatenate(columns), np.cumsum(starts)
            moves += csr_array(entries, shape=(len(X), len(models))) @ models
        X += moves

    def _lies(self, X: np.ndarray, turn: int) -> np.ndarray:
        """Return what faulty nodes send: a row each, or one for each of the nodes that they speak to."""
        if self._attack is None:
            return X[:0]
        if isinstance(self._attack, Dissension):
            return self._attack(X, self._W, self._is_faulty)[self._told]
        return self._sent(X, turn)[self._faulty]
