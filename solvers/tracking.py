"""Gradient tracking."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from ..graphs import Graph
from ..kernels._jit import LazyKernel
from ..kernels.rounds import exact
from ..problems import Problem
from .rounds import GossipSolver, Step


@dataclass(frozen=True, eq=False)
class GradientTracking(GossipSolver):
    """Gradient descent in which each node also tracks the mean of all gradients; exact.

    Parameters
    ----------
    step : float, "auto" or None
        Step size. None: the one with the best certified rate, which is small: see `rate`. "auto": tuned,
        often larger by an order of magnitude.
    adapt_then_combine : bool
        Mix after the step (ATC) instead of before it (DIGing). It allows larger steps.
    batch_size : int, optional
        Samples a gradient, drawn without replacement; None: full gradients. With mini-batches the nodes reach
        a noise floor.
    mixing : str, Mixer or (n, n) array_like
        Mixing matrix W, or its kind in `graphs.mixing_matrix`.

    Notes
    -----
    With G(X)_i = grad f_i(x_i) and Y = G(X) at first, a round is

        X+ = W (X - step Y),   Y+ = W (Y + G(X+) - G(X))        adapt then combine
        X+ = W X - step Y,     Y+ = W Y + G(X+) - G(X)          otherwise

    The mean of Y is that of G(X) at all times. Xu, Zhu, Soh & Xie, "Augmented distributed gradient methods
    for multi-agent optimization under uncoordinated constant stepsizes" (CDC 2015); Nedic, Olshevsky & Shi,
    "Achieving geometric convergence for distributed optimization over time-varying graphs" (SIAM Journal on
    Optimization 2017); Qu & Li, "Harnessing smoothness to accelerate distributed optimization" (IEEE
    Transactions on Control of Network Systems 2018).

    A round sends 2 d numbers of 64 bits from each node to each neighbour: in two exchanges where it adapts
    first, since Y's needs the new gradient, in one otherwise.

    Examples
    --------
    >>> from gossamer import graphs, problems, solvers
    >>> problem = problems.Quadratic.random(8, 5, condition_number=10.0)
    >>> result = solvers.GradientTracking(step="auto").solve(problem, graphs.cycle(8), tol=1e-10)
    >>> result.success, bool(abs(result.x - problem.solution()).max() < 1e-8)
    (True, True)
    """

    step: Step = None
    adapt_then_combine: bool = True

    _n_rows = 3
    _exact = True

    @property
    def _kernel(self) -> LazyKernel:  # type: ignore[override]
        return exact.tracking_atc if self.adapt_then_combine else exact.tracking

    def _check(self, problem: Problem) -> None:
        super()._check(problem)
        if not isinstance(self.adapt_then_combine, bool):
            raise TypeError(f"adapt_then_combine must be True or False, got {self.adapt_then_combine!r}")

    def theory(self, problem: Problem, graph: Graph) -> dict[str, float]:
        """Return {"step"}: the one for which `rate` is least, NaN without strong convexity."""
        L = self._smoothness(problem)
        return {"step": _best_step(*self._terms(problem, graph, L)) / L}

    def rate(self, problem: Problem, graph: Graph) -> float:
        """Return a factor that the errors fall by each round, at least; 1 and more promise nothing.

        Parameters
        ----------
        problem, graph
            As in `solve`.

        Returns
        -------
        float
            Spectral radius of the matrix M below.

        Notes
        -----
        Derived, along the lines of Qu & Li. The errors are those of consensus |X - X_mean|, of tracking
        |Y - Y_mean| / L, and of the mean sqrt(n) |x_mean - x*|. With s = |W - J|, the largest modulus of W's
        eigenvalues on vectors of zero sum, v = 1 - lambda_min(W), a = step L, and
        c = max(1 - step mu, step L - 1), a round multiplies them at most by

            M = [ s         s a           0   ]           [ s      a      0 ]
                [ s (v + a) s (1 + s a)   s a ]    or     [ v + a  s + a  a ]
                [ a         0             c   ]           [ a      0      c ]

        (left: adapt then combine), entry by entry, since |G(X+) - G(X)| <= L |X+ - X| and
        sqrt(n) |y_mean| <= L (|X - X_mean| + sqrt(n) |x_mean - x*|). All three fall linearly if M's spectral
        radius is below 1.
        """
        return self._rate(problem, graph, self.parameters(problem, graph)["step"])

    def _rate(self, problem: Problem, graph: Graph, step: float) -> float:
        L = problem.smoothness
        return float(_radius(np.array([step * L]), *self._terms(problem, graph, L))[0])

    def _terms(self, problem: Problem, graph: Graph, L: float) -> tuple[float, float, float, bool]:
        low, high = self._spectrum(graph)
        curvature = problem.strong_convexity / L
        return max(high, -low), 1.0 - low, curvature, bool(self.adapt_then_combine)

    def _pace(self, problem: Problem, graph: Graph, values: dict[str, float]) -> float:
        certified = 1.0 - self._rate(problem, graph, values["step"])
        return certified if certified > 0.0 else super()._pace(problem, graph, values)


def recursion(a: np.ndarray, s: float, v: float, curvature: float, adapt_then_combine: bool) -> np.ndarray:
    """Return M of `GradientTracking.rate` for all of the steps a / L, (k, 3, 3); curvature = mu / L."""
    zero, one = np.zeros(a.shape), np.ones(a.shape)
    c = np.maximum(1.0 - curvature * a, a - 1.0)
    if adapt_then_combine:
        rows = [[s * one, s * a, zero], [s * (v + a), s * (1.0 + s * a), s * a], [a, zero, c]]
    else:
        rows = [[s * one, a, zero], [v + a, s + a, a], [a, zero, c]]
    return np.moveaxis(np.array(rows), -1, 0)


def _radius(a: np.ndarray, s: float, v: float, curvature: float, adapt_then_combine: bool) -> np.ndarray:
    return np.abs(np.linalg.eigvals(recursion(a, s, v, curvature, adapt_then_combine))).max(axis=1)


@functools.lru_cache(maxsize=1024)
def _best_step(s: float, v: float, curvature: float, adapt_then_combine: bool) -> float:
    """Return the a with the least spectral radius; it is of the order of the two limits below, or larger."""
    if curvature <= 0.0:
        return math.nan
    low, high = 0.01 * min((1.0 - s) ** 2, (1.0 - s) * math.sqrt(curvature)), 2.0
    best = high
    for _ in range(3):
        grid = np.geomspace(low, high, 100)
        place = int(np.argmin(_radius(grid, s, v, curvature, adapt_then_combine)))
        low, best, high = grid[max(place - 1, 0)], grid[place], grid[min(place + 1, len(grid) - 1)]
    return float(best)
