"""Aggregation in Numba: order statistics of each column, by sorting networks on blocks of columns.

Rows of a block are sorted in fours on their way into a buffer, then merged there: minima and maxima of whole
rows, which vectorise. Meanwhile the next block is fetched.
"""

from __future__ import annotations

import numpy as np
from numba import types

from .._jit import NO_ALIAS, REORDER, array_type, inner_njit
from .cpu_gram import ADDRESSES, INT, combine_part, for_both_dtypes, part, prefetch
from .networks import BOTH, GROUP, LOW

EXTRA = GROUP + 2  # rows of room: for mixtures, for the middle, and for numbers above all others
_MOST = 2.0**103, 2.0**999  # not to be reached: of float32 and float64, so that 2^24 numbers can be added up
LARGEST = {
    np.dtype(t): np.nextafter(t(most), t(0)) for t, most in zip((np.float32, np.float64), _MOST, strict=True)
}


@inner_njit(forceinline=True)
def _order(a, b):
    return (a, b) if a < b else (b, a)


@inner_njit(fastmath=REORDER, **NO_ALIAS)
def _sort_four(w, x, y, z, a, b, c, d):
    """Put four rows into order; return 0 if they are finite, and 2^24 of their numbers can be added up."""
    zero, one = a.dtype.type(0), a.dtype.type(1)
    most = a.dtype.type(_MOST[0] if a.itemsize == 4 else _MOST[1])
    flaws = zero
    for k in range(a.size):
        s, t = _order(w[k], x[k])
        u, v = _order(y[k], z[k])
        fine = (abs(w[k]) < most) & (abs(x[k]) < most)
        fine &= (abs(y[k]) < most) & (abs(z[k]) < most)
        flaws += zero if fine else one
        s, u = _order(s, u)
        t, v = _order(t, v)
        t, u = _order(t, u)
        a[k], b[k], c[k], d[k] = s, t, u, v
    return flaws


@inner_njit(forceinline=True)
def _merged(a, b, c, d, e, f, g, h):
    """Sort a <= b <= c <= d and e <= f <= g <= h: Batcher's odd-even merge."""
    a, e = _order(a, e)
    b, f = _order(b, f)
    c, g = _order(c, g)
    d, h = _order(d, h)
    c, e = _order(c, e)
    d, f = _order(d, f)
    b, c = _order(b, c)
    d, e = _order(d, e)
    f, g = _order(f, g)
    return a, b, c, d, e, f, g, h


@inner_njit(**NO_ALIAS)
def _merge(a, b, c, d, e, f, g, h):
    for k in range(a.size):
        s = _merged(a[k], b[k], c[k], d[k], e[k], f[k], g[k], h[k])
        a[k], b[k], c[k], d[k], e[k], f[k], g[k], h[k] = s


@inner_njit(**NO_ALIAS)
def _merge_low(a, b, c, d, e, f, g, h):
    for k in range(a.size):
        s = _merged(a[k], b[k], c[k], d[k], e[k], f[k], g[k], h[k])
        a[k], b[k], c[k], d[k] = s[0], s[1], s[2], s[3]


@inner_njit(**NO_ALIAS)
def _merge_high(a, b, c, d, e, f, g, h):
    for k in range(a.size):
        s = _merged(a[k], b[k], c[k], d[k], e[k], f[k], g[k], h[k])
        e[k], f[k], g[k], h[k] = s[4], s[5], s[6], s[7]


@inner_njit()
def _sort(work, network, n):
    """Sort n columns of `work`, whose groups are sorted, as far as the network goes."""
    for t in range(network.shape[0]):
        i, j, kind = network[t, 0] * GROUP, network[t, 1] * GROUP, network[t, 2]
        a, b, c, d = work[i, :n], work[i + 1, :n], work[i + 2, :n], work[i + 3, :n]
        e, f, g, h = work[j, :n], work[j + 1, :n], work[j + 2, :n], work[j + 3, :n]
        if kind == BOTH:
            _merge(a, b, c, d, e, f, g, h)
        elif kind == LOW:
            _merge_low(a, b, c, d, e, f, g, h)
        else:
            _merge_high(a, b, c, d, e, f, g, h)


@inner_njit(**NO_ALIAS)
def _copy(x, y):
    for k in range(y.size):
        y[k] = x[k]


@inner_njit(**NO_ALIAS)
def _add(x, y):
    for k in range(y.size):
        y[k] += x[k]


@inner_njit(**NO_ALIAS)
def _divide(y, count):
    number = y.dtype.type(count)
    for k in range(y.size):
        y[k] /= number


@inner_njit()
def _mean_of(work, first, last, y):
    """Set y to the mean of rows first, ..., last - 1."""
    n = y.size
    _copy(work[first, :n], y)
    for i in range(first + 1, last):
        _add(work[i, :n], y)
    if last - first > 1:
        _divide(y, last - first)


