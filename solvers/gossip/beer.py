"""BEER: gradient tracking with compressed differences."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from ...graphs import Graph
from ...kernels.compression import Compressor
from ...kernels.rounds import beer
from ...problems import Problem
from ..base.rounds import AUTO, Step
from ..base.search import lowest
from .choco import DifferenceBounds, DifferenceGossip, choco_gamma, matrix_rate, radius


@dataclass(frozen=True, eq=False)
class BEER(DifferenceGossip):
    """BEER: gradient tracking whose nodes send compressed differences; it converges linearly.

    Every node keeps, besides its iterate, an estimate of the mean gradient. Both are gossiped as in
    `ChocoGossip`, so that with full gradients the nodes reach the minimiser itself.

    Parameters
    ----------
    compressor : Compressor
        Contractive, such as TopK(0.1) or RandK(0.1, scaled=False).
    step : float, "auto" or None
        Step size. "auto": tuned. None: theory's, which is safe, and orders of magnitude smaller than need be.
    gamma : float, "auto" or None
        Consensus step size, at most 1. "auto": tuned. None: theory's, as for the step.
    batch_size : int, optional
        Samples b a gradient, drawn without replacement; None: full gradients. Tuned steps are then at most
        1/L(b), L(b) = `problem.expected_smoothness(b)`.
    mixing : str or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.
    check_compressor : bool
        Refuse compressors that are not contractive.

    Notes
    -----
    X+ = X + gamma (W - I) H - step V, H+ = H + C(X+ - H), V+ = V + gamma (W - I) G + grad(X+) - grad(X), G+ =
    G + C(V+ - G), with V = grad(X) and H = G = 0 at first: Zhao, Li, Li, Richtarik & Chi, "BEER: fast O(1/T)
    rate for decentralized nonconvex optimization with communication compression" (NeurIPS 2022), where gamma
    is of the order of delta alpha, and step of gamma delta^2 / L, up to constants. The mean of V is the mean
    gradient at all times, whatever the compressor.

    Theory for mu > 0 (derived). With rho, beta and e as in `ChocoGossip`, a step up to 2 / (L + mu), and root
    mean squares a of x_mean - x*, u of X - mean, h of X - H, w of V - mean, k of V - G, a round leads at most
    to

        a <- (1 - step mu) a + step L u,      u <- rho u + gamma beta h + step w,    h <- e (h + D),
        w <- rho w + gamma beta k + L D,      k <- e (k + gamma beta (w + k) + L D)

    with D = gamma beta (u + h) + step (w + L (a + u)) >= |X+ - X|. All shrink by the spectral radius of that
    matrix, which is `certified_rate`, and below 1 for small gamma and step; theory's have the least.

    A round sends two compressed vectors from each node to each neighbour, in one exchange. Gradients: one a
    node and round, and one more at the start.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> from gossamer.kernels.compression import TopK
    >>> problem = problems.Quadratic.random(4, 6, condition_number=3.0)
    >>> result = solvers.BEER(TopK(3), step=0.1, gamma=0.4).solve(problem, graphs.cycle(4))
    >>> result.success, bool(abs(result.x - problem.solution()).max() < 1e-7)
    (True, True)
    """

    compressor: Compressor
    step: Step = AUTO
    gamma: Step = AUTO

    _kernel = beer.beer
    _n_rows = 7
    _exact = True

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"gamma", "step"}; NaN without strong convexity or a contractive compressor."""
        spectrum = self._spectrum(graph)  # raises where there is no gap
        alpha, mu = self._compressor.contraction(problem.dim), problem.strong_convexity
        L = self._smoothness(problem)
        if not (alpha > 0.0 and mu > 0.0):
            return {"gamma": math.nan, "step": math.nan}
        gamma, step = _best(alpha, *spectrum, max(L / mu, 1.0))
        return {"gamma": gamma, "step": step / L}

    def _certified(
        self, problem: Problem, graph: Graph, values: dict[str, float], changing: bool = False
    ) -> float:
        self._assume(problem, changing=False)
        L = problem.smoothness
        kappa, step = max(L / problem.strong_convexity, 1.0), values["step"] * L
        gossip = self._gossip(problem, graph, values["gamma"], changing)
        return matrix_rate(_matrix(gossip, kappa, step))


def _matrix(gossip: DifferenceBounds, kappa: float, step: float) -> np.ndarray:
    """Return the matrix of the notes of `BEER`, for a, u, h, w / L, k / L and a step in units of 1/L."""
    mixing, reach, error = gossip
    descent = max(1.0 - step / kappa, step - 1.0)
    moved = np.array([step, reach + step, reach, step, 0.0])
    return np.array(
        [
            [descent, step, 0.0, 0.0, 0.0],
            [0.0, mixing, reach, step, 0.0],
            error * (moved + [0.0, 0.0, 1.0, 0.0, 0.0]),
            moved + [0.0, 0.0, 0.0, mixing, reach],
            error * (moved + [0.0, 0.0, 0.0, reach, 1.0 + reach]),
        ]
    )


@functools.lru_cache(256)
def _best(alpha: float, low: float, high: float, kappa: float) -> tuple[float, float]:
    """Return gamma, and the step in units of 1/L, with the least certified rate."""

    def of_gamma(gamma: float) -> tuple[float, float]:
        """Return the logarithm of the best step for a gamma, and its rate."""
        gossip = DifferenceBounds.of(alpha, low, high, gamma)
        return lowest(
            lambda step: radius(_matrix(gossip, kappa, math.exp(step))), math.log(gamma * 1e-12), 0.0, 1e-3
        )

    most = choco_gamma(alpha, low, high)
    logarithm, _ = lowest(
        lambda gamma: of_gamma(math.exp(gamma))[1],
        math.log(most * 1e-4),
        math.log(min(2.0 * most, 1.0)),
        1e-3,
    )
    gamma = math.exp(logarithm)
    return gamma, math.exp(of_gamma(gamma)[0])
