"""Dual objects: what they are made of, and how to improve those that a solver leaves behind.

See :mod:`.certificates` for what they prove; whatever is done to them here, that stays true.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import checks
from ...kernels.sparse import SMALLEST, LaplacianFactor, factor_laplacian
from ..graph import Graph
from ..spectra import (
    algebraic_connectivity,
    connecting_rates,
    effective_resistances,
)
from .limits import Limits, outwards

__all__ = [
    "Certificate",
    "Proposal",
    "best_balance",
    "best_prices",
    "communication_bound",
    "curved",
    "factor_of",
    "freeze_arrays",
    "probability",
    "spread",
    "tighten",
    "tighten_resistance",
    "tighten_spread",
    "tree_weights",
]

Array = NDArray[np.float64]

EXACT_EDGES = 10_000  # up to here y comes from potentials, a solve for each edge
_BLOCK = 32  # edges at once
LP_EDGES = 500  # up to here p is improved by a linear programme


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
        bound of the communication or of the largest resistance is the simple one.
    t : float or None
        Balance of the two terms of the communication bound.
    reference : (m,) array or None
        Rates w0 at which the second term of the communication bound is built; by default those to verify.
    node_prices : (n,) array or None
        Non-negative prices of the node budgets; by default zero. Where there is no budget they are not used.
        They are in the unit of what is bounded: of x_e, y_e or ``(t x_e + y_e / t) / 2``, or for the total
        resistance of ``d_e / g^2``.
    """

    criterion: str
    Y: Array | None = None
    p: Array | None = None
    t: float | None = None
    reference: Array | None = None
    node_prices: Array | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        freeze_arrays(self)  # pickles and copies do not keep arrays read-only

    @property
    def X(self) -> Array:
        """The dual matrix: (n, n), positive semidefinite, centred, of trace one.

        Raises
        ------
        ValueError
            If there is none.
        MemoryError
            If a dense matrix takes more memory than there is.
        """
        Y = _normalised(factor_of(self))
        n = len(Y)
        checks.require_memory(8 * n * n, f"the dual matrix, ({n}, {n}),", "work with its factor Y")
        return Y @ Y.T


def freeze_arrays(certificate: Certificate) -> None:
    """Make the arrays of a result's certificate read-only."""
    for array in vars(certificate).values():
        if isinstance(array, np.ndarray):
            checks.frozen(array)


class Proposal(NamedTuple):
    """What a method returns; nothing in it is trusted before it has been recomputed."""

    rates: Array
    Y: Array | None
    p: Array | None
    reference: Array | None = None  # rates to which Y and p belong, if they are others


def communication_bound(limits: Limits, x: Array, y: Array, t: float, prices: Array | None) -> float:
    """Least cost of rates within the bounds that ``sum_a w_a (t x_a + y_a / t) / 2 >= 1`` allows."""
    return limits.cheapest(0.5 * (t * x + y / t), prices)


def best_balance(x: Array, y: Array) -> float:
    """Minimise ``max_a (t x_a + y_a / t)`` over t > 0, by golden section in log t.

    At ``t0 = sqrt(max y / max x)`` the value is at most ``2 sqrt(max x max y)``, which
    ``t max x`` alone exceeds beyond ``2 t0`` and ``max y / t`` below ``t0 / 2``.
    """
    centre = 0.5 * np.log(y.max() / x.max())
    return float(np.exp(_golden(lambda log_t: _mean_bound(x, y, float(np.exp(log_t))), centre, np.log(2.0))))


