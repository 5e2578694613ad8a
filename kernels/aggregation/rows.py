"""The workers' vectors, in whatever form they come, as rows that the kernels can walk over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..backend import cpu_view, device_of

_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


class Segment(NamedTuple):
    """Coordinates start, ..., stop - 1 of all rows.

    Attributes
    ----------
    start, stop : int
        Which.
    data : (p,) uint64 array, or (p, stop - start) CuPy array
        Where each row's part begins in the memory of the CPU; on a GPU, the rows themselves.
    """

    start: int
    stop: int
    data: Any

    __reduce__ = checks.bound_to_this_process


class Rows(NamedTuple):
    """p vectors of d coordinates, viewed where they are.

    Attributes
    ----------
    p, d : int
        Sizes, both at least 1.
    dtype : numpy dtype
        float64 or float32.
    device : int or None
        CUDA device, None for the CPU.
    segments : list of Segment
        One, or one a layer.
    shapes : tuple of int, or list of them
        Of what a worker sent: of its array, or of each of its layers.
    owners : list
        What keeps the memory alive.
    """

    p: int
    d: int
    dtype: np.dtype
    device: int | None
    segments: list[Segment]
    shapes: Any
    owners: list[Any]

    def addresses(self, segment: Segment, chosen: Sequence[int] | NDArray) -> NDArray[np.uint64]:
        """Return where the chosen rows of a segment begin."""
        return np.ascontiguousarray(segment.data[np.asarray(chosen, np.intp)])

    def shaped(self, vector: Any) -> Any:
        """Cut a result of d coordinates into the form in which a worker sends its own."""
        if not isinstance(self.shapes, list):
            return vector.reshape(self.shapes)
        parts = zip(self.segments, self.shapes, strict=True)
        return [vector[segment.start : segment.stop].reshape(shape) for segment, shape in parts]


def as_rows(G: Any, name: str = "G") -> Rows:
    """View the workers' vectors as `Rows`.

    Parameters
    ----------
    G : (p, d) array_like; sequence of p arrays of one shape; sequence of p sequences of arrays (layers)
        float64 and float32 are viewed where they are, whatever the stride from row to row; other real
        numbers become float64, and so does a mixture of both.
    name : str
        For messages.

    Returns
    -------
    Rows

    Raises
    ------
    TypeError, ValueError
        What does not fit, with its place.
    """
    checks.require_plain(name, G)
    if isinstance(G, list | tuple):
        if len(G) == 0:
            raise ValueError(f"{name} must have at least one row, got none")
        if any(is_array(row) for row in G):
            return _from_workers(name, [[row] for row in G], layered=False)
        if all(isinstance(row, list | tuple) and any(map(is_array, row)) for row in G):
            return _from_workers(name, G, layered=True)
    device = None if isinstance(G, np.ndarray) else device_of(**{name: G})
    array: Any = G
    if device is None:
        array = _floats(name, cpu_view(array))
    elif array.dtype not in _FLOATS:
        array = array.astype(np.float64)
    if array.ndim != 2:
        remedy = "; G[None] for one worker" if array.ndim == 1 else ", one row a worker"
        raise ValueError(f"{name} must have shape (p, d), got {array.shape}{remedy}")
    p, d = map(int, array.shape)
    if p == 0 or d == 0:
        raise ValueError(f"{name} must have at least one row and one column, got shape {array.shape}")
    data, owner = _whole_rows(array) if device is None else (_contiguous(array),) * 2
    return Rows(p, d, array.dtype, device, [Segment(0, d, data)], (d,), [owner])


def is_array(value: Any) -> bool:
    """Return whether a value is an array, NumPy's, CuPy's or another library's."""
    return isinstance(value, np.ndarray) or hasattr(value, "__dlpack__")


