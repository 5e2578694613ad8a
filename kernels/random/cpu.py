"""Random numbers in Numba: small functions for other kernels, and array fillers.

Words are 32-bit integers held in uint64 (a multiplication of two fits, and no operation changes the type);
every literal is cast, since a mixed signed operand would turn into a float.
"""

from __future__ import annotations

import numpy as np
from numba import types

from .._jit import array_type, inner_njit, lazy_njit
from ..elementary import minus_log

U = np.uint64
LOW = U(0xFFFFFFFF)
S32 = U(32)
MUL0, MUL1 = U(0xD2511F53), U(0xCD9E8D57)
WEYL0, WEYL1 = U(0x9E3779B9), U(0xBB67AE85)


@inner_njit(forceinline=True)  # LLVM finds it too long; without, no loop vectorises
def philox4x32(c0, c1, c2, c3, key):
    """Philox4x32-10 of one counter; `key` and the words are uint64."""
    k0 = key & LOW
    k1 = key >> S32
    for _ in range(10):
        p = c0 * MUL0
        q = c2 * MUL1
        c0, c1, c2, c3 = (q >> S32) ^ c1 ^ k0, q & LOW, (p >> S32) ^ c3 ^ k1, p & LOW
        k0 = (k0 + WEYL0) & LOW
        k1 = (k1 + WEYL1) & LOW
    return c0, c1, c2, c3


@inner_njit(forceinline=True)
def words(key, stream, index, step, retry):
    """Return the four words of draw (index, step) in a stream; all arguments uint64."""
    return philox4x32(index & LOW, step, stream + (retry << U(16)), index >> S32, key)


@inner_njit()
def to_uniform(high, low):
    """Multiple of 2^-53 in [0, 1) from two words."""
    return np.float64((high << S32 | low) >> U(11)) * 2.0**-53


@inner_njit()
def to_exponential(high, low):
    """Exponential deviate of mean 1 from two words."""
    return minus_log(1.0 - to_uniform(high, low))


@inner_njit()
def bounded(bound, key, stream, index, draw):
    """Integer in [0, bound), exactly uniform: word draw mod 4 of step draw div 4, retried on rejection."""
    n = U(bound)
    rejected_below = (U(1) << S32) % n
    lane = U(draw) & U(3)
    step = U(draw) >> U(2)
    retry = U(0)
    while True:
        w0, w1, w2, w3 = words(key, stream, index, step, retry)
        w = w0 if lane == U(0) else w1 if lane == U(1) else w2 if lane == U(2) else w3
        product = w * n
        if product & LOW >= rejected_below:
            return np.int64(product >> S32)
        retry += U(1)


@inner_njit()
def distinct(count, bound, key, stream, index, stamps, stamp, out):
    """Fill out[:count] with distinct integers in [0, bound) (Floyd); marks them with `stamp` in `stamps`."""
    for t in range(count):
        j = bound - count + t
        value = bounded(j + 1, key, stream, index, t)
        if stamps[value] == stamp:
            value = j
        stamps[value] = stamp
        out[t] = value


@inner_njit()
def alias_draw(threshold, alias, bits, high, low):
    """Category drawn by two words from an alias table of 2^bits cells."""
    r = high << S32 | low
    cell = (r >> U(1)) >> U(63 - bits)  # two shifts, since a shift by 64 is undefined
    coin = ((r << U(bits)) >> U(bits)) >> U(2)
    if coin < threshold[cell]:
        return np.int64(cell)
    return np.int64(alias[cell])


@lazy_njit(types.void(types.uint64, types.uint64, types.uint64, types.uint64, array_type(types.uint32, 2)))
def fill_words(key, stream, start, step, out):
    """Fill out[i] with the four words of index start + i."""
    for i in range(out.shape[0]):
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = words(key, stream, start + U(i), step, U(0))


@lazy_njit(types.void(array_type(types.uint64, 2, readonly=True), types.uint64, array_type(types.uint64, 2)))
def fill_philox(counters, key, out):
    """Fill out[i] with Philox4x32-10 of counters[i]."""
    for i in range(out.shape[0]):
        c = counters[i]
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = philox4x32(c[0], c[1], c[2], c[3], key)


