"""Numba: proximal steps onto products of simple sets."""

from __future__ import annotations

import math

import numpy as np
from numba import types

from .._jit import NO_ALIAS, array_type, inner_njit, lazy_njit

FREE, BOX, BALL, SIMPLEX, ENTROPIC = range(5)
WIDTH = 4  # numbers a block: kind, coordinates, two parameters


@inner_njit()
def _ball(out, radius):
    largest = 0.0
    for c in range(out.size):
        largest = max(largest, abs(out[c]))
    if largest == 0.0 or not math.isfinite(largest):
        return
    total = 0.0
    for c in range(out.size):
        total += (out[c] / largest) ** 2
    norm = largest * math.sqrt(total)
    if norm > radius:
        for c in range(out.size):
            out[c] *= radius / norm


@inner_njit()
def _simplex(out, total):
    """Michelot's method: drop what lies below the threshold until nothing does; finite and exact.

    Measured from the largest entry, or rounding of large ones would show in the sum.
    """
    largest = -np.inf
    for c in range(out.size):
        largest = max(largest, out[c])
    if math.isfinite(largest):
        for c in range(out.size):
            out[c] -= largest
    threshold = -np.inf
    kept = out.size + 1
    while True:
        above = 0.0
        count = 0
        for c in range(out.size):
            if out[c] > threshold:
                above += out[c]
                count += 1
        if count >= kept or count == 0:  # more than before by rounding; none for NaN alone
            break
        kept = count
        threshold = (above - total) / count
    for c in range(out.size):
        rest = out[c] - threshold
        out[c] = 0.0 if rest < 0.0 else rest


@inner_njit()
def _entropic(centre, shift, out, total):
    """Steps of the distance total sum x log(x / centre), which is at least |x - centre|_1^2 / 2."""
    least = np.inf
    for c in range(out.size):
        if centre[c] > 0.0:
            least = min(least, shift[c])
    mass = 0.0
    for c in range(out.size):
        out[c] = 0.0 if centre[c] == 0.0 else centre[c] * math.exp((least - shift[c]) / total)
        mass += out[c]
    for c in range(out.size):
        out[c] *= total / mass


@inner_njit(forceinline=True, **NO_ALIAS)
def _moved(centre, shift, out):
    for c in range(out.shape[0]):
        out[c] = centre[c] - shift[c]


@inner_njit()
def step(centre, shift, blocks, out):
    """Set `out` to the proximal step from `centre` by -shift, block by block; no blocks: centre - shift.

    `out` may be neither of the two others.
    """
    _moved(centre, shift, out)
    begin = 0
    for b in range(blocks.size // WIDTH):
        kind = np.int64(blocks[WIDTH * b])
        end = begin + np.int64(blocks[WIDTH * b + 1])
        low, high = blocks[WIDTH * b + 2], blocks[WIDTH * b + 3]
        part = out[begin:end]
        if kind == BOX:
            for c in range(part.size):
                part[c] = low if part[c] < low else high if part[c] > high else part[c]
        elif kind == BALL:
            _ball(part, low)
        elif kind == SIMPLEX:
            _simplex(part, low)
        elif kind == ENTROPIC:
            _entropic(centre[begin:end], shift[begin:end], part, low)
        begin = end


@inner_njit(forceinline=True, **NO_ALIAS)
def _mixture(tau, z, w, out):
    for c in range(out.shape[0]):
        out[c] = tau * z[c] + (1.0 - tau) * w[c]


@inner_njit()
def between(tau, z, w, blocks, out):
    """Set `out` to the point x with the least tau D(x, z) + (1 - tau) D(x, w): a centre for `step`.

    tau z + (1 - tau) w, and on an entropic simplex z^tau w^(1 - tau), up to a factor that `step` divides by.
    """
    _mixture(tau, z, w, out)
    begin = 0
    for b in range(blocks.size // WIDTH):
        end = begin + np.int64(blocks[WIDTH * b + 1])
        if np.int64(blocks[WIDTH * b]) == ENTROPIC:
            for c in range(begin, end):
                out[c] = z[c] ** tau * w[c] ** (1.0 - tau)
        begin = end


_vector = array_type(types.float64, 1)
_vector_in = array_type(types.float64, 1, readonly=True)


@lazy_njit(types.void(_vector_in, _vector_in, _vector_in, _vector))
def prox_step(centre, shift, blocks, out):
    """`step`, for callers in Python."""
    step(centre, shift, blocks, out)
