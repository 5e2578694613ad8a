"""Numba: one compressor, one function of one signature, so that compiled loops run any of them.

`kernel(x, key, index, parameters, out) -> bits` writes C(x) to `out` and returns the exact length of the
message. `compress_all` is such a loop: it takes the kernel by its address (`kernels.pointers`).
All sparsifiers share one such kernel, `sparsify`; each has a function of its own for what it keeps.
"""

from __future__ import annotations

import numpy as np
from numba import types

from .._jit import array_type, inner_njit, lazy_njit
from ..pointers import function_at
from ..random import streams
from ..random.cpu import S32, words
from . import cpu_bits, cpu_masks, cpu_rounding, cpu_topk

_vector = array_type(types.float64, 1)
_vector_in = array_type(types.float64, 1, readonly=True)

# kernel(x, key, index, parameters, out) -> bits of the message
ROW = types.int64(_vector_in, types.uint64, types.uint64, _vector_in, _vector)
ROW_POINTER = types.FunctionType(ROW)
row_at = function_at(ROW_POINTER)

# pick(x, key, index, parameters, indices, values) -> how many coordinates a sparsifier keeps: which ones,
# ascending, and their values, factors included, at the beginning of `indices` and `values`
PICK = types.int64(_vector_in, types.uint64, types.uint64, _vector_in, array_type(types.int64, 1), _vector)
pick_at = function_at(types.FunctionType(PICK))
PICK_HEAD = 4  # parameters of `sparsify` before those of its pick

PART = np.uint64(streams.PART)
ZERO = np.uint64(0)
WIDTH = 64  # bits of a value
SIGN_FREE = np.int64(np.iinfo(np.int64).max)


@lazy_njit(ROW)
def identity(x, key, index, parameters, out):
    """C(x) = x."""
    out[:] = x
    return WIDTH * x.size


@inner_njit()
def _gather(x, indices, factor, values):
    """Take the values kept, times a factor; return their number."""
    for i in range(indices.size):
        values[i] = x[indices[i]] * factor
    return indices.size


@lazy_njit(PICK)
def pick_all(x, key, index, parameters, indices, values):
    """Identity."""
    for i in range(x.size):
        indices[i] = i
    return _gather(x, indices, 1.0, values)


@lazy_njit(PICK)
def rand_k(x, key, index, parameters, indices, values):
    """Rand-k; parameters: the factor."""
    cpu_masks.rand_k(x.size, key, index, indices)
    return _gather(x, indices, parameters[0], values)


@lazy_njit(PICK)
def block_rand_k(x, key, index, parameters, indices, values):
    """BlockRandK; parameters: whether values are scaled."""
    d = np.int64(x.size)
    k = np.int64(indices.size)
    cpu_masks.block_rand_k(d, key, index, indices)
    _gather(x, indices, 1.0, values)
    if parameters[0] > 0.0:
        lengths = np.empty(k)
        cpu_masks.block_lengths(d, lengths)
        for b in range(k):
            values[b] *= lengths[b]
    return k


@lazy_njit(PICK)
def perm_k(x, key, index, parameters, indices, values):
    """PermK; parameters: number of workers."""
    count = cpu_masks.perm_k(x.size, np.int64(parameters[0]), key, index, indices)
    return _gather(x, indices[:count], parameters[0], values)


@lazy_njit(PICK)
def bernoulli(x, key, index, parameters, indices, values):
    """Bernoulli; parameters: p, factor."""
    count = cpu_masks.bernoulli(x.size, parameters[0], key, index, indices)
    return _gather(x, indices[:count], parameters[1], values)


@lazy_njit(PICK)
def top_k(x, key, index, parameters, indices, values):
    """Top-k."""
    cpu_topk.top_k(x.view(np.int64), SIGN_FREE, 63, indices)
    return _gather(x, indices, 1.0, values)


@inner_njit()
def _pick(x, key, index, parameters):
    """Return the coordinates that a sparsifier keeps, their values, and the bits that tell which.

    Parameters: address of its pick, room for coordinates, whether indices are sent, and whether their number
    is; then those of the pick.
    """
    room = np.int64(parameters[1])
    indices = np.empty(room, np.int64)
    values = np.empty(room)
    pick = pick_at(np.int64(parameters[0]))
    count = pick(x, key, index, parameters[PICK_HEAD:], indices, values)
    indices = indices[:count]
    bits = np.int64(0)
    if parameters[2] > 0.0:
        bits += cpu_bits.index_code(indices, x.size)[2]
    if parameters[3] > 0.0:
        rest = np.int64(x.size)
        while rest > 0:  # their number takes the bits of d
            rest >>= 1
            bits += 1
    return indices, values[:count], bits