@lazy_njit(types.void(types.uint64, types.uint64, types.uint64, types.uint64, array_type(types.float64, 1)))
def fill_uniform(key, stream, start, step, out):
    """Fill out[i] with the uniform deviate of index start + i."""
    for i in range(out.shape[0]):
        w0, w1, _, _ = words(key, stream, start + U(i), step, U(0))
        out[i] = to_uniform(w0, w1)


@lazy_njit(types.void(types.uint64, types.uint64, types.uint64, types.uint64, array_type(types.float64, 1)))
def fill_exponential(key, stream, start, step, out):
    """Fill out[i] with the exponential deviate of index start + i."""
    for i in range(out.shape[0]):
        w0, w1, _, _ = words(key, stream, start + U(i), step, U(0))
        out[i] = to_exponential(w0, w1)


@lazy_njit(
    types.void(
        types.uint64, types.uint64, types.uint64, types.uint64, types.uint64, array_type(types.int64, 1)
    )
)
def fill_integers(bound, key, stream, start, step, out):
    """Fill out[i] with the bounded integer of index start + i: word 0 of its step."""
    for i in range(out.shape[0]):
        out[i] = bounded(bound, key, stream, start + U(i), step << U(2))


@lazy_njit(
    types.void(types.int64, types.uint64, types.uint64, types.uint64, types.int64, array_type(types.int64, 1))
)
def fill_distinct(bound, key, stream, index, count, out):
    """Fill out with `count` distinct integers in [0, bound), in memory of the order of `count`."""
    if 8 * count > bound:
        stamps = np.full(bound, -1, np.int64)
        distinct(count, bound, key, stream, index, stamps, 0, out)
        return
    slots = 4
    while slots < 2 * count:
        slots *= 2
    table = np.full(slots, -1, np.int64)  # open addressing: at most half full
    for t in range(count):
        j = bound - count + t
        value = bounded(j + 1, key, stream, index, t)
        slot = 0
        for _ in range(2):  # the second, j, is new for sure
            slot = (value * 0x9E3779B1) & (slots - 1)
            while table[slot] >= 0 and table[slot] != value:
                slot = (slot + 1) & (slots - 1)
            if table[slot] < 0:
                break
            value = j
        table[slot] = value
        out[t] = value


@lazy_njit(
    types.void(
        array_type(types.uint64, 1, readonly=True),
        array_type(types.uint64, 1),
        array_type(types.int32, 1),
    )
)
def build_alias(weights, threshold, alias):
    """Vose's alias table in exact integers: cell capacity 2^62 / cells, thresholds and aliases filled in.

    `weights` has one entry a cell (padded with zeros) and adds up to 2^62.
    """
    cells = threshold.shape[0]
    capacity = (U(1) << U(62)) // U(cells)
    left = weights.copy()
    small = np.empty(cells, np.int64)
    large = np.empty(cells, np.int64)
    n_small = 0
    n_large = 0
    for c in range(cells):
        threshold[c] = capacity
        alias[c] = c
        if left[c] < capacity:
            small[n_small] = c
            n_small += 1
        elif left[c] > capacity:
            large[n_large] = c
            n_large += 1
    while n_small > 0:  # integers add up exactly, so a cell with room left has a donor
        n_small -= 1
        poor = small[n_small]
        rich = large[n_large - 1]
        threshold[poor] = left[poor]
        alias[poor] = rich
        left[rich] -= capacity - left[poor]
        if left[rich] <= capacity:
            n_large -= 1
            if left[rich] < capacity:
                small[n_small] = rich
                n_small += 1


@lazy_njit(
    types.void(
        types.uint64,
        types.uint64,
        types.uint64,
        types.uint64,
        array_type(types.uint64, 1, readonly=True),
        array_type(types.int32, 1, readonly=True),
        types.int64,
        array_type(types.int64, 1),
    )
)
def fill_alias(key, stream, start, step, threshold, alias, bits, out):
    """Fill out[i] with the category of index start + i, drawn by words 2 and 3."""
    for i in range(out.shape[0]):
        _, _, w2, w3 = words(key, stream, start + U(i), step, U(0))
        out[i] = alias_draw(threshold, alias, bits, w2, w3)
