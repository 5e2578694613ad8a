"""Simple rules for the weights of a mixing matrix, and the matrix of any weights."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .. import spectra
from ..graph import Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = [
    "assemble",
    "best_constant",
    "best_markov_constant",
    "lazy_metropolis",
    "max_degree",
    "metropolis",
]

Array = NDArray[np.float64]


def assemble(graph: Graph, weights: Array) -> "csr_array":
    """Return ``W = I - L(weights)``; built entry by entry, since the weights may be negative."""
    from scipy.sparse import csr_array

    n = graph.n_nodes
    i, j = graph.edges[:, 0], graph.edges[:, 1]
    nodes = np.arange(n, dtype=np.int32)
    diagonal = 1.0 - spectra.node_sums(graph, weights)
    rows, columns = np.concatenate([i, j, nodes]), np.concatenate([j, i, nodes])
    return csr_array((np.concatenate([weights, weights, diagonal]), (rows, columns)), shape=(n, n))


def _larger_degree(graph: Graph) -> Array:
    return graph.degrees[graph.edges].max(axis=1).astype(np.float64)


def metropolis(graph: Graph) -> Array:
    """``1 / (1 + max(d_i, d_j))`` with the degrees d."""
    return 1.0 / (1.0 + _larger_degree(graph))


def lazy_metropolis(graph: Graph) -> Array:
    """``1 / (2 max(d_i, d_j))``."""
    return 0.5 / _larger_degree(graph)


def max_degree(graph: Graph) -> Array:
    """``1 / max d``."""
    return np.full(graph.n_edges, 1.0 / graph.degrees.max())


def best_constant(graph: Graph) -> Array:
    """``2 / (lambda_2 + lambda_max)`` of the Laplacian, for a connected graph."""
    n = graph.n_nodes
    if n <= spectra.DENSE_LIMIT:
        # all eigenvalues: where many are equal, as on complete graphs, LAPACK fails to find one of them alone
        top = np.linalg.eigvalsh(spectra.laplacian(graph).toarray())[-1]
    else:
        from scipy.sparse.linalg import eigsh

        start = np.random.default_rng(n).standard_normal(n)
        top = np.asarray(
            eigsh(spectra.laplacian(graph), k=1, which="LA", v0=start, return_eigenvectors=False)
        )[0]
    return np.full(graph.n_edges, 2.0 / (spectra.algebraic_connectivity(graph) + float(top)))


def best_markov_constant(graph: Graph) -> Array:
    """The best equal weight of a Markov chain: the best constant, or ``1 / max d`` where that is less."""
    return np.minimum(best_constant(graph), max_degree(graph))
