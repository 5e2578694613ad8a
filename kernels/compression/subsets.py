"""Sets of coordinates as functions: `top_k`, its fusion with error feedback, `rand_k`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from . import cpu_masks, cpu_topk
from .base import unsigned, vector


def _integers(x: np.ndarray) -> tuple[np.ndarray, np.integer, int]:
    """Return x viewed as integers, the mask that clears their sign, and the bits that are left."""
    integer = np.int32 if x.dtype == np.float32 else np.int64
    return x.view(integer), integer(np.iinfo(integer).max), 8 * x.itemsize - 1


def top_indices(x: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the k largest magnitudes of a checked vector, ascending."""
    out = np.empty(k, np.int64)
    cpu_topk.top_k(*_integers(x), out)
    return out


def top_k(x: ArrayLike, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k entries of largest magnitude: exactly k, and among equal ones those of lowest index.

    Parameters
    ----------
    x : (d,) array_like
        Real numbers. NaN ranks above infinity, infinity above all numbers; -0 equals 0.
    k : int
        From 0 to d.

    Returns
    -------
    indices : (k,) int64 array
        Ascending.
    values : (k,) array
        x at the indices, float32 where x is, otherwise float64.

    Examples
    --------
    >>> top_k([1.0, -3.0, 2.0, 3.0], 2)
    (array([1, 3]), array([-3.,  3.]))
    """
    x = vector("x", x, least=0)
    indices = top_indices(x, checks.count("k", k, most=x.size))
    return indices, x[indices]


def top_k_error_feedback(
    memory: ArrayLike, gradient: ArrayLike, k: int, *, step: float = 1.0, out: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Top-k of memory + step gradient, and what is left of it: one step of error feedback, in one pass.

    Parameters
    ----------
    memory, gradient : (d,) array_like
        float32 if both are, otherwise float64.
    k : int
        From 0 to d.
    step : float
        Factor of the gradient.
    out : (d,) array, optional
        Takes the new memory; may be `memory` itself. A new array by default.

    Returns
    -------
    indices : (k,) int64 array
        Ascending.
    values : (k,) array
        To send: (memory + step gradient) at the indices.
    memory : (d,) array
        The new memory, zero at the indices; `out` where given.
    """
    in_place = out is memory
    memory, gradient = vector("memory", memory, least=0), vector("gradient", gradient, least=0)
    if memory.shape != gradient.shape:
        raise ValueError(f"memory and gradient must have one shape, got {memory.shape} and {gradient.shape}")
    dtype = np.result_type(memory, gradient)
    k = checks.count("k", k, most=memory.size)
    step = checks.real("step", step)
    if out is None:
        out = np.empty(memory.size, dtype)
    elif out.shape != memory.shape or out.dtype != dtype or not out.flags.c_contiguous:
        raise ValueError(f"out must be a contiguous {dtype} array of shape {memory.shape}")
    if gradient.dtype != dtype or np.may_share_memory(out, gradient):
        gradient = gradient.astype(dtype)
        gradient.flags.writeable = False
    if not in_place:
        out[:] = memory
    indices = np.empty(k, np.int64)
    cpu_topk.top_k_with_memory(out, gradient, step, *_integers(out), indices)
    values = out[indices]
    out[indices] = 0
    return indices, values, out


def rand_k(d: int, k: int, key: int, *, index: int = 0) -> np.ndarray:
    """Return k of d coordinates, every subset equally likely (Floyd's method).

    Parameters
    ----------
    d : int
        From 0 to 2^31 - 1.
    k : int
        From 0 to d.
    key : int
        In [0, 2^64), from `kernels.random.make_key`.
    index : int
        In [0, 2^64); each has a subset of its own.

    Returns
    -------
    (k,) int64 array
        Ascending: the coordinates that `RandK(k)` keeps.

    Examples
    --------
    >>> rand_k(5, 5, key=1)
    array([0, 1, 2, 3, 4])
    """
    d = checks.count("d", d, most=2**31 - 1)
    out = np.empty(checks.count("k", k, most=d), np.int64)
    cpu_masks.rand_k(d, unsigned("key", key), unsigned("index", index), out)
    return out
