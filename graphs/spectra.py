"""Laplacians, the constants chi1 and chi2, effective resistances and spectral gaps.

Up to :data:`DENSE_LIMIT` nodes everything is dense LAPACK; above it, one sparse factorisation of the
Laplacian with its last node grounded gives the pseudo-inverse on the vectors of zero sum, which serves
both the eigenvalue (Lanczos on the inverse, a fixed starting vector) and the resistances (solves in
blocks of nodes). Both ways are exact up to rounding and deterministic.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .graph import Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["algebraic_connectivity", "chi", "effective_resistances", "laplacian", "spectral_gap"]

DENSE_LIMIT = 1500  # nodes; above it the sparse methods are faster on sparse graphs
_BLOCK = 256  # right-hand sides in one sparse solve

_TOO_WIDE = (
    "the Laplacian is numerically singular: the rates span too many magnitudes for double precision; "
    "raise the smallest ones"
)

Solve = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def laplacian(graph: Graph, rates: ArrayLike | None = None) -> "csr_array":
    """Weighted graph Laplacian ``sum_e rates_e (e_i - e_j)(e_i - e_j)'``.

    Parameters
    ----------
    graph : Graph
        May be disconnected.
    rates : (m,) array_like, optional
        Finite, non-negative rate of each edge; all ones by default.

    Returns
    -------
    scipy.sparse.csr_array
        Symmetric (n, n) float64 matrix; edges of rate zero have no entry.

    Raises
    ------
    ValueError
        If ``rates`` has a wrong shape, or a negative or non-finite entry.
    """
    from scipy.sparse import csr_array

    w = check_rates(graph, rates)
    n = graph.n_nodes
    active = w > 0
    i, j, w = graph.edges[active, 0], graph.edges[active, 1], w[active]
    diagonal = np.bincount(i, w, n) + np.bincount(j, w, n)
    nodes = np.arange(n, dtype=np.int32)
    rows = np.concatenate([i, j, nodes])
    columns = np.concatenate([j, i, nodes])
    return csr_array((np.concatenate([-w, -w, diagonal]), (rows, columns)), shape=(n, n))


def algebraic_connectivity(graph: Graph, rates: ArrayLike | None = None) -> float:
    """Second smallest eigenvalue of the Laplacian (the smallest positive one).

    Parameters
    ----------
    graph : Graph
        At least two nodes, connected by the edges of positive rate.
    rates : (m,) array_like, optional
        Rate of each edge; all ones by default.

    Returns
    -------
    float
        lambda_2, in the unit of the rates.

    Raises
    ------
    ValueError
        If the graph has one node, or the edges of positive rate do not connect it.
    """
    w, scale = connecting_rates(graph, rates)
    if graph.n_nodes <= DENSE_LIMIT:
        return scale * _dense_connectivity(graph, w)
    return scale * _sparse_connectivity(graph, grounded_solve(graph, w))


def effective_resistances(graph: Graph, rates: ArrayLike | None = None) -> NDArray[np.float64]:
    """Effective resistance ``R_e = (e_i - e_j)' L^+ (e_i - e_j)`` of every edge of the graph.

    Edges of rate zero count too: their two ends are connected through the other edges. Foster's theorem
    ``sum_e rates_e R_e = n - 1`` holds.

    Parameters
    ----------
    graph : Graph
        At least two nodes, connected by the edges of positive rate.
    rates : (m,) array_like, optional
        Rate (conductance) of each edge; all ones by default.

    Returns
    -------
    (m,) float64 array
        Positive resistances, in the inverse unit of the rates.

    Raises
    ------
    ValueError
        As :func:`algebraic_connectivity`.
    """
    w, scale = connecting_rates(graph, rates)
    if graph.n_nodes <= DENSE_LIMIT:
        return _dense_resistances(graph, w) / scale
    return _sparse_resistances(graph, grounded_solve(graph, w)) / scale


def chi(graph: Graph, rates: ArrayLike | None = None) -> tuple[float, float]:
    """The two constants of asynchronous gossip, ``chi1 = 1/lambda_2`` and ``chi2 = max_e R_e / 2``.

    The maximum in chi2 runs over all edges of the graph, those of rate zero included. Always
    ``chi2 <= chi1``; multiplying the rates by c divides both by c. Definitions as in Nabli & Oyallon,
    "DADAO: decoupled accelerated decentralized asynchronous optimization" (ICML 2023), whose condition
    on the rates is ``chi1 * chi2 <= 1/2``.

    Parameters
    ----------
    graph : Graph
        At least two nodes, connected by the edges of positive rate.
    rates : (m,) array_like, optional
        Rate of each edge; all ones by default.

    Returns
    -------
    chi1, chi2 : float
        In the inverse unit of the rates.

    Raises
    ------
    ValueError
        As :func:`algebraic_connectivity`.

    Examples
    --------
    A star with rates 1 has lambda_2 = 1, and every edge of a tree has the resistance 1:

    >>> from gossamer import graphs
    >>> chi1, chi2 = graphs.chi(graphs.star(16))
    >>> round(chi1, 12), round(chi2, 12)
    (1.0, 0.5)
    """
    w, scale = connecting_rates(graph, rates)
    if graph.n_nodes <= DENSE_LIMIT:
        l2, resistances = _dense_connectivity(graph, w), _dense_resistances(graph, w)
    else:
        solve = grounded_solve(graph, w)
        l2, resistances = _sparse_connectivity(graph, solve), _sparse_resistances(graph, solve)
    return 1.0 / (scale * l2), 0.5 * float(resistances.max()) / scale


def spectral_gap(W: Any) -> float:
    """One minus the second largest modulus of the eigenvalues of a mixing matrix.

    Repeated mixing contracts the disagreement by ``1 - spectral_gap(W)`` at each step.

    Parameters
    ----------
    W : (n, n) array_like or scipy sparse array
        Symmetric, with rows that sum to one (within 1e-8).

    Returns
    -------
    float
        In [0, 1] when W is non-negative; 0 if the graph of W is disconnected or W swaps two halves.
        Negative if powers of W diverge. For one node, 1.

    Raises
    ------
    ValueError
        If W is not square, finite, symmetric with unit row sums.
    """
    from scipy import sparse

    is_sparse = sparse.issparse(W)
    try:
        matrix: Any = sparse.csr_array(W) if is_sparse else np.asarray(W, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("W must be a square matrix of numbers") from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
        raise ValueError(f"W must be a square matrix, got shape {matrix.shape}")
    n = matrix.shape[0]
    if not np.all(np.isfinite(matrix.data if is_sparse else matrix)):
        raise ValueError("W has a NaN or infinite entry")
    asymmetry = abs(matrix - matrix.T).max()
    row_error = np.max(np.abs(matrix.sum(axis=1) - 1.0))
    if asymmetry > 1e-8 or row_error > 1e-8:
        raise ValueError(
            f"W must be symmetric with rows that sum to 1, but it is off by {asymmetry:.2g} and "
            f"{row_error:.2g}; see mixing_matrix"
        )
    if n <= DENSE_LIMIT:
        dense = matrix.toarray() if is_sparse else matrix
        centred = 0.5 * (dense + dense.T) - 1.0 / n
        return 1.0 - float(np.max(np.abs(np.linalg.eigvalsh(centred))))
    return _sparse_gap(matrix if is_sparse else sparse.csr_array(matrix))


# ---------------------------------------------------------------------- shared with the rest of the room


def check_rates(graph: Graph, rates: ArrayLike | None) -> NDArray[np.float64]:
    """Return the rates as an (m,) float64 array (ones for None), or raise a ``ValueError``."""
    if not isinstance(graph, Graph):
        raise TypeError(f"graph must be a Graph, got {type(graph).__name__}; see Graph.from_edges")
    if rates is None:
        return np.ones(graph.n_edges)
    try:
        w = np.asarray(rates, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("rates must be an array of numbers, one for each edge") from None
    if w.shape != (graph.n_edges,):
        raise ValueError(f"rates must have one entry per edge, shape ({graph.n_edges},), got {w.shape}")
    bad = ~(np.isfinite(w) & (w >= 0))
    if bad.any():
        e = int(np.argmax(bad))
        raise ValueError(f"rates must be finite and non-negative, got rates[{e}] = {w[e]}")
    return w


def connecting_rates(graph: Graph, rates: ArrayLike | None) -> tuple[NDArray[np.float64], float]:
    """Check the rates and divide them by their mean, so that no formula meets tiny or huge numbers."""
    w = check_rates(graph, rates)
    if graph.n_nodes == 1:
        raise ValueError("chi, connectivity and resistances are undefined on a graph with one node")
    active = w > 0
    if active.all():
        graph.require_connected("this quantity")
    else:
        support = Graph(graph.n_nodes, graph.edges[active], name="edges of positive rate")
        support.require_connected("this quantity")
    largest = float(w.max())
    w = w / largest
    mean = float(w.mean())
    return w / mean, largest * mean


def incidence(graph: Graph) -> NDArray[np.float64]:
    """Dense (n, m) incidence matrix with columns ``e_i - e_j``."""
    B = np.zeros((graph.n_nodes, graph.n_edges))
    e = np.arange(graph.n_edges)
    B[graph.edges[:, 0], e] = 1.0
    B[graph.edges[:, 1], e] = -1.0
    return B


def fiedler_space(graph: Graph) -> NDArray[np.float64]:
    """Orthonormal (n, k) eigenvectors of lambda_2 at rates one; only one of them on large graphs."""
    w, _ = connecting_rates(graph, None)
    if graph.n_nodes > DENSE_LIMIT:
        return _sparse_fiedler(graph, grounded_solve(graph, w))[1]
    values, vectors = np.linalg.eigh(laplacian(graph, w).toarray())
    return vectors[:, 1:][:, values[1:] <= values[1] * (1.0 + 1e-8)]


def dense_pseudo_inverse(graph: Graph, w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pseudo-inverse of the Laplacian by Cholesky of ``L + kappa J``, kappa = tr L / n."""
    from scipy.linalg import cho_solve

    n = graph.n_nodes
    L = laplacian(graph, w).toarray()
    kappa = float(np.trace(L)) / n
    try:
        factor = np.linalg.cholesky(L + kappa / n)
    except np.linalg.LinAlgError:
        raise ValueError(_TOO_WIDE) from None
    inverse = cho_solve((factor, True), np.eye(n))
    inverse = 0.5 * (inverse + inverse.T)
    return inverse - 1.0 / (n * kappa)


