"""Numba: one compressor, one function of one signature, so that compiled loops run any of them.

`kernel(x, key, index, parameters, out) -> bits` writes C(x) to `out` and returns the exact length of the
message. `compress_all` is such a loop: it takes the kernel by its address (`kernels.oracles.pointers`).
"""

from __future__ import annotations

import numpy as np
from numba import types

from .._jit import array_type, inner_njit, lazy_njit
from ..oracles.pointers import function_at
from . import cpu_bits, cpu_masks, cpu_rounding, cpu_topk

_vector = array_type(types.float64, 1)
_vector_in = array_type(types.float64, 1, readonly=True)

# kernel(x, key, index, parameters, out) -> bits of the message
ROW = types.int64(_vector_in, types.uint64, types.uint64, _vector_in, _vector)
ROW_POINTER = types.FunctionType(ROW)
row_at = function_at(ROW_POINTER)

WIDTH = 64  # bits of a value
SIGN_FREE = np.int64(np.iinfo(np.int64).max)


@inner_njit()
def _scatter(x, indices, factor, sends_indices, out):
    """Write the values kept, times a factor; return the bits."""
    out[:] = 0.0
    for i in indices:
        out[i] = x[i] * factor
    bits = np.int64(WIDTH * indices.size)
    return bits + cpu_bits.index_code(indices, x.size)[2] if sends_indices else bits


@lazy_njit(ROW)
def identity(x, key, index, parameters, out):
    """C(x) = x."""
    out[:] = x
    return WIDTH * x.size


@lazy_njit(ROW)
def rand_k(x, key, index, parameters, out):
    """Rand-k; parameters: k, factor, whether indices are sent."""
    indices = np.empty(np.int64(parameters[0]), np.int64)
    cpu_masks.rand_k(x.size, key, index, indices)
    return _scatter(x, indices, parameters[1], parameters[2] > 0.0, out)


@lazy_njit(ROW)
def block_rand_k(x, key, index, parameters, out):
    """BlockRandK; parameters: k, whether values are scaled, whether indices are sent."""
    d = np.int64(x.size)
    k = np.int64(parameters[0])
    indices = np.empty(k, np.int64)
    cpu_masks.block_rand_k(d, key, index, indices)
    bits = _scatter(x, indices, 1.0, parameters[2] > 0.0, out)
    if parameters[1] > 0.0:
        for b in range(k):
            out[indices[b]] *= np.float64((b + 1) * d // k - b * d // k)
    return bits


@lazy_njit(ROW)
def perm_k(x, key, index, parameters, out):
    """PermK; parameters: number of workers."""
    n_workers = np.int64(parameters[0])
    indices = np.empty((x.size + n_workers - 1) // n_workers, np.int64)
    count = cpu_masks.perm_k(x.size, n_workers, key, index, indices)
    return _scatter(x, indices[:count], parameters[0], False, out)


@lazy_njit(ROW)
def bernoulli(x, key, index, parameters, out):
    """Bernoulli; parameters: p, factor, whether indices are sent."""
    indices = np.empty(x.size, np.int64)
    count = cpu_masks.bernoulli(x.size, parameters[0], key, index, indices)
    bits = _scatter(x, indices[:count], parameters[1], parameters[2] > 0.0, out)
    if parameters[2] > 0.0:
        rest = np.int64(x.size)
        while rest > 0:  # their number takes the bits of d
            rest >>= 1
            bits += 1
    return bits


@lazy_njit(ROW)
def top_k(x, key, index, parameters, out):
    """Top-k; parameters: k."""
    indices = np.empty(np.int64(parameters[0]), np.int64)
    cpu_topk.top_k(x.view(np.int64), SIGN_FREE, 63, indices)
    return _scatter(x, indices, 1.0, True, out)


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
