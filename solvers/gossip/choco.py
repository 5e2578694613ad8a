"""Gossip and gradient descent with compressed differences: CHOCO-Gossip and CHOCO-SGD."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from ...graphs import Graph
from ...kernels.compression import Compressor
from ...kernels.rounds import choco
from ...problems import Averaging, Problem
from ..base.averages import Averages
from ..base.rounds import AUTO, Step
from ..base.search import lowest
from ..base.tuning import tuned
from .base import GossipSolver

_EQUAL = 1e-13  # times the largest entry: values that differ by less are equal but for rounding


@dataclass(frozen=True, eq=False)
class DifferenceGossip(GossipSolver):
    """Base of the methods that gossip compressed differences.

    Subclasses have the hyper-parameters `compressor` and `gamma`, the consensus step size.
    """

    check_compressor: bool = field(default=True, kw_only=True)

    _needs = "contractive"
    _largest: ClassVar = {"gamma": 1.0}

    def _pace(self, problem: Problem, graph: Graph, values: dict[str, float]) -> float:
        low, high = self._spectrum(graph)
        paces = [values["gamma"] * (1.0 - max(high, -low))]
        if "step" in values:
            paces.append(values["step"] * problem.strong_convexity)
        if not self._compressor.unbiased and self._compressor.contraction(problem.dim) > 0.0:
            paces.append(self._compressor.contraction(problem.dim))
        return min(paces)

    def _gossip(self, problem: Problem, graph: Graph, gamma: float, changing: bool) -> DifferenceBounds:
        """Return what a step of gossip does at worst, for a compressor that is contractive."""
        alpha = self._compressor.contraction(problem.dim)
        if not alpha > 0.0:
            raise self._uncertifiable("its theorem needs a contractive compressor")
        return DifferenceBounds.of(alpha, *self._spectrum(graph), gamma, changing=changing)

    def _tuned(self, problem: Problem, graph: Graph, values: dict[str, float], name: str) -> float:
        if name != "gamma":
            return super()._tuned(problem, graph, values, name)
        random = np.random.default_rng(0).standard_normal((problem.n_nodes, problem.dim))
        return ChocoGossip(self._compressor, mixing=self.mixing, check_compressor=False)._tuned(
            Averaging(random), graph, {}, name
        )


@dataclass(frozen=True, eq=False)
class ChocoGossip(Averages, DifferenceGossip):
    """CHOCO-Gossip: the nodes agree on the mean of their vectors, and send compressed differences.

    Runs on a `problems.Averaging`, and starts from its values. Every node publishes an estimate of its own
    vector, which its neighbours follow by compressed differences; the vectors move towards the mean of the
    neighbours' estimates. The mean of the vectors stays what it was, whatever the compressor.

    Parameters
    ----------
    compressor : Compressor
        Contractive, such as TopK(0.1) or RandK(0.1, scaled=False).
    gamma : float, "auto" or None
        Consensus step size, at most 1. "auto": tuned. None: theory's, which is safe, and orders of magnitude
        smaller than need be.
    batch_size : None
        Not to be given: no gradients are taken.
    mixing : str or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.
    check_compressor : bool
        Refuse compressors that are not contractive.

    Notes
    -----
    H <- H + C(X - H), X <- X + gamma (W - I) H, with H = 0 at first: Koloskova, Stich & Jaggi, "Decentralized
    stochastic optimization and gossip algorithms with compressed communication" (ICML 2019).

    Theory (derived). With beta = |I - W|, e = sqrt(1 - alpha) for the contraction alpha of C, and rho the
    largest |1 - gamma (1 - lambda_i(W))|, i >= 2, the root mean squares u of |X - mean| and v of |X - H| obey

        u <- rho u + gamma beta e v,    v <- gamma beta u + e (1 + gamma beta) v

    at worst, so that both shrink by the spectral radius of that matrix, which is `certified_rate`, and below
    1 for small gamma; theory's gamma has the least. It is larger than that of their theorem 2, delta^2 alpha
    / (16 delta + delta^2 + 4 beta^2 + 2 delta beta^2 - 8 delta alpha), delta = 1 - max |lambda_i|, i >= 2.

    A round sends one compressed vector from each node to each neighbour. No gradients are counted. In the
    stopping rule, the gradient x_mean - mean(v) is compared with the root mean square of |v_i|: it is zero
    but for rounding errors.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> from gossamer.kernels.compression import TopK
    >>> problem = problems.Averaging([[1.0, 0.0], [2.0, 0.0], [3.0, 6.0]])
    >>> result = solvers.ChocoGossip(TopK(1), gamma=0.4).solve(problem, graphs.path(3))
    >>> result.success, result.x.round(6).tolist()
    (True, [2.0, 2.0])
    """

    compressor: Compressor
    gamma: Step = AUTO

    _kernel = choco.choco_gossip
    _n_rows = 3

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"gamma"}."""
        return {"gamma": choco_gamma(self._compressor.contraction(problem.dim), *self._spectrum(graph))}

    def _certified(
        self, problem: Problem, graph: Graph, values: dict[str, float], changing: bool = False
    ) -> float:
        gossip = self._gossip(problem, graph, values["gamma"], changing)
        return matrix_rate(gossip.matrix())

    def _check(self, problem: Problem) -> None:
        self._to_average(problem)
        if self.batch_size is not None:
            raise ValueError("ChocoGossip takes no gradients: leave batch_size out")
        super()._check(problem)

    def _tuned(self, problem: Problem, graph: Graph, values: dict[str, float], name: str) -> float:
        start, largest = self._to_average(problem), self._largest[name]
        if problem.n_nodes == 1:
            return largest
        if 2.0 * np.abs(start / 2.0 - start[0] / 2.0).max() <= _EQUAL * np.abs(start).max():
            # nothing to do: tune it for random vectors
            return super()._tuned(problem, graph, values, name)
        return tuned(
            self, problem, graph, values, name, largest, None, exact=True, draws=self._draws(problem)
        )