def grounded_solve(graph: Graph, w: NDArray[np.float64]) -> Solve:
    """Return ``b -> x`` with ``L x = b`` and ``x[n-1] = 0`` for zero-sum b, (n,) or (n, k)."""
    from scipy.sparse.linalg import splu

    n = graph.n_nodes
    L = laplacian(graph, w)
    factor = splu(L[: n - 1, : n - 1].tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0)

    def solve(b: NDArray[np.float64]) -> NDArray[np.float64]:
        x = np.zeros_like(b)
        x[: n - 1] = factor.solve(np.ascontiguousarray(b[: n - 1]))
        return x

    return solve


def _fixed_start(n: int) -> NDArray[np.float64]:
    """Build a zero-sum starting vector for Lanczos, the same in every run."""
    v = np.random.default_rng(n).standard_normal(n)
    return v - v.mean()


# ---------------------------------------------------------------------- the two ways


def _dense_connectivity(graph: Graph, w: NDArray[np.float64]) -> float:
    from scipy.linalg import eigh

    value = eigh(laplacian(graph, w).toarray(), eigvals_only=True, subset_by_index=[1, 1])
    return _positive(float(value[0]))


def _dense_resistances(graph: Graph, w: NDArray[np.float64]) -> NDArray[np.float64]:
    P = dense_pseudo_inverse(graph, w)
    i, j = graph.edges[:, 0], graph.edges[:, 1]
    return P[i, i] + P[j, j] - 2.0 * P[i, j]


