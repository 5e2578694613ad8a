"""Aggregation in Numba: order statistics of each column where rows count more than once."""

from __future__ import annotations

from numba import types

from .._jit import array_type, inner_njit
from .cpu_gram import ADDRESSES, for_both_dtypes, part


@inner_njit()
def _sort_pairs(values, weights):
    """Sort values, and their weights with them: Shell's sort with Knuth's gaps, in place."""
    gap = 1
    while 3 * gap < values.size:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, values.size):
            value, weight = values[i], weights[i]
            j = i
            while j >= gap and values[j - gap] > value:
                values[j], weights[j] = values[j - gap], weights[j - gap]
                j -= gap
            values[j], weights[j] = value, weight
        gap //= 3


@inner_njit()
def _mean_between(values, weights, low, high):
    """Return the mean of sorted values over their weights from `low` to `high`, 0 <= low < high <= sum."""
    total = begin = 0.0
    for i in range(values.size):
        end = begin + weights[i]
        share = min(end, high) - max(begin, low)
        if share > 0.0:
            total += values[i] * (share / (high - low))
        begin = end
    return total


@inner_njit()
def _mean_where(values, weights, place):
    """Return the sorted value at `place` among the weights, the mean of two that meet there."""
    end = 0.0
    last = values.size - 1
    for i in range(last):
        end += weights[i]
        if end > place:
            return values[i]
        if end == place:
            return 0.5 * values[i] + 0.5 * values[i + 1]
    return values[last]


@for_both_dtypes(
    lambda real: types.bool_(
        ADDRESSES,
        array_type(types.float64, 1, readonly=True),
        *(types.float64, types.float64),
        array_type(real, 2),
        array_type(types.float64, 2),
        array_type(real, 1),
    )
)
def weighted_shares(rows, weights, low, high, work, pairs, out):
    """Set `out` to the mean of each column over the weights from `low` to `high`, its values being sorted.

    Where both are the same, it is the mean of the values that meet there. `work` has a row of a block for
    each row, `pairs` two rows of as many numbers. Returns False, with `out` unfinished, at the first column
    that is not finite.
    """
    block = work.shape[1]
    p = rows.size
    values, shares = pairs[0], pairs[1]
    for begin in range(0, out.size, block):
        y = out[begin : begin + block]
        for i in range(p):
            x = part(rows[i], begin, y.size, y)
            for k in range(y.size):
                work[i, k] = x[k]
        for k in range(y.size):
            finite = 0.0
            for i in range(p):
                values[i] = work[i, k]
                shares[i] = weights[i]
                finite += values[i] * 0.0
            if finite != 0.0:
                return False
            _sort_pairs(values, shares)
            if low < high:
                y[k] = _mean_between(values, shares, low, high)
            else:
                y[k] = _mean_where(values, shares, low)
    return True
