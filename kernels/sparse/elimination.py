"""The order in which a graph is eliminated, and what is filled in: no numbers yet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..interrupt import interruptible
from . import cpu

__all__ = [
    "Columns",
    "columns",
    "elimination_work",
    "fill_reducing_order",
    "grouped",
    "node_pairs",
    "squared_lengths",
]

Places = NDArray[np.int64]


class Columns(NamedTuple):
    """Columns of the factor of a matrix with the pattern of a graph.

    Attributes
    ----------
    position : (n,) int64
        Place of each node in the order of elimination.
    ends : (m, 2) int64
        Places of the ends of each edge, the earlier one first.
    parent : (n,) int64
        Place at which each column is used first, -1 if nowhere.
    indptr, indices : (n + 1,), (nnz,) int64
        Later places that each column reaches, ascending.
    """

    position: Places
    ends: Places
    parent: Places
    indptr: Places
    indices: Places


def columns(n: int, pairs: Places) -> Columns:
    """Lay out the columns; raise a ``ValueError`` if a pair comes twice."""
    position, ends, starts, earlier, parent, count = _counted(n, pairs)
    key = np.sort(ends[:, 0] * n + ends[:, 1])
    if np.any(key[1:] == key[:-1]):
        raise ValueError("edges must be distinct: add up the weights of parallel edges")
    indptr = np.concatenate([[0], np.cumsum(count)])
    nnz = int(indptr[-1])
    # the places, and two numbers for each in what follows
    checks.require_memory(
        24 * nnz,
        f"the factor of a graph of {n} nodes and {len(pairs)} edges, {nnz} entries after fill-in,",
        "take a sparser graph, or one that falls apart along small cuts, as planar ones do",
    )
    indices = np.empty(nnz, np.int64)
    interruptible(cpu.fill_columns, starts, earlier, parent, indptr, indices, work=float(nnz))
    return Columns(position, ends, parent, indptr, indices)


def squared_lengths(indptr: Places) -> float:
    """Sum of the squares of the column lengths: the multiplications of a factorisation."""
    return float(np.sum(np.diff(indptr).astype(np.float64) ** 2))


def elimination_work(n_nodes: int, edges: ArrayLike) -> int:
    """Count the multiplications of one factorisation, without doing it.

    Parameters
    ----------
    n_nodes : int
        Number of nodes n.
    edges : (m, 2) array_like of int
        Distinct pairs of distinct nodes.

    Returns
    -------
    int
        Sum of the squares of the column lengths of the factor, in the order of `fill_reducing_order`: near
        ``n^1.5`` for planar graphs, a constant part of ``n^3`` for expanders.

    Raises
    ------
    TypeError, ValueError
        If ``edges`` is not an array of pairs of nodes.

    Examples
    --------
    A tree has no fill, a complete graph nothing else:

    >>> from gossamer.kernels import sparse
    >>> sparse.elimination_work(4, [[0, 1], [0, 2], [0, 3]])
    3
    >>> sparse.elimination_work(4, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])
    14
    """
    n = checks.count("n_nodes", n_nodes, least=1, most=2**31 - 1)
    count = _counted(n, node_pairs(edges, n))[-1]
    return int(count @ count)


def fill_reducing_order(n_nodes: int, edges: ArrayLike) -> NDArray[np.int64]:
    """Return the place of each node in an order of elimination that keeps the factor sparse.

    First the nodes of degree one, again and again, which cause no fill at all (a tree has nothing else), then
    the rest by multiple minimum degree (Liu 1985), as SuperLU computes it.

    Parameters
    ----------
    n_nodes : int
        Number of nodes n.
    edges : (m, 2) array_like of int
        Distinct pairs of distinct nodes.

    Returns
    -------
    (n,) int64 array
        A permutation of ``0 .. n - 1``.

    Raises
    ------
    TypeError, ValueError
        If ``edges`` is not an array of pairs of nodes.

    Examples
    --------
    The leaves of a star go before its hub, until one leaf and the hub are alike:

    >>> from gossamer.kernels import sparse
    >>> sparse.fill_reducing_order(4, [[0, 1], [0, 2], [0, 3]]).tolist()
    [2, 0, 1, 3]
    """
    n = checks.count("n_nodes", n_nodes, least=1, most=2**31 - 1)
    i, j = node_pairs(edges, n).T
    degree = np.bincount(i, minlength=n) + np.bincount(j, minlength=n)
    link = np.zeros(n, np.int64)
    np.bitwise_xor.at(link, i, j)
    np.bitwise_xor.at(link, j, i)
    order = np.empty(n, np.int64)
    peeled = cpu.peel(degree, link, order)
    is_core = np.ones(n, bool)
    is_core[order[:peeled]] = False
    core = np.flatnonzero(is_core)
    position = np.empty(n, np.int64)
    position[order[:peeled]] = np.arange(peeled)
    position[core] = peeled + np.arange(len(core))
    inside = is_core[i] & is_core[j]
    if inside.any():
        position[core] = peeled + _minimum_degree(
            position[i[inside]] - peeled, position[j[inside]] - peeled, len(core)
        )
    return position


def _counted(n: int, pairs: Places) -> tuple[Places, ...]:
    """Order, edges in it, earlier neighbours grouped by place, parents, and lengths of the columns."""
    position = fill_reducing_order(n, pairs)
    ends = np.sort(position[pairs], axis=1)
    starts, order = grouped(ends[:, 1], n)
    earlier = ends[order, 0]
    parent, count = np.empty(n, np.int64), np.empty(n, np.int64)
    # at most as many steps as columns for each edge; the entries themselves are not known yet
    interruptible(cpu.count_columns, starts, earlier, parent, count, work=float(n) * len(pairs))
    return position, ends, starts, earlier, parent, count


def _minimum_degree(i: Places, j: Places, n: int) -> Places:
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import spilu

    nodes = np.arange(n)
    # any matrix with the pattern of the graph that needs no pivoting: here a diagonally dominant one
    diagonal = np.bincount(i, minlength=n) + np.bincount(j, minlength=n) + 1.0
    values = np.concatenate([np.full(2 * len(i), -1.0), diagonal])
    places = np.concatenate([i, j, nodes]), np.concatenate([j, i, nodes])
    matrix = csc_array((values, places), shape=(n, n))
    # an incomplete factorisation drops all entries, and so takes neither the time nor the memory of the fill
    factor = spilu(
        matrix,
        drop_tol=1.0,
        fill_factor=1.0,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return factor.perm_c.astype(np.int64)


def node_pairs(edges: ArrayLike, n: int) -> Places:
    """Return the edges as int64 pairs of nodes, or raise a ``TypeError``, ``ValueError``."""
    pairs = np.asarray(edges)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"edges must have shape (m, 2), got {pairs.shape}")
    if pairs.dtype.kind not in "iu":
        raise TypeError(f"edges must hold integer node indices, got dtype {pairs.dtype}")
    if pairs.size and not (pairs.min() >= 0 and pairs.max() < n):
        raise ValueError(f"edges must hold nodes in 0..{n - 1}, got {pairs.min()}..{pairs.max()}")
    if np.any(pairs[:, 0] == pairs[:, 1]):
        raise ValueError("edges must be pairs of distinct nodes, got a self-loop")
    return pairs.astype(np.int64)


def grouped(key: Places, n: int) -> tuple[Places, Places]:
    """Return the beginnings of the groups of equal keys, and the order that groups them."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=n))])
    return starts, np.argsort(key, kind="stable")
