"""Proofs of lambda_2 and of resistances in floating point.

On graphs of up to :data:`~gossamer.graphs.spectra.PSEUDO_INVERSE_LIMIT` nodes lambda_2 is the inverse of the
largest eigenvalue of the pseudo-inverse, which is raised by a bound of its rounding errors. On larger ones,
where it is computed by an iteration that finds it from above, a number s slightly below is proven:
``L(w) - s I`` must have no negative eigenvalue on the vectors of zero sum, which an elimination decides up to
a bound of its rounding errors. If that is too large for s, the other elimination is tried, then a lower s.

* Sparse: ``L - s I`` has one negative pivot (Sylvester), that of the constant vector. Few roundings go into
  an entry, but without pivoting the bound grows where lambda_2 is multiple
  (`gossamer.kernels.sparse.inertia`).
* Dense, on graphs of up to :data:`DENSE_NODES` nodes: ``L - s I + c 11'`` has a Cholesky factor. The
  computed factor is exact for a matrix that differs by at most ``gamma |R'| |R|`` (Higham, Accuracy and
  Stability of Numerical Algorithms, Theorem 10.3), whatever the eigenvalues; gamma has n roundings.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import checks
from ...kernels.sparse import factor_laplacian
from ...kernels.sparse.inertia import Elimination
from ..graph import Graph
from ..spectra import (
    PSEUDO_INVERSE_LIMIT,
    algebraic_connectivity,
    check_rates,
    connecting_rates,
    node_sums,
    pseudo_inverse,
)

__all__ = ["proven_connectivity", "proven_resistances"]

Array = NDArray[np.float64]

DENSE_NODES = 3000
_MARGINS = (1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # below lambda_2
_ROUNDOFF = 0.5 * np.finfo(float).eps


def proven_connectivity(graph: Graph, rates: ArrayLike) -> float:
    """Lower bound on lambda_2, mostly within some 1e-9 of it.

    Rounding takes more where lambda_2 is far below the largest sum of rates at a node: 1e-6 where it is 8
    magnitudes below, on a path of 300 nodes. Beyond :data:`DENSE_NODES` nodes it takes 1e-5 and more where
    lambda_2 is multiple.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    rates : (m,) array_like
        Finite, non-negative, connecting the graph.

    Returns
    -------
    float
        Never above lambda_2. Zero if rounding allows no proof, as for rates over ten and more magnitudes on
        graphs of more than :data:`~gossamer.graphs.spectra.PSEUDO_INVERSE_LIMIT` nodes.
    """
    n = graph.n_nodes
    if n <= PSEUDO_INVERSE_LIMIT:
        return _from_inverse(graph, rates)
    l2 = algebraic_connectivity(graph, rates)
    w = check_rates(graph, rates)
    diagonal = node_sums(graph, w)
    sums = (graph.degrees.max() + 1) * 2.0 * _ROUNDOFF * diagonal.max()  # roundings of the diagonal
    elimination = Elimination(n, graph.edges)
    for margin in _MARGINS:
        s = (1.0 - margin) * l2
        shortfall = sums + _sparse(elimination, w, diagonal, s)
        if shortfall > margin * l2 and n <= DENSE_NODES:
            shortfall = sums + _dense(graph, w, diagonal, s)
        if shortfall <= margin * l2:
            return float(s - shortfall)
    return 0.0


def proven_resistances(graph: Graph, rates: ArrayLike) -> tuple[Array, float]:
    """Effective resistances of the edges, and an upper bound of the largest.

    Parameters
    ----------
    graph : Graph
        Connected, at least two nodes.
    rates : (m,) array_like
        Finite, non-negative, connecting the graph.

    Returns
    -------
    resistances : (m,) array
        As :func:`~gossamer.graphs.effective_resistances`.
    largest : float
        Never below any resistance.
    """
    w, scale = connecting_rates(graph, rates, "the largest resistance")
    factor = factor_laplacian(graph.n_nodes, graph.edges, w)
    resistances = factor.resistances(graph.edges) / scale
    return resistances, float(resistances.max()) * (1.0 + factor.rounding)


def _from_inverse(graph: Graph, rates: ArrayLike) -> float:
    """Lower bound of lambda_2 from all eigenvalues of the pseudo-inverse."""
    w, scale = connecting_rates(graph, rates, "lambda_2")
    n, factor = graph.n_nodes, factor_laplacian(graph.n_nodes, graph.edges, w)
    P = pseudo_inverse(factor)
    # The columns are potentials of currents b, off by the rounding of those of |b| at most: a matrix whose
    # norm is less than twice the trace of the grounded inverse, tr P + n P_rr with the ground r.
    ground = int(np.argmax(factor.position))
    grounded = float(np.trace(P) + n * P[ground, ground])
    error = 1.1 * (2.0 * factor.rounding + 40.0 * n * _ROUNDOFF) * grounded
    largest = float(np.linalg.eigvalsh(P)[-1]) + error
    return scale / largest * (1.0 - factor.rounding)


def _sparse(elimination: Elimination, w: Array, diagonal: Array, s: float) -> float:
    """By how much lambda_2 may be less than s; infinite if elimination finds it is."""
    found = elimination.inertia(diagonal - s, -w)
    return found.uncertainty if found.negative == 1 else np.inf


def _dense(graph: Graph, w: Array, diagonal: Array, s: float) -> float:
    """As :func:`_sparse`, by a Cholesky factor."""
    from scipy.linalg import cholesky

    n, (i, j) = graph.n_nodes, graph.edges.T
    checks.require_memory(
        32 * n * n, f"proving lambda_2 by a dense factor, ({n}, {n}),", "take the criterion 'max_resistance'"
    )
    # the constant vector gets an eigenvalue like those of L, above s, which is up to n/(n - 1) times the mean
    lift = 2.0 * float(diagonal.mean()) / n
    M = np.full((n, n), lift)
    M[i, j] = M[j, i] = lift - w
    M[np.arange(n), np.arange(n)] = diagonal - s + lift
    entries = 4.0 * _ROUNDOFF * float(np.max(diagonal + 2.0 * n * lift + s))  # roundings of these
    try:
        R = np.abs(cholesky(M, lower=True, overwrite_a=True, check_finite=False))
    except np.linalg.LinAlgError:
        return np.inf
    largest = float(np.max(R @ (R.T @ np.ones(n))))  # row sum of |R'| |R|, which bounds its norm
    return 1.01 * (n + 2) * _ROUNDOFF * largest + entries
