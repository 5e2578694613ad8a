"""Bounds on the best possible rates, recomputed from the rates and a dual object, without any solver.

Notation: edge vectors ``b_e = e_i - e_j``, Laplacian ``L(w) = sum_e w_e b_e b_e'``, total rate
``W = sum_e w_e``, effective resistances ``R_e = b_e' L(w)^+ b_e``. A dual object is a matrix ``X``,
positive semidefinite, centred (``X 1 = 0``) and of trace one, given by a factor ``X = Y Y'``, so that it
has these properties by construction; for the communication criterion also a probability ``p`` over the
edges and a number ``t > 0``. Every bound below holds for *any* such object, however it was found.

* Algebraic connectivity (dual of the fastest mixing process: Sun, Boyd, Xiao & Diaconis, SIAM Review 2006):
  ``lambda_2(w) <= <X, L(w)> = sum_e w_e x_e <= W max_e x_e`` with ``x_e = b_e' X b_e``.
* Communication (derived): the least total rate is ``1 / max f`` over rates of sum one, with ``f =
  sqrt(lambda_2 min_e 1/R_e)``. At any rates w0, ``1/R_e(w) <= v_e' L(w) v_e`` with ``v_e = L(w0)^+ b_e /
  R_e(w0)``, so ``1/max_e R_e <= sum_a w_a y_a`` with ``y_a = sum_e p_e T_ae^2 / R_e^2``, ``T_ae = b_a'
  L(w0)^+ b_e``. The inequality of the two means gives ``f <= max_a (t x_a + y_a / t) / 2`` for every t > 0.
* Communication, simple: Foster's theorem ``sum_e w_e R_e = n - 1`` gives ``max_e R_e >= (n - 1) / W``, so
  the least total rate is at least ``sqrt((n - 1) / max_e x_e)``.
* Largest resistance: the same theorem; no dual object, and the bound is attained on every graph.
* Total resistance (Kirchhoff index ``n tr L^+``): with ``d_e = b_e' (L^+)^2 b_e`` and ``g = tr L^+``,
  convexity along the multiples of the rates gives ``tr L(v)^+ >= g^2 / max_e d_e`` for all rates v of sum
  one; no dual object.

On graphs of more than :data:`~gossamer.graphs.spectra.PSEUDO_INVERSE_LIMIT` nodes, where lambda_2 is
computed by an iteration that finds it from above, the value used is proven: ``L(w) - s I`` has as many
negative pivots as eigenvalues below s (Sylvester), and s is lowered by a bound of the rounding errors of
the elimination.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import checks
from ...kernels.blas import one_blas_thread
from ...kernels.sparse import factor_laplacian
from ..graph import Graph
from ..spectra import (
    PSEUDO_INVERSE_LIMIT,
    algebraic_connectivity,
    check_rates,
    connecting_rates,
    effective_resistances,
    incidence,
    pseudo_inverse,
)

__all__ = [
    "CRITERIA",
    "Bounds",
    "Certificate",
    "Proposal",
    "communication_cost",
    "communication_lower_bound",
    "proven_connectivity",
    "verify_rates",
]

Array = NDArray[np.float64]

DENSE_EDGES = 1500  # up to here the dense matrix of all pairs of edges
LP_EDGES = 500  # up to here p is improved by a linear programme
_MARGINS = (1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # below lambda_2, for its proof


class Bounds(NamedTuple):
    """Bounds on an optimal value: ``lower <= optimum <= upper``, ``gap = upper / lower - 1``."""

    lower: float
    upper: float
    gap: float


@dataclass(frozen=True, eq=False)
class Certificate:
    """A dual object from which :func:`verify_rates` recomputes the bounds.

    Attributes
    ----------
    criterion : str
        What the bounds are about.
    Y : (n, k) array or None
        Factor of the dual matrix; it is centred and scaled to trace one where it is used. The two resistance
        criteria need none.
    p : (m,) array or None
        Non-negative weights of the edges, scaled to sum one where they are used. Without them the
        communication bound is the simple one.
    t : float or None
        Balance of the two terms of the communication bound.
    reference : (m,) array or None
        Rates w0 at which the second term of the communication bound is built; by default those to verify.
    """

    criterion: str
    Y: Array | None = None
    p: Array | None = None
    t: float | None = None
    reference: Array | None = None

    @property
    def X(self) -> Array:
        """The dual matrix: (n, n), positive semidefinite, centred, of trace one.

        Raises
        ------
        ValueError
            If there is none.
        """
        Y = _normalised(_factor_of(self))
        return Y @ Y.T


class Proposal(NamedTuple):
    """What a method returns; nothing in it is trusted before it has been recomputed."""

    rates: Array
    Y: Array | None
    p: Array | None
    reference: Array | None = None  # rates to which Y and p belong, if they are others


def verify_rates(graph: Graph, rates: ArrayLike, certificate: Certificate) -> Bounds:
    """Recompute the bounds that rates and a certificate prove, without any solver.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    rates : (m,) array_like
        Finite, non-negative, connecting the graph. Their scale does not matter.
    certificate : Certificate
        Any dual object; a bad one proves a weaker bound, never a false one.

    Returns
    -------
    Bounds
        For ``"communication"``, bounds on the least total rate with ``chi1 * chi2 <= 1/2``; for
        ``"algebraic_connectivity"``, on the largest lambda_2 of rates of sum one; for ``"max_resistance"``
        and ``"total_resistance"``, on the least largest resistance and the least Kirchhoff index of such
        rates. True up to rounding.

    Raises
    ------
    TypeError, ValueError
        If the rates or the dual object are malformed, or the rates do not connect the graph.
    """
    w = check_rates(graph, rates)
    l2, resistances = proven_connectivity(graph, w), effective_resistances(graph, w)
    with one_blas_thread():
        return bounds_of(graph, w, l2, resistances, certificate)


def bounds_of(graph: Graph, w: Array, l2: float, resistances: Array, certificate: Certificate) -> Bounds:
    """As :func:`verify_rates`, for rates whose lambda_2 and resistances are already at hand."""
    if certificate.criterion not in CRITERIA:
        raise ValueError(f"certificate.criterion {certificate.criterion!r} has no bounds")
    lower, upper = CRITERIA[certificate.criterion].bounds(graph, w, l2, resistances, certificate)
    return Bounds(lower, upper, max(0.0, upper / lower - 1.0) if lower > 0 else np.inf)


def proven_connectivity(graph: Graph, rates: ArrayLike) -> float:
    """Lower bound on lambda_2, within some 1e-9 of it: by inertia on large graphs, see the module docstring.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    rates : (m,) array_like
        Finite, non-negative, connecting the graph.

    Returns
    -------
    float
        Never above lambda_2. Zero if rounding allows no proof, as for rates over ten and more magnitudes.
    """
    from .edges import EdgeSpace

    l2 = algebraic_connectivity(graph, rates)
    n = graph.n_nodes
    if n <= PSEUDO_INVERSE_LIMIT:  # from the whole spectrum
        return l2
    space = EdgeSpace(graph)
    diagonal, off_diagonal = space.laplacian(check_rates(graph, rates))
    for margin in _MARGINS:
        s = (1.0 - margin) * l2
        factor = space.pattern.factor(diagonal - s, off_diagonal)
        # the computed factors are those of a matrix that differs by at most this (Higham, Theorem 9.3)
        rounding = n * np.finfo(float).eps * factor.growth
        if factor.negative == 1 and np.isfinite(factor.log_det) and rounding <= margin * l2:
            return s - rounding
    return 0.0


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
    w = check_rates(graph, rates)
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
    x = _spread(graph, Y)
    simple = float(np.sqrt((graph.n_nodes - 1) / x.max()))
    if p is None:
        return simple
    with one_blas_thread():
        y = _curved(graph, rates, _probability(graph, p))
    balance = best_balance(x, y) if t is None else checks.real("t", t, above=0.0)
    return max(simple, 1.0 / _mean_bound(x, y, balance))


def best_balance(x: Array, y: Array) -> float:
    """Minimise ``max_a (t x_a + y_a / t)`` over t > 0, by golden section in log t.

    At ``t0 = sqrt(max y / max x)`` the value is at most ``2 sqrt(max x max y)``, which
    ``t max x`` alone exceeds beyond ``2 t0`` and ``max y / t`` below ``t0 / 2``.
    """
    centre = 0.5 * np.log(y.max() / x.max())
    low, high = centre - np.log(2.0), centre + np.log(2.0)
    ratio = 0.5 * (np.sqrt(5.0) - 1.0)
    for _ in range(80):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        if _mean_bound(x, y, float(np.exp(a))) <= _mean_bound(x, y, float(np.exp(b))):
            high = b
        else:
            low = a
    return float(np.exp(0.5 * (low + high)))


def tighten(graph: Graph, rates: Array, Y: Array | None, p: Array | None) -> Certificate:
    """Improve p by a linear programme at fixed X, rates and t, and choose the best t.

    Interior-point solvers leave p accurate to some 1e-6 only; for given X and t the best p is the
    solution of ``min u : t x_a + (C p)_a / t <= 2 u, p >= 0, sum p = 1``. Above :data:`LP_EDGES` p is kept.
    """
    if Y is None:
        raise ValueError("Y is missing")
    m = graph.n_edges
    if m > LP_EDGES:
        p = _probability(graph, np.ones(m) if p is None else p)
        return Certificate("communication", Y, p, best_balance(_spread(graph, Y), _curved(graph, rates, p)))
    from scipy.optimize import linprog

    x, C = _spread(graph, Y), _curvature(graph, rates)
    p = _probability(graph, np.ones(m) if p is None else p)
    best = p
    t = best_balance(x, C @ p)
    # the balance of the optimum itself; the two agree when p is already good
    l2, largest = algebraic_connectivity(graph, rates), effective_resistances(graph, rates).max()
    for balance in (t, 1.0 / np.sqrt(l2 * largest)):
        unit = _mean_bound(x, C @ p, balance)  # so that the solver's absolute tolerances are relative
        found = linprog(
            np.append(np.zeros(m), 1.0),
            A_ub=np.column_stack([C / (2.0 * unit * balance), -np.ones(m)]),
            b_ub=-balance * x / (2.0 * unit),
            A_eq=np.append(np.ones(m), 0.0)[None, :],
            b_eq=[1.0],
            bounds=[(0.0, None)] * m + [(None, None)],
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if found.x is not None and np.all(np.isfinite(found.x)) and found.x[:m].max() > 0:
            q = _probability(graph, np.maximum(found.x[:m], 0.0))
            best = min((best, q), key=lambda v: _mean_bound(x, C @ v, best_balance(x, C @ v)))
    return Certificate("communication", Y, best, best_balance(x, C @ best))


# ---------------------------------------------------------------------- pieces


def _normalised(Y: ArrayLike) -> Array:
    """Centre the columns and scale to ``tr Y Y' = 1``."""
    factor = checks.real_array("Y", Y, 2)
    size = np.abs(factor).max(initial=0.0)
    factor = factor / size if size > 0 else factor
    factor = factor - factor.mean(axis=0)
    norm = np.linalg.norm(factor)
    if not norm > 1e-12:
        raise ValueError("Y must not be zero or constant over the nodes")
    return factor / norm


