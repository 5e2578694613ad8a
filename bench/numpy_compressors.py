"""Compressors as a few lines of NumPy: the rivals in the benchmarks of round-based methods."""

from __future__ import annotations

import numpy as np

SHARE = 100  # one coordinate of so many is kept


def top_k(V: np.ndarray) -> np.ndarray:
    """Keep the largest 1 % of each row, by argpartition."""
    k = V.shape[1] // SHARE
    kept = np.argpartition(-np.abs(V), k - 1, axis=1)[:, :k]
    C = np.zeros(V.shape)
    np.put_along_axis(C, kept, np.take_along_axis(V, kept, axis=1), axis=1)
    return C


def rand_k(V: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep 1 % of each row, by Generator.choice, a hundred times as large."""
    d = V.shape[1]
    C = np.zeros(V.shape)
    for c, v in zip(C, V, strict=True):
        kept = rng.choice(d, d // SHARE, replace=False)
        c[kept] = v[kept] * SHARE
    return C