@inner_njit(**NO_ALIAS)
def _add_either(low, high, middle, y):
    """Add whichever of two numbers is nearer to the middle; `low` if both are as near."""
    for k in range(y.size):
        y[k] += high[k] if middle[k] - low[k] > high[k] - middle[k] else low[k]


@inner_njit(**NO_ALIAS)
def _add_if_near(low, x, high, middle, y):
    """Add x if it is nearer to the middle than `high`, and `low` is farther than x."""
    for k in range(y.size):
        beats_high = not (middle[k] - x[k] > high[k] - middle[k])
        beats_low = middle[k] - low[k] > x[k] - middle[k]
        y[k] += x[k] if beats_high and beats_low else y.dtype.type(0)


@inner_njit()
def _mean_near(work, m, near, middle, y):
    """Set y to the mean of the `near` of m sorted rows that are nearest to the middle.

    They are neighbours. Of the rows i and i + near at most one is among them: i, unless i + near is nearer.
    """
    n = y.size
    dropped = m - near
    y[:] = 0
    for i in range(dropped, near):  # these always are
        _add(work[i, :n], y)
    if near >= dropped:
        for i in range(dropped):
            _add_either(work[i, :n], work[i + near, :n], middle, y)
    else:
        for i in range(near):
            _add_if_first(work[i, :n], work[i + near, :n], middle, y)
        for i in range(near, dropped):
            _add_if_near(work[i - near, :n], work[i, :n], work[i + near, :n], middle, y)
        for i in range(dropped, m):
            _add_if_last(work[i - near, :n], work[i, :n], middle, y)
    _divide(y, near)


@inner_njit(**NO_ALIAS)
def _add_if_first(x, high, middle, y):
    """Add x unless `high` is nearer to the middle."""
    for k in range(y.size):
        y[k] += y.dtype.type(0) if middle[k] - x[k] > high[k] - middle[k] else x[k]


@inner_njit(**NO_ALIAS)
def _add_if_last(low, x, middle, y):
    """Add x if it is nearer to the middle than `low`."""
    for k in range(y.size):
        y[k] += x[k] if middle[k] - low[k] > x[k] - middle[k] else y.dtype.type(0)


@inner_njit()
def _source(i, rows, mixing, begin, spare, top):
    """Return a part of row i to be sorted: a row, a mixture made in `spare`, or beyond them `top`."""
    n = spare.size
    if mixing.size:
        if i >= mixing.shape[0]:
            return top
        combine_part(rows, mixing[i], begin, spare)
        return spare
    if i >= rows.size:
        return top
    return part(rows[i], begin, n, spare)


@for_both_dtypes(
    lambda real: types.bool_(
        ADDRESSES,
        array_type(real, 2, readonly=True),
        array_type(types.int64, 2, readonly=True),
        *(INT, INT, INT),
        array_type(real, 2),
        array_type(real, 1),
    )
)
def order_statistics(rows, mixing, network, first, last, near, work, out):
    """Set `out` to the mean of ranks first, ..., last - 1 of each column, or of the values nearest to it.

    Where `near` is not 0, it is the number of values nearest to that mean which are averaged instead. The
    rows are mixed before, unless `mixing` is empty. `work` has the rows in whole groups, and `EXTRA` more of
    which the last holds the largest number; its columns are those of a block. Returns False, with `out`
    unfinished, at the first block with a number that is not finite, or so large that sums might not be.
    """
    block = work.shape[1]
    wide = work.shape[0] - EXTRA
    for begin in range(0, out.size, block):
        y = out[begin : begin + block]
        n = y.size
        top = work[wide + 5, :n]
        for i in range(0, wide, GROUP):
            s = _source(i, rows, mixing, begin, work[wide, :n], top)
            t = _source(i + 1, rows, mixing, begin, work[wide + 1, :n], top)
            u = _source(i + 2, rows, mixing, begin, work[wide + 2, :n], top)
            v = _source(i + 3, rows, mixing, begin, work[wide + 3, :n], top)
            a, b, c, d = work[i, :n], work[i + 1, :n], work[i + 2, :n], work[i + 3, :n]
            if _sort_four(s, t, u, v, a, b, c, d) != 0:
                return False
            for k in range(i, min(i + GROUP, rows.size)):
                prefetch(rows[k], begin + block, block, y)
        _sort(work[:wide], network, n)
        if near:
            middle = work[wide + 4, :n]
            _mean_of(work, first, last, middle)
            _mean_near(work, mixing.shape[0] if mixing.size else rows.size, near, middle, y)
        else:
            _mean_of(work, first, last, y)
    return True