def _spread(graph: Graph, Y: ArrayLike) -> Array:
    """Return ``x_e = |Y_i - Y_j|^2`` for the normalised factor."""
    factor = _normalised(Y)
    if len(factor) != graph.n_nodes:
        raise ValueError(f"Y must have one row per node ({graph.n_nodes}), got {len(factor)}")
    return np.sum((factor[graph.edges[:, 0]] - factor[graph.edges[:, 1]]) ** 2, axis=1)


def _curvature(graph: Graph, rates: ArrayLike) -> Array:
    """Return the (m, m) matrix ``T_ae^2 / R_e^2`` at the rates scaled to sum one."""
    w, _ = connecting_rates(graph, rates, "the bound")
    B = incidence(graph)
    T = B.T @ pseudo_inverse(factor_laplacian(graph.n_nodes, graph.edges, w / w.sum())) @ B
    return (T / np.diag(T)) ** 2


def _curved(graph: Graph, rates: ArrayLike, p: Array) -> Array:
    """Return ``y_a = sum_e p_e T_ae^2 / R_e^2``; on large graphs by the derivative of a selected inverse."""
    if graph.n_edges <= DENSE_EDGES:
        return _curvature(graph, rates) @ p
    from .edges import EdgeSpace

    w, _ = connecting_rates(graph, rates, "the bound")
    space, w = EdgeSpace(graph), w / w.sum()
    inverse = space.grounded(w)
    return np.maximum(space.squares(inverse, p / space.at_edges(inverse) ** 2), 0.0)


