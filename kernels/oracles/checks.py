"""Checks of points, nodes and rows against an oracle."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..checks import as_array, count, instance, real_array
from .types import Oracle


def point(oracle: Oracle, x: ArrayLike) -> np.ndarray:
    """Return `x` as a (dim,) float64 array."""
    instance("oracle", oracle, Oracle)
    if type(x) is np.ndarray and x.dtype == np.float64 and x.shape == (oracle.dim,) and x.flags.c_contiguous:
        return x  # as runs have it, at each record
    return real_array("x", x, (oracle.dim,), finite=False)  # a diverged run may ask for its gradient


def node_index(oracle: Oracle, node: int) -> int:
    """Return `node` as an int in 0..n-1."""
    instance("oracle", oracle, Oracle)
    i = count("node", node, least=None)
    if not 0 <= i < oracle.n_nodes:
        raise IndexError(f"node must be in 0..{oracle.n_nodes - 1}, got {i}")
    return i


def row_positions(oracle: Oracle, node: int, rows: ArrayLike) -> np.ndarray:
    """Return `rows` as positions within the node's samples."""
    batch = as_array("rows", rows)
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


def nodes_of(oracle: Oracle, nodes: ArrayLike, *, least: int = 1) -> np.ndarray:
    """Return numbers of nodes as a C-contiguous int64 vector, or raise a TypeError or ValueError."""
    given = as_array("nodes", nodes)
    if given.dtype.kind not in "iu" and given.size:
        raise TypeError(f"nodes must be integers, got dtype {given.dtype}")
    chosen = np.ascontiguousarray(given, np.int64)
    if chosen.ndim != 1 or (chosen.size and not 0 <= chosen.min() <= chosen.max() < oracle.n_nodes):
        raise ValueError(f"nodes must be integers from 0 to {oracle.n_nodes - 1}, got {nodes}")
    if chosen.size < least:
        raise ValueError("nodes must name at least one node, got none")
    return chosen
