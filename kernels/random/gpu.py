"""Random numbers on a GPU: launches of random.cu, with the signatures of `cpu`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..backend import BLOCK, Backend, gpu_backend, grid_for

SOURCE = Path(__file__).with_name("random.cu")


class RandomKernels:
    """The fillers of `cpu`, on the arrays of a backend.

    Parameters
    ----------
    backend : Backend
        Of `SOURCE`.
    """

    def __init__(self, backend: Backend):
        self._backend = backend

    def fill_words(self, key: int, stream: int, start: int, step: int, out: Any) -> None:
        """Fill out[i], uint32, with the four words of index start + i."""
        self._fill("fill_words", (), key, stream, start, step, out)

    def fill_uniform(self, key: int, stream: int, start: int, step: int, out: Any) -> None:
        """Fill out[i], float64, with the uniform deviate of index start + i."""
        self._fill("fill_uniform", (), key, stream, start, step, out)

    def fill_exponential(self, key: int, stream: int, start: int, step: int, out: Any) -> None:
        """Fill out[i], float64, with the exponential deviate of index start + i."""
        self._fill("fill_exponential", (), key, stream, start, step, out)

    def fill_integers(self, bound: int, key: int, stream: int, start: int, step: int, out: Any) -> None:
        """Fill out[i], int64, with the bounded integer of index start + i."""
        self._fill("fill_integers", (np.uint64(bound),), key, stream, start, step, out)

    def _fill(self, name, first, key, stream, start, step, out) -> None:
        count = out.shape[0]
        if count == 0:  # a grid has at least one block
            return
        counter = np.uint64(key), np.uint32(stream), np.uint64(start), np.uint32(step)
        self._backend.launch(name, grid_for(count), (BLOCK,), (*first, *counter, np.int64(count), out))


def on_device(device: int) -> RandomKernels:
    """Return the kernels of a CUDA device."""
    return RandomKernels(gpu_backend(SOURCE, device))
