"""Poisson events on a GPU: launches of events.cu, with the signature of `cpu`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..backend import BLOCK, Backend, gpu_backend, grid_for
from ..random.streams import EVENT

SOURCE = Path(__file__).with_name("events.cu")


class EventKernels:
    """`fill_events` of `cpu`, on the arrays of a backend.

    Parameters
    ----------
    backend : Backend
        Of `SOURCE`.
    """

    def __init__(self, backend: Backend):
        self._backend = backend

    def fill_events(
        self,
        key: int,
        start: int,
        time: float,
        rate: float,
        n_nodes: int,
        threshold: np.ndarray,
        alias: np.ndarray,
        bits: int,
        times: Any,
        kinds: Any,
        indices: Any,
    ) -> None:
        """Fill the arrays with consecutive events; the alias table (NumPy arrays) is copied to the device."""
        count = times.shape[0]
        if count == 0:  # a grid has at least one block
            return
        backend = self._backend
        counter = np.uint64(key), np.uint32(EVENT), np.uint64(start)
        table = backend.asarray(threshold), backend.asarray(alias), np.int32(bits)
        slots = np.float64(1.0 / rate), np.int32(n_nodes), *table
        made = np.int64(count), times, kinds, indices
        backend.launch("draw_events", grid_for(count), (BLOCK,), (*counter, *slots, *made))
        backend.launch("add_up", (1,), (BLOCK,), (np.float64(time), np.int64(count), times))


def on_device(device: int) -> EventKernels:
    """Return the kernels of a CUDA device."""
    return EventKernels(gpu_backend(SOURCE, device))