@inner_njit()
def _scatter(indices, values, out):
    out[:] = 0.0
    for i in range(indices.size):
        out[indices[i]] = values[i]


@lazy_njit(ROW)
def sparsify(x, key, index, parameters, out):
    """Any sparsifier; parameters as in `_pick`."""
    indices, values, bits = _pick(x, key, index, parameters)
    _scatter(indices, values, out)
    return bits + WIDTH * values.size


@inner_njit()
def _part_key(key, part):
    """Key of one part, as in `combined`."""
    high, low, _, _ = words(key, PART, np.uint64(part), ZERO, ZERO)
    return high << S32 | low


@lazy_njit(ROW)
def composed(x, key, index, parameters, out):
    """Sparsifier, then quantiser of the values kept.

    Parameters: number of those of the sparsifier, and they; address of the quantiser, least number n of
    values; where its parameters for n, n + 1, ... values begin and end (at 0: it cannot take so many).
    """
    head = 1 + np.int64(parameters[0])
    indices, values, bits = _pick(x, _part_key(key, 0), index, parameters[1:head])
    if values.size > 0:
        place = head + 2 + 2 * (values.size - np.int64(parameters[head + 1]))
        begin = np.int64(parameters[place])
        if begin == 0:
            raise ValueError("the quantiser of Composed does not fit the number of values that were kept")
        own = parameters[begin : np.int64(parameters[place + 1])]
        quantise = row_at(np.int64(parameters[head]))
        quantised = np.empty(values.size)
        bits += quantise(values, _part_key(key, 1), index, own, quantised)
        values = quantised
    _scatter(indices, values, out)
    return bits


@lazy_njit(ROW)
def per_block(x, key, index, parameters, out):
    """One compressor, block by block.

    Parameters: length of the blocks but the last, address, where the parameters for the last block begin;
    those for the others, those for the last.
    """
    size = np.int64(parameters[0])
    compress = row_at(np.int64(parameters[1]))
    middle = np.int64(parameters[2])
    n_blocks = (x.size + size - 1) // size
    bits = np.int64(0)
    for b in range(n_blocks):
        own = parameters[3:middle] if b < n_blocks - 1 else parameters[middle:]
        block = slice(b * size, min((b + 1) * size, x.size))
        bits += compress(x[block], _part_key(key, b), index, own, out[block])
    return bits


@inner_njit()
def _of_levels(norm, levels, s, factor, out):
    for j in range(out.size):
        out[j] = norm * (levels[j] / s) * factor


@lazy_njit(ROW)
def qsgd(x, key, index, parameters, out):
    """QSGD; parameters: levels, factor, bits a coordinate."""
    levels = np.empty(x.size, np.int32)
    norm = cpu_rounding.euclidean(x)
    cpu_rounding.levels(x, norm, parameters[0], key, index, levels)
    _of_levels(norm, levels, parameters[0], parameters[1], out)
    return WIDTH + x.size * np.int64(parameters[2])


@lazy_njit(ROW)
def terngrad(x, key, index, parameters, out):
    """TernGrad; parameters: factor."""
    levels = np.empty(x.size, np.int32)
    norm = cpu_rounding.largest(x)
    cpu_rounding.levels(x, norm, 1.0, key, index, levels)
    _of_levels(norm, levels, 1.0, parameters[0], out)
    return WIDTH + 8 * ((x.size + 4) // 5)


@lazy_njit(ROW)
def natural(x, key, index, parameters, out):
    """Natural compression; parameters: factor."""
    codes = np.empty(x.size, np.int32)
    cpu_rounding.natural(x.view(np.int64), 52, 11, key, index, codes)
    power = out.view(np.int64)
    for j in range(x.size):
        power[j] = cpu_rounding.power(codes[j], 52, 11)
    for j in range(x.size):
        out[j] *= parameters[0]
    return 12 * x.size


@lazy_njit(ROW)
def scaled_sign(x, key, index, parameters, out):
    """Scaled sign."""
    mean = cpu_rounding.mean_magnitude(x)
    for j in range(x.size):
        out[j] = -mean if x[j] < 0.0 else mean
    return WIDTH + x.size


@lazy_njit(
    types.int64(
        types.int64,
        array_type(types.float64, 2, readonly=True),
        types.uint64,
        types.uint64,
        _vector_in,
        array_type(types.float64, 2),
    )
)
def compress_all(kernel, X, key, start, parameters, out):
    """Compress row i of X as message start + i; return the bits of all."""
    compress = row_at(kernel)
    bits = np.int64(0)
    for i in range(X.shape[0]):
        bits += compress(X[i], key, start + np.uint64(i), parameters, out[i])
    return bits
