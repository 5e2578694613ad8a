"""Extragradient and its relatives for variational inequalities over a server."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...graphs import Graph
from ...kernels import prox
from ...kernels.checks import instance
from ...kernels.compression import Compressor
from ...kernels.rounds import saddle
from ...problems import Problem, VariationalInequality
from ..base.factors import distance_rate
from ..base.rounds import Step
from ..server.base import ServerSolver


def lipschitz_constants(problem: Problem) -> tuple[float, float]:
    """Return L of the mean operator, and sqrt(mean L_i^2); for objectives the worst smoothness for both.

    Parameters
    ----------
    problem : Problem
        A variational inequality, or objectives, whose operators are their gradients.
    """
    instance("problem", problem, Problem)
    if isinstance(problem, VariationalInequality):
        return problem.lipschitz, problem.mean_square_lipschitz
    return problem.smoothness, problem.smoothness


@dataclass(frozen=True, eq=False)
class OperatorSolver(ServerSolver):
    """A method for variational inequalities; it takes objectives, too, whose operators are their gradients.

    In the trace, `optimality` is the norm of the problem's residual, and `objective` its gap. A start outside
    the problem's set is projected onto it.
    """

    _takes_operators: ClassVar[bool] = True

    def _mean_square(self, problem: Problem) -> float:
        """Return Lh^2 with mean_i E|g_i(u) - g_i(v)|^2 <= Lh^2 |u - v|^2, for batches at both points."""
        size = self._batch(problem)
        if size is None:
            return lipschitz_constants(problem)[1] ** 2
        return float(problem.row_smoothness.mean_square(size).mean())

    def _noise(self, problem: Problem) -> float:
        """Return D with E|e(u) - e(v)|^2 <= D |u - v|^2, e the error of the mean of the nodes' batches."""
        size = self._batch(problem)
        if size is None:
            return 0.0
        return float(problem.row_smoothness.noise(size).mean()) / problem.n_nodes

    def _largest_step(self, problem: Problem, theory: float) -> float:
        if self._same_batch or not isinstance(problem, VariationalInequality):
            return super()._largest_step(problem, theory)
        noise, mu = self._noise(problem), problem.strong_convexity
        return mu / noise if noise > 0.0 and mu > 0.0 else math.inf

    def _noise_floor(self, problem: Problem, values: dict[str, float], turn: int, x: np.ndarray) -> float:
        if not isinstance(problem, VariationalInequality):
            return super()._noise_floor(problem, values, turn, x)
        size, mu = self._batch(problem), problem.strong_convexity
        if size is None or self._same_batch:
            return 0.0
        noise = problem.gradient_noise(size, x) / problem.n_nodes
        return 12.0 * values["step"] * noise / mu if mu > 0.0 else math.inf if noise > 0.0 else 0.0

    def _check(self, problem: Problem) -> None:
        super()._check(problem)
        if isinstance(problem, VariationalInequality) and not problem.lipschitz > 0.0:
            raise ValueError("the mean operator must not be constant: its Lipschitz constant is 0")

    def _assume_euclidean(self, problem: Problem) -> None:
        """Raise on a set whose steps are entropic, for theorems about Euclidean distances."""
        if any(prox.is_entropic(block) for block in problem.blocks):
            raise self._uncertifiable(
                "on an entropic simplex distances are relative entropies, and its theorem is Euclidean"
            )

    def _arrays(
        self, problem: Problem, graph: Graph, X: np.ndarray, values: dict[str, float]
    ) -> dict[str, np.ndarray]:
        arrays = super()._arrays(problem, graph, X, values)
        if isinstance(problem, VariationalInequality):
            arrays["shared"][0] = problem.start(arrays["shared"][0])
        return arrays


@dataclass(frozen=True, eq=False)
class Extragradient(OperatorSolver):
    """Distributed extragradient: a step to look ahead, and the step itself with the operator found there.

    Parameters
    ----------
    step : float, "auto" or None
        Step size. None: theory's. "auto": tuned.
    batch_size : int, optional
        Samples an operator, drawn without replacement, anew at each of the two points; None: all. Theory's
        step is then another one, see the notes.

    Notes
    -----
    z' = P(z - step F(z)), z <- P(z - step F(z')): Korpelevich (1976); P projects onto the set, or is the
    entropic step on an entropic simplex (Nemirovski's mirror prox, 2004). Theory (derived): with
    step^2 L^2 + 2 step mu <= 1, |z - z*|^2 falls by 1 - step mu a round; taken are the largest such step and
    1 / (sqrt(2) L), whichever is smaller, so that it converges for mu = 0, too. `certified_rate` is the root
    of that factor; on entropic simplices there is none.

    With mini-batches (derived): let D / |u - v|^2 bound E|e(u) - e(v)|^2, e the error of the mean of the
    nodes' operators, D = mean_i (m - b) / (b (m - 1)) mean_j L_ij^2 / n. For steps up to 1 / (2 L), 1 / (8
    mu) and mu / (16 D) the terms |z' - z|^2 cancel in the expansion of E|z+ - z*|^2, and it falls by 1 - step
    mu / 2 a round, up to a floor of 12 step E|e(z*)|^2 / mu; taken is the least of the three. There is none
    for mu = 0.

    A round exchanges two vectors of d numbers of 64 bits between each node and the server, in each direction.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> game = problems.MatrixGame([[[0, -1, 1], [1, 0, -1], [-1, 1, 0]]] * 2)  # rock, paper, scissors
    >>> result = solvers.Extragradient().solve(game, graphs.star(2), x0=[1, 0, 0, 0, 1, 0])
    >>> result.x.round(6).tolist()
    [0.333333, 0.333333, 0.333333, 0.333333, 0.333333, 0.333333]
    """

    step: Step = None

    _kernel = saddle.extragradient
    _n_rows = 0
    _exact = True

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step"}."""
        L, _ = lipschitz_constants(problem)
        mu = problem.strong_convexity
        step = min(1.0 / (mu + math.hypot(mu, L)), math.sqrt(0.5) / L)
        if self._batch(problem) is not None:
            noise = self._noise(problem)
            step = min(0.5 / L, 0.125 / mu, mu / (16.0 * noise)) if mu > 0.0 else math.nan
        return {"step": step}

    def _certified(
        self, problem: Problem, graph: Graph, values: dict[str, float], changing: bool = False
    ) -> float:
        self._assume(problem, changing)
        self._assume_euclidean(problem)
        L, mu, step = lipschitz_constants(problem)[0], problem.strong_convexity, values["step"]
        if step > 1.0 / (mu + math.hypot(mu, L)):
            return math.inf
        return distance_rate(1.0 - step * mu)


