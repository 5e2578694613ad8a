"""Mixing matrices for synchronous averaging: symmetric, with rows that sum to one."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.blas import one_blas_thread
from .graph import Graph
from .spectra import incidence, laplacian, spectral_gap

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["mixing_matrix"]

_SDP_NODES = 80  # the semidefinite programmes take minutes beyond

Array = NDArray[np.float64]


def mixing_matrix(graph: Graph, kind: str = "metropolis", *, lazy: bool = False) -> "csr_array":
    """Build a mixing matrix W on a graph: symmetric, rows summing to one, zero off the edges.

    Parameters
    ----------
    graph : Graph
        The first three kinds accept a disconnected graph (W then mixes within the components), the
        others need a connected one.
    kind : str
        Weight of the edge ij, where d is the degree; the diagonal is what remains to one:

        ===================  ==========================================================================
        ``metropolis``       ``1 / (1 + max(d_i, d_j))``
        ``lazy_metropolis``  ``1 / (2 max(d_i, d_j))``; every diagonal entry is at least 1/2
        ``max_degree``       ``1 / max d``; swaps two halves (spectral gap 0) on a regular bipartite graph
        ``best_constant``    ``2 / (lambda_2 + lambda_max)`` of the Laplacian, the best equal weight
        ``fdla``             the smallest second largest eigenvalue modulus; weights may be negative
        ``fmmc``             the same over non-negative W, the fastest mixing symmetric Markov chain
        ===================  ==========================================================================

        The last three are of Xiao & Boyd, "Fast linear iterations for distributed averaging" (Systems &
        Control Letters 2004), and Boyd, Diaconis & Xiao, "Fastest mixing Markov chain on a graph" (SIAM
        Review 2004). ``fdla`` and ``fmmc`` solve a semidefinite programme, up to 80 nodes; they are never
        worse than ``best_constant`` and ``metropolis``, respectively.
    lazy : bool
        Return ``(I + W) / 2``, whose eigenvalues are non-negative when W is a Markov chain.

    Returns
    -------
    scipy.sparse.csr_array
        (n, n) float64. Non-negative, so doubly stochastic, for all kinds but ``best_constant`` and
        ``fdla``.

    Raises
    ------
    ValueError
        If the kind is unknown, the graph is disconnected where it must not be, or too large for a
        semidefinite programme.
    RuntimeError
        If the solver of the semidefinite programme fails.

    Examples
    --------
    >>> from gossamer import graphs
    >>> W = graphs.mixing_matrix(graphs.path(3))
    >>> W.toarray().round(3).tolist()
    [[0.667, 0.333, 0.0], [0.333, 0.333, 0.333], [0.0, 0.333, 0.667]]
    """
    if kind not in _KINDS:
        raise ValueError(f"kind {kind!r} is unknown; choose from {', '.join(_KINDS)}")
    if kind in ("best_constant", "fdla", "fmmc"):
        graph.require_connected(f"mixing_matrix(kind={kind!r})")
    with one_blas_thread():
        weights = _KINDS[kind](graph) if graph.n_edges else np.zeros(0)
    return _assemble(graph, 0.5 * weights if lazy else weights)


def _assemble(graph: Graph, weights: Array) -> "csr_array":
    """Return ``I - L(weights)``; built entry by entry, since the weights may be negative."""
    from scipy.sparse import csr_array

    n = graph.n_nodes
    i, j = graph.edges[:, 0], graph.edges[:, 1]
    nodes = np.arange(n, dtype=np.int32)
    diagonal = 1.0 - (np.bincount(i, weights, n) + np.bincount(j, weights, n))
    rows, columns = np.concatenate([i, j, nodes]), np.concatenate([j, i, nodes])
    return csr_array((np.concatenate([weights, weights, diagonal]), (rows, columns)), shape=(n, n))


def _larger_degree(graph: Graph) -> Array:
    return graph.degrees[graph.edges].max(axis=1).astype(np.float64)


def _metropolis(graph: Graph) -> Array:
    return 1.0 / (1.0 + _larger_degree(graph))


def _lazy_metropolis(graph: Graph) -> Array:
    return 0.5 / _larger_degree(graph)


def _max_degree(graph: Graph) -> Array:
    return np.full(graph.n_edges, 1.0 / graph.degrees.max())


def _best_constant(graph: Graph) -> Array:
    from .spectra import DENSE_LIMIT, algebraic_connectivity

    n = graph.n_nodes
    if n <= DENSE_LIMIT:
        # all eigenvalues: where many are equal, as on complete graphs, LAPACK fails to find one of them alone
        top = np.linalg.eigvalsh(laplacian(graph).toarray())[-1:]
    else:
        from scipy.sparse.linalg import eigsh

        start = np.random.default_rng(n).standard_normal(n)
        top = eigsh(laplacian(graph), k=1, which="LA", v0=start, return_eigenvectors=False)
    return np.full(graph.n_edges, 2.0 / (algebraic_connectivity(graph) + float(np.asarray(top)[0])))


def _fdla(graph: Graph) -> Array:
    return _better(graph, _optimal_weights(graph, markov=False), _best_constant(graph))


def _fmmc(graph: Graph) -> Array:
    weights = np.maximum(_optimal_weights(graph, markov=True), 0.0)
    largest = float(np.bincount(graph.edges.ravel(), np.repeat(weights, 2)).max())
    return _better(graph, weights / max(1.0, largest), _metropolis(graph))


def _better(graph: Graph, weights: Array, simple: Array) -> Array:
    gap, simple_gap = (spectral_gap(_assemble(graph, w)) for w in (weights, simple))
    return weights if gap > simple_gap else simple


def _optimal_weights(graph: Graph, *, markov: bool) -> Array:
    """Minimise s over the weights w subject to ``-s I <= I - L(w) - J <= s I``."""
    import cvxpy as cp

    n, m = graph.n_nodes, graph.n_edges
    if n > _SDP_NODES:
        raise ValueError(
            f"fdla and fmmc are limited to {_SDP_NODES} nodes, the graph has {n}; use 'best_constant'"
        )
    B = incidence(graph)
    w, s = cp.Variable(m), cp.Variable()
    deviation = np.eye(n) - 1.0 / n - B @ cp.diag(w) @ B.T
    constraints: list[Any] = [deviation >> -s * np.eye(n), s * np.eye(n) >> deviation]
    if markov:
        constraints += [w >= 0, np.abs(B) @ w <= 1]
    problem = cp.Problem(cp.Minimize(s), constraints)
    try:
        problem.solve(solver=cp.CLARABEL)
    except cp.SolverError as error:
        raise RuntimeError(f"the semidefinite programme failed: {error}; use another kind") from error
    if w.value is None or not np.all(np.isfinite(w.value)):
        raise RuntimeError(f"the semidefinite programme ended as {problem.status!r}; use another kind")
    return np.array(w.value)


_KINDS: dict[str, Callable[[Graph], Array]] = {
    "metropolis": _metropolis,
    "lazy_metropolis": _lazy_metropolis,
    "max_degree": _max_degree,
    "best_constant": _best_constant,
    "fdla": _fdla,
    "fmmc": _fmmc,
}