def _probability(graph: Graph, p: ArrayLike) -> Array:
    weights = checks.real_array("p", p, (graph.n_edges,), least=0.0)
    if not weights.sum() > 0:
        raise ValueError("p must not be zero on all edges")
    return weights / weights.sum()


def _mean_bound(x: Array, y: Array, t: float) -> float:
    return 0.5 * float(np.max(t * x + y / t))


# ---------------------------------------------------------------------- the table of criteria


class Criterion(NamedTuple):
    """What can be optimised."""

    minimise: bool  # the rates attain the upper bound of the optimum; otherwise the lower one
    bounds: Callable[[Graph, Array, float, Array, Certificate], tuple[float, float]]
    certify: Callable[[Graph, Array, Array | None, Array | None], Certificate]  # from rates, Y and p


def _communication_bounds(
    graph: Graph, w: Array, l2: float, resistances: Array, certificate: Certificate
) -> tuple[float, float]:
    reference = w if certificate.reference is None else certificate.reference
    lower = communication_lower_bound(graph, reference, _factor_of(certificate), certificate.p, certificate.t)
    return lower, float(np.sqrt(resistances.max() / l2) * w.sum()) if l2 > 0 else np.inf


def _connectivity_bounds(
    graph: Graph, w: Array, l2: float, resistances: Array, certificate: Certificate
) -> tuple[float, float]:
    return float(l2 / w.sum()), float(_spread(graph, _factor_of(certificate)).max())