def _sparse_connectivity(graph: Graph, solve: Solve) -> float:
    return _positive(_sparse_fiedler(graph, solve)[0])


def _sparse_fiedler(graph: Graph, solve: Solve) -> tuple[float, NDArray[np.float64]]:
    from scipy.sparse.linalg import LinearOperator, eigsh

    n = graph.n_nodes

    def pseudo_inverse(b: NDArray[np.float64]) -> NDArray[np.float64]:
        b = b.ravel()
        x = solve(b - b.mean())
        return x - x.mean()

    operator = LinearOperator((n, n), matvec=pseudo_inverse, dtype=np.float64)  # type: ignore[call-arg]
    value, vector = eigsh(operator, k=1, which="LA", v0=_fixed_start(n))
    return 1.0 / float(value[0]), vector


def _sparse_resistances(graph: Graph, solve: Solve) -> NDArray[np.float64]:
    """R_ij = Z_ii + Z_jj - 2 Z_ij with Z the inverse of the grounded Laplacian, column block by block."""
    n = graph.n_nodes
    i, j = graph.edges[:, 0].astype(np.int64), graph.edges[:, 1].astype(np.int64)
    diagonal, coupling = np.zeros(n), np.zeros(graph.n_edges)
    first = np.searchsorted(i, np.arange(n + 1))  # edges are sorted by i
    for start in range(0, n - 1, _BLOCK):
        stop = min(start + _BLOCK, n - 1)
        columns = np.arange(start, stop)
        rhs = np.zeros((n, len(columns)))
        rhs[columns, columns - start] = 1.0
        Z = solve(rhs)
        diagonal[columns] = Z[columns, columns - start]
        edges = np.arange(int(first[start]), int(first[stop]))
        coupling[edges] = Z[j[edges], i[edges] - start]
    return diagonal[i] + diagonal[j] - 2.0 * coupling


