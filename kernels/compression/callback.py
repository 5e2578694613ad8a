"""The row kernel of compressors that run in Python: it calls their `compress`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numba import njit, objmode

from .._jit import LazyKernel
from .base import Compressor, exact
from .rows import ROW

# The compressors, by the number that is the kernel's parameter.
_compressors: WeakValueDictionary[int, Compressor] = WeakValueDictionary()


def is_known(compressor: Compressor) -> bool:
    """Whether `in_python` has been given this compressor."""
    return id(compressor) in _compressors


def in_python_parameters(compressor: Compressor) -> np.ndarray:
    """Return what makes `in_python` call a compressor, as long as that exists."""
    number = exact(id(compressor))
    _compressors[number] = compressor
    return np.array([number], np.float64)


def _call(number: int, x: np.ndarray, key: int, index: int, out: np.ndarray) -> int:
    x = x.view()
    x.flags.writeable = False
    payload = _compressors[number].compress(x, key, index=index)
    dense = np.asarray(payload.dense())
    if dense.shape != out.shape:
        raise ValueError(
            f"{_compressors[number]} makes vectors of shape {dense.shape} of vectors of shape {out.shape}"
        )
    out[:] = dense
    return payload.nbits


def _uncached(function: Callable[..., Any]) -> LazyKernel:
    """Compile at the first call; numba cannot cache on disk what calls Python."""
    return LazyKernel(njit(function), ROW)


@_uncached
def in_python(x, key, index, parameters, out):
    """Call the `compress` of one of `_compressors`; parameters: its number."""
    number = int(parameters[0])
    with objmode(bits="int64"):
        bits = _call(number, x, key, index, out)
    return bits