def tighten(
    graph: Graph, rates: Array, Y: Array | None, p: Array | None, limits: Limits | None = None
) -> Certificate:
    """Improve p and the prices of node budgets by linear programmes at fixed X, rates and t, then t.

    Interior-point solvers leave p accurate to some 1e-6 only. Above :data:`LP_EDGES` p is kept.
    """
    if Y is None:
        raise ValueError("Y is missing")
    limits = Limits(graph) if limits is None else limits
    m = graph.n_edges
    p = probability(graph, np.ones(m) if p is None else p)
    x = spread(graph, Y)
    C = _curvature(graph, rates) if m <= LP_EDGES else None
    y = curved(graph, rates, p) if C is None else C @ p
    prices = None
    t = _bounded_balance(limits, x, y, prices)
    best = Certificate("communication", Y, p, t)
    if C is None and not np.isfinite(limits.nodes).any():
        return best
    most = communication_bound(limits, x, y, t, None)
    # the balance of the optimum itself; the two agree when p is already good
    l2, largest = algebraic_connectivity(graph, rates), effective_resistances(graph, rates).max()
    for balance in (t, 1.0 / np.sqrt(l2 * largest)):
        unit = communication_bound(limits, x, y, balance, None)
        if not np.isfinite(unit):
            break
        fixed = balance * x / 2.0 if C is not None else (balance * x + y / balance) / 2.0
        found = _programme(limits, fixed, None if C is None else C / (2.0 * balance), unit, cover=True)
        if found is None:
            continue
        q, prices = found
        q = p if q is None else q
        z = y if C is None else C @ q
        for choice in (balance, _bounded_balance(limits, x, z, prices)):
            value = communication_bound(limits, x, z, choice, prices)
            if value > most:
                most, best = value, Certificate("communication", Y, q, choice, node_prices=prices)
    return best


def tree_weights(graph: Graph, Y: Array) -> Array | None:
    """Best p of uniform rates on a tree, for the communication criterion; None if the graph is none.

    There ``y = p``, so ``t x_a + p_a / t`` is the same on all edges, and least, for ``t = 1 / sqrt(sum x)``
    and ``p = 2/m - x / sum x``. Where this is not negative, uniform rates are optimal (derived); elsewhere it
    is cut off.
    """
    if graph.n_edges != graph.n_nodes - 1:
        return None
    x = spread(graph, Y)
    return np.maximum(2.0 / graph.n_edges - x / x.sum(), 0.0)


def tighten_spread(
    graph: Graph, rates: Array, Y: Array | None, p: Array | None, limits: Limits
) -> Certificate:
    """For the algebraic connectivity: the best prices of the node budgets."""
    if Y is None or not np.isfinite(limits.nodes).any():
        return Certificate("algebraic_connectivity", Y)
    return Certificate("algebraic_connectivity", Y, node_prices=best_prices(limits, spread(graph, Y)))


def best_prices(limits: Limits, z: Array) -> Array | None:
    """Prices of the node budgets with the least upper bound of ``z'w``, or None if none helps."""
    found = _programme(limits, z, None, limits.highest(z), cover=False)
    if found is None or limits.highest(z, found[1]) >= limits.highest(z):
        return None
    return found[1]


def tighten_resistance(
    graph: Graph, rates: Array, Y: Array | None, p: Array | None, limits: Limits
) -> Certificate:
    """For the largest resistance: the best p and prices where costs or bounds leave Foster's bound behind."""
    if p is None:
        return Certificate("max_resistance")
    p = probability(graph, p)
    C = _curvature(graph, rates) if graph.n_edges <= LP_EDGES else None
    y = curved(graph, rates, p) if C is None else C @ p
    best, least = Certificate("max_resistance", p=p), limits.highest(y)
    fixed = y if C is None else np.zeros(graph.n_edges)
    found = _programme(limits, fixed, C, least, cover=False)
    if found is not None:
        q, prices = found
        q = p if q is None else q
        if limits.highest(y if C is None else C @ q, prices) < least:
            best = Certificate("max_resistance", p=q, node_prices=prices)
    return best


# ---------------------------------------------------------------------- linear programmes


def _bounded_balance(limits: Limits, x: Array, y: Array, prices: Array | None) -> float:
    """Best t: as :func:`best_balance`, and with bounds by golden section on what they leave of the bound."""
    c = limits.costs
    t = best_balance(x / c, y / c)
    if not limits.has_bounds:
        return t

    def value(log_t: float) -> float:
        return communication_bound(limits, x, y, float(np.exp(log_t)), prices)

    # quasi-concave in log t: where it exceeds v, the largest of functions convex in log t is at most one
    found = float(np.exp(_golden(lambda log_t: -value(log_t), float(np.log(t)), 3.0)))
    return max((t, found), key=lambda one: value(float(np.log(one))))


