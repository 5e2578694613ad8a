"""Numba: norms summed in a fixed order, and unbiased stochastic rounding. Definitions in `reference.py`."""

from __future__ import annotations

import math

import numpy as np

from .._jit import inner_njit
from ..random import streams
from .cpu_masks import BATCH, draw_words, happens, new_buffer
from .reference import LANES

U = np.uint64
ROUNDING = U(streams.ROUNDING)


@inner_njit()
def largest(x):
    """Max |x_j|; NaN where an entry is not finite."""
    top = 0.0
    for j in range(x.size):
        magnitude = np.float64(abs(x[j]))
        if magnitude > top:
            top = magnitude
        elif magnitude != magnitude:
            return np.nan
    return top if top < np.inf else np.nan


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


@inner_njit()
def levels(x, norm, s, key, index, out):
    """Round s x / norm to integers without bias; zeros where the norm is zero, infinite or NaN."""
    if not (norm > 0.0 and norm < np.inf):
        out[:] = 0
        return
    buffer = new_buffer(x.size)
    for j in range(x.size):
        if j & (BATCH - 1) == 0:
            draw_words(key, ROUNDING, index, j, buffer)
        position = abs(np.float64(x[j])) / norm * s
        level = np.int32(position)
        if happens(position - level, buffer[j & (BATCH - 1)], key, ROUNDING, index, j):
            level += np.int32(1)
        out[j] = -level if x[j] < 0 else level


@inner_njit()
def natural(values, mantissa_bits, exponent_bits, key, index, out):
    """Sign and exponent field of entries (viewed as integers) rounded to powers of two without bias."""
    one = np.int64(1)
    fraction_mask = (one << mantissa_bits) - one
    field_mask = (one << exponent_bits) - one
    scale = 1.0 / np.float64(one << mantissa_bits)
    buffer = new_buffer(values.size)
    for j in range(values.size):
        if j & (BATCH - 1) == 0:
            draw_words(key, ROUNDING, index, j, buffer)
        value = np.int64(values[j])
        field = (value >> mantissa_bits) & field_mask
        if field < field_mask:
            p = np.float64(value & fraction_mask) * scale
            if happens(p, buffer[j & (BATCH - 1)], key, ROUNDING, index, j):
                field += one
        out[j] = (field_mask + one) + field if value < 0 else field


@inner_njit()
def power(code, mantissa_bits, exponent_bits):
    """Return the bits, as int64, of the number that a code of `natural` stands for."""
    one = np.int64(1)
    field = np.int64(code) & ((one << exponent_bits) - one)
    sign = np.int64(code) >> exponent_bits
    return field << mantissa_bits | sign << (mantissa_bits + exponent_bits)
