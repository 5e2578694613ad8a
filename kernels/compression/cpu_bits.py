"""Numba: fields of bits in a byte array. Bit i of a message is bit i mod 8 of byte i div 8."""

from __future__ import annotations

import numpy as np

from .._jit import inner_njit

U = np.uint64
RAW, BITMAP, RICE = range(3)  # codes of a set of coordinates
CODE_BITS = 2
RICE_BITS = 5  # of the parameter


@inner_njit()
def write_fields(buffer, position, values, width):
    """Append the low `width` bits of each value (uint64), lowest bit first; return the new position."""
    for i in range(values.size):
        value = values[i]
        left = width
        while left > 0:
            offset = position & 7
            taken = min(8 - offset, left)
            part = np.uint8((value & ((U(1) << U(taken)) - U(1))) << U(offset))
            buffer[position >> 3] |= part
            value >>= U(taken)
            position += taken
            left -= taken
    return position


@inner_njit()
def read_fields(buffer, position, width, out):
    """Fill `out` (uint64) with fields of `width` bits; return the new position."""
    for i in range(out.size):
        value = U(0)
        done = 0
        while done < width:
            offset = position & 7
            taken = min(8 - offset, width - done)
            part = (U(buffer[position >> 3]) >> U(offset)) & ((U(1) << U(taken)) - U(1))
            value |= part << U(done)
            position += taken
            done += taken
        out[i] = value
    return position


@inner_njit()
def rice_cost(indices):
    """Return the best Golomb-Rice parameter of the gaps, and the bits they take with it.

    The bits are a convex function of the parameter: growing it by one adds a bit a gap, and saves ceil(q / 2)
    bits of each quotient q, fewer each time.
    """
    best = np.int64(-1)
    parameter = 0
    for r in range(32):
        bits = np.int64(0)
        last = np.int64(-1)
        for i in range(indices.size):
            bits += ((indices[i] - last - 1) >> r) + r + 1
            last = indices[i]
        if best >= 0 and bits >= best:
            break
        best = bits
        parameter = r
    return parameter, best


@inner_njit()
def index_code(indices, d):
    """Choose the cheapest code of ascending indices in [0, d): return it, its parameter and all its bits.

    RAW: ceil(log2 d) bits an index. BITMAP: a bit a coordinate. RICE: gaps in Golomb-Rice code. The bits
    include those that name the code and the parameter. The empty set and the whole one need none: the reader
    knows how many indices there are.
    """
    k = np.int64(indices.size)
    if k == 0 or k == d:
        return RAW, 0, np.int64(0)
    width = 0
    while np.int64(1) << width < d:
        width += 1
    code = RAW
    bits = k * width
    if d < bits:
        code = BITMAP
        bits = np.int64(d)
    parameter, rice = rice_cost(indices)
    if RICE_BITS + rice < bits:
        code = RICE
        bits = RICE_BITS + rice
    return code, parameter, CODE_BITS + bits


@inner_njit()
def write_rice(buffer, position, indices, parameter):
    """Append the gaps: quotient in ones and a zero, then the low `parameter` bits; return the position."""
    last = np.int64(-1)
    low = np.empty(1, np.uint64)
    for i in range(indices.size):
        gap = indices[i] - last - 1
        last = indices[i]
        for _ in range(gap >> parameter):
            buffer[position >> 3] |= np.uint8(1 << (position & 7))
            position += 1
        position += 1
        low[0] = U(gap)
        position = write_fields(buffer, position, low, parameter)
    return position


@inner_njit()
def read_rice(buffer, position, parameter, d, out):
    """Fill `out` with indices from their gaps; return the new position, or -1 where they leave [0, d)."""
    total = np.int64(buffer.size) << 3
    last = np.int64(-1)
    low = np.empty(1, np.uint64)
    for i in range(out.size):
        quotient = 0
        while position < total and (buffer[position >> 3] >> (position & 7)) & 1:
            quotient += 1
            position += 1
        position += 1
        if position + parameter > total:
            return -1
        position = read_fields(buffer, position, parameter, low)
        last += np.int64((quotient << parameter) + np.int64(low[0])) + 1
        if last >= d:
            return -1
        out[i] = last
    return position
