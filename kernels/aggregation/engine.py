"""What rules do with the data: moments of the rows, their weighted sums, their order statistics.

Each function is given `Rows` and which of them to use, and goes to the kernels of the device that holds them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import array_module
from . import cpu_gram, cpu_shares, cpu_sort, gpu, networks
from .cpu_tiles import LINE, SLICE
from .rows import Rows

_NO_CENTRE = np.uint64(0)
_CACHE = 1 << 20  # bytes of a block of all rows: the second cache
_COMBINED = 1 << 16  # bytes of a row that are added in one go: the longer, the better they are fetched ahead
_FIRST_CACHE = 1 << 14  # the same for sorting, which goes over a block many times
_ERROR = {np.dtype(np.float64): 1e-15, np.dtype(np.float32): 2e-7}  # relative, of an inner product


def block_columns(rows: Rows, bytes_of_all: int, least: int, most: int) -> int:
    """Return how many columns of all rows fit into so many bytes."""
    return min(max(bytes_of_all // (rows.p * rows.dtype.itemsize) & -64, least), most)


def squared_norms(rows: Rows, chosen: NDArray, centre: Rows | None = None) -> NDArray[np.float64]:
    """Return ``|x_i - y|^2`` of the chosen rows, y the row of `centre`, or 0; see `gram`."""
    if rows.device is not None:
        return gpu.DeviceEngine(rows.device).squared_norms(rows, chosen, centre)
    return _sums_of_squares(rows, chosen, centre)[-1]


def squared_norms_and_distances(rows: Rows, centre: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``|x_i|^2`` and ``|x_i - y|^2``, y the row of `centre`, of all rows; see `gram`."""
    everyone = np.arange(rows.p)
    if rows.device is not None:
        device = gpu.DeviceEngine(rows.device)
        return device.squared_norms(rows, everyone, None), device.squared_norms(rows, everyone, centre)
    norms, distances = _sums_of_squares(rows, everyone, centre)
    return norms, distances


def _sums_of_squares(rows: Rows, chosen: NDArray, centre: Rows | None) -> NDArray[np.float64]:
    """Return the squared norms of the chosen rows, and in a second line those less the row of `centre`."""
    out = np.zeros((1 if centre is None else 2, len(chosen)))
    work = np.empty((1, 4096), rows.dtype)
    for t, segment in enumerate(rows.segments):
        where = centre.segments[t].data[0] if centre is not None else _NO_CENTRE
        addresses = rows.addresses(segment, chosen)
        cpu_gram.squares[rows.dtype](addresses, segment.stop - segment.start, where, work, out)
    return out


