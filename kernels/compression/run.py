"""A compressor over the rows of a matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from . import rows
from .base import Compressor, unsigned
from .row_function import row_function


def compress_rows(
    compressor: Compressor, X: ArrayLike, key: int | None = None, *, index: int = 0
) -> tuple[np.ndarray, int]:
    """Compress each row of a matrix, in one compiled loop.

    Parameters
    ----------
    compressor : Compressor
        Any; see `row_function` for those that run in Python.
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

    Raises
    ------
    TypeError, ValueError
        What is no compressor, or no such matrix; a key or parameter that does not fit.
    """
    checks.instance("compressor", compressor, Compressor, "one of kernels.compression, such as TopK(2)")
    X = checks.real_array("X", X, 2, finite=False)
    n, d = X.shape
    if n == 0 or d == 0:
        raise ValueError(f"X must have at least one row and one column, got shape {X.shape}")
    start = unsigned("index", index)
    unsigned("index of the last row", int(start) + n - 1)
    seed = compressor._key(key, compressor.random)
    out = np.empty((n, d))
    function = row_function(compressor, d)
    X = X.view()
    X.flags.writeable = False
    return out, rows.compress_all(function.address, X, seed, start, function.parameters, out)
