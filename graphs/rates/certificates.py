"""Bounds on the best possible rates, recomputed from the rates and a dual object, without any solver.

Notation: edge vectors ``b_e = e_i - e_j``, Laplacian ``L(w) = sum_e w_e b_e b_e'``, total rate
``W = sum_e w_e``, effective resistances ``R_e = b_e' L(w)^+ b_e``. A dual object is a matrix ``X``,
positive semidefinite, centred (``X 1 = 0``) and of trace one, given by a factor ``X = Y Y'``, so that it
has these properties by construction; for the communication criterion also a probability ``p`` over the
edges and a number ``t > 0``. Every bound below holds for *any* such object, however it was found.

* Algebraic connectivity (dual of the fastest mixing process: Sun, Boyd, Xiao & Diaconis, SIAM Review 2006):
  ``lambda_2(w) <= <X, L(w)> = sum_e w_e x_e <= W max_e x_e`` with ``x_e = b_e' X b_e``.
* Communication (derived): the least total rate is ``1 / max f`` over rates of sum one, with ``f =
  sqrt(lambda_2 min_e 1/R_e)``. By Dirichlet's principle ``1/R_e(w) <= v_e' L(w) v_e`` for any potentials v_e
  with ``b_e' v_e = 1``, here ``v_e = L(w0)^+ b_e / R_e(w0)`` at any rates w0. So ``1/max_e R_e <= sum_a w_a
  y_a`` with ``y_a = sum_e p_e T_ae^2 / R_e^2``, ``T_ae = b_a' L(w0)^+ b_e``, whatever the rounding errors of
  v_e. The inequality of the two means gives ``f <= max_a (t x_a + y_a / t) / 2`` for every t > 0.
* Communication, simple: Foster's theorem ``sum_e w_e R_e = n - 1`` gives ``max_e R_e >= (n - 1) / W``, so
  the least total rate is at least ``sqrt((n - 1) / max_e x_e)``.
* Largest resistance: the same theorem; no dual object, and the bound is attained on every graph.
* Total resistance (Kirchhoff index ``n tr L^+``): with ``d_e = b_e' (L^+)^2 b_e`` and ``g = tr L^+``,
  convexity along the multiples of the rates gives ``tr L(v)^+ >= g^2 / max_e d_e`` for all rates v of sum
  one; no dual object.
* Edge costs c, upper bounds and node budgets: every bound above comes from a linear function ``z'w`` over
  the rates of sum one. Its largest value over the rates of cost ``c'w <= 1`` within the bounds takes the
  place of ``max_e z_e``, and for the communication criterion the least ``c'w`` with ``z'w >= 1`` that of
  ``1 / max_e z_e``; both are bounded by duality, with prices of the node budgets (:class:`.limits.Limits`).
  With costs the largest resistance is no longer known beforehand: ``min_e 1/R_e <= sum_a w_a y_a`` bounds it.

On graphs of more than :data:`~gossamer.graphs.spectra.PSEUDO_INVERSE_LIMIT` nodes, where lambda_2 is
computed by an iteration that finds it from above, the value used is proven (`.connectivity`). On graphs of
more than :data:`~gossamer.graphs.rates.duals.EXACT_EDGES` edges the y_a, and where the pseudo-inverse would
be too much work the d_e, are derivatives of a selected inverse with an allowance for rounding.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import checks
from ...kernels.blas import one_blas_thread
from ...kernels.sparse import factor_laplacian
from ..graph import Graph
from ..spectra import (
    algebraic_connectivity,
    connecting_rates,
    effective_resistances,
)
from .connectivity import proven_connectivity
from .duals import (
    Certificate,
    best_balance,
    best_prices,
    communication_bound,
    curved,
    factor_of,
    probability,
    spread,
    tighten,
    tighten_resistance,
    tighten_spread,
)
from .limits import Limits

__all__ = [
    "CRITERIA",
    "Bounds",
    "communication_cost",
    "communication_lower_bound",
    "verify_rates",
]

Array = NDArray[np.float64]

_EXACT_WORK = 500_000_000  # operations up to which the pseudo-inverse is computed, column by column
_BLOCK = 32  # columns at once


class Bounds(NamedTuple):
    """Bounds on an optimal value: ``lower <= optimum <= upper``; for rates ``gap = upper / lower - 1``."""

    lower: float
    upper: float
    gap: float


def verify_rates(
    graph: Graph,
    rates: ArrayLike,
    certificate: Certificate,
    *,
    edge_costs: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    node_budget: ArrayLike | None = None,
) -> Bounds:
    """Recompute the bounds that rates and a certificate prove, without any solver.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    rates : (m,) array_like
        Finite, non-negative, connecting the graph. Their scale does not matter.
    certificate : Certificate
        Any dual object; a bad one proves a weaker bound, never a false one.
    edge_costs, upper, node_budget : array_like, optional
        The problem's, as in :func:`gossip_rates`.

    Returns
    -------
    Bounds
        For ``"communication"``, bounds on the least cost of rates with ``chi1 * chi2 <= 1/2``; for
        ``"algebraic_connectivity"``, on the largest lambda_2 of rates of cost one; for ``"max_resistance"``
        and ``"total_resistance"``, on the least largest resistance and the least Kirchhoff index of such
        rates; all within the bounds of the rates, if any. True up to rounding. The upper bound of the
        communication cost is infinite where the rates, scaled to ``chi1 * chi2 = 1/2``, exceed a bound.

    Raises
    ------
    TypeError, ValueError
        If the rates or the dual object are malformed, or the rates do not connect the graph.
    """
    w, _ = connecting_rates(graph, rates, "verify_rates")
    if not isinstance(certificate, Certificate):
        raise TypeError(f"certificate must be a Certificate, got {type(certificate).__name__}")
    limits = Limits(graph, edge_costs, upper, node_budget)
    l2, resistances = proven_connectivity(graph, w), effective_resistances(graph, w)
    with one_blas_thread():
        return bounds_of(graph, w, l2, resistances, certificate, limits)


def bounds_of(
    graph: Graph, w: Array, l2: float, resistances: Array, certificate: Certificate, limits: Limits
) -> Bounds:
    """As :func:`verify_rates`, for rates whose lambda_2 and resistances are already at hand."""
    if certificate.criterion not in CRITERIA:
        raise ValueError(f"certificate.criterion {certificate.criterion!r} has no bounds")
    with np.errstate(all="ignore"):  # what is not finite proves nothing
        lower, upper = CRITERIA[certificate.criterion].bounds(graph, w, l2, resistances, certificate, limits)
    # bounds that contradict each other by more than rounding are no proof either
    proven = 0 < lower < np.inf and lower <= upper * (1.0 + 1e-6) < np.inf
    return Bounds(lower, upper, max(0.0, upper / lower - 1.0) if proven else np.inf)


def communication_cost(graph: Graph, rates: ArrayLike) -> float:
    """Total rate after scaling the rates to ``chi1 * chi2 = 1/2``.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    rates : (m,) array_like
        Finite, non-negative, connecting the graph.

    Returns
    -------
    float
        ``sqrt(2 chi1 chi2) * sum(rates)``, the same for all multiples of the rates.
    """
    w, _ = connecting_rates(graph, rates, "communication_cost")
    largest = effective_resistances(graph, w).max()
    return float(np.sqrt(largest / algebraic_connectivity(graph, w)) * w.sum())


def communication_lower_bound(
    graph: Graph, rates: ArrayLike, Y: ArrayLike, p: ArrayLike | None = None, t: float | None = None
) -> float:
    """Lower bound on the total rate of any rates with ``chi1 * chi2 <= 1/2`` on the graph.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    rates : (m,) array_like
        The rates w0 at which the second term is built; any connecting rates are valid.
    Y : (n, k) array_like
        Factor of the dual matrix.
    p : (m,) array_like, optional
        Non-negative edge weights; without them only the simple bound is used.
    t : float, optional
        Positive balance; by default the best one.

    Returns
    -------
    float
        The larger of the two bounds of the module docstring.
    """
    weights = None if p is None else np.asarray(p)
    with np.errstate(all="ignore"):  # what is not finite proves nothing
        return _least_cost(Limits(graph), rates, Certificate("communication", np.asarray(Y), weights, t))


# ---------------------------------------------------------------------- the table of criteria


class Criterion(NamedTuple):
    """What can be optimised."""

    minimise: bool  # the rates attain the upper bound of the optimum; otherwise the lower one
    bounds: Callable[[Graph, Array, float, Array, Certificate, Limits], tuple[float, float]]
    certify: Callable[[Graph, Array, Array | None, Array | None, Limits], Certificate]  # from rates, Y and p


def _least_cost(limits: Limits, reference: ArrayLike, certificate: Certificate) -> float:
    """Lower bound on the cost of any rates within the bounds with ``chi1 * chi2 <= 1/2``."""
    graph, c = limits.graph, limits.costs
    x = spread(graph, factor_of(certificate))
    # Foster's theorem is about the sum of the rates, which is at most their cost over the least cost
    simple = float(np.sqrt((graph.n_nodes - 1) * c.min() / np.max(x / c)))
    if certificate.p is None:
        return simple
    with one_blas_thread():
        y = curved(graph, reference, probability(graph, certificate.p))
    t = certificate.t
    t = best_balance(x / c, y / c) if t is None else checks.real("t", t, above=0.0)
    return max(simple, communication_bound(limits, x, y, t, certificate.node_prices))


def _communication_bounds(
    graph: Graph, w: Array, l2: float, resistances: Array, certificate: Certificate, limits: Limits
) -> tuple[float, float]:
    reference = w if certificate.reference is None else certificate.reference
    lower = _least_cost(limits, reference, certificate)
    if not l2 > 0:
        return lower, np.inf
    scale = float(np.sqrt(resistances.max() / l2))  # to chi1 * chi2 = 1/2
    return lower, scale * limits.cost(w) if limits.allow(scale * w) else np.inf


def _connectivity_bounds(
    graph: Graph, w: Array, l2: float, resistances: Array, certificate: Certificate, limits: Limits
) -> tuple[float, float]:
    x = spread(graph, factor_of(certificate))
    return float(l2 * limits.fit(w)), limits.highest(x, certificate.node_prices)


def _resistance_bounds(
    graph: Graph, w: Array, l2: float, resistances: Array, certificate: Certificate, limits: Limits
) -> tuple[float, float]:
    prices = certificate.node_prices
    least = (graph.n_nodes - 1) / limits.highest(np.ones(graph.n_edges), prices)
    if certificate.p is not None:
        reference = w if certificate.reference is None else certificate.reference
        y = curved(graph, reference, probability(graph, certificate.p))
        least = max(least, 1.0 / limits.highest(y, prices))
    return least, max(least, float(resistances.max() / limits.fit(w)))


def _kirchhoff_bounds(
    graph: Graph, w: Array, l2: float, resistances: Array, certificate: Certificate, limits: Limits
) -> tuple[float, float]:
    w = limits.fit(w) * w
    d, rounding = _squares(graph, w)
    g, error = float(w @ d), 0.1 * rounding * float(w.sum())
    if not error < g:
        return 0.0, np.inf
    least = (g - error) ** 2 / max(g - error, limits.highest(d + rounding, certificate.node_prices))
    return graph.n_nodes * least, graph.n_nodes * (g + error)


def _kirchhoff_certificate(
    graph: Graph, rates: Array, Y: Array | None, p: Array | None, limits: Limits
) -> Certificate:
    if not np.isfinite(limits.nodes).any():
        return Certificate("total_resistance")
    return Certificate(
        "total_resistance", node_prices=best_prices(limits, _squares(graph, limits.fit(rates) * rates)[0])
    )


def _squares(graph: Graph, w: Array) -> tuple[Array, float]:
    """Return ``b_e' (L^+)^2 b_e``, and by how much one may be too small."""
    n, i, j = graph.n_nodes, *graph.edges.T
    factor = factor_laplacian(n, graph.edges, w)
    if n * (len(factor.indices) + graph.n_edges) > _EXACT_WORK:
        from .edges import EdgeSpace

        return EdgeSpace(graph).spreads(w)
    d = np.zeros(graph.n_edges)
    for k in range(0, n, _BLOCK):
        unit = np.eye(n, min(_BLOCK, n - k), -k) - 1.0 / n
        columns = factor.solve(unit)  # of the pseudo-inverse, but for constants
        d += np.sum((columns[i] - columns[j]) ** 2, axis=1)
    return d, 0.0


CRITERIA = {
    "communication": Criterion(True, _communication_bounds, tighten),
    "algebraic_connectivity": Criterion(False, _connectivity_bounds, tighten_spread),
    "max_resistance": Criterion(True, _resistance_bounds, tighten_resistance),
    "total_resistance": Criterion(True, _kirchhoff_bounds, _kirchhoff_certificate),
}
