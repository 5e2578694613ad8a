"""Gossip on a GPU: launches of gossip.cu, which gives the numbers of `cpu`, and cuSPARSE to compare with.

The kernels are what `mix` and `chebyshev_mix` use, not cuSPARSE: that wants X column by column, so that every
product copies the rows to columns and back, it adds up in an order of its own, and the combination with the
iterates before would take further passes. Nor is W ever made dense here, so that NaN and infinity need no
second way. Neither choice has been timed on a device.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import BLOCK, Backend, gpu_backend
from . import cpu
from .matrix import Mixer
from .rounds import Factors, alternate

SOURCE = Path(__file__).with_name("gossip.cu")

MAX_GRID = 65535  # blocks along y, as CUDA has it, and along x; of larger arrays threads take several entries


class GossipKernels:
    """The kernels of `cpu` and the functions of `rounds`, on the arrays of a backend.

    Parameters
    ----------
    backend : Backend
        Of `SOURCE`.
    """

    def __init__(self, backend: Backend):
        self.backend = backend

    def repeat_mix(self, mixer: Mixer, x: Any, rounds: int, result: Any) -> None:
        """Set `result` to ``W^rounds x``."""
        matrix = mixer.copied_to(self.backend, x.dtype)

        def step(k: int, source: Any, target: Any) -> None:
            self._launch("mix", target.shape, target.dtype, *matrix, *_sizes(target), source, target)

        alternate(x, result, rounds, step, self.backend)

    def semi_iterate(self, mixer: Mixer, x: Any, factors: Factors, result: Any) -> None:
        """Set `result` to the last iterate ``X_{k+1} = f_0 W X_k + f_1 X_k + f_2 X_{k-1}``, with X_{-1} = 0.

        `factors` are the f of each round, and X_0 = x.
        """
        matrix = mixer.copied_to(self.backend, x.dtype)

        def step(k: int, source: Any, target: Any) -> None:
            before = x if k < 2 else target  # X_{k-1}; in the first round its factor is zero
            arrays = *matrix, *_sizes(target), source, before, target
            self._launch("mix_combine", target.shape, target.dtype, *arrays, *map(x.dtype.type, factors[k]))

        alternate(x, result, len(factors), step, self.backend)

    def pairwise_average(self, X: Any, edges: NDArray, keep: float, take: float) -> None:
        """Average pairs of rows of X in place, by batches of the edges (a NumPy array, uint32) in turn."""
        n, d = X.shape
        ordered, begin = cpu.conflict_free_batches(n, edges)
        ordered = self.backend.asarray(ordered)
        factors = X.dtype.type(keep), X.dtype.type(take)
        for start, count in zip(begin[:-1], np.diff(begin), strict=True):
            batch = ordered, start, count, np.int64(d)
            self._launch("average_pairs", (int(count), d), X.dtype, *batch, X, *factors)

    def _launch(self, name: str, shape: tuple[int, int], dtype: Any, *args: Any) -> None:
        """Launch the kernel of the dtype on as many threads as there are entries, or less."""
        if 0 in shape:  # a grid has at least one block
            return
        rows, columns = shape
        width = min(BLOCK, 1 << (columns - 1).bit_length())  # columns of a block
        height = BLOCK // width
        grid = min(-(-rows // height), MAX_GRID), min(-(-columns // width), MAX_GRID)
        self.backend.launch(f"{name}_{np.dtype(dtype)}", grid, (width, height), args)


def _sizes(array: Any) -> tuple[np.int64, np.int64]:
    return np.int64(array.shape[0]), np.int64(array.shape[1])


def on_device(device: int) -> GossipKernels:
    """Return the kernels of a CUDA device."""
    return GossipKernels(gpu_backend(SOURCE, device))


def cusparse_mix(mixer: Mixer, x: Any, rounds: int) -> Any:
    """Return ``W^rounds x`` by cuSPARSE: SpMM through cupyx, the rival of the kernel `mix`.

    Equal to the kernel's up to the rounding of the sums.

    Parameters
    ----------
    mixer : Mixer
        W.
    x : (n, d) cupy.ndarray
        float64 or float32.
    rounds : int
        At least 0.

    Returns
    -------
    (n, d) cupy.ndarray
        C-contiguous, new.

    Raises
    ------
    ImportError
        CuPy, or cuSPARSE, is not installed.
    """
    from cupyx.scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]  (an extra)

    with x.device:
        W = csr_matrix(mixer.scipy_csr(x.dtype))
        y = x.copy(order="F")  # as cuSPARSE takes and returns it, so that rows become columns once
        for _ in range(rounds):
            y = W @ y
        return y.copy(order="C")
