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
from .cpu_tiles import LINE, ROWS, SUMS, add_own_products, add_products

_U = np.uint64
_DTYPES = {np.dtype(np.float64): types.float64, np.dtype(np.float32): types.float32}
ADDRESSES = array_type(types.uint64, 1, readonly=True)
INT = types.int64
SPAN = 64  # blocks of one row between those of the next, where a centre is read with each


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


@inner_njit(**NO_ALIAS)
def _copy(x, out):
    for k in range(x.size):
        out[k] = x[k]


@inner_njit(**NO_ALIAS)
def _subtract(x, y, out):
    for k in range(x.size):
        out[k] = x[k] - y[k]


@for_both_dtypes(
    lambda real: types.void(
        ADDRESSES, INT, types.uint64, INT, array_type(real, 2), array_type(types.float64, 2)
    )
)
def gram(rows, d, centre, block, work, K):
    """Add the inner products of rows of d numbers, less the row `centre` where that is not 0, to K.

    Blocks of `block` columns are copied to `work` where they fit, as there must be room for where there is a
    centre. Else only what fills no LINE is copied: `work` has one at least for each row.
    """
    p = rows.size
    like = work[0]
    size = like.itemsize
    step = LINE // size
    groups = -(-p // ROWS)
    n_tiles = groups * (groups + 1) // 2
    at = np.empty(groups * ROWS, np.uint64)  # the last row in place of those beyond
    ahead = np.empty(ROWS, np.uint64)
    sums = np.zeros(n_tiles * SUMS)
    copied = work.shape[1] >= max(block, step)
    b = 0
    while b < d:
        n = min(block, d - b)
        if n >= step:
            n -= n % step  # the rest is a block by itself, filled up with zeros
        wide = -(-n // step) * step
        if copied or n < wide:
            _place_copies(rows, centre, b, n, wide, work, at)
        else:
            for i in range(at.size):
                at[i] = rows[min(i, p - 1)] + _U(b * size)
        tile = 0
        first = 0
        for i in range(0, at.size, ROWS):
            for j in range(0, i + 1, ROWS):
                # the next block is fetched evenly over the tiles
                end = (tile + 1) * p // n_tiles
                for r in range(ROWS):
                    ahead[r] = rows[first + r] + _U((b + n) * size) if first + r < end else at[i]
                first = end
                where = tile * SUMS
                if i == j:
                    add_own_products(at, i, i, ahead, wide * size, like, sums, where)  # type: ignore[call-arg]
                else:
                    add_products(at, i, j, ahead, wide * size, like, sums, where)  # type: ignore[call-arg]
                tile += 1
        b += n
    _add_sums(sums, K)


@inner_njit()
def _place_copies(rows, centre, begin, n, wide, work, at):
    """Copy a part of all rows, less the centre, with zeros up to `wide` columns, and set their addresses."""
    like = work[0]
    for i in range(rows.size):
        x = part(rows[i], begin, n, like)
        if centre != _U(0):
            _subtract(x, part(centre, begin, n, like), work[i, :n])
        else:
            _copy(x, work[i, :n])
        work[i, n:wide] = 0
    for i in range(at.size):
        at[i] = _U(work[min(i, rows.size - 1)].ctypes.data)


@inner_njit()
def _add_sums(sums, K):
    """Add the sums of all tiles to K."""
    p = K.shape[0]
    tile = 0
    for i in range(0, p, ROWS):
        for j in range(0, i + 1, ROWS):
            where = tile * SUMS
            for r in range(i, i + ROWS):
                for s in range(j, min(j + ROWS, r + 1)):
                    if r < p:
                        K[r, s] += sums[where]
                        K[s, r] = K[r, s]
                    where += 1
            tile += 1


@inner_njit(fastmath=REORDER)
def _square(x):
    total = x.dtype.type(0)
    for k in range(x.size):
        total += x[k] * x[k]
    return total


@inner_njit(fastmath=REORDER)
def _squares(x, y):
    """Return the squares of x and of x - y."""
    own = between = x.dtype.type(0)
    for k in range(x.size):
        own += x[k] * x[k]
        between += (x[k] - y[k]) * (x[k] - y[k])
    return own, between


@for_both_dtypes(
    lambda real: types.void(ADDRESSES, INT, types.uint64, array_type(real, 2), array_type(types.float64, 2))
)
def squares(rows, d, centre, work, out):
    """Add the squared norms of rows of d numbers to out[0].

    Where the address of a row `centre` is not 0, those of the rows less that one are added to out[1].
    """
    block = work.shape[1]
    like = work[0]
    # long parts of a row are fetched ahead better; still the centre's part stays in a cache for all rows
    span = d if centre == _U(0) else SPAN * block
    for begin in range(0, d, span):
        end = min(begin + span, d)
        for i in range(rows.size):
            for b in range(begin, end, block):
                x = part(rows[i], b, min(block, end - b), like)
                if centre == _U(0):
                    out[0, i] += _square(x)
                else:
                    own, between = _squares(x, part(centre, b, x.size, like))
                    out[0, i] += own
                    out[1, i] += between


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


@inner_njit(fastmath={"contract"}, **NO_ALIAS)
def _set_eight(w, x0, x1, x2, x3, x4, x5, x6, x7, y):
    for k in range(y.size):
        low = (w[0] * x0[k] + w[1] * x1[k]) + (w[2] * x2[k] + w[3] * x3[k])
        y[k] = low + ((w[4] * x4[k] + w[5] * x5[k]) + (w[6] * x6[k] + w[7] * x7[k]))


@inner_njit(fastmath={"contract"}, **NO_ALIAS)
def _add_eight(w, x0, x1, x2, x3, x4, x5, x6, x7, y):
    for k in range(y.size):
        low = (w[0] * x0[k] + w[1] * x1[k]) + (w[2] * x2[k] + w[3] * x3[k])
        y[k] += low + ((w[4] * x4[k] + w[5] * x5[k]) + (w[6] * x6[k] + w[7] * x7[k]))


@inner_njit(forceinline=True)
def _weight(weights, i):
    return weights[i] if i < weights.size else weights.dtype.type(0)


@inner_njit()
def combine_part(rows, weights, begin, y):
    """Set y to the weighted sum of a part of the rows.

    Eight at a time, so that y is seldom read; beyond the last row that itself again, with weight 0.
    """
    last = rows.size - 1
    for i in range(0, rows.size, 8):
        w = (
            weights[i],
            _weight(weights, i + 1),
            _weight(weights, i + 2),
            _weight(weights, i + 3),
            _weight(weights, i + 4),
            _weight(weights, i + 5),
            _weight(weights, i + 6),
            _weight(weights, i + 7),
        )
        x0, x1 = part(rows[i], begin, y.size, y), part(rows[min(i + 1, last)], begin, y.size, y)
        x2 = part(rows[min(i + 2, last)], begin, y.size, y)
        x3 = part(rows[min(i + 3, last)], begin, y.size, y)
        x4 = part(rows[min(i + 4, last)], begin, y.size, y)
        x5 = part(rows[min(i + 5, last)], begin, y.size, y)
        x6 = part(rows[min(i + 6, last)], begin, y.size, y)
        x7 = part(rows[min(i + 7, last)], begin, y.size, y)
        if i == 0:
            _set_eight(w, x0, x1, x2, x3, x4, x5, x6, x7, y)
        else:
            _add_eight(w, x0, x1, x2, x3, x4, x5, x6, x7, y)


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
    return finite
