"""What draws and rounds where an array is, on the CPU or a GPU: functions of one signature."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..backend import array_module
from . import cpu_masks, cpu_rounding, gpu_rounding, gpu_select


def masks(device: int | None) -> Any:
    """Return what has `rand_k`, `block_rand_k`, `perm_k` and `bernoulli` as `cpu_masks` has."""
    return cpu_masks if device is None else gpu_select.on_device(device)


def rounding(device: int | None) -> Any:
    """Return what has the norms, `levels` and `natural` as `cpu_rounding` has."""
    return cpu_rounding if device is None else gpu_rounding.on_device(device)


def room(count: int, device: int | None, dtype: DTypeLike = np.int64) -> Any:
    """Return a new array of integers, of any values."""
    if device is None:
        return np.empty(count, dtype)
    with array_module(device) as xp:
        return xp.empty(count, dtype)
