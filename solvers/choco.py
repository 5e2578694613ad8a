"""Gossip and gradient descent with compressed differences: CHOCO-Gossip and CHOCO-SGD."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..graphs import Graph
from ..kernels import random
from ..kernels.compression import Compressor
from ..kernels.rounds import choco
from ..problems import Averaging, Problem
from .rounds import AUTO, GossipSolver, Step
from .state import State
from .tuning import tuned

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

    def _tuned(self, problem: Problem, graph: Graph, values: dict[str, float], name: str) -> float:
        if name != "gamma":
            return super()._tuned(problem, graph, values, name)
        random = np.random.default_rng(0).standard_normal((problem.n_nodes, problem.dim))
        return ChocoGossip(self._compressor, mixing=self.mixing, check_compressor=False)._tuned(
            Averaging(random), graph, {}, name
        )


@dataclass(frozen=True, eq=False)
class ChocoGossip(DifferenceGossip):
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
        too small.
    batch_size : None
        Not to be given: no gradients are taken.
    mixing : str or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.
    check_compressor : bool
        Refuse compressors that are not contractive.

    Notes
    -----
    H <- H + C(X - H), X <- X + gamma (W - I) H, with H = 0 at first. With delta = 1 - max |lambda_i(W)|, i >=
    2, beta = |I - W|, and alpha the contraction of C, theory's gamma is

        delta^2 alpha / (16 delta + delta^2 + 4 beta^2 + 2 delta beta^2 - 8 delta alpha),

    with which E(|X - mean|^2 + |X - H|^2) shrinks by 1 - delta^2 alpha / 82 a round: Koloskova, Stich &
    Jaggi, "Decentralized stochastic optimization and gossip algorithms with compressed communication" (ICML
    2019), theorem 2.

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

    def init(
        self, problem: Problem, graph: Graph, x0: ArrayLike | None = None, *, rng: random.Rng = 0
    ) -> State:
        """Return the state before the first round: X is the problem's values.

        Parameters
        ----------
        problem : Averaging
            With the vectors to be averaged.
        graph : Graph
            Connected, with as many nodes as the problem.
        x0 : None
            Not to be given.
        rng : None, int, SeedSequence or Generator
            Source of randomness.

        Raises
        ------
        ValueError
            An x0.
        """
        if x0 is not None:
            raise ValueError("ChocoGossip starts from the values of the problem: put x0 into Averaging(x0)")
        state = super().init(problem, graph, rng=rng)
        values = self._to_average(problem)
        with np.errstate(over="ignore"):  # infinite: the run then counts as diverged
            state.first_optimality = float(np.linalg.norm(values)) / math.sqrt(problem.n_nodes)
        return state

    def _to_average(self, problem: Problem) -> np.ndarray:
        if not isinstance(problem, Averaging):
            raise TypeError(
                f"ChocoGossip needs a problems.Averaging, got {problem!r}: on others take ChocoSGD or BEER"
            )
        return problem.values

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

    def _start(self, problem: Problem, graph: Graph, X: np.ndarray) -> dict[str, np.ndarray]:
        return super()._start(problem, graph, self._to_average(problem))


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
        Samples a gradient, drawn without replacement; None: full gradients.
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

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"gamma", "step", "step_decay"}; gamma as that of `ChocoGossip`; step is NaN."""
        gamma = choco_gamma(self._compressor.contraction(problem.dim), *self._spectrum(graph))
        return {"gamma": gamma, "step": math.nan, "step_decay": 0.0}


def choco_gamma(alpha: float, low: float, high: float) -> float:
    """Return theory's gamma for a contraction alpha and the spectrum of W; NaN where alpha is 0."""
    if not alpha > 0.0:
        return math.nan
    delta, beta = 1.0 - max(high, -low), 1.0 - low
    below = 16 * delta + delta**2 + 4 * beta**2 + 2 * delta * beta**2 - 8 * delta * alpha
    return delta**2 * alpha / below