def gram(rows: Rows, chosen: NDArray, centre: Rows | None = None, *, block: int = 0) -> NDArray[np.float64]:
    """Return the inner products ``<x_i - y, x_j - y>`` of the chosen rows, y the row of `centre`, or 0.

    Parameters
    ----------
    rows : Rows
        p rows of d coordinates, read once.
    chosen : (q,) int array
        Which of them, at least one.
    centre : Rows, optional
        One row, in segments like those of `rows`.
    block : int
        Columns of a block, 0 for a good number.

    Returns
    -------
    (q, q) float64 array
        Symmetric. Not finite where a row is not, or where products exceed the numbers of the type, and
        without digits where they are below them: `scaling.measure` takes care of that.
    """
    q = len(chosen)
    if rows.device is not None:
        return gpu.DeviceEngine(rows.device).gram(rows, chosen, centre)
    K = np.zeros((q, q))
    columns = block or block_columns(rows, _CACHE, 512, SLICE // rows.dtype.itemsize)
    line = LINE // rows.dtype.itemsize
    for t, segment in enumerate(rows.segments):
        addresses = rows.addresses(segment, chosen)
        where = centre.segments[t].data[0] if centre is not None else _NO_CENTRE
        copied = centre is not None or _collide(addresses)
        # a line more, lest the copies collide
        work = np.empty((q, columns + line if copied else line), rows.dtype)
        cpu_gram.gram[rows.dtype](addresses, segment.stop - segment.start, where, columns, work, K)
    return K


def _collide(addresses: NDArray[np.uint64]) -> bool:
    """Return whether so many rows compete for one place in the caches that copies of them are faster.

    They do where all begin at the same line of 64 bytes of a page, as rows of a power of two of columns.
    """
    line = addresses // 64 % 64
    return len(addresses) > 24 and bool((line == line[0]).all())


def combine(rows: Rows, weights: NDArray[np.float64]) -> tuple[Any, bool]:
    """Return the sum of weights[i] x_i, and whether it is finite. Rows of weight zero are not read."""
    used = weights.nonzero()[0]
    if rows.device is not None:
        return gpu.DeviceEngine(rows.device).combine(rows, weights, used)
    out = np.empty(rows.d, rows.dtype)
    if used.size == 0:
        out[:] = 0
        return out, True
    finite = True
    kernel, block = cpu_gram.combine[rows.dtype], _COMBINED // rows.dtype.itemsize
    everyone = used.size == rows.p
    factors = (weights if everyone else weights[used]).astype(rows.dtype)
    for segment in rows.segments:
        part = out[segment.start : segment.stop]
        addresses = segment.data if everyone else rows.addresses(segment, used)
        finite &= kernel(addresses, factors, block, part)
    return out, finite


def finite_rows(rows: Rows) -> NDArray[np.bool_]:
    """Return which rows have finite entries only."""
    if rows.device is not None:
        return gpu.DeviceEngine(rows.device).finite_rows(rows)
    bad = np.zeros(rows.p, np.bool_)
    work = np.empty((1, 4096), rows.dtype)
    for segment in rows.segments:
        addresses = rows.addresses(segment, np.arange(rows.p))
        cpu_gram.find_bad[rows.dtype](addresses, segment.stop - segment.start, work, bad)
    return ~bad


def order_statistics(
    rows: Rows, chosen: NDArray, mixing: NDArray | None, ranks: tuple[int, int], near: int, *, block: int = 0
) -> tuple[Any, bool]:
    """Return the mean of some ranks in each column, or of the values nearest to it.

    Parameters
    ----------
    rows : Rows
        Vectors.
    chosen : (q,) int array
        Rows to use, at least one.
    mixing : (n, q) float64 array, optional
        Weights of the chosen rows in the n rows to be sorted; without, these are the chosen ones themselves.
    ranks : (first, last)
        Ranks first, ..., last - 1 of 0, ..., n - 1.
    near : int
        0 for the mean m of these ranks; else how many of the values nearest to m are averaged.
    block : int
        Columns of a block, 0 for a good number.

    Returns
    -------
    value : (d,) array
        Unfinished where the second is False.
    finite : bool
        Whether all chosen rows are finite, and small enough for any sum of them.
    """
    if rows.device is not None:
        return gpu.DeviceEngine(rows.device).order_statistics(rows, chosen, mixing, ranks, near)
    n = len(chosen) if mixing is None else mixing.shape[0]
    matrix = np.empty((0, 0), rows.dtype) if mixing is None else np.ascontiguousarray(mixing, rows.dtype)
    network = networks.merges(n, 0, n) if near else networks.merges(n, *ranks)
    wide = -(-n // networks.GROUP) * networks.GROUP
    columns = block or block_columns(rows, 2 * _FIRST_CACHE, 256, 1024)
    work = np.empty((wide + cpu_sort.EXTRA, columns), rows.dtype)
    work[-1] = cpu_sort.LARGEST[rows.dtype]
    out = np.empty(rows.d, rows.dtype)
    for segment in rows.segments:
        part = out[segment.start : segment.stop]
        kernel = cpu_sort.order_statistics[rows.dtype]
        if not kernel(rows.addresses(segment, chosen), matrix, network, *ranks, near, work, part):
            return out, False
    return out, True


def weighted_shares(
    rows: Rows, chosen: NDArray, weights: NDArray[np.float64], low: float, high: float
) -> tuple[Any, bool]:
    """Return the mean of what lies between two shares of the total weight, in each column sorted by value.

    Parameters
    ----------
    rows : Rows
        Vectors, in the memory of the CPU.
    chosen : (q,) int array
        Rows to use, at least one.
    weights : (q,) array
        Of these rows, positive.
    low, high : float
        From 0 to the sum of the weights. Where they are equal, the mean of the two values that meet there.

    Returns
    -------
    value, finite
        As of `order_statistics`; no value is too large.
    """
    if rows.device is not None:
        raise TypeError(
            "weights of rules that sort are for rows in the memory of the CPU: use cupy.asnumpy(G)"
        )
    block = block_columns(rows, _CACHE, 64, 1024)
    work, pairs = np.empty((len(chosen), block), rows.dtype), np.empty((2, len(chosen)))
    out = np.empty(rows.d, rows.dtype)
    for segment in rows.segments:
        part = out[segment.start : segment.stop]
        kernel = cpu_shares.weighted_shares[rows.dtype]
        if not kernel(rows.addresses(segment, chosen), weights, low, high, work, pairs, part):
            return out, False
    return out, True


def columns(rows: Rows, chosen: NDArray, which: NDArray) -> NDArray[np.float64]:
    """Return some columns, ascending, of the chosen rows."""
    parts = []
    for segment, owner in zip(rows.segments, rows.owners, strict=True):
        inside = which[(which >= segment.start) & (which < segment.stop)] - segment.start
        with array_module(rows.device) as xp:
            there = xp.asarray(inside)
            taken = [owner[int(i)][there] for i in chosen]
        parts.append(taken if rows.device is None else [part.get() for part in taken])
    return np.concatenate([np.array(part, np.float64) for part in parts], axis=1)


def relative_error(rows: Rows) -> float:
    """Return the relative error of inner products of the rows."""
    return _ERROR[rows.dtype]


def row(rows: Rows, index: int) -> Rows:
    """View one row by itself."""
    segments = [type(s)(s.start, s.stop, s.data[index : index + 1]) for s in rows.segments]
    owners = [owner[index : index + 1] for owner in rows.owners]
    return Rows(1, rows.d, rows.dtype, rows.device, segments, rows.shapes, owners)