def _golden(f: Callable[[float], float], centre: float, radius: float) -> float:
    """Minimise a quasi-convex function within a radius of a centre, by golden section."""
    low, high = centre - radius, centre + radius
    ratio = 0.5 * (np.sqrt(5.0) - 1.0)
    for _ in range(80):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        if f(a) <= f(b):
            high = b
        else:
            low = a
    return 0.5 * (low + high)


def _programme(
    limits: Limits, fixed: Array, A: Array | None, unit: float, *, cover: bool
) -> tuple[Array | None, Array] | None:
    """Best p and node prices for ``z = fixed + A p``, or None if the solver fails.

    Without `cover` they minimise the dual value of "the largest z'w", ``l + u'k + d'v`` subject to ``l c + k
    + N'v >= z``; with it they maximise that of "the least c'w with z'w >= 1", ``l - u'k - d'v`` subject to
    ``l z - k - N'v <= c``, linear in the weights ``l p``. The unit, near the optimal value, scales all to
    one, so that the solver's absolute tolerances are relative.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, hstack

    c = limits.costs
    m, mean = len(c), float(c.mean())
    size = unit / c if cover else 1.0 / (unit * c)
    bounds, values = limits.rows(with_cost=False)
    bounded = np.isfinite(limits.upper)
    units = np.concatenate([c[bounded], np.full(len(values) - int(bounded.sum()), mean)])
    n_weights = 0 if A is None else A.shape[1]
    level = (size * fixed)[:, None] if cover else -np.ones((m, 1))
    weights = [] if A is None else [csr_array(size[:, None] * A)]
    rows = hstack([csr_array(level), *weights, -(bounds.T * units) / c[:, None]], format="csr")
    right = np.ones(m) if cover else -size * fixed
    scale = 1.0 / unit if cover else 1.0
    # linprog minimises
    objective = np.concatenate([[-1.0 if cover else 1.0], np.zeros(n_weights), values * units * scale])
    sums = np.zeros((1, len(objective)))
    sums[0, 1 : 1 + n_weights] = 1.0
    sums[0, 0] = -1.0 if cover else 0.0
    found = linprog(
        objective,
        A_ub=rows,
        b_ub=right,
        A_eq=None if A is None else sums,
        b_eq=None if A is None else [0.0 if cover else 1.0],
        bounds=(0.0, None),
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if found.x is None or not np.all(np.isfinite(found.x)):
        return None
    p = np.maximum(found.x[1 : 1 + n_weights], 0.0)
    if A is not None and not p.max() > 0:
        return None
    prices = limits.node_prices(np.maximum(found.x[1 + n_weights :], 0.0)) * mean
    return None if A is None else p / p.sum(), prices if cover else prices * unit


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
    factor = factor / norm
    factor -= factor.mean(axis=0)  # what rounding has left of the mean, large where Y is nearly constant
    return factor / np.linalg.norm(factor)


def spread(graph: Graph, Y: ArrayLike) -> Array:
    """Return ``x_e = |Y_i - Y_j|^2`` for the normalised factor, raised by a bound of the rounding errors."""
    factor = _normalised(Y)
    if len(factor) != graph.n_nodes:
        raise ValueError(f"Y must have one row per node ({graph.n_nodes}), got {len(factor)}")
    x = np.sum((factor[graph.edges[:, 0]] - factor[graph.edges[:, 1]]) ** 2, axis=1)
    return x * outwards(2 * factor.size + 8)  # the trace may be less than one by rounding


def _curvature(graph: Graph, rates: ArrayLike) -> Array:
    """Return the (m, m) matrix ``T_ae^2 / R_e^2`` at the rates scaled to sum one."""
    return _squared_drops(graph, _factor(graph, rates), np.arange(graph.n_edges))


def curved(graph: Graph, rates: ArrayLike, p: Array) -> Array:
    """Return ``y_a = sum_e p_e T_ae^2 / R_e^2``, or on large graphs upper bounds of it.

    On a tree ``T_ae = R_e`` for a = e and zero otherwise.
    """
    factor, y = _factor(graph, rates), np.zeros(graph.n_edges)
    if graph.n_edges == graph.n_nodes - 1:
        return p
    if graph.n_edges <= EXACT_EDGES:
        used = np.flatnonzero(p > 0)
        for k in range(0, len(used), _BLOCK):
            e = used[k : k + _BLOCK]
            y += _squared_drops(graph, factor, e) @ p[e]
        return y
    return _secants(graph, rates, p, factor)


def _secants(graph: Graph, rates: ArrayLike, p: Array, factor: LaplacianFactor) -> Array:
    """Upper bounds of the y_a of other rates ``w1 = w + v`` and other weights p, from resistances alone.

    ``sum_e v_e T_ae^2`` at w1 is minus the derivative of R_a along v, which is convex in the rates: at most
    ``R_a(w) - R_a(w1)``. So these differences, over ``sum_e v_e R_e(w1)^2``, bound the y_a of p proportional
    to ``v_e R_e(w1)^2``, for any v >= 0. It is proportional to ``p / R^2`` here, and so small that what the
    secants lose and the rounding of the differences are about equal.
    """
    w, _ = connecting_rates(graph, rates, "the bound")
    w /= w.sum()
    R = factor.resistances(graph.edges)
    v = p / R**2
    share = float(np.max(v * R))
    other = w + v * float(R.max()) * np.sqrt(2.0 * factor.rounding / share)
    if not np.isfinite(other.sum()):
        return np.full(graph.n_edges, np.inf)
    other = np.where(other < SMALLEST, w, other)
    nearby = factor_laplacian(graph.n_nodes, graph.edges, other)
    R1 = nearby.resistances(graph.edges)
    falls = R * (1.0 + factor.rounding) - R1 * (1.0 - nearby.rounding)
    weight = float((other - w) @ (R1 * (1.0 - nearby.rounding)) ** 2)
    if not (weight > 0 and np.isfinite(weight)):
        return np.full(graph.n_edges, np.inf)
    return np.maximum(falls, 0.0) / weight * outwards(2 * graph.n_edges + 8)


def _factor(graph: Graph, rates: ArrayLike) -> LaplacianFactor:
    """Factor of the Laplacian at the rates scaled to sum one."""
    w, _ = connecting_rates(graph, rates, "the bound")
    return factor_laplacian(graph.n_nodes, graph.edges, w / w.sum())


def _squared_drops(graph: Graph, factor: LaplacianFactor, e: NDArray[np.intp]) -> Array:
    """Return the (m, k) squares of the potential differences on all edges when those on k edges are one.

    They are ``T_ae^2 / R_e^2`` but for rounding errors, and as differences of potentials they prove a bound
    with these too.
    """
    ends, k = graph.edges, np.arange(len(e))
    flows = np.zeros((graph.n_nodes, len(e)))
    flows[ends[e, 0], k], flows[ends[e, 1], k] = 1.0, -1.0
    potentials = factor.solve(flows)
    drops = potentials[ends[:, 0]] - potentials[ends[:, 1]]
    drops /= drops[e, k]
    return np.square(drops, out=drops)


def probability(graph: Graph, p: ArrayLike) -> Array:
    """Return p scaled to sum one, or raise a ``TypeError``, ``ValueError``."""
    weights = checks.real_array("p", p, (graph.n_edges,), least=0.0)
    if not weights.max() > 0:
        raise ValueError("p must not be zero on all edges")
    weights = weights / weights.max()  # their sum might overflow
    return weights / weights.sum()


def _mean_bound(x: Array, y: Array, t: float) -> float:
    return 0.5 * float(np.max(t * x + y / t))


def factor_of(certificate: Certificate) -> Array:
    """Return Y, or raise a ``ValueError`` if there is none."""
    if certificate.Y is None:
        raise ValueError(f"certificate.Y is missing, and the bounds of {certificate.criterion!r} need it")
    return certificate.Y
