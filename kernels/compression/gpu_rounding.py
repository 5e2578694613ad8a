"""Norms and stochastic rounding on a GPU: launches of rounding.cu, with the signatures of `cpu_rounding`.

The norms have the bits of the CPU's, and so do all levels. For that, 256 sums go on in their order, each from
its first term to its last: only 256 threads, on 8 blocks, add, however long x is. Their sums, and the largest
magnitude, come to the CPU, so that each norm waits for the device. Nothing has been timed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import BLOCK, Backend, gpu_backend, grid_for
from ..random.streams import ROUNDING
from .reference import LANES

SOURCE = Path(__file__).with_name("rounding.cu")
WARP = 32


class RoundingKernels:
    """The functions of `cpu_rounding`, on the arrays of a backend.

    Parameters
    ----------
    backend : Backend
        Of `SOURCE`.
    """

    def __init__(self, backend: Backend):
        self._backend = backend

    def largest(self, x: Any) -> float:
        """Max |x_j|; NaN where an entry is not finite."""
        return self._largest(x, self._top(x))

    def euclidean(self, x: Any) -> float:
        """|x| rounded to the precision of x, but at least max |x_j|; NaN where an entry is not finite."""
        total, unit, top = self._add_up(x, squares=True)
        if not top > 0.0:
            return top
        with np.errstate(over="ignore"):
            return max(float(x.dtype.type(math.sqrt(total) * unit)), top)

    def mean_magnitude(self, x: Any) -> float:
        """Mean of |x_j| rounded to the precision of x; NaN where an entry is not finite."""
        total, unit, top = self._add_up(x, squares=False)
        return float(x.dtype.type(total / x.size * unit)) if top > 0.0 else top

    def levels(self, x: Any, norm: float, s: float, key: int, index: int, out: Any) -> None:
        """Round s x / norm to integers without bias; zeros where the norm is zero, infinite or NaN."""
        scale = np.float64(norm), np.float64(s)
        self._launch("levels", -(-x.size // 4), *_vector(x), *scale, *_counter(key, index), out)

    def natural(
        self, values: Any, mantissa_bits: int, exponent_bits: int, key: int, index: int, out: Any
    ) -> None:
        """Sign and exponent field of entries (viewed as integers) rounded to powers of two without bias."""
        del mantissa_bits, exponent_bits  # of the two kinds of entries
        self._launch("natural", -(-values.size // 4), *_vector(values), *_counter(key, index), out)

    def _top(self, x: Any) -> Any:
        top = self._backend.asarray(np.zeros(1, np.uint64))
        self._launch("largest_key", x.size, *_vector(x), top)
        return top

    def _largest(self, x: Any, top: Any) -> float:
        """Return the magnitude of the largest key."""
        key = self._backend.asnumpy(top).astype(f"u{x.itemsize}")
        largest = float(key.view(x.dtype)[0])
        return largest if largest < math.inf else math.nan

    def _add_up(self, x: Any, *, squares: bool) -> tuple[float, float, float]:
        """Return the sum of |x_j / unit| or its square, the unit, and the largest magnitude."""
        top = self._top(x)
        sums = self._backend.empty((LANES,), np.float64)
        added = *_vector(x), top, np.int32(squares), sums
        self._backend.launch("add_lanes", (LANES // WARP,), (WARP,), added)
        largest = self._largest(x, top)
        lanes = self._backend.asnumpy(sums)
        while lanes.size > 1:
            lanes = lanes[: lanes.size // 2] + lanes[lanes.size // 2 :]
        unit = math.ldexp(1.0, max(math.frexp(largest)[1] - 1, -1022)) if largest > 0.0 else 1.0
        return float(lanes[0]), unit, largest

    def _launch(self, name: str, count: int, *args: Any) -> None:
        self._backend.launch(name, grid_for(count), (BLOCK,), args)


def _vector(x: Any) -> tuple[Any, np.int32, np.int64]:
    return x, np.int32(x.itemsize == 8), np.int64(x.size)


def _counter(key: int, index: int) -> tuple[np.uint64, np.uint32, np.uint64]:
    return np.uint64(key), np.uint32(ROUNDING), np.uint64(index)


def on_device(device: int) -> RoundingKernels:
    """Return the kernels of a CUDA device."""
    return RoundingKernels(gpu_backend(SOURCE, device))
