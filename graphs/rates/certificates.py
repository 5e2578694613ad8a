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
* Total resistance (Kirchhoff index ``n tr L^+``): with ``d_e = b_e' (L^+)^2 b_e`` and ``g = tr L^+`` at any
  rates, ``tr L(v)^+ >= g^2 / max_e d_e`` for all rates v of sum one; no dual object. That holds with any
  matrix in the place of the pseudo-inverse (`.traces`), whatever its rounding errors.
* Edge costs c, upper bounds and node budgets: every bound above comes from a linear function ``z'w`` over
  the rates of sum one. Its largest value over the rates of cost ``c'w <= 1`` within the bounds takes the
  place of ``max_e z_e``, and for the communication criterion the least ``c'w`` with ``z'w >= 1`` that of
  ``1 / max_e z_e``; both are bounded by duality, with prices of the node budgets (:class:`.limits.Limits`).
  With costs the largest resistance is no longer known beforehand: ``min_e 1/R_e <= sum_a w_a y_a`` bounds it.

All of it holds in floating point too: lambda_2 is proven, and the resistances are raised by what rounding
may have taken (`.connectivity`); what is summed is rounded outwards by a bound of the errors of the sums. So
each bound is true in exact arithmetic, of the numbers given; overflow and cancellation make it loose, as far
as zero and infinity. (Assumed of LAPACK: eigenvalues of a symmetric matrix up to ``4 n eps`` of its norm.)
On graphs of more than :data:`~gossamer.graphs.rates.duals.EXACT_EDGES` edges the y_a, and where the
pseudo-inverse would be too much work the d_e, are secants of resistances, which are convex in the rates, in
the place of derivatives.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import checks
from ...kernels.blas import one_blas_thread
from ..graph import Graph
from ..spectra import (
    algebraic_connectivity,
    connecting_rates,
    effective_resistances,
)
from .connectivity import proven_connectivity, proven_resistances
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
from .limits import Limits, outwards
from .traces import traces

__all__ = [
    "CRITERIA",
    "Bounds",
    "communication_cost",
    "communication_lower_bound",
    "verify_rates",
]