def _sparse_gap(W: Any) -> float:
    """Gap of a large sparse W: both ends of the spectrum of a non-negative W by shift and invert."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import LinearOperator, eigsh

    n = W.shape[0]
    v0 = _fixed_start(n)
    upper = sparse.triu(W, 1).tocoo()
    if np.any(upper.data < 0) or np.any(W.diagonal() < 0):
        # negative weights: the spectrum may leave [-1, 1], so look for the largest modulus directly
        centred = LinearOperator((n, n), matvec=lambda x: W @ x - x.mean(), dtype=np.float64)  # type: ignore[call-arg]
        largest: Any = eigsh(centred, k=1, which="LM", v0=v0, return_eigenvectors=False)
        return 1.0 - abs(float(largest[0]))
    if connected_components(W, directed=False)[0] > 1:
        return 0.0
    edges = np.column_stack([upper.row, upper.col])
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    keep = order[upper.data[order] > 0]
    graph = Graph(n, edges[keep])  # I - W is the Laplacian of the off-diagonal weights
    top = _sparse_connectivity(graph, grounded_solve(graph, np.asarray(upper.data[keep], dtype=np.float64)))
    # smallest eigenvalue of I + W, resolved on the scale of the other end of the spectrum
    shift = 1e-3 * top
    bottom: Any = eigsh(
        (sparse.eye_array(n) + W).tocsc(), k=1, sigma=-shift, which="LM", v0=v0, return_eigenvectors=False
    )
    return min(top, max(float(bottom[0]), 0.0))


def _positive(l2: float) -> float:
    if not l2 > 0.0:
        raise ValueError(_TOO_WIDE)
    return l2
