"""Mixing matrices for synchronous averaging: symmetric, with rows that sum to one."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..kernels.blas import one_blas_thread
from .averaging import fastest_mixing
from .averaging.weights import assemble, best_constant, lazy_metropolis, max_degree, metropolis
from .graph import Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["mixing_matrix"]

_TOLERANCE = 1e-8  # of the optimal kinds

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
        Review 2004). ``fdla`` and ``fmmc`` are the weights of :func:`fastest_mixing` to a relative gap of
        1e-8, or as near as it comes, up to 6000 edges and 2000 nodes; it also proves how good they are.
        They are never worse than the other kinds, but that ``fmmc`` can be worse than a ``best_constant``
        with negative entries.
    lazy : bool
        Return ``(I + W) / 2``, whose eigenvalues are non-negative when W is a Markov chain.

    Returns
    -------
    scipy.sparse.csr_array
        (n, n) float64. Non-negative, so doubly stochastic, for all kinds but ``best_constant`` and
        ``fdla``.

    Raises
    ------
    TypeError, ValueError
        If ``graph`` is no Graph, disconnected where it must not be or too large for ``fdla`` and ``fmmc``,
        or the kind is unknown.

    Examples
    --------
    >>> from gossamer import graphs
    >>> W = graphs.mixing_matrix(graphs.path(3))
    >>> W.toarray().round(3).tolist()
    [[0.667, 0.333, 0.0], [0.333, 0.333, 0.333], [0.0, 0.333, 0.667]]
    """
    if not isinstance(graph, Graph):
        raise TypeError(f"graph must be a Graph, got {type(graph).__name__}; see Graph.from_edges")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"kind {kind!r} is unknown; choose from {', '.join(_KINDS)}")
    if kind in ("best_constant", "fdla", "fmmc"):
        graph.require_connected(f"mixing_matrix(kind={kind!r})")
    with one_blas_thread():
        weights = _KINDS[kind](graph) if graph.n_edges else np.zeros(0)
    return assemble(graph, 0.5 * weights if lazy else weights)


def _fastest(kind: str) -> Callable[[Graph], Array]:
    return lambda graph: fastest_mixing(graph, kind, tol=_TOLERANCE).weights


_KINDS: dict[str, Callable[[Graph], Array]] = {
    "metropolis": metropolis,
    "lazy_metropolis": lazy_metropolis,
    "max_degree": max_degree,
    "best_constant": best_constant,
    "fdla": _fastest("fdla"),
    "fmmc": _fastest("fmmc"),
}
