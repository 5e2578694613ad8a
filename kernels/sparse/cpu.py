"""Star-mesh elimination of a sparse graph in Numba.

Columns of the factor are the nodes in the order of elimination. Column j lists the later nodes to which j
has an edge when its turn comes, ascending. The pattern is that of a sparse Cholesky factor (row by row: node
i has an entry in the columns on the paths from its earlier neighbours up the elimination tree).

The last argument of the long loops is a flag, looked at once a column, at which they return unfinished
(`interrupt`).
"""

from __future__ import annotations

import numpy as np
from numba import types

from .._jit import array_type, lazy_njit

_INT = array_type(types.int64, 1, readonly=True)
_REAL = array_type(types.float64, 1, readonly=True)
_INT_OUT = array_type(types.int64, 1)
_REAL_OUT = array_type(types.float64, 1)
_STOP = array_type(types.uint8, 1, readonly=True)


@lazy_njit(types.int64(_INT_OUT, _INT_OUT, _INT_OUT))
def peel(degree, link, order):
    """Write nodes of degree one, again and again, at the beginning of `order`; return how many.

    `link` holds the bitwise exclusive or of each node's neighbours: the neighbour itself, once only one is
    left. Both arrays are used up. The nodes that remain have a degree of two or more, or zero: the
    last node of a tree, or a node without an edge.
    """
    n = degree.shape[0]
    found = 0
    for first in range(n):
        node = first
        while degree[node] == 1:
            neighbour = link[node]
            order[found] = node
            found += 1
            degree[node] = 0
            degree[neighbour] -= 1
            link[neighbour] ^= node
            node = neighbour
    return found


@lazy_njit(types.void(_INT, _INT, _INT_OUT, _INT_OUT, _STOP))
def count_columns(starts, neighbours, parent, count, stop):
    """Fill the elimination tree and the number of entries of each column.

    The earlier neighbours of node i, in any order, are neighbours[starts[i]:starts[i + 1]].
    """
    n = parent.shape[0]
    seen = np.empty(n, np.int64)
    for i in range(n):
        if stop[0]:
            return
        parent[i] = -1
        count[i] = 0
        seen[i] = i
        for t in range(starts[i], starts[i + 1]):
            j = neighbours[t]
            while seen[j] != i:
                if parent[j] < 0:
                    parent[j] = i
                seen[j] = i
                count[j] += 1
                j = parent[j]


@lazy_njit(types.void(_INT, _INT, _INT, _INT, _INT_OUT, _STOP))
def fill_columns(starts, neighbours, parent, indptr, indices, stop):
    """Fill the entries of the columns; going over i upwards leaves each column sorted."""
    n = parent.shape[0]
    seen = np.empty(n, np.int64)
    place = indptr[:n].copy()
    for i in range(n):
        if stop[0]:
            return
        seen[i] = i
        for t in range(starts[i], starts[i + 1]):
            j = neighbours[t]
            while seen[j] != i:
                seen[j] = i
                indices[place[j]] = i
                place[j] += 1
                j = parent[j]


@lazy_njit(types.void(_INT, _INT, _INT, _INT, _REAL, _REAL_OUT, _REAL_OUT, _STOP))
def eliminate(indptr, indices, starts, neighbours, weights, fractions, total, stop):
    """Fill the fractions of each column and its total conductance; the last total is zero.

    Here neighbours[starts[j]:starts[j + 1]] are the later neighbours of j and `weights` their edges'. Nothing
    is ever subtracted, so each result has a small relative error, however many magnitudes the weights span.
    """
    n = total.shape[0]
    work = np.zeros(n)
    head = np.full(n, -1, np.int64)  # columns whose next entry is this node, a linked list
    following = np.empty(n, np.int64)
    place = indptr[:n].copy()
    for j in range(n):
        if stop[0]:
            return
        for t in range(starts[j], starts[j + 1]):
            work[neighbours[t]] = weights[t]
        k = head[j]
        while k >= 0:
            after = following[k]
            t = place[k]
            end = indptr[k + 1]
            flow = fractions[t] * total[k]
            t += 1
            for s in range(t, end):
                work[indices[s]] += flow * fractions[s]
            if t < end:
                place[k] = t
                following[k] = head[indices[t]]
                head[indices[t]] = k
            k = after
        begin, end = indptr[j], indptr[j + 1]
        conductance = 0.0
        for t in range(begin, end):
            conductance += work[indices[t]]
        total[j] = conductance
        for t in range(begin, end):
            i = indices[t]
            fractions[t] = work[i] / conductance
            work[i] = 0.0
        if begin < end:
            following[j] = head[indices[begin]]
            head[indices[begin]] = j


