"""Numba: norms summed in a fixed order, and unbiased stochastic rounding. Definitions in `reference.py`."""

from __future__ import annotations

import math

import numpy as np

from .._jit import NO_ALIAS, inner_njit
from ..random import streams
from .cpu_masks import BATCH, DIGIT, draw_words, happens, new_buffer
from .reference import LANES

U = np.uint64
ROUNDING = U(streams.ROUNDING)
HALF = 1 << 31


@inner_njit(**NO_ALIAS)
def _raise_tops(part, tops):
    """Raise tops[j] to |part_j|; return how many are not finite. Lane by lane, this vectorises."""
    wrong = 0
    for j in range(part.size):
        magnitude = np.float64(abs(part[j]))
        tops[j] = magnitude if magnitude > tops[j] else tops[j]
        wrong += np.int64(not magnitude < np.inf)
    return wrong


@inner_njit()
def largest(x):
    """Max |x_j|; NaN where an entry is not finite."""
    tops = np.zeros(LANES)
    for begin in range(0, x.size, LANES):
        if _raise_tops(x[begin : min(begin + LANES, x.size)], tops) > 0:
            return np.nan
    return tops.max()


@inner_njit()
def _unit(top):
    """Power of two near a positive number, at least 2^-1022."""
    return math.ldexp(1.0, max(math.frexp(top)[1] - 1, -1022))


@inner_njit()
def _add_up(x, per_unit, squares):
    """Sum |x_j / unit| or its square: lane j adds terms j, j + LANES, ...; then halves of the lanes."""
    lanes = np.zeros(LANES)
    for begin in range(0, x.size, LANES):
        part = x[begin : min(begin + LANES, x.size)]
        if squares:
            for j in range(part.size):
                term = np.float64(part[j]) * per_unit
                lanes[j] += term * term
        else:
            for j in range(part.size):
                lanes[j] += abs(np.float64(part[j]) * per_unit)
    half = LANES >> 1
    while half > 0:
        for j in range(half):
            lanes[j] += lanes[j + half]
        half >>= 1
    return lanes[0]


@inner_njit()
def euclidean(x):
    """|x| rounded to the precision of x, but at least max |x_j|; NaN where an entry is not finite."""
    top = largest(x)
    if not top > 0.0:
        return top
    unit = _unit(top)
    norm = np.float64(x.dtype.type(math.sqrt(_add_up(x, 1.0 / unit, True)) * unit))
    return max(norm, top)


@inner_njit()
def mean_magnitude(x):
    """Mean of |x_j| rounded to the precision of x; NaN where an entry is not finite."""
    top = largest(x)
    if not top > 0.0:
        return top
    unit = _unit(top)
    return np.float64(x.dtype.type(_add_up(x, 1.0 / unit, False) / x.size * unit))


# Rounding up with probability p compares p 2^32 with a random word below 2^32: by whole parts in loops that
# vectorise, and digit by digit (`happens`), which is exact, in the rare batch where a word equals one.


@inner_njit(**NO_ALIAS)
def _round_levels(x, norm, s, words, out):
    """Set `out` to s |x| / norm rounded, with the signs of x; return how many words cannot decide."""
    undecided = 0
    for j in range(x.size):
        position = abs(np.float64(x[j])) / norm * s
        level = np.int32(position)
        scaled = (position - np.float64(level)) * DIGIT
        digit = np.floor(scaled)
        word = np.float64(np.int32(np.int64(words[j]) - HALF)) + np.float64(HALF)  # from 32 bits: vectorises
        undecided += np.int64((word == digit) & (scaled > digit))
        rounded = np.int32(level + np.int32(word < digit))
        out[j] = np.int32(-rounded) if x[j] < 0 else rounded
    return undecided


@inner_njit()
def levels(x, norm, s, key, index, out):
    """Round s x / norm to integers without bias; zeros where the norm is zero, infinite or NaN."""
    if not (norm > 0.0 and norm < np.inf):
        out[:] = 0
        return
    buffer = new_buffer(x.size)
    for first in range(0, x.size, BATCH):
        part, made = x[first : first + BATCH], out[first : first + BATCH]
        draw_words(key, ROUNDING, index, first, buffer)
        if _round_levels(part, norm, s, buffer, made) == 0:
            continue
        for j in range(part.size):
            position = abs(np.float64(part[j])) / norm * s
            level = np.int32(position)
            if happens(position - level, buffer[j], key, ROUNDING, index, first + j):
                level += np.int32(1)
            made[j] = -level if part[j] < 0 else level


@inner_njit(**NO_ALIAS)
def _round_powers(values, mantissa_bits, exponent_bits, words, out):
    """Set `out` to the codes of `natural`; return how many words cannot decide."""
    one = np.int64(1)
    field_mask = (one << exponent_bits) - one
    fraction_mask = (one << mantissa_bits) - one
    down, up = max(mantissa_bits - 32, 0), max(32 - mantissa_bits, 0)
    rest_mask = (one << down) - one
    undecided = 0
    for j in range(values.size):
        value = np.int64(values[j])
        field = (value >> mantissa_bits) & field_mask
        fraction = value & fraction_mask
        digit = fraction >> down << up  # the first 32 bits of the fraction
        word = np.int64(words[j])
        is_finite = field < field_mask
        undecided += np.int64(is_finite & (word == digit) & (fraction & rest_mask > 0))
        field += np.int64(is_finite & (word < digit))
        out[j] = np.int32(field + (field_mask + one if value < 0 else np.int64(0)))
    return undecided


@inner_njit()
def natural(values, mantissa_bits, exponent_bits, key, index, out):
    """Sign and exponent field of entries (viewed as integers) rounded to powers of two without bias."""
    one = np.int64(1)
    fraction_mask = (one << mantissa_bits) - one
    field_mask = (one << exponent_bits) - one
    scale = 1.0 / np.float64(one << mantissa_bits)
    buffer = new_buffer(values.size)
    for first in range(0, values.size, BATCH):
        part, made = values[first : first + BATCH], out[first : first + BATCH]
        draw_words(key, ROUNDING, index, first, buffer)
        if _round_powers(part, mantissa_bits, exponent_bits, buffer, made) == 0:
            continue
        for j in range(part.size):
            value = np.int64(part[j])
            field = (value >> mantissa_bits) & field_mask
            if field < field_mask:
                p = np.float64(value & fraction_mask) * scale
                if happens(p, buffer[j], key, ROUNDING, index, first + j):
                    field += one
            made[j] = (field_mask + one) + field if value < 0 else field


@inner_njit()
def power(code, mantissa_bits, exponent_bits):
    """Return the bits, as int64, of the number that a code of `natural` stands for."""
    one = np.int64(1)
    field = np.int64(code) & ((one << exponent_bits) - one)
    sign = np.int64(code) >> exponent_bits
    return field << mantissa_bits | sign << (mantissa_bits + exponent_bits)