def _resistance_bounds(
    graph: Graph, w: Array, l2: float, resistances: Array, certificate: Certificate
) -> tuple[float, float]:
    least = float(graph.n_nodes - 1)
    return least, max(least, float(resistances.max() * w.sum()))


def _kirchhoff_bounds(
    graph: Graph, w: Array, l2: float, resistances: Array, certificate: Certificate
) -> tuple[float, float]:
    w = w / w.sum()
    d = _squares(graph, w)
    g = float(w @ d)
    return graph.n_nodes * g * (g / max(g, float(d.max()))), graph.n_nodes * g


def _squares(graph: Graph, w: Array) -> Array:
    """Return ``b_e' (L^+)^2 b_e``."""
    if graph.n_nodes <= PSEUDO_INVERSE_LIMIT:
        P = pseudo_inverse(factor_laplacian(graph.n_nodes, graph.edges, w))
        return np.sum((P[graph.edges[:, 0]] - P[graph.edges[:, 1]]) ** 2, axis=1)
    from .edges import EdgeSpace

    return EdgeSpace(graph).spreads(w)


def _factor_of(certificate: Certificate) -> Array:
    if certificate.Y is None:
        raise ValueError(f"certificate.Y is missing, and the bounds of {certificate.criterion!r} need it")
    return certificate.Y


CRITERIA = {
    "communication": Criterion(True, _communication_bounds, tighten),
    "algebraic_connectivity": Criterion(
        False, _connectivity_bounds, lambda graph, rates, Y, p: Certificate("algebraic_connectivity", Y)
    ),
    "max_resistance": Criterion(
        True, _resistance_bounds, lambda graph, rates, Y, p: Certificate("max_resistance")
    ),
    "total_resistance": Criterion(
        True, _kirchhoff_bounds, lambda graph, rates, Y, p: Certificate("total_resistance")
    ),
}
