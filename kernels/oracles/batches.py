"""Mini-batches in compiled loops: which of its samples a node's gradient is taken over."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from .._jit import array_type, inner_njit
from ..random.cpu import distinct
from ..random.streams import BATCH

_BATCH = np.uint64(BATCH)


class Batches(NamedTuple):
    """Mini-batches as compiled loops read them; size 0 stands for full gradients.

    Attributes
    ----------
    size : int
        Rows a gradient; nodes with no more rows than that use all of them.
    n_samples : (n,) int64
        Rows of each node.
    key : uint64
        Of the random draws.
    """

    size: int
    n_samples: np.ndarray
    key: np.uint64


BATCHES = types.NamedTuple([types.int64, array_type(types.int64, 1, readonly=True), types.uint64], Batches)


@inner_njit()
def new_stamps(batches):
    """Marks that `draw_batch` needs."""
    return np.full(batches.n_samples.max() if batches.size > 0 else 0, -1, np.int64)


@inner_njit()
def draw_batch(batches, node, index, stamps, stamp, picked):
    """Fill `picked` (of the batch's size) with the rows of batch `index`; return how many, 0 for all rows.

    `stamp` differs from those of all earlier calls with the same `stamps`.
    """
    if batches.size == 0 or batches.size >= batches.n_samples[node]:
        return 0
    distinct(batches.size, batches.n_samples[node], batches.key, _BATCH, index, stamps, stamp, picked)
    return batches.size
