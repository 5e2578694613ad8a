"""Aggregation on a GPU: launches of aggregation.cu.

Sums of columns differ from the CPU's in their order, so Gram matrices agree to rounding; order statistics of
rows that are not mixed are the same numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..backend import BLOCK, Backend, gpu_backend, grid_for
from . import networks
from .rows import Rows

SOURCE = Path(__file__).with_name("aggregation.cu")
OPTIONS = {np.dtype(np.float32): ("-DREAL=float",), np.dtype(np.float64): ("-DREAL=double",)}

_SHARED = 48 * 1024  # bytes a block may have without asking
_REDUCTION = BLOCK * 16 * 8  # bytes in which the slices of a Gram tile meet
_MOST_CHUNKS = 512
_LEAST_CHUNK = 2048  # columns


class AggregationKernels:
    """The kernels on the arrays of a backend: matrices (p, d) of one type, C-contiguous.

    Parameters
    ----------
    backend : Backend
        Of `SOURCE`, with `OPTIONS` of the type.
    dtype : dtype
        float32 or float64.
    """

    def __init__(self, backend: Backend, dtype: DTypeLike):
        self._backend = backend
        self._dtype = np.dtype(dtype)

    def gram(self, G: Any, chosen: NDArray, centre: Any = None) -> NDArray[np.float64]:
        """Return the inner products of the chosen rows, less `centre`, (1, d), where there is one."""
        q, d = len(chosen), int(G.shape[1])
        if d == 0:
            return np.zeros((q, q))
        n = -(-q // 4)
        n_tiles = n * (n + 1) // 2
        columns = min(128, (_SHARED // (4 * n * self._dtype.itemsize)) - 1)
        if columns < 1:
            raise ValueError(f"Gram matrices on a GPU are for at most {self.most_rows} rows, got {q}")
        chunk, n_chunks = _chunks(d)
        partial = self._backend.asarray(np.zeros((n_chunks, n_tiles, 16)))
        total = self._backend.asarray(np.zeros((n_tiles, 16)))
        shared = max(4 * n * (columns + 1) * self._dtype.itemsize, _REDUCTION)
        what = G, np.int64(d), self._rows(chosen), np.int32(q), *self._centre(G, centre)
        sizes = np.int32(columns), np.int64(chunk)
        grid = n_chunks, -(-n_tiles // BLOCK)
        self._backend.launch("gram_tiles", grid, (BLOCK,), (*what, *sizes, partial), shared)
        added = partial, np.int32(n_chunks), np.int64(n_tiles * 16), total
        self._backend.launch("add_partial", grid_for(n_tiles * 16), (BLOCK,), added)
        tiles = self._backend.asnumpy(total).reshape(n_tiles, 4, 4)
        K = np.zeros((4 * n, 4 * n))
        for tile, i, j in zip(tiles, *np.tril_indices(n), strict=True):
            K[4 * i : 4 * i + 4, 4 * j : 4 * j + 4] = tile
        lower = np.tril(K[:q, :q])
        return lower + np.tril(lower, -1).T

    @property
    def most_rows(self) -> int:
        """Rows that fit into the shared memory, with two columns."""
        return _SHARED // (2 * self._dtype.itemsize) // 4 * 4

    def squared_norms(self, G: Any, chosen: NDArray, centre: Any = None) -> NDArray[np.float64]:
        """Return the squared norms of the chosen rows, less `centre`, (1, d), where there is one."""
        q, d = len(chosen), int(G.shape[1])
        if d == 0 or q == 0:
            return np.zeros(q)
        chunk, n_chunks = _chunks(d)
        partial = self._backend.asarray(np.zeros((n_chunks, q)))
        what = G, np.int64(d), self._rows(chosen), *self._centre(G, centre), np.int64(chunk), partial
        self._backend.launch("square_sums", (n_chunks, q), (BLOCK,), what)
        return self._backend.asnumpy(partial).sum(axis=0)

    def bad_rows(self, G: Any) -> NDArray[np.bool_]:
        """Return which rows hold NaN or infinity."""
        p, d = (int(size) for size in G.shape)
        if d == 0:
            return np.zeros(p, bool)
        bad = self._backend.asarray(np.zeros(p, np.int32))
        self._backend.launch("mark_bad", grid_for(p * d), (BLOCK,), (G, np.int64(d), np.int64(p * d), bad))
        return self._backend.asnumpy(bad) != 0

    def combine(self, G: Any, chosen: NDArray, weights: NDArray, out: Any) -> bool:
        """Set `out`, (d,), to the weighted sum of one chosen row or more; return whether it is finite."""
        d = int(G.shape[1])
        if d == 0:
            return True
        bad = self._backend.asarray(np.zeros(1, np.int32))
        factors = self._backend.asarray(np.asarray(weights, self._dtype))
        what = G, np.int64(d), self._rows(chosen), factors, np.int32(len(chosen)), out, bad
        self._backend.launch("combine", grid_for(d), (BLOCK,), what)
        return not self._backend.asnumpy(bad)[0]

    def order_statistics(
        self, G: Any, chosen: NDArray, mixing: NDArray | None, ranks: tuple[int, int], near: int, out: Any
    ) -> bool:
        """Set `out`, (d,), as `engine.order_statistics` says; return whether what was sorted is finite."""
        d = int(G.shape[1])
        if d == 0:
            return True
        n = len(chosen) if mixing is None else len(mixing)
        threads = min(BLOCK, _SHARED // (n * self._dtype.itemsize) // 32 * 32)
        if threads < 32:
            most = _SHARED // (32 * self._dtype.itemsize)
            raise ValueError(f"sorting on a GPU is for at most {most} rows, got {n}")
        network = networks.exchanges(n, 0, n) if near else networks.exchanges(n, *ranks)
        exchanges = self._backend.asarray(np.append(network.ravel(), 0).astype(np.int32))  # never empty
        matrix = np.zeros(1) if mixing is None else mixing
        weights = self._backend.asarray(np.asarray(matrix, self._dtype))
        bad = self._backend.asarray(np.zeros(1, np.int32))
        what = G, np.int64(d), self._rows(chosen), np.int32(len(chosen))
        mixed = weights, np.int32(mixing is not None), np.int32(n)
        sorting = exchanges, np.int32(len(network)), *(np.int32(rank) for rank in ranks), np.int32(near)
        grid = (min(-(-d // threads), 1 << 16),)
        shared = n * threads * self._dtype.itemsize
        args = (*what, *mixed, *sorting, out, bad)
        self._backend.launch("order_statistics", grid, (threads,), args, shared)
        return not self._backend.asnumpy(bad)[0]

    def _rows(self, chosen: NDArray) -> Any:
        return self._backend.asarray(np.asarray(chosen, np.int32))

    def _centre(self, G: Any, centre: Any) -> tuple[Any, np.int32]:
        return (G, np.int32(0)) if centre is None else (centre, np.int32(1))


def _chunks(d: int) -> tuple[int, int]:
    """Return the columns of a chunk, and how many chunks there are."""
    chunk = max(_LEAST_CHUNK, -(-d // _MOST_CHUNKS))
    return chunk, -(-d // chunk)


class DeviceEngine:
    """The functions of `engine` on the rows of one CUDA device.

    Parameters
    ----------
    device : int
        Its number.
    """

    def __init__(self, device: int):
        self._device = device

    def _kernels(self, rows: Rows) -> AggregationKernels:
        backend = gpu_backend(SOURCE, self._device, OPTIONS[rows.dtype])
        return AggregationKernels(backend, rows.dtype)

    def gram(self, rows: Rows, chosen: NDArray, centre: Rows | None) -> NDArray[np.float64]:
        """See `engine.gram`."""
        kernels, K = self._kernels(rows), np.zeros((len(chosen), len(chosen)))
        for t, segment in enumerate(rows.segments):
            K += kernels.gram(segment.data, chosen, None if centre is None else centre.segments[t].data)
        return K

    def squared_norms(self, rows: Rows, chosen: NDArray, centre: Rows | None) -> NDArray[np.float64]:
        """See `engine.squared_norms`."""
        kernels, squares = self._kernels(rows), np.zeros(len(chosen))
        for t, segment in enumerate(rows.segments):
            vector = None if centre is None else centre.segments[t].data
            squares += kernels.squared_norms(segment.data, chosen, vector)
        return squares

    def finite_rows(self, rows: Rows) -> NDArray[np.bool_]:
        """See `engine.finite_rows`."""
        kernels, bad = self._kernels(rows), np.zeros(rows.p, bool)
        for segment in rows.segments:
            bad |= kernels.bad_rows(segment.data)
        return ~bad

    def combine(self, rows: Rows, weights: NDArray, used: NDArray) -> tuple[Any, bool]:
        """See `engine.combine`."""
        kernels, out, finite = self._kernels(rows), self._zeros(rows), True
        for segment in rows.segments if len(used) else ():
            part = out[segment.start : segment.stop]
            finite &= kernels.combine(segment.data, used, weights[used], part)
        return out, finite

    def order_statistics(
        self, rows: Rows, chosen: NDArray, mixing: NDArray | None, ranks: tuple[int, int], near: int
    ) -> tuple[Any, bool]:
        """See `engine.order_statistics`."""
        kernels, out, finite = self._kernels(rows), self._zeros(rows), True
        for segment in rows.segments:
            part = out[segment.start : segment.stop]
            finite &= kernels.order_statistics(segment.data, chosen, mixing, ranks, near, part)
        return out, finite

    def _zeros(self, rows: Rows) -> Any:
        import cupy  # pyright: ignore[reportMissingImports]  (an extra)

        with cupy.cuda.Device(self._device):
            return cupy.zeros(rows.d, rows.dtype)
