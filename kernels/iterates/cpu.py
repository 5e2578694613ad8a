"""Mean and sizes of rows, compiled: a pass for the mean, and one for all else."""

from __future__ import annotations

import math

from numba import types

from .._jit import NO_ALIAS, REORDER, array_type, inner_njit, lazy_njit

_rows = array_type(types.float64, 2, readonly=True)
_vector_in = array_type(types.float64, 1, readonly=True)
_vector = array_type(types.float64, 1)
_integers_in = array_type(types.int64, 1, readonly=True)


@inner_njit(forceinline=True, **NO_ALIAS)
def _add(x, y):
    for c in range(x.shape[0]):
        x[c] += y[c]


@inner_njit(fastmath=REORDER)
def _squared_distance(x, y):
    total = 0.0
    for c in range(x.shape[0]):
        total += (x[c] - y[c]) * (x[c] - y[c])
    return total


@inner_njit(fastmath=REORDER)
def _squared_length(x):
    total = 0.0
    for c in range(x.shape[0]):
        total += x[c] * x[c]
    return total


@lazy_njit(types.void(_rows, _integers_in, _vector_in, _vector, _vector))
def spread(X, members, x_star, mean, out):
    """Set `mean`, and `out` to consensus, |mean|, |X| and the mean squared distance to x_star.

    An empty `members` stands for all rows; without an x_star, of length 0, the distance is left alone.
    """
    m = members.shape[0] if members.shape[0] else X.shape[0]
    everyone, known = members.shape[0] == 0, x_star.shape[0] == mean.shape[0]
    mean[:] = 0.0
    for k in range(m):
        _add(mean, X[k if everyone else members[k]])
    for c in range(mean.shape[0]):
        mean[c] /= m
    around = size = distance = 0.0
    for k in range(m):
        x = X[k if everyone else members[k]]
        around += _squared_distance(x, mean)
        size += _squared_length(x)
        if known:
            distance += _squared_distance(x, x_star)
    out[0], out[1], out[2] = math.sqrt(around / m), math.sqrt(_squared_length(mean)), math.sqrt(size)
    out[3] = distance / m
