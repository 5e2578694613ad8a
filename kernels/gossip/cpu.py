"""Gossip in Numba: rows of a sparse matrix times rows of X, and pairs of rows averaged in place.

For a GPU the pairs are cut into batches here.

An output row is formed from up to nine rows of X in one pass over the coordinates, so that it is written
once, where a product entry by entry reads and writes it for each neighbour. The coordinates need no blocks:
nine streams of rows are what the hardware prefetches well, and blocks were slower at every size measured.

Indices are unsigned: a signed one may count from the end, which costs a branch a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types

from .._jit import NO_ALIAS, LazyKernel, array_type, inner_njit, lazy_njit

_U = np.uint64
_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_DTYPES = {np.dtype(np.float64): types.float64, np.dtype(np.float32): types.float32}


def _for_both_dtypes(signature: Callable[[Any], Any]) -> Callable[[Any], dict[np.dtype, LazyKernel]]:
    """Decorate a function as one kernel for float64 and one for float32, by dtype."""

    def decorate(function: Any) -> dict[np.dtype, LazyKernel]:
        return {dtype: lazy_njit(signature(real))(function) for dtype, real in _DTYPES.items()}

    return decorate


def _matrix(real: Any) -> tuple[Any, Any, Any]:
    return (
        array_type(types.uint64, 1, readonly=True),  # indptr
        array_type(types.uint32, 1, readonly=True),  # indices
        array_type(real, 1, readonly=True),  # weights
    )


@inner_njit(forceinline=True, **NO_ALIAS)
def mix_row(w, j, X, y):
    """Set y to the sum of w[k] X[j[k]]: the first two to nine terms in one pass, then eight at a time."""
    terms = w.shape[0]
    first = terms if terms <= 9 else (terms - 2) % 8 + 2
    d = _U(y.shape[0])
    if first == 1:
        for c in range(d):
            y[c] = w[0] * X[j[0], c]
    elif first == 2:
        for c in range(d):
            y[c] = w[0] * X[j[0], c] + w[1] * X[j[1], c]
    elif first == 3:
        for c in range(d):
            y[c] = w[0] * X[j[0], c] + w[1] * X[j[1], c] + w[2] * X[j[2], c]
    elif first == 4:
        for c in range(d):
            y[c] = w[0] * X[j[0], c] + w[1] * X[j[1], c] + w[2] * X[j[2], c] + w[3] * X[j[3], c]
    elif first == 5:
        for c in range(d):
            left = w[0] * X[j[0], c] + w[1] * X[j[1], c] + w[2] * X[j[2], c]
            y[c] = left + w[3] * X[j[3], c] + w[4] * X[j[4], c]
    elif first == 6:
        for c in range(d):
            left = w[0] * X[j[0], c] + w[1] * X[j[1], c] + w[2] * X[j[2], c]
            y[c] = left + w[3] * X[j[3], c] + w[4] * X[j[4], c] + w[5] * X[j[5], c]
    elif first == 7:
        for c in range(d):
            left = w[0] * X[j[0], c] + w[1] * X[j[1], c] + w[2] * X[j[2], c] + w[3] * X[j[3], c]
            y[c] = left + w[4] * X[j[4], c] + w[5] * X[j[5], c] + w[6] * X[j[6], c]
    elif first == 8:
        for c in range(d):
            left = w[0] * X[j[0], c] + w[1] * X[j[1], c] + w[2] * X[j[2], c] + w[3] * X[j[3], c]
            y[c] = left + w[4] * X[j[4], c] + w[5] * X[j[5], c] + w[6] * X[j[6], c] + w[7] * X[j[7], c]
    else:
        for c in range(d):
            left = w[0] * X[j[0], c] + w[1] * X[j[1], c] + w[2] * X[j[2], c] + w[3] * X[j[3], c]
            middle = left + w[4] * X[j[4], c] + w[5] * X[j[5], c] + w[6] * X[j[6], c]
            y[c] = middle + w[7] * X[j[7], c] + w[8] * X[j[8], c]
    for t in range(first, terms, 8):
        v = w[t : t + 8]
        k = j[t : t + 8]
        for c in range(d):
            left = y[c] + v[0] * X[k[0], c] + v[1] * X[k[1], c] + v[2] * X[k[2], c] + v[3] * X[k[3], c]
            y[c] = left + v[4] * X[k[4], c] + v[5] * X[k[5], c] + v[6] * X[k[6], c] + v[7] * X[k[7], c]


@_for_both_dtypes(
    lambda real: types.void(*_matrix(real), array_type(real, 2, readonly=True), array_type(real, 2))
)
def mix(indptr, indices, weights, X, Y):
    """Set Y to W X. No row of W may be empty."""
    if Y.shape[1] == 1:  # a loop over one coordinate would cost more than the sum
        for i in range(_U(Y.shape[0])):
            total = Y.dtype.type(0.0)
            for t in range(indptr[i], indptr[i + _ONE]):
                total += weights[t] * X[indices[t], _ZERO]
            Y[i, _ZERO] = total
        return
    for i in range(_U(Y.shape[0])):
        begin, end = indptr[i], indptr[i + _ONE]
        mix_row(weights[begin:end], indices[begin:end], X, Y[i])


@inner_njit(forceinline=True, **NO_ALIAS)
def combine(y, x, z, mixed, own, before):
    """Set z to mixed y + own x + before z."""
    for c in range(z.shape[0]):
        z[c] = mixed * y[c] + own * x[c] + before * z[c]


@_for_both_dtypes(
    lambda real: types.void(
        *_matrix(real), array_type(real, 2, readonly=True), array_type(real, 2), real, real, real
    )
)
def mix_combine(indptr, indices, weights, X, Z, mixed, own, before):
    """Set Z to mixed W X + own X + before Z. No row of W may be empty."""
    y = np.empty_like(Z[0])
    for i in range(_U(Z.shape[0])):
        begin, end = indptr[i], indptr[i + _ONE]
        mix_row(weights[begin:end], indices[begin:end], X, y)
        combine(y, X[i], Z[i], mixed, own, before)


@inner_njit(forceinline=True, **NO_ALIAS)
def average_rows(x, y, keep, take):
    """Replace x by keep x + take y, and y by keep y + take x."""
    for c in range(x.shape[0]):
        xc, yc = x[c], y[c]
        x[c] = keep * xc + take * yc
        y[c] = keep * yc + take * xc


@_for_both_dtypes(
    lambda real: types.void(array_type(real, 2), array_type(types.uint32, 2, readonly=True), real, real)
)
def pairwise_average(X, edges, keep, take):
    """Average pairs of rows of X in place, one edge after the other."""
    for e in range(_U(edges.shape[0])):
        average_rows(X[edges[e, 0]], X[edges[e, 1]], keep, take)


@lazy_njit(
    types.Tuple((array_type(types.uint32, 2), array_type(types.int64, 1)))(
        types.int64, array_type(types.uint32, 2, readonly=True)
    )
)
def conflict_free_batches(n, edges):
    """Return the edges by batches in which no node comes twice, and where these begin (and the last ends).

    An edge goes to the first batch after those that its nodes are in already. Each node thus meets the others
    in the order of `edges`, so batch after batch, each in any order, is the same as one edge after the other.
    """
    m = _U(edges.shape[0])
    batch = np.empty(m, np.uint64)
    following = np.zeros(n, np.uint64)  # of each node: the first batch after those that it is in
    sizes = np.zeros(m, np.int64)
    n_batches = _ZERO
    for e in range(m):
        i, j = edges[e, 0], edges[e, 1]
        b = max(following[i], following[j])
        batch[e] = b
        following[i] = following[j] = b + _ONE
        sizes[b] += 1
        n_batches = max(n_batches, b + _ONE)
    begin = np.zeros(n_batches + _ONE, np.int64)
    begin[1:] = np.cumsum(sizes[:n_batches])
    place = begin.copy()
    ordered = np.empty((m, _U(2)), np.uint32)
    for e in range(m):
        p = _U(place[batch[e]])
        ordered[p, 0], ordered[p, 1] = edges[e, 0], edges[e, 1]
        place[batch[e]] += 1
    return ordered, begin
