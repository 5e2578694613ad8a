"""Checks of arguments, shared by the constructors and the evaluation of oracles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .types import Oracle


def real_array(name: str, value: ArrayLike, ndim: int) -> np.ndarray:
    """View or convert `value` as a C-contiguous float64 array of `ndim` dimensions."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # lists of unequal lengths
        raise ValueError(f"{name} must be a rectangular array: {error}") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension(s), got shape {array.shape}")
    return np.require(array, np.float64, ["C_CONTIGUOUS", "ALIGNED"])


def own_array(name: str, value: ArrayLike, ndim: int) -> np.ndarray:
    """`real_array` to keep: read-only, and a copy unless `value` is already read-only and fits as it is."""
    array = real_array(name, value, ndim)
    return frozen(array.copy()) if array.flags.writeable else array


def frozen(array: np.ndarray) -> np.ndarray:
    """Make `array` read-only and return it."""
    array.flags.writeable = False
    return array


def positive_int(name: str, value: Any) -> int:
    """Return `value` as an int >= 1."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)


def real_number(name: str, value: Any, *, positive: bool = False) -> float:
    """Return `value` as a finite float >= 0, or > 0 where `positive`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not np.isfinite(value) or value < 0 or (positive and value == 0):
        raise ValueError(f"{name} must be a finite number {'> 0' if positive else '>= 0'}, got {value}")
    return float(value)


def point(oracle: Oracle, x: ArrayLike) -> np.ndarray:
    """Return `x` as a (dim,) float64 array."""
    x = real_array("x", x, 1)
    if x.shape != (oracle.dim,):
        raise ValueError(f"x must be (dim,) = {(oracle.dim,)}, got shape {x.shape}")
    return x


def node_index(oracle: Oracle, node: int) -> int:
    """Return `node` as an int in 0..n-1."""
    if isinstance(node, bool | np.bool_) or not isinstance(node, int | np.integer):
        raise TypeError(f"node must be an integer, got {node!r}")
    if not 0 <= node < oracle.n_nodes:
        raise IndexError(f"node must be in 0..{oracle.n_nodes - 1}, got {node}")
    return int(node)


def row_positions(oracle: Oracle, node: int, rows: ArrayLike) -> np.ndarray:
    """Return `rows` as positions within the node's samples."""
    batch = np.asarray(rows)
    if batch.ndim != 1 or batch.dtype.kind not in "iu" or batch.size == 0:
        raise ValueError(
            "rows must be a non-empty 1-D array of integers (None takes all rows), "
            f"got {batch.dtype} of shape {batch.shape}"
        )
    m = int(oracle.n_samples[node])
    if m == 0:
        raise ValueError("this oracle has no samples to take a mini-batch of: leave rows out")
    if batch.min() < 0 or batch.max() >= m:
        raise IndexError(f"rows of node {node} must be in 0..{m - 1}, got {batch.min()}..{batch.max()}")
    return np.require(batch, np.int64, ["C_CONTIGUOUS", "ALIGNED"])