@dataclass(frozen=True, eq=False)
class OptimisticGradient(OperatorSolver):
    """Optimistic gradient: extrapolates from the operator of the round before; one exchange a round.

    Parameters
    ----------
    step : float, "auto" or None
        Step size. None: theory's. "auto": tuned.
    batch_size : int, optional
        Samples an operator, drawn without replacement; None: all. Theory's step is then another one, as for
        `Extragradient`.

    Notes
    -----
    z <- P(z - step (2 F(z) - F(z_last))): Popov (1980); with a set Malitsky & Tam, "A forward-backward
    splitting method for monotone inclusions without cocoercivity" (SIAM Journal on Optimization 2020), which
    converges for step < 1 / (2 L). Theory: 0.9 times that. `certified_rate` (derived): with a = step L < 1/2,
    d = z - z_last and D = F(z) - F(z_last), |z - z*|^2 - 2 step <D, z - z*> + a |d|^2 falls by 1 / (1 + t) a
    round for t (1 + a^2 t / (1 - 2 a - a t)) <= 2 step mu, since a round loses 2 step mu |z - z*|^2 +
    (1 - 2 a) |d|^2 of it, taken at its end; it is at least (1 - a) |z - z*|^2.

    With mini-batches the smaller of 1 / (8 L) and mu / (32 D), D as in `Extragradient` (derived: the Lyapunov
    function then falls in the mean, up to a floor); none for mu = 0.

    A round exchanges d numbers of 64 bits between each node and the server, in each direction.
    """

    step: Step = None

    _kernel = saddle.optimistic
    _n_rows = 0
    _exact = True
    _n_shared = 2

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step"}."""
        L, mu = lipschitz_constants(problem)[0], problem.strong_convexity
        if self._batch(problem) is None:
            return {"step": 0.45 / L}
        noise = self._noise(problem)
        return {"step": min(0.125 / L, mu / (32.0 * noise)) if mu > 0.0 else math.nan}

    def _certified(
        self, problem: Problem, graph: Graph, values: dict[str, float], changing: bool = False
    ) -> float:
        self._assume(problem, changing)
        self._assume_euclidean(problem)
        a = values["step"] * lipschitz_constants(problem)[0]
        pace, slack = 2.0 * values["step"] * problem.strong_convexity, 1.0 - 2.0 * a
        if not slack > 0.0:
            return math.inf
        # the smaller root of a t^2 (1 - a) - t (slack + a pace) + pace slack = 0
        middle = slack + a * pace
        t = 2.0 * pace * slack / (middle + math.sqrt(middle**2 - 4.0 * a * (1.0 - a) * pace * slack))
        return distance_rate(1.0 / (1.0 + t))


@dataclass(frozen=True, eq=False)
class CompressedExtragradient(OperatorSolver):
    """Extragradient on compressed operators, with or without error feedback: what does not work.

    Its iterates stall at a distance from the solution, whatever the compressor; `MASHA1` and `MASHA2` do not.

    Parameters
    ----------
    compressor : Compressor
        Any.
    step : float, "auto" or None
        Step size. None: that of `Extragradient`. "auto": tuned.
    error_feedback : bool
        Add what a message leaves out to the next one.
    batch_size : int, optional
        Samples an operator, drawn without replacement; None: all. Theory's step is then another one, as for
        `Extragradient`.

    Notes
    -----
    With memories e_i = 0: p_i = e_i + step F_i, c_i = C(p_i), e_i <- p_i - c_i (if fed back), and mean c_i
    takes the place of step F in both steps of `Extragradient`.

    A round exchanges two messages, and two vectors of d numbers of 64 bits from the server.
    """

    compressor: Compressor
    step: Step = None
    error_feedback: bool = False

    _kernel = saddle.compressed_extragradient
    _n_rows = 1
    _uncertified = "it stalls, whatever the compressor; MASHA1 and MASHA2 have one"

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step", "feedback"}: `Extragradient`'s step for want of theory; 1 with error feedback."""
        return Extragradient(batch_size=self.batch_size).theory(problem, graph) | {
            "feedback": float(bool(self.error_feedback))
        }