def same_device(name: str, given: Rows, rows: Rows) -> None:
    """Raise a TypeError where rows given besides G are on another device."""
    if given.device != rows.device:
        places = [
            "the CPU" if device is None else f"CUDA device {device}" for device in (rows.device, given.device)
        ]
        raise TypeError(
            f"arrays must be on one device, got G on {places[0]}, {name} on {places[1]}; use cupy.asarray or "
            "cupy.asnumpy"
        )


def _floats(name: str, value: Any) -> NDArray:
    """View as float64 or float32, converting what is neither."""
    if isinstance(value, np.ndarray) and value.dtype in _FLOATS and value.dtype.isnative:
        checks.require_plain(name, value)
        return value
    return checks.real_array(name, value, np.ndim(value) if is_array(value) else 2, finite=False)


def _whole_rows(array: NDArray) -> tuple[NDArray[np.uint64], NDArray]:
    """Return the addresses of the rows of a matrix, and the matrix, copied if its rows have gaps."""
    if array.strides[1] != array.itemsize or not array.flags.aligned:
        array = np.require(array, requirements=["C_CONTIGUOUS", "ALIGNED"])
    p, stride, first = len(array), array.strides[0], array.__array_interface__["data"][0]
    if stride == 0:  # one row, broadcast
        return np.full(p, first, np.uint64), array
    return np.arange(first, first + p * stride, stride, dtype=np.int64).view(np.uint64), array


def _contiguous(array: Any) -> Any:
    return array if array.flags.c_contiguous else array.copy()


def _from_workers(name: str, workers: Sequence[Any], *, layered: bool) -> Rows:
    """View p lists of arrays, alike in number and shapes, as rows."""
    p, n_layers = len(workers), len(workers[0])
    arrays: list[list[Any]] = []
    for i, worker in enumerate(workers):
        if len(worker) != n_layers:
            raise ValueError(
                f"{name} must have as many layers for each worker, got {n_layers} for worker 0 and "
                f"{len(worker)} for worker {i}"
            )
        place = {f"{name}[{i}][{k}]" if layered else f"{name}[{i}]": a for k, a in enumerate(worker)}
        arrays.append(
            [
                a if device_of(**{key: a}) is not None else _floats(key, cpu_view(a))
                for key, a in place.items()
            ]
        )
    device = device_of(**{f"{name}_{i}_{k}": a for i, row in enumerate(arrays) for k, a in enumerate(row)})
    shapes = [tuple(map(int, a.shape)) for a in arrays[0]]
    for i, worker in enumerate(arrays):
        for k, array in enumerate(worker):
            if tuple(array.shape) != shapes[k]:
                which = f"layer {k} of " if layered else ""
                raise ValueError(
                    f"{name} must have one shape for all workers, got {shapes[k]} for {which}worker 0 and "
                    f"{tuple(array.shape)} for {which}worker {i}"
                )
    dtype = np.result_type(*(a.dtype for row in arrays for a in row))
    segments, owners, start = [], [], 0
    for k in range(n_layers):
        size = int(np.prod(shapes[k]))
        if device is None:
            flat = [np.require(row[k], dtype, ["C_CONTIGUOUS", "ALIGNED"]).reshape(-1) for row in arrays]
            data = np.array([a.__array_interface__["data"][0] for a in flat], np.uint64)
        else:
            flat = stacked([row[k] for row in arrays], dtype)
            data = flat
        owners.append(flat)
        segments.append(Segment(start, start + size, data))
        start += size
    if start == 0:
        raise ValueError(f"{name} must have at least one coordinate, got shapes {shapes}")
    return Rows(p, start, dtype, device, segments, shapes if layered else shapes[0], owners)


def stacked(arrays: list[Any], dtype: np.dtype) -> Any:
    """Copy the arrays of a GPU into the rows of one."""
    import cupy  # pyright: ignore[reportMissingImports]  (an extra)

    with arrays[0].device:
        out = cupy.empty((len(arrays), arrays[0].size), dtype)
        for i, array in enumerate(arrays):
            out[i] = array.reshape(-1)
        return out