Array = NDArray[np.float64]


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
        rates; all within the bounds of the rates, if any. The optimum of the numbers given, in exact
        arithmetic, lies between the two: rounding errors are bounded, and the bounds moved outwards by them
        (1e-14 of the value on small graphs, up to 1e-8 where elimination fills thousands of rows). Rates
        over many magnitudes make them loose, never false: zero and infinity, with an infinite gap, at
        worst; never NaN. The upper bound of the communication cost is infinite where the rates, scaled to
        ``chi1 * chi2 = 1/2``, exceed a bound of the rates by more than 1e-9 of it.

    Raises
    ------
    TypeError, ValueError
        If the rates or the dual object are malformed, or the rates do not connect the graph, or one is
        positive and below 1e-290, or 1e-290 times the mean (the inverse might overflow).
    MemoryError
        As :func:`~gossamer.graphs.algebraic_connectivity`.
    """
    w, _ = connecting_rates(graph, rates, "verify_rates")
    if not isinstance(certificate, Certificate):
        raise TypeError(f"certificate must be a Certificate, got {type(certificate).__name__}")
    limits = Limits(graph, edge_costs, upper, node_budget)
    with one_blas_thread():
        l2, (_, largest) = proven_connectivity(graph, w), proven_resistances(graph, w)
        return bounds_of(graph, w, l2, largest, certificate, limits)


def bounds_of(
    graph: Graph,
    w: Array,
    l2: float,
    largest: float,
    certificate: Certificate,
    limits: Limits,
    patience: float = np.inf,
) -> Bounds:
    """As :func:`verify_rates`, for rates of which bounds of lambda_2 and the largest resistance are known.

    A proof that would take more than `patience` seconds gives way to a quicker one, of looser bounds.
    """
    if certificate.criterion not in CRITERIA:
        raise ValueError(f"certificate.criterion {certificate.criterion!r} has no bounds")
    with np.errstate(all="ignore"):  # what is not finite proves nothing
        prove = CRITERIA[certificate.criterion].bounds
        lower, upper = prove(graph, w, l2, largest, certificate, limits, patience)
    lower, upper = lower if lower >= 0 else 0.0, upper if upper >= 0 else np.inf  # NaN proves nothing
    return Bounds(lower, upper, upper / lower - 1.0 if 0 < lower <= upper < np.inf else np.inf)


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
    bounds: Callable[[Graph, Array, float, float, Certificate, Limits, float], tuple[float, float]]
    certify: Callable[[Graph, Array, Array | None, Array | None, Limits], Certificate]  # from rates, Y and p


def _least_cost(limits: Limits, reference: ArrayLike, certificate: Certificate) -> float:
    """Lower bound on the cost of any rates within the bounds with ``chi1 * chi2 <= 1/2``."""
    graph, c = limits.graph, limits.costs
    x = spread(graph, factor_of(certificate))
    # Foster's theorem is about the sum of the rates, which is at most their cost over the least cost
    simple = float(np.sqrt((graph.n_nodes - 1) * c.min() / np.max(x / c))) / outwards(4)
    if certificate.p is None:
        return simple
    with one_blas_thread():
        y = curved(graph, reference, probability(graph, certificate.p))
    t = certificate.t
    t = best_balance(x / c, y / c) if t is None else checks.real("t", t, above=0.0)
    return max(simple, communication_bound(limits, x, y, t, certificate.node_prices))


def _communication_bounds(
    graph: Graph,
    w: Array,
    l2: float,
    largest: float,
    certificate: Certificate,
    limits: Limits,
    patience: float,
) -> tuple[float, float]:
    reference = w if certificate.reference is None else certificate.reference
    lower = _least_cost(limits, reference, certificate)
    if not l2 > 0:
        return lower, np.inf
    scale = float(np.sqrt(largest / l2)) * outwards(4)  # to chi1 * chi2 = 1/2
    if not limits.allow(scale * w):
        return lower, np.inf
    upper = scale * limits.most_cost(w)
    # rates that exceed a bound by rounding may cost less than any within all of them
    return min(lower, upper) if limits.has_bounds else lower, upper


def _connectivity_bounds(
    graph: Graph,
    w: Array,
    l2: float,
    largest: float,
    certificate: Certificate,
    limits: Limits,
    patience: float,
) -> tuple[float, float]:
    x = spread(graph, factor_of(certificate))
    return l2 * limits.least_fit(w) / outwards(1), limits.highest(x, certificate.node_prices)


def _resistance_bounds(
    graph: Graph,
    w: Array,
    l2: float,
    largest: float,
    certificate: Certificate,
    limits: Limits,
    patience: float,
) -> tuple[float, float]:
    prices = certificate.node_prices
    least = (graph.n_nodes - 1) / limits.highest(np.ones(graph.n_edges), prices)
    if certificate.p is not None:
        reference = w if certificate.reference is None else certificate.reference
        y = curved(graph, reference, probability(graph, certificate.p))
        least = max(least, 1.0 / limits.highest(y, prices))
    return least / outwards(1), largest / limits.least_fit(w) * outwards(1)


def _kirchhoff_bounds(
    graph: Graph,
    w: Array,
    l2: float,
    largest: float,
    certificate: Certificate,
    limits: Limits,
    patience: float,
) -> tuple[float, float]:
    n, found = graph.n_nodes, traces(graph, w, patience)
    least = 1.0 / limits.highest(found.shares, certificate.node_prices)
    return n * least / outwards(2), n * found.most / limits.least_fit(w) * outwards(2)


def _kirchhoff_certificate(
    graph: Graph, rates: Array, Y: Array | None, p: Array | None, limits: Limits
) -> Certificate:
    if not np.isfinite(limits.nodes).any():
        return Certificate("total_resistance")
    return Certificate("total_resistance", node_prices=best_prices(limits, traces(graph, rates).shares))


CRITERIA = {
    "communication": Criterion(True, _communication_bounds, tighten),
    "algebraic_connectivity": Criterion(False, _connectivity_bounds, tighten_spread),
    "max_resistance": Criterion(True, _resistance_bounds, tighten_resistance),
    "total_resistance": Criterion(True, _kirchhoff_bounds, _kirchhoff_certificate),
}
