"""Sets of coordinates as functions: `top_k`, its fusion with error feedback, `rand_k`; CPU or GPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import checks
from ..backend import array_module, destination, device_of
from . import cpu_topk, gpu_select
from .base import unsigned, vector
from .devices import masks, room


def _integers(x: np.ndarray) -> tuple[np.ndarray, np.integer, int]:
    """Return x viewed as integers, the mask that clears their sign, and the bits that are left."""
    integer = np.int32 if x.dtype == np.float32 else np.int64
    return x.view(integer), integer(np.iinfo(integer).max), 8 * x.itemsize - 1


def top_indices(x: Any, k: int) -> Any:
    """Return the places of the k largest magnitudes of a checked vector, ascending, where the vector is."""
    device = device_of(x=x)
    out = room(k, device)
    if device is None:
        cpu_topk.top_k(*_integers(x), out)
    else:
        gpu_select.on_device(device).top_k(x, out)
    return out


def top_k(x: Any, k: int) -> tuple[Any, Any]:
    """Return the k entries of largest magnitude: exactly k, and among equal ones those of lowest index.

    Parameters
    ----------
    x : (d,) array_like or CuPy array
        Real numbers. NaN ranks above infinity, infinity above all numbers; -0 equals 0.
    k : int
        From 0 to d.

    Returns
    -------
    indices : (k,) int64 array
        Ascending.
    values : (k,) array
        x at the indices, float32 where x is, otherwise float64. Both on the device of x.

    Raises
    ------
    TypeError, ValueError
        Not a vector of real numbers; k out of range.
    ModuleNotFoundError, RuntimeError
        x is CuPy's, but CuPy is not installed or finds no device.

    Examples
    --------
    >>> top_k([1.0, -3.0, 2.0, 3.0], 2)
    (array([1, 3]), array([-3.,  3.]))
    """
    x = vector("x", x, least=0)
    indices = top_indices(x, checks.count("k", k, most=x.size))
    with array_module(device_of(x=x)):
        return indices, x[indices]


def top_k_error_feedback(
    memory: Any, gradient: Any, k: int, *, step: float = 1.0, out: Any = None
) -> tuple[Any, Any, Any]:
    """Top-k of memory + step gradient, and what is left of it: one step of error feedback.

    The pass over both that forms the sum is also the first that looks for its largest entries.

    Parameters
    ----------
    memory, gradient : (d,) array_like or CuPy array
        float32 if both are, otherwise float64; on one device.
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

    Raises
    ------
    TypeError, ValueError
        Arrays that do not fit, or on two devices; k out of range.
    ModuleNotFoundError, RuntimeError
        Arrays are CuPy's, but CuPy is not installed or finds no device.
    """
    device = device_of(memory=memory, gradient=gradient, out=out)
    in_place = out is memory
    memory, gradient = vector("memory", memory, least=0), vector("gradient", gradient, least=0)
    if memory.shape != gradient.shape:
        raise ValueError(f"memory and gradient must have one shape, got {memory.shape} and {gradient.shape}")
    dtype = np.result_type(memory, gradient)
    k = checks.count("k", k, most=memory.size)
    step = checks.real("step", step)
    if out is None:
        with array_module(device) as xp:
            out = xp.empty(memory.size, dtype)
    else:
        out, _ = destination(out, memory.shape, dtype)
    if device is not None:
        return _feedback_on_device(device, memory, gradient, step, k, out, in_place)
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


def _feedback_on_device(device, memory, gradient, step, k, out, in_place) -> tuple[Any, Any, Any]:
    kernels = gpu_select.on_device(device)
    with array_module(device) as cupy:
        # copies where kernels would read what they have overwritten; the memory itself they may overwrite
        parts = (memory, not in_place), (gradient, True)
        memory, gradient = (
            part.astype(out.dtype, copy=may_be_out and cupy.may_share_memory(part, out))
            for part, may_be_out in parts
        )
        indices = room(k, device)
        kernels.top_k_with_memory(out if in_place else memory, gradient, step, out, indices)
        values = out[indices]
        out[indices] = 0
    return indices, values, out


def rand_k(d: int, k: int, key: int, *, index: int = 0, out: Any = None) -> Any:
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
    out : (k,) int64 array, optional
        C-contiguous, on the CPU or CuPy's. It is filled where it is.

    Returns
    -------
    (k,) int64 array
        Ascending: the coordinates that `RandK(k)` keeps. `out`, or a new NumPy array.

    Raises
    ------
    TypeError, ValueError
        An argument out of range; an `out` that does not fit.
    ModuleNotFoundError, RuntimeError
        `out` is CuPy's, but CuPy is not installed or finds no device.

    Examples
    --------
    >>> rand_k(5, 5, key=1)
    array([0, 1, 2, 3, 4])
    """
    d = checks.count("d", d, most=2**31 - 1)
    k = checks.count("k", k, most=d)
    counter = unsigned("key", key), unsigned("index", index)
    target, device = destination(out, (k,), np.int64)
    masks(device).rand_k(d, *counter, target)
    return target if out is None else out
