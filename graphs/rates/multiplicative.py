"""Multiplicative updates, finished by an interior point Newton method: resistance criteria at any size.

* Largest resistance: ``min_w max_e R_e`` at sum one is n - 1 on every connected graph, attained by the
  rates of largest log det L(w) (Kiefer & Wolfowitz 1960, as G- and D-optimal designs). The update ``w_e <-
  w_e R_e / (n - 1)`` raises log det L(w) and keeps the sum (Foster).
* Total resistance (A-optimal design): with ``d_e = b_e' (L^+)^2 b_e`` the trace ``g = tr L^+ = sum_e w_e
  d_e`` falls under ``w_e <- w_e sqrt(d_e)``, scaled to sum one. The problem is convex (Ghosh, Boyd &
  Saberi, SIAM Review 2008).

Both end in a linear tail. So after a few updates the convex problem ``min F(w) + sum w, w >= 0`` with ``F =
-log det L / (n - 1)`` or ``F = tr L^+ / g0`` is solved by a primal-dual interior point method. Products
with its Hessian are derivatives of selected inverses, and few conjugate gradient steps suffice: scaled by
the rates, the Hessian of the first is a stochastic matrix with the leverages ``w_e R_e`` on its diagonal
(derived).
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ..deadline import OutOfTime, require_time
from ..graph import Graph
from .duals import Proposal
from .edges import EdgeSpace, conjugate_gradients, largest_step
from .limits import Limits

__all__ = ["propose", "resistance_design", "size_limit"]

Array = NDArray[np.float64]

_UPDATES = 10
_STEPS = 60


def size_limit(graph: Graph, criterion: str, *, practical: bool) -> str:
    """No limit but the fill of a sparse factor."""
    return ""


def propose(
    graph: Graph, criterion: str, attempt: int, tol: float, deadline: float, limits: Limits
) -> Proposal:
    """Optimise ``"max_resistance"`` at equal costs, or ``"total_resistance"``; no dual object is needed."""
    space, costs = EdgeSpace(graph, deadline), limits.costs / limits.costs.mean()
    if criterion == "max_resistance":
        return Proposal(_optimise(space, _Largest, tol), None, None)
    found = _optimise(space, lambda *point: _Priced(costs, *point), tol)
    return Proposal(found / costs, None, None)


def resistance_design(space: EdgeSpace, tol: float) -> Array:
    """Rates of sum one with ``max_e R_e <= (1 + tol) (n - 1)``, or the best until the deadline."""
    return _optimise(space, _Largest, tol)


class _Largest:
    """``F = -log det L(w) / (n - 1)``, whose gradient is ``-R / (n - 1)``."""

    exponent = 1.0

    def __init__(self, space: EdgeSpace, w: Array, scale: float):
        self.space, self.inverse = space, space.grounded(w)
        self.fall = space.at_edges(self.inverse) / (space.n - 1)
        self.curvature = (space.n - 1) * self.fall**2  # diagonal of the Hessian

    def product(self, v: Array) -> Array:
        return self.space.squares(self.inverse, v) / (self.space.n - 1)


class _Total:
    """``F = tr L^+ / g0``, whose gradient is ``-d / g0``, with the scale g0."""

    exponent = 0.5

    def __init__(self, space: EdgeSpace, w: Array, scale: float):
        self.space, self.scale, self.inverse = space, scale, space.grounded(w)
        n, m = space.n, space.m
        require_time(space.deadline)
        self.along = self.inverse.derivative(np.ones(n), np.zeros(m))
        self.potential = self.inverse.solve(np.ones(n))
        self.drop = self.potential[space.i] - self.potential[space.j]
        d = -space.at_edges(self.along) - self.drop**2 / n
        self.fall = d / scale
        self.curvature = 2.0 * space.at_edges(self.inverse) * self.fall
        self._incidence = space.divergences()

    def product(self, v: Array) -> Array:
        space = self.space
        require_time(space.deadline)
        _, *mixed = self.inverse.second_derivative(self.along, *space.laplacian(v))
        flow = self.inverse.solve(self._incidence @ (v * self.drop))
        out = space.between(*mixed) - 2.0 / space.n * self.drop * (flow[space.i] - flow[space.j])
        return out / self.scale


class _Priced(_Total):
    """F of what the edges are paid, ``c_e w_e``: design points ``b_e / sqrt(c_e)``."""

    def __init__(self, costs: Array, space: EdgeSpace, paid: Array, scale: float):
        super().__init__(space, paid / costs, scale)
        self.costs = costs
        self.fall, self.curvature = self.fall / costs, self.curvature / costs**2

    def product(self, v: Array) -> Array:
        return super().product(v / self.costs) / self.costs


def _optimise(space: EdgeSpace, problem: Callable[..., _Largest | _Total], tol: float) -> Array:
    """Best rates of sum one that :func:`_improvements` finds in time; equal ones if it finds none."""
    best, least = np.full(space.m, 1.0 / space.m), np.inf
    try:
        for w, excess in _improvements(space, problem, tol):
            if excess < least:
                best, least = w / w.sum(), excess
            if least <= 1.0 + tol:
                break
    except OutOfTime:
        pass  # what has been found stands
    return best


def _improvements(
    space: EdgeSpace, problem: Callable[..., _Largest | _Total], tol: float
) -> Iterator[tuple[Array, float]]:
    """Rates, and how far above the bound they are: 1 at the optimum."""
    m = space.m
    w = np.full(m, 1.0 / m)
    for _ in range(_UPDATES):
        state = problem(space, w, 1.0)
        fall = state.fall
        yield w, fall.max() / (w @ fall)
        w = w * (fall / fall.max()) ** state.exponent
        w /= w.sum()
    state = problem(space, w, 1.0)
    scale = float(w @ state.fall)  # so that the sum of the optimal rates is near one
    w = np.maximum(w, 1e-3 / m)
    state = problem(space, w, scale)
    q = np.maximum(1.0 - state.fall, 0.05)
    for step in range(_STEPS):
        excess = state.fall.max() * w.sum() / (w @ state.fall)
        yield w, excess
        gap = excess - 1.0
        product = float(q @ w)
        mu = product / m * (0.1 * min(1.0, np.sqrt(product)) if step else 0.1)
        stiffness = q / w
        diagonal = state.curvature + stiffness

        dw, _ = conjugate_gradients(
            lambda v, at=state, k=stiffness: at.product(v) + k * v,
            -1.0 + state.fall + mu / w,
            lambda r, d=diagonal: r / d,
            0.1 * min(gap, product, 0.1),
            200,
            space.deadline,
        )
        dq = mu / w - q - stiffness * dw
        a, b = (min(1.0, 0.95 * largest_step(x, dx)) for x, dx in ((w, dw), (q, dq)))
        w, q = w + a * dw, q + b * dq
        state = problem(space, w, scale)