@lazy_njit(types.void(_INT, _INT, _INT, _INT, _REAL, _REAL, _REAL_OUT, _REAL_OUT, _STOP))
def factor_symmetric(indptr, indices, starts, neighbours, entries, diagonal, lower, pivots, stop):
    """Fill the columns of L below its unit diagonal and the pivots of ``A = L D L'``, without pivoting.

    Arguments as in `eliminate`, for the entries of any symmetric matrix. Sums and products are those of the
    definition, ``A_ij - sum_k L_ik D_k L_jk``, so that the error analysis of the textbook holds.
    """
    n = pivots.shape[0]
    work = np.zeros(n)
    head = np.full(n, -1, np.int64)  # columns whose next entry is this node, a linked list
    following = np.empty(n, np.int64)
    place = indptr[:n].copy()
    for j in range(n):
        if stop[0]:
            return
        for t in range(starts[j], starts[j + 1]):
            work[neighbours[t]] = entries[t]
        pivot = diagonal[j]
        k = head[j]
        while k >= 0:
            after = following[k]
            t = place[k]
            end = indptr[k + 1]
            scaled = lower[t] * pivots[k]
            pivot -= scaled * lower[t]
            t += 1
            for s in range(t, end):
                work[indices[s]] -= scaled * lower[s]
            if t < end:
                place[k] = t
                following[k] = head[indices[t]]
                head[indices[t]] = k
            k = after
        pivots[j] = pivot
        begin, end = indptr[j], indptr[j + 1]
        for t in range(begin, end):
            i = indices[t]
            lower[t] = work[i] / pivot
            work[i] = 0.0
        if begin < end:
            following[j] = head[indices[begin]]
            head[indices[begin]] = j


@lazy_njit(types.float64(_INT, _INT, _REAL, _REAL))
def largest_row_of_moduli(indptr, indices, lower, pivots):
    """Largest row sum of ``|L| |D| |L'|``; NaN if an entry is NaN."""
    n = pivots.shape[0]
    rows = np.zeros(n)
    for j in range(n):
        column = 1.0
        for t in range(indptr[j], indptr[j + 1]):
            column += abs(lower[t])
        column *= abs(pivots[j])
        rows[j] += column
        for t in range(indptr[j], indptr[j + 1]):
            rows[indices[t]] += abs(lower[t]) * column
    largest = 0.0
    for i in range(n):
        if not rows[i] <= largest:
            largest = rows[i]
            if np.isnan(largest):
                break
    return largest


@lazy_njit(types.void(_INT, _INT, _REAL, _REAL, _REAL_OUT, _STOP))
def fill_resistances(indptr, indices, fractions, total, resistances, stop):
    """Fill the effective resistance between the two nodes of each entry, from the last column to the first.

    Let X be Gaussian with Var(X_a - X_b) = R_ab. Node j is X_j = sum_k f_k X_k + noise of variance 1/total_j,
    over the entries k of its column, so

        R_ji = 1/total_j + sum_k f_k R_ki - (1/2) sum_kl f_k f_l R_kl.

    All the R_ki stand in later columns: the entries of a column are pairwise neighbours once it is gone.
    """
    n = total.shape[0]
    share = np.zeros(n)
    mean = np.zeros(n)  # sum_k f_k R_ki at the entries i of the column; at other nodes it is not read
    for j in range(n - 2, -1, -1):
        if stop[0]:
            return
        begin, end = indptr[j], indptr[j + 1]
        for t in range(begin, end):
            share[indices[t]] = fractions[t]
            mean[indices[t]] = 0.0
        for t in range(begin, end):
            k = indices[t]
            f = fractions[t]
            back = 0.0
            for s in range(indptr[k], indptr[k + 1]):
                i = indices[s]
                r = resistances[s]
                mean[i] += f * r
                back += share[i] * r
            mean[k] += back
        spread = 0.0
        for t in range(begin, end):
            spread += fractions[t] * mean[indices[t]]
            share[indices[t]] = 0.0
        spread = 1.0 / total[j] - 0.5 * spread
        for t in range(begin, end):
            resistances[t] = mean[indices[t]] + spread


@lazy_njit(types.void(_INT, _INT, _REAL, _REAL, array_type(types.float64, 2), _STOP))
def solve(indptr, indices, fractions, total, x, stop):
    """Replace the right-hand sides in x, rows in the order of elimination, by the solutions."""
    n, width = x.shape
    for j in range(n - 1):
        if stop[0]:
            return
        for t in range(indptr[j], indptr[j + 1]):
            i = indices[t]
            f = fractions[t]
            for c in range(width):
                x[i, c] += f * x[j, c]
    for c in range(width):
        x[n - 1, c] = 0.0
    for j in range(n - 2, -1, -1):
        if stop[0]:
            return
        for c in range(width):
            x[j, c] /= total[j]
        for t in range(indptr[j], indptr[j + 1]):
            i = indices[t]
            f = fractions[t]
            for c in range(width):
                x[j, c] += f * x[i, c]


@lazy_njit(types.float64(_INT, _INT))
def largest_path_sum(indptr, indices):
    """Largest sum of ``(d + 2)^2`` along a path to the root of the elimination tree, d the column lengths."""
    n = indptr.shape[0] - 1
    sums = np.zeros(n)
    largest = 0.0
    for j in range(n - 1, -1, -1):
        begin, d = indptr[j], indptr[j + 1] - indptr[j]
        sums[j] = float(d + 2) * float(d + 2)
        if d > 0:
            sums[j] += sums[indices[begin]]
        largest = max(largest, sums[j])
    return largest
