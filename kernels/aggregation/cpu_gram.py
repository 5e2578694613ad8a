"""Aggregation in Numba: Gram matrices and weighted sums of rows.

Rows come as addresses, so that a row may be a row of a matrix, an array of its own, or a layer of one. All
kernels walk over blocks of columns that stay in the caches, so the data are read once a call.

Sums of float32 products are float32 within a block and float64 across blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import carray

from .._jit import NO_ALIAS, REORDER, LazyKernel, array_type, inner_njit, lazy_njit

_U = np.uint64
_DTYPES = {np.dtype(np.float64): types.float64, np.dtype(np.float32): types.float32}
ADDRESSES = array_type(types.uint64, 1, readonly=True)
INT = types.int64


def for_both_dtypes(signature: Callable[[Any], Any]) -> Callable[[Any], dict[np.dtype, LazyKernel]]:
    """Decorate a function as one kernel for float64 and one for float32, by dtype."""

    def decorate(function: Any) -> dict[np.dtype, LazyKernel]:
        return {dtype: lazy_njit(signature(real))(function) for dtype, real in _DTYPES.items()}

    return decorate


@intrinsic
def _pointer(typing_context, where, like):
    """Turn an address into a pointer to numbers of the type of `like`."""
    pointer = types.CPointer(like.dtype)

    def code(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.uint64, like), code


@intrinsic
def _prefetch_line(typing_context, where):
    """Fetch the cache line at an address, wherever that points, into the second cache."""

    def code(context, builder, signature, arguments):
        byte = context.get_value_type(types.voidptr)
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), (byte, number, number, number))
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        # to be read, kept in the second cache, data
        builder.call(prefetch, (builder.inttoptr(arguments[0], byte), number(0), number(2), number(1)))
        return context.get_dummy_value()

    return types.void(types.uint64), code


@inner_njit()
def prefetch(where, begin, size, like):
    """Fetch numbers begin, ..., begin + size - 1 behind an address into the second cache.

    The hardware does that for one long row, but starts anew at each block where rows are read in turn.
    """
    address = where + _U(begin * like.itemsize)
    for line in range((size * like.itemsize + 63) >> 6):
        _prefetch_line(address + _U(line << 6))  # type: ignore[call-arg]


@inner_njit(forceinline=True)
def part(where, begin, size, like):
    """View numbers begin, ..., begin + size - 1 behind an address, of the type of `like`."""
    address = where + _U(begin * like.itemsize)
    return carray(_pointer(address, like), (size,))  # type: ignore[call-arg]


# ---------------------------------------------------------------------- Gram matrix


@inner_njit(fastmath=REORDER)
def _tile(x0, x1, x2, x3, y0, y1, y2, y3):
    """Return the sixteen inner products of four rows with four rows, as many as registers hold."""
    zero = x0.dtype.type(0)
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = zero
    for k in range(x0.size):
        u0, u1, u2, u3 = x0[k], x1[k], x2[k], x3[k]
        v0, v1, v2, v3 = y0[k], y1[k], y2[k], y3[k]
        a0 += u0 * v0
        a1 += u0 * v1
        a2 += u0 * v2
        a3 += u0 * v3
        b0 += u1 * v0
        b1 += u1 * v1
        b2 += u1 * v2
        b3 += u1 * v3
        c0 += u2 * v0
        c1 += u2 * v1
        c2 += u2 * v2
        c3 += u2 * v3
        d0 += u3 * v0
        d1 += u3 * v1
        d2 += u3 * v2
        d3 += u3 * v3
    return a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3


@inner_njit(**NO_ALIAS)
def _subtract(x, y, out):
    for k in range(x.size):
        out[k] = x[k] - y[k]


@for_both_dtypes(
    lambda real: types.void(ADDRESSES, INT, types.uint64, array_type(real, 2), array_type(types.float64, 2))
)
def gram(rows, d, centre, work, K):
    """Add the inner products of rows of d numbers, less the row `centre` where that is not 0, to K.

    `work` has the columns of a block, and as many rows as there are where there is a centre. Only the lower
    triangle of K is written.
    """
    p = rows.size
    block = work.shape[1]
    like = work[0]
    for b in range(0, d, block):
        n = min(block, d - b)
        if centre != _U(0):
            middle = part(centre, b, n, like)
            for i in range(p):
                _subtract(part(rows[i], b, n, like), middle, work[i, :n])
        for i in range(0, p, 4):
            x0, x1, x2, x3 = _four(i, rows, centre, b, n, work)
            # tiles on the diagonal, too: a kernel of their own would add in another order, and equal rows
            # would not be at distance 0
            for j in range(0, i + 1, 4):
                y0, y1, y2, y3 = _four(j, rows, centre, b, n, work)
                _add_products(i, j, _tile(x0, x1, x2, x3, y0, y1, y2, y3), K)
            for k in range(i, min(i + 4, p)):
                prefetch(rows[k], b + block, block, like)


@inner_njit()
def _four(i, rows, centre, begin, n, work):
    """Return a part of rows i, ..., i + 3, the last row in place of those beyond."""
    last = rows.size - 1
    i1, i2, i3 = min(i + 1, last), min(i + 2, last), min(i + 3, last)
    if centre != _U(0):
        return work[i, :n], work[i1, :n], work[i2, :n], work[i3, :n]
    like = work[0]
    x0, x1 = part(rows[i], begin, n, like), part(rows[i1], begin, n, like)
    return x0, x1, part(rows[i2], begin, n, like), part(rows[i3], begin, n, like)


@inner_njit()
def _add_products(i, j, products, K):
    """Add a tile to the lower triangle of K, as far as it lies there."""
    for t in range(16):
        r, s = i + (t >> 2), j + (t & 3)
        if r < K.shape[0] and s <= r:
            K[r, s] += products[t]


@inner_njit(fastmath=REORDER)
def _square(x):
    total = x.dtype.type(0)
    for k in range(x.size):
        total += x[k] * x[k]
    return total


@inner_njit(fastmath=REORDER)
def _square_less(x, y):
    total = x.dtype.type(0)
    for k in range(x.size):
        total += (x[k] - y[k]) * (x[k] - y[k])
    return total


@for_both_dtypes(
    lambda real: types.void(ADDRESSES, INT, types.uint64, array_type(real, 2), array_type(types.float64, 1))
)
def squares(rows, d, centre, work, out):
    """Add the squared norms of rows of d numbers, less the row `centre` where that is not 0, to `out`."""
    block = work.shape[1]
    like = work[0]
    for i in range(rows.size):
        for b in range(0, d, block):
            x = part(rows[i], b, min(block, d - b), like)
            if centre != _U(0):
                out[i] += _square_less(x, part(centre, b, x.size, like))
            else:
                out[i] += _square(x)


@inner_njit(fastmath=REORDER)
def n_flaws(x):
    """Return how many entries are not finite."""
    count = x.dtype.type(0)
    for k in range(x.size):
        count += x.dtype.type(0) if abs(x[k]) < x.dtype.type(np.inf) else x.dtype.type(1)
    return count


@for_both_dtypes(lambda real: types.void(ADDRESSES, INT, array_type(real, 2), array_type(types.bool_, 1)))
def find_bad(rows, d, work, bad):
    """Mark the rows with an entry that is not finite."""
    block = work.shape[1]
    like = work[0]
    for i in range(rows.size):
        for b in range(0, d, block):
            if n_flaws(part(rows[i], b, min(block, d - b), like)) != 0:
                bad[i] = True
                break


# ---------------------------------------------------------------------- combinations


@inner_njit(**NO_ALIAS)
def _set_scaled(w, x, y):
    for k in range(y.size):
        y[k] = w * x[k]


@inner_njit(**NO_ALIAS)
def _add_scaled(w, x, y):
    for k in range(y.size):
        y[k] += w * x[k]


@inner_njit(fastmath={"contract"}, **NO_ALIAS)
def _add_four(w0, w1, w2, w3, x0, x1, x2, x3, y):
    for k in range(y.size):
        y[k] = (y[k] + w0 * x0[k] + w1 * x1[k]) + (w2 * x2[k] + w3 * x3[k])


@inner_njit()
def combine_part(rows, weights, begin, y):
    """Set y to the weighted sum of a part of the rows."""
    p = rows.size
    _set_scaled(weights[0], part(rows[0], begin, y.size, y), y)
    whole = 1 + ((p - 1) & -4)
    for i in range(1, whole, 4):
        x0, x1 = part(rows[i], begin, y.size, y), part(rows[i + 1], begin, y.size, y)
        x2, x3 = part(rows[i + 2], begin, y.size, y), part(rows[i + 3], begin, y.size, y)
        _add_four(weights[i], weights[i + 1], weights[i + 2], weights[i + 3], x0, x1, x2, x3, y)
    for i in range(whole, p):
        _add_scaled(weights[i], part(rows[i], begin, y.size, y), y)


@for_both_dtypes(
    lambda real: types.bool_(ADDRESSES, array_type(real, 1, readonly=True), INT, array_type(real, 1))
)
def combine(rows, weights, block, out):
    """Set `out` to the weighted sum of one row or more; return whether it is finite."""
    finite = True
    for b in range(0, out.size, block):
        y = out[b : b + block]
        combine_part(rows, weights, b, y)
        finite &= n_flaws(y) == 0
        for i in range(rows.size):
            prefetch(rows[i], b + block, block, y)
    return finite
