"""Bounds on the best possible SLEM, recomputed from the weights and a dual object, without any solver.

The SLEM, second largest eigenvalue modulus, of ``W = I - L(w)`` is the spectral norm of ``D(w) = I - L(w) -
J`` with ``J = 11'/n``: each round of averaging contracts the disagreement by it. Minimising it over the
weights w is convex (Xiao & Boyd, "Fast linear iterations for distributed averaging", Systems & Control
Letters 2004; with ``w >= 0`` and ``diag W >= 0`` Boyd, Diaconis & Xiao, "Fastest mixing Markov chain on a
graph", SIAM Review 2004). Spectral and nuclear norm are dual, ``|<Y, D>| <= ||Y||_* ||D||``, so for symmetric
Y with ``Y 1 = 0`` and ``r_e = b_e' Y b_e``, where ``b_e = e_i - e_j``,

    ||D(w)|| ||Y||_*  >=  <Y, D(w)>  =  tr Y - sum_e w_e r_e.

* FDLA, weights of any sign: if ``r_e = 0`` for all edges, the SLEM is at least ``tr Y / ||Y||_*``.
* FMMC: ``w >= 0``, and the weights at a node sum to at most one, so ``sum_e w_e r_e <= 1'y`` for every
  ``y >= 0`` with ``r_e <= y_i + y_j``, and the SLEM is at least ``(tr Y - 1'y) / ||Y||_*``.

Any Y and y are made to satisfy the conditions (derived): Y is made symmetric and centred. For FDLA ``sum_e
a_e b_e b_e'`` with ``G a = r`` is subtracted, where ``G_ef = (b_e' b_f)^2``, so ``G = 2 I + |B|'|B|``, which
is invertible on every graph; for FMMC y is raised at the ends of the edges that violate their condition.

Rounding errors are allowed for: the bounds are lowered (raised) by bounds of them, and of what the repair,
itself rounded, leaves. A second repair, by the rest of r, would have ``||a|| <= ||r|| / 2`` as ``G >= 2 I``,
so it would change trace and nuclear norm by ``2 ||a||_1 <= sqrt(m) ||r||`` at most.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import checks
from ...kernels.blas import one_blas_thread
from ..graph import Graph
from ..rates import Bounds
from ..spectra import dense_laplacian, node_sums
from .weights import assemble

__all__ = ["KINDS", "MixingCertificate", "lower_bound", "relative_gap", "slem_of", "verify_mixing"]

Array = NDArray[np.float64]

KINDS = ("fdla", "fmmc")
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class MixingCertificate:
    """A dual object from which :func:`verify_mixing` recomputes the lower bound.

    Attributes
    ----------
    kind : str
        ``"fdla"`` or ``"fmmc"``: over which weights the bound holds.
    Y : (n, n) array
        Dual matrix. It is made symmetric, centred, feasible and of nuclear norm one where it is used.
    y : (n,) array or None
        For ``"fmmc"``, dual variables of the nodes, in the same scale as Y; by default zero. Negative ones
        count as zero.
    """

    kind: str
    Y: Array
    y: Array | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        for array in (self.Y, self.y):
            if isinstance(array, np.ndarray):
                checks.frozen(array)  # pickles and copies do not keep arrays read-only


def verify_mixing(graph: Graph, weights: ArrayLike, certificate: MixingCertificate) -> Bounds:
    """Recompute the bounds that weights and a certificate prove, without any solver.

    Parameters
    ----------
    graph : Graph
        Connected.
    weights : (m,) array_like
        Finite weights of the edges, of any sign.
    certificate : MixingCertificate
        Any dual object; a bad one proves a weaker bound, never a false one.

    Returns
    -------
    Bounds
        On the least SLEM of the weights that ``certificate.kind`` allows: ``upper`` is that of these weights
        (infinite if they are none of them: for ``"fmmc"``, W must be non-negative up to rounding), ``lower``
        what the dual object proves, and ``gap = (upper - lower) / max(upper, 1/n)``. The floor of the
        denominator matters on complete graphs alone: on any other some entry of ``W - J`` is ``-1/n``, so
        no SLEM is below ``1/n``. The least SLEM of the numbers given, in exact arithmetic, lies between the
        two: rounding errors are bounded (of LAPACK's eigenvalues ``4 n eps`` of the norm is assumed), and
        the bounds moved outwards by them; zero and infinity at worst, never NaN.

    Raises
    ------
    TypeError, ValueError
        If the weights or the dual object are malformed, or the graph is disconnected.
    MemoryError
        If the dense matrices take more memory than there is.

    Examples
    --------
    >>> from gossamer import graphs
    >>> found = graphs.fastest_mixing(graphs.star(8))
    >>> bounds = graphs.verify_mixing(found.graph, found.weights, found.certificate)
    >>> round(bounds.lower, 6), round(bounds.upper, 6), bounds.gap < 1e-6  # (n - 1) / (n + 1)
    (0.777778, 0.777778, True)
    """
    if not isinstance(graph, Graph):
        raise TypeError(f"graph must be a Graph, got {type(graph).__name__}; see Graph.from_edges")
    if not isinstance(certificate, MixingCertificate):
        raise TypeError(f"certificate must be a MixingCertificate, got {type(certificate).__name__}")
    if certificate.kind not in KINDS:
        raise ValueError(f"certificate.kind {certificate.kind!r} is unknown; choose from {', '.join(KINDS)}")
    graph.require_connected("verify_mixing")
    w = checks.real_array("weights", weights, (graph.n_edges,))
    n = graph.n_nodes
    # beside Y itself: its parts as they are repaired, W, and what LAPACK copies
    checks.require_memory(
        8 * 8 * n * n,
        f"verifying a dense dual matrix of {n} nodes, ({n}, {n}),",
        "spectral_gap(mixing_matrix(graph, kind)) needs no dense matrix",
    )
    Y = checks.real_array("certificate.Y", certificate.Y, (n, n))
    y = np.zeros(n) if certificate.y is None else checks.real_array("certificate.y", certificate.y, (n,))
    with one_blas_thread():
        slem, rounding = slem_of(graph, w)
        upper = slem + rounding if certificate.kind == "fdla" or _is_markov(graph, w) else np.inf
        lower = lower_bound(graph, certificate.kind, Y, y)
    return Bounds(lower, upper, relative_gap(graph, lower, upper))


def relative_gap(graph: Graph, lower: float, upper: float) -> float:
    """``(upper - lower) / max(upper, 1/n)``."""
    return max(0.0, upper - lower) / max(upper, 1.0 / graph.n_nodes) if upper < np.inf else np.inf


def slem_of(graph: Graph, w: Array) -> tuple[float, float]:
    """Second largest eigenvalue modulus of ``W = I - L(w)``, and a bound of its rounding error."""
    n = graph.n_nodes
    if n == 1:
        return 0.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        D = assemble(graph, w).toarray() - 1.0 / n
        # no less than the norms of I - J and L(|w|)
        size = 1.0 + 2.0 * float(node_sums(graph, np.abs(w)).max())
    if not size < 1e150:
        return np.inf, np.inf
    # the diagonal is off by sums of at most n terms; the eigenvalues are those of a matrix nearby
    return float(np.abs(np.linalg.eigvalsh(D)).max()), 4.0 * n * _EPS * size


def lower_bound(graph: Graph, kind: str, Y: Array, y: Array) -> float:
    """The lower bound that a dual object proves, zero at least.

    Parameters
    ----------
    graph : Graph
        Connected.
    kind : str
        ``"fdla"`` or ``"fmmc"``.
    Y : (n, n) array
        Finite.
    y : (n,) array
        Finite; used for ``"fmmc"``.

    Returns
    -------
    float
        Never above the least SLEM.
    """
    n, scale = graph.n_nodes, float(np.abs(Y).max())
    if not scale > 0 or graph.n_edges == 0:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        Y = Y / scale
        y = np.maximum(y / scale, 0.0)
    Y = _centred(Y)
    if kind == "fdla":
        Y = _centred(_repaired(graph, Y))
        r, rounding = _at_edges(graph, Y)
        cost, rest = 0.0, float(np.sqrt(graph.n_edges) * np.linalg.norm(np.abs(r) + rounding))
    else:
        cost, rest = _cover(graph, Y, y), 0.0
    values = np.linalg.eigvalsh(Y)
    # sums of n terms, and n eigenvalues, each of which is off by a multiple of n eps at most
    rest += 4.0 * n * n * _EPS * float(np.abs(values).max())
    trace = float(np.trace(Y) - np.sum(Y.sum(axis=1)) / n)
    value, norm = trace - cost * (1.0 + n * _EPS) - rest, float(np.abs(values).sum()) + rest
    return value / norm * (1.0 - 4.0 * _EPS) if value > 0 else 0.0


# ---------------------------------------------------------------------- conditions of the dual


def _is_markov(graph: Graph, w: Array) -> bool:
    slack = 4.0 * graph.n_nodes * _EPS
    return bool(np.all(w >= 0.0) and np.all(node_sums(graph, w) <= 1.0 + slack))


def _centred(Y: Array) -> Array:
    """Symmetric to the last bit, of zero sums up to rounding."""
    Y = 0.5 * (Y + Y.T)
    means = Y.mean(axis=0)
    Y = Y - means - means[:, None] + means.mean()
    return 0.5 * (Y + Y.T)


def _at_edges(graph: Graph, Y: Array) -> tuple[Array, Array]:
    """``b_e' Y b_e`` of each edge, and bounds of their rounding errors."""
    i, j = graph.edges[:, 0], graph.edges[:, 1]
    diagonal, across = np.diag(Y), Y[i, j]
    size = np.abs(diagonal[i]) + np.abs(diagonal[j]) + 2.0 * np.abs(across)
    return diagonal[i] + diagonal[j] - 2.0 * across, 4.0 * _EPS * size


def _repaired(graph: Graph, Y: Array) -> Array:
    """Subtract ``sum_e a_e b_e b_e'`` so that ``b_e' Y b_e = 0`` for all edges."""
    from scipy.linalg import solve

    i, j = graph.edges[:, 0], graph.edges[:, 1]
    r, _ = _at_edges(graph, Y)
    # (2 I + |B|'|B|)^-1 = (I - |B|' (2 I + |B||B|')^-1 |B|) / 2, and |B||B|' = degrees + adjacency
    signless = np.diag(2.0 + graph.degrees)
    signless[i, j] = signless[j, i] = 1.0
    v = solve(signless, node_sums(graph, r), assume_a="pos")
    return Y - dense_laplacian(graph, 0.5 * (r - v[i] - v[j]))


def _cover(graph: Graph, Y: Array, y: Array) -> float:
    """``1'y`` after raising y to ``b_e' Y b_e <= y_i + y_j``."""
    i, j = graph.edges[:, 0], graph.edges[:, 1]
    r, rounding = _at_edges(graph, Y)
    pairs = y[i] + y[j]
    missing = np.maximum(r + rounding - pairs * (1.0 - 4.0 * _EPS), 0.0)
    rise = np.zeros(graph.n_nodes)
    for ends in (i, j):
        np.maximum.at(rise, ends, 0.5 * missing)
    return float(np.sum(y + rise))
