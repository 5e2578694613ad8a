"""A compressor over the rows of a matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..oracles.pointers import address
from . import rows
from .base import Compressor, unsigned


def compress_rows(
    compressor: Compressor, X: ArrayLike, key: int | None = None, *, index: int = 0
) -> tuple[np.ndarray, int]:
    """Compress each row of a matrix, in one compiled loop where the compressor has a compiled kernel.

    Parameters
    ----------
    compressor : Compressor
        Of this module; a subclass that overrides nothing but Python methods runs row by row in Python.
    X : (n, d) array_like
        Real numbers, as float64; not modified.
    key : int
        As in `Compressor.compress`.
    index : int
        Row i is message index + i: with `PermK(n)`, a round of n workers begins at a multiple of n.

    Returns
    -------
    C : (n, d) float64 array
        Row i is what receivers make of row i of X.
    nbits : int
        Of the n messages together.
    """
    X = checks.real_array("X", X, 2, finite=False)
    n, d = X.shape
    if n == 0 or d == 0:
        raise ValueError(f"X must have at least one row and one column, got shape {X.shape}")
    start = unsigned("index", index)
    unsigned("index of the last row", int(start) + n - 1)
    seed = compressor._key(key, compressor.random)
    out = np.empty_like(X)
    if compressor.row_kernel is not None:
        X = X.view()
        X.flags.writeable = False
        kernel = address(compressor.row_kernel)
        return out, rows.compress_all(kernel, X, seed, start, compressor.parameters(d), out)
    nbits = 0
    for i in range(n):
        payload = compressor.compress(X[i], int(seed), index=int(start) + i)
        out[i] = payload.dense()
        nbits += payload.nbits
    return out, nbits
