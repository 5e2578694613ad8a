"""Laplacians, the constants chi1 and chi2, effective resistances and spectral gaps.

Resistances and lambda_2 come from one factorisation, :mod:`gossamer.kernels.sparse`, that never subtracts.
So both are accurate to about 1e-13 relatively, however many magnitudes the rates span: forming the Laplacian
and factoring it would lose as many digits as the rates span magnitudes. lambda_2 is the inverse of the
largest eigenvalue of the pseudo-inverse, from a dense matrix up to :data:`PSEUDO_INVERSE_LIMIT` nodes and by
Lanczos above (a fixed starting vector, to machine precision). All is deterministic, and to the same bits
however many threads BLAS has.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import checks
from ..kernels.blas import one_blas_thread
from ..kernels.sparse import LaplacianFactor, factor_laplacian
from .graph import Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["algebraic_connectivity", "chi", "effective_resistances", "laplacian", "spectral_gap"]

DENSE_LIMIT = 1500  # nodes; up to here eigenvalues of sparse matrices come from dense ones
PSEUDO_INVERSE_LIMIT = 200  # nodes; the same for lambda_2, where Lanczos on the inverse converges at once
_SMALLEST = 1e-290  # positive rate, absolutely and next to the mean: the inverse of smaller ones may overflow


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
    TypeError, ValueError
        If ``rates`` are not real numbers, or have a wrong shape or a negative or non-finite entry.
    """
    from scipy.sparse import csr_array

    w = check_rates(graph, rates)
    n, diagonal = graph.n_nodes, node_sums(graph, w)
    active = w > 0
    i, j, w = graph.edges[active, 0], graph.edges[active, 1], w[active]
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
    TypeError, ValueError
        As :func:`laplacian`; or if the graph has one node, or the edges of positive rate do not connect it,
        or one of these rates is below 1e-290 or below 1e-290 times the mean rate.
    MemoryError
        If the factor takes more memory than there is, as on expanders of some 10^5 nodes. Ctrl-C ends the
        call within some tenths of a second, unless it comes while SuperLU finds the order of elimination:
        seconds on an expander of 10^5 edges.
    """
    w, scale = connecting_rates(graph, rates, "algebraic_connectivity")
    with one_blas_thread():
        return scale * _connectivity(factor_laplacian(graph.n_nodes, graph.edges, w))


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
    TypeError, ValueError, MemoryError
        As :func:`algebraic_connectivity`.
    """
    w, scale = connecting_rates(graph, rates, "effective_resistances")
    return factor_laplacian(graph.n_nodes, graph.edges, w).resistances(graph.edges) / scale


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
    TypeError, ValueError, MemoryError
        As :func:`algebraic_connectivity`.

    Examples
    --------
    A star with rates 1 has lambda_2 = 1, and every edge of a tree has the resistance 1:

    >>> from gossamer import graphs
    >>> chi1, chi2 = graphs.chi(graphs.star(16))
    >>> round(chi1, 12), round(chi2, 12)
    (1.0, 0.5)
    """
    w, scale = connecting_rates(graph, rates, "chi")
    factor = factor_laplacian(graph.n_nodes, graph.edges, w)
    largest = float(factor.resistances(graph.edges).max())
    with one_blas_thread():
        return 1.0 / (scale * _connectivity(factor)), 0.5 * largest / scale


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
    TypeError, ValueError
        If W is not an array of real numbers, or not square, finite, symmetric with unit row sums.
    MemoryError
        If W is dense and its gap takes more memory than there is.
    """
    from scipy import sparse

    is_sparse = sparse.issparse(W)
    if is_sparse:
        matrix: Any = sparse.csr_array(W)
        entries = checks.real_array("W", matrix.data, 1)  # int or float32 becomes float64
        matrix = sparse.csr_array((entries, matrix.indices, matrix.indptr), shape=matrix.shape)
    else:
        matrix = checks.real_array("W", W, 2)
    n = matrix.shape[0]
    if matrix.ndim != 2 or matrix.shape != (n, n) or n == 0:
        raise ValueError(f"W must be a square matrix, got shape {matrix.shape}")
    if not is_sparse:
        checks.require_memory(
            24 * n * n, f"the gap of a dense W, ({n}, {n}),", "give W as a sparse array of SciPy"
        )
    asymmetry = abs(matrix - matrix.T).max()
    row_error = np.max(np.abs(matrix.sum(axis=1) - 1.0))
    if asymmetry > 1e-8 or row_error > 1e-8:
        raise ValueError(
            f"W must be symmetric with rows that sum to 1, but it is off by {asymmetry:.2g} and "
            f"{row_error:.2g}; see mixing_matrix"
        )
    with one_blas_thread():
        if n > DENSE_LIMIT:
            return _sparse_gap(matrix if is_sparse else sparse.csr_array(matrix))
        dense = matrix.toarray() if is_sparse else matrix
        centred = 0.5 * (dense + dense.T) - 1.0 / n
        return 1.0 - float(np.max(np.abs(np.linalg.eigvalsh(centred))))


# ---------------------------------------------------------------------- shared with the rest of the room


def check_rates(graph: Graph, rates: ArrayLike | None) -> NDArray[np.float64]:
    """Return the rates as an (m,) float64 array, ones for None, or raise a ``TypeError``, ``ValueError``."""
    if not isinstance(graph, Graph):
        raise TypeError(f"graph must be a Graph, got {type(graph).__name__}; see Graph.from_edges")
    if rates is None:
        return np.ones(graph.n_edges)
    return checks.real_array("rates", rates, (graph.n_edges,), least=0.0)