@dataclass(frozen=True, eq=False)
class ChocoSGD(DifferenceGossip):
    """CHOCO-SGD: decentralised gradient descent whose nodes send compressed differences.

    With a constant step the nodes reach a neighbourhood of the minimiser, of a size proportional to the step
    where the objectives differ; with a decaying one they converge, slowly. `BEER` converges linearly.

    Parameters
    ----------
    compressor : Compressor
        Contractive, such as TopK(0.1) or RandK(0.1, scaled=False).
    step : float or "auto"
        Step size. "auto": tuned. Theory has none for a given problem.
    gamma : float, "auto" or None
        Consensus step size, at most 1; see `ChocoGossip`. "auto": tuned for the gossip of random vectors.
    step_decay : float
        The step of round t is step / (1 + step_decay t).
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. Tuned steps are then at most
        1/L(b), L(b) = `problem.expected_smoothness(b)`.
    mixing : str or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.
    check_compressor : bool
        Refuse compressors that are not contractive.

    Notes
    -----
    X <- X - step G(X), H <- H + C(X - H), X <- X + gamma (W - I) H, with H = 0 at first: Koloskova, Stich &
    Jaggi, "Decentralized stochastic optimization and gossip algorithms with compressed communication" (ICML
    2019), algorithm 2. The mean over the nodes moves by -step times the mean of the gradients, whatever the
    compressor.

    A round sends one compressed vector from each node to each neighbour.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> from gossamer.kernels.compression import TopK
    >>> problem = problems.Quadratic.random(4, 6, condition_number=3.0)
    >>> solver = solvers.ChocoSGD(TopK(3), step=1e-3, gamma=0.5)
    >>> result = solver.solve(problem, graphs.cycle(4), max_time=20_000)
    >>> bool(abs(result.x - problem.solution()).max() < 0.01)
    True
    """

    compressor: Compressor
    step: Step
    gamma: Step = AUTO
    step_decay: float = 0.0

    _kernel = choco.choco_sgd
    _n_rows = 3
    _uncertified = (
        "with a constant step it reaches a neighbourhood of the minimiser only, with a decaying one it "
        "converges, but not linearly; BEER has one"
    )

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"gamma", "step", "step_decay"}; gamma as that of `ChocoGossip`; step is NaN."""
        gamma = choco_gamma(self._compressor.contraction(problem.dim), *self._spectrum(graph))
        return {"gamma": gamma, "step": math.nan, "step_decay": 0.0}


class DifferenceBounds(NamedTuple):
    """What gossip of compressed differences does to root mean squares at worst.

    Attributes
    ----------
    mixing : float
        Factor of the distance from the mean, with exact messages.
    reach : float
        gamma |I - W|.
    error : float
        sqrt(1 - alpha): factor of what a message leaves out.
    """

    mixing: float
    reach: float
    error: float

    @classmethod
    def of(
        cls, alpha: float, low: float, high: float, gamma: float, *, changing: bool = False
    ) -> DifferenceBounds:
        """Return the bounds of a step of gossip.

        Parameters
        ----------
        alpha, gamma : float
            Contraction of the compressor, consensus step size.
        low, high : float
            Extreme eigenvalues of W on vectors of zero sum.
        changing : bool
            For any matrices with |W_k - J| at most the larger of -low and high.
        """
        error = math.sqrt(1.0 - alpha)
        if changing:
            sigma = max(high, -low)
            return cls(1.0 - gamma + gamma * sigma, gamma * (1.0 + sigma), error)
        mixing = max(abs(1.0 - gamma * (1.0 - high)), abs(1.0 - gamma * (1.0 - low)))
        return cls(mixing, gamma * (1.0 - low), error)

    def matrix(self) -> np.ndarray:
        """Return the map of |X - mean| and |X - H|, before a message, from round to round."""
        mixing, reach, error = self
        return np.array([[mixing, reach * error], [reach, error * (1.0 + reach)]])


def matrix_rate(matrix: np.ndarray) -> float:
    """Return the spectral radius of a matrix with no negative entry, rounded up; infinite if not below 1.

    Parameters
    ----------
    matrix : (k, k) array
        What bounds go to in a round.
    """
    scale = (
        4.0 * len(matrix) * np.finfo(float).eps * float(np.abs(matrix).sum())
    )  # of the eigenvalues' errors
    rate = radius(matrix) + scale
    return rate if rate < 1.0 else math.inf


def choco_gamma(alpha: float, low: float, high: float) -> float:
    """Return the gamma with the least certified rate of gossip; NaN where alpha is 0.

    Parameters
    ----------
    alpha, low, high : float
        As of `DifferenceBounds.of`.
    """
    if not alpha > 0.0:
        return math.nan
    if alpha == 1.0:
        return min(1.0, 2.0 / (2.0 - low - high))
    # beyond this the matrix, whose diagonal falls and whose rest grows with gamma, has a radius of 1 or more
    beta, error = 1.0 - low, math.sqrt(1.0 - alpha)
    delta = 1.0 - max(high, -low)
    largest = min(1.0, (1.0 - high) * (1.0 - error) / (error * beta * (beta + 1.0 - high)))
    logarithm, _ = lowest(
        lambda gamma: radius(DifferenceBounds.of(alpha, low, high, math.exp(gamma)).matrix()),
        math.log(largest * delta * 1e-3),
        math.log(largest),
        1e-5,
    )
    return math.exp(logarithm)


def radius(matrix: np.ndarray) -> float:
    """Return the spectral radius of a matrix.

    Parameters
    ----------
    matrix : (k, k) array
        Any.
    """
    return float(np.abs(np.linalg.eigvals(matrix)).max())
