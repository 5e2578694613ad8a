"""The trace of the pseudo-inverse, and what proves a bound of it for all other rates, without cancellation.

For any n x n matrix M, with the projection C onto the vectors of zero sum, ``tr L(v)^+ >= 2 tr C M - tr M'
L(v) M``: the difference is the squared norm of ``L^(1/2) M - L^(+1/2)`` on these vectors. The best multiple
of M gives

    tr L(v)^+ >= (tr C M)^2 / sum_e v_e d_e,    d_e = |M' b_e|^2,

*whatever the rounding errors of M*, and equality for ``M = L(v)^+``. Two choices of M, near the
pseudo-inverse at the rates w (derived):

* The grounded inverse, centred, column by column. It has no negative entry, and the star-mesh factor computes
  each to a small relative error.
* On graphs where that is too much work ``M = (L(w) + s C)^+`` with a small s: the inverse of the graph with
  one more node, tied to all others by conductances s. Then d_e is minus the derivative of its resistance
  ``R_e(s)``, which is convex in s, so ``d_e <= (R_e(0) - R_e(s)) / s``; and ``tr C M = sum_k R_k - 1/s`` with
  the resistances R_k of the new edges. Proven, but loose by some 1e-4 and more.

The trace at w itself is ``sum_k R_kr - 1'G1 / n`` with the grounded inverse G, whose second term is at most
``1 - 1/n`` of the first.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...kernels.sparse import SMALLEST, LaplacianFactor, factor_laplacian
from ..graph import Graph
from ..spectra import connecting_rates
from .limits import outwards

__all__ = ["Traces", "traces"]

Array = NDArray[np.float64]

EXACT_WORK = 3e9  # operations up to which the inverse is computed, column by column
_SECONDS = 3e-9  # of one of them
_BLOCK = 32  # columns at once
_EPS = float(np.finfo(np.float64).eps)


class Traces(NamedTuple):
    """Of ``L(w)^+``, and of M.

    Attributes
    ----------
    most : float
        Upper bound of ``tr L(w)^+``.
    shares : (m,) array
        Upper bounds of ``d_e / (tr C M)^2``, which no multiple of the rates changes: ``tr L(v)^+ >= 1 /
        sum_e v_e shares_e``. Infinite where rounding leaves nothing of the trace.
    """

    most: float
    shares: Array


def _bounds(most: float, trace: float, d: Array) -> Traces:
    return Traces(most, d / trace**2 * outwards(4) if trace > 0 else np.full(len(d), np.inf))


def traces(graph: Graph, rates: Array, patience: float = np.inf) -> Traces:
    """Bounds of the traces at rates that connect the graph, by the quicker way if the other takes too long.

    What is not finite proves nothing. `patience` is in seconds.
    """
    w, scale = connecting_rates(graph, rates, "the Kirchhoff index")
    n = graph.n_nodes
    factor = factor_laplacian(n, graph.edges, w)
    if n * float(len(factor.indices) + graph.n_edges) > min(EXACT_WORK, patience / _SECONDS):
        return _by_another_node(graph, w, scale, factor)
    potential = factor.solve(np.ones(n))  # G 1; the node eliminated last is the ground
    unit = float(potential.max())  # at least the largest entry over n: no square overflows
    mean = potential / (n * unit)
    d, i, j = np.zeros(graph.n_edges), *graph.edges.T
    grounded = trace = size = 0.0
    for k in range(0, n, _BLOCK):
        columns = factor.solve(np.eye(n, min(_BLOCK, n - k), -k)) / unit
        own = np.arange(k, min(k + _BLOCK, n))
        grounded += float(columns[own, own - k].sum())
        columns -= mean[:, None]
        d += np.sum((columns[i] - columns[j]) ** 2, axis=1)
        trace += float(columns[own, own - k].sum() - columns.sum() / n)
        size += float(np.abs(columns[own, own - k]).sum() + np.abs(columns).sum() / n)
    sums = 4.0 * (n + 4) * _EPS
    inside = float(mean.sum())
    most = grounded - inside + (factor.rounding + sums) * (grounded + inside)
    most *= (1.0 + factor.rounding + sums) * unit / scale
    return _bounds(most, trace - sums * size, d * (1.0 + sums))


def _by_another_node(graph: Graph, w: Array, scale: float, factor: LaplacianFactor) -> Traces:
    n = graph.n_nodes
    most = _trace(graph, w, factor)
    R = factor.resistances(graph.edges)
    # what s itself spoils, and rounding, are about equal: R_e(0) and R_e(s) are close to each other
    harmonic = n / most
    s = float(np.sqrt(2.0 * factor.rounding) * harmonic)
    if not s > SMALLEST:
        return Traces(most / scale * outwards(4 * n), np.full(graph.n_edges, np.inf))
    spokes = np.column_stack([np.arange(n), np.full(n, n)])
    edges = np.vstack([graph.edges, spokes])
    other = factor_laplacian(n + 1, edges, np.concatenate([w, np.full(n, s)]))
    found = other.resistances(edges)
    sums = 4.0 * (n + 4) * _EPS
    trace = float(found[graph.n_edges :].sum()) * (1.0 - other.rounding - sums) - (1.0 + sums) / s
    d = R * (1.0 + factor.rounding + sums) - found[: graph.n_edges] * (1.0 - other.rounding - sums)
    return _bounds(most / scale * (1.0 + sums), trace, d / s * (1.0 + sums))


def _trace(graph: Graph, w: Array, factor: LaplacianFactor) -> float:
    """Upper bound of the trace, from the resistances to the node eliminated last."""
    n = graph.n_nodes
    ground = int(np.argmax(factor.position))
    ends = np.flatnonzero((graph.edges == ground).any(axis=1))
    known = graph.edges[ends].sum(axis=1) - ground
    others = np.setdiff1d(np.arange(n), np.append(known, ground))
    # edges of no conductance, between whose ends the resistances are wanted
    edges = np.vstack([graph.edges, np.column_stack([others, np.full(len(others), ground)])])
    wider = factor_laplacian(n, edges, np.concatenate([w, np.zeros(len(others))]))
    R = wider.resistances(edges)
    grounded = float(R[ends].sum() + R[graph.n_edges :].sum())
    inside = float(factor.solve(np.ones(n)).sum()) / n
    rounding = max(wider.rounding, factor.rounding) + 4.0 * (n + 4) * _EPS
    return (grounded - inside + rounding * (grounded + inside)) * (1.0 + rounding)