def connecting_rates(
    graph: Graph, rates: ArrayLike | None, purpose: str
) -> tuple[NDArray[np.float64], float]:
    """Check the rates and divide them by their mean, so that no formula meets tiny or huge numbers.

    `purpose`, what the rates are for, begins the message where they do not connect the graph.
    """
    w = check_rates(graph, rates)
    if graph.n_nodes == 1:
        raise ValueError(f"{purpose} needs two nodes or more, but {graph!r} has one")
    active = w > 0
    if active.all():
        graph.require_connected(purpose)
    else:
        support = Graph(graph.n_nodes, graph.edges[active], name="edges of positive rate")
        support.require_connected(purpose)
    largest = float(w.max())
    scale = largest * float((w / largest).mean())
    limit = _SMALLEST * max(scale, 1.0)
    if w[active].min() < limit:
        raise ValueError(
            f"{purpose} would overflow: rates must be zero or at least {limit:.2g}, got {w[active].min():.2g}"
        )
    return w / scale, scale


def node_sums(graph: Graph, v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of v, of any sign, over the edges at each node."""
    i, j = graph.edges.T
    sums = np.bincount(i, v, graph.n_nodes) + np.bincount(j, v, graph.n_nodes)
    return sums.astype(np.float64)  # without edges they are integers


def dense_laplacian(graph: Graph, w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dense ``L(w)``; w of any sign."""
    _require_dense(graph.n_nodes, graph.n_nodes, "a dense Laplacian", "take the sparse one of laplacian()")
    i, j = graph.edges.T
    L = np.diag(node_sums(graph, w))
    L[i, j] = L[j, i] = -w
    return L


def incidence(graph: Graph) -> NDArray[np.float64]:
    """Dense (n, m) incidence matrix with columns ``e_i - e_j``."""
    _require_dense(graph.n_nodes, graph.n_edges, "a dense incidence matrix", "take a sparse one")
    B = np.zeros((graph.n_nodes, graph.n_edges))
    e = np.arange(graph.n_edges)
    B[graph.edges[:, 0], e] = 1.0
    B[graph.edges[:, 1], e] = -1.0
    return B


def _require_dense(rows: int, columns: int, what: str, remedy: str) -> None:
    checks.require_memory(8 * rows * columns, f"{what}, ({rows}, {columns}),", remedy)


def fiedler_space(graph: Graph) -> NDArray[np.float64]:
    """Orthonormal (n, k) eigenvectors of lambda_2 at rates one; only one of them on large graphs."""
    w, _ = connecting_rates(graph, None, "lambda_2")
    if graph.n_nodes > DENSE_LIMIT:
        return _lanczos(factor_laplacian(graph.n_nodes, graph.edges, w))[1]
    values, vectors = np.linalg.eigh(laplacian(graph, w).toarray())
    return vectors[:, 1:][:, values[1:] <= values[1] * (1.0 + 1e-8)]


def pseudo_inverse(factor: LaplacianFactor) -> NDArray[np.float64]:
    """Dense (n, n) pseudo-inverse of the Laplacian: its inverse on the vectors of zero sum."""
    n = len(factor.total)
    # columns of zero sum differ from those of the grounded inverse by multiples of 1, which centring removes
    inverse = factor.solve(np.eye(n) - 1.0 / n)
    inverse -= inverse.mean(axis=0)
    return 0.5 * (inverse + inverse.T)


# ---------------------------------------------------------------------- eigenvalues


def _connectivity(factor: LaplacianFactor) -> float:
    """lambda_2 as the inverse of the largest eigenvalue of the pseudo-inverse."""
    n = len(factor.total)
    if n > PSEUDO_INVERSE_LIMIT:
        return _lanczos(factor)[0]
    # all eigenvalues: where many are equal, as on stars, LAPACK fails to find one of them alone
    return 1.0 / float(np.linalg.eigvalsh(pseudo_inverse(factor))[-1])


def _lanczos(factor: LaplacianFactor) -> tuple[float, NDArray[np.float64]]:
    """lambda_2 and an (n, 1) eigenvector."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    n = len(factor.total)

    def apply(b: NDArray[np.float64]) -> NDArray[np.float64]:
        b = b.ravel()
        x = factor.solve(b - b.mean())
        return x - x.mean()

    operator = LinearOperator((n, n), matvec=apply, dtype=np.float64)  # type: ignore[call-arg]
    try:
        value, vector = eigsh(operator, k=1, which="LA", v0=_fixed_start(n))
    except ArpackNoConvergence:
        # many eigenvalues next to lambda_2, as at rates of the fastest mixing: any of their vectors will do
        tol: Any = 1e-9
        value, vector = eigsh(operator, k=1, which="LA", v0=_fixed_start(n), tol=tol, ncv=min(n, 60))
    return 1.0 / float(value[0]), vector


def _fixed_start(n: int) -> NDArray[np.float64]:
    """Build a zero-sum starting vector for Lanczos, the same in every run."""
    v = np.random.default_rng(n).standard_normal(n)
    return v - v.mean()


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
    top = _connectivity(factor_laplacian(n, graph.edges, upper.data[keep]))
    # smallest eigenvalue of I + W, resolved on the scale of the other end of the spectrum
    shift = 1e-3 * top
    bottom: Any = eigsh(
        (sparse.eye_array(n) + W).tocsc(), k=1, sigma=-shift, which="LM", v0=v0, return_eigenvectors=False
    )
    return min(top, max(float(bottom[0]), 0.0))
