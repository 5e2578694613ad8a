"""The size of rows: what can be squared as it is, and the unit in which rules see the rest.

Rules are given inner products in a unit of their own, a power of two near the middle norm. So they do the
same on G and on 2^k G, to the last bit, and none of them needs to know how large numbers may be.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from .._jit import array_type, lazy_njit
from ..backend import array_module
from . import engine
from .rows import Rows, Segment, stacked

# Squared norms of rows that are squared as they are: above the first times d, lest what is lost below the
# smallest numbers matter, and not above the second. Two such rows differ by less than `_FARTHEST`.
_PLAIN = {np.dtype(np.float64): (1e-150, 1e150), np.dtype(np.float32): (1e-26, 1e36)}
_FARTHEST = 996  # binary exponent: squares 1e300 times larger or smaller than the unit's
_ELSEWHERE = -(1 << 20)  # no exponent


class Scaled(NamedTuple):
    """Rows ``2^-exponents[i] x_i``, those of exponent 0 where they were.

    Attributes
    ----------
    rows : Rows
        All p of them.
    exponents : (p,) int array
        Of each.
    """

    rows: Rows
    exponents: NDArray[np.int64]


class Measured(NamedTuple):
    """Inner products of rows in the unit ``2^exponent``.

    Attributes
    ----------
    K : (q, q) float64 array
        Of the live rows; only squared norms, on the diagonal, where no more was asked for. 0 for rows more
        than 1e150 times shorter than the unit.
    live : (q,) int array
        The rows that are finite, and not more than 1e150 times longer than the unit.
    exponent : int
        Of the unit, the power of two nearest to the middle norm, the lower of two, of those not zero.
    scaled : Scaled or None
        The rows, or their differences from the centre, where some could not be squared as they are.
    """

    K: NDArray[np.float64]
    live: NDArray[np.intp]
    exponent: int
    scaled: Scaled | None


@lazy_njit(types.int64(array_type(types.float64, 2), types.float64, types.float64))
def change_unit(K, least, most):
    """Divide inner products by the square of a unit, and return its exponent.

    Nothing is done where a squared norm is not in [least, most], and the answer is `_ELSEWHERE`.
    """
    p = K.shape[0]
    exponents = np.empty(p, np.int64)
    for i in range(p):
        if not least <= K[i, i] <= most:
            return _ELSEWHERE
        exponents[i] = math.frexp(K[i, i])[1]
    exponents.sort()
    exponent = exponents[(p - 1) // 2] >> 1
    factor = math.ldexp(1.0, -2 * exponent)  # pyright: ignore[reportArgumentType]
    for i in range(p):
        for j in range(p):
            K[i, j] *= factor
    return exponent


def is_plain(squares: NDArray, rows: Rows) -> bool:
    """Return whether all squared norms are in the range in which rows are squared as they are."""
    least, most = _PLAIN[rows.dtype]
    return bool(((squares >= rows.d * least) & (squares <= most)).all())


def measure(rows: Rows, chosen: NDArray, *, products: bool, centre: Rows | None = None) -> Measured:
    """Return squared norms, or all inner products, of the chosen rows, less the row of `centre`, if any."""
    if products:
        K = engine.gram(rows, chosen, centre)
    else:
        K = np.diag(engine.squared_norms(rows, chosen, centre))
    least, most = _PLAIN[rows.dtype]
    exponent = change_unit(K, rows.d * least, most)
    if exponent != _ELSEWHERE:
        return Measured(K, chosen, exponent, None)
    squares = K.diagonal()
    live, exponents = np.ones(len(chosen), bool), np.zeros(rows.p, np.int64)
    for k in np.flatnonzero(~((squares >= rows.d * least) & (squares <= most))):
        live[k], exponents[chosen[k]] = _size(rows, int(chosen[k]), centre)
    chosen = chosen[live]
    scaled = None
    if exponents.any():
        scaled = Scaled(rescaled(rows, chosen, exponents, centre), exponents)
        K = (
            engine.gram(scaled.rows, chosen)
            if products
            else np.diag(engine.squared_norms(scaled.rows, chosen))
        )
    elif not live.all():
        K = K[np.ix_(live, live)]
    K, near, exponent = relative(K, exponents[chosen])
    return Measured(K, chosen[near], exponent, scaled)


def relative(K: NDArray, exponents: NDArray) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """Return inner products of rows ``2^exponents[i] x_i`` in a unit, which rows are near it, its exponent.

    K is of the rows x_i; what comes back is of those near the unit alone.
    """
    squares = K.diagonal()
    used = squares > 0.0
    logarithms = np.frexp(squares)[1].astype(np.int64) + 2 * exponents
    in_order = np.sort(logarithms[used])
    exponent = int(in_order[(len(in_order) - 1) // 2]) >> 1 if len(in_order) else 0
    far = logarithms - 2 * exponent
    near = ~used | (far <= _FARTHEST)
    shifts = (exponents - exponent)[near]
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.ldexp(K[np.ix_(near, near)], shifts[:, None] + shifts)
    tiny = (used & (far < -_FARTHEST))[near]
    found[tiny] = found[:, tiny] = 0.0
    return found, near, exponent


def common(rows: Rows, live: NDArray) -> Scaled:
    """Return the rows, of which the live ones are divided by one power of two, so that all are below 1."""
    exponents = np.zeros(rows.p, np.int64)
    exponents[live] = max(_size(rows, int(i), None)[1] for i in live)
    return Scaled(rescaled(rows, live, exponents, None), exponents)


def moderate(rows: Rows, live: NDArray) -> Scaled:
    """Return the rows, of which those live ones that cannot be squared as they are are brought below 1."""
    least, most = (math.log2(square) / 2.0 for square in _PLAIN[rows.dtype])
    exponents = np.zeros(rows.p, np.int64)
    for i in live:
        exponent = _size(rows, int(i), None)[1]
        exponents[i] = 0 if least < exponent < most else exponent
    return Scaled(rescaled(rows, live, exponents, None), exponents)


def _size(rows: Rows, i: int, centre: Rows | None) -> tuple[bool, int]:
    """Return whether row i, less the centre, is finite, and the exponent of its largest entry."""
    largest, exponent = 0.0, 0
    for half in (0, 1):  # differences may be larger than numbers can be
        parts = (_part(rows, t, i, half, centre) for t in range(len(rows.segments)))
        largest = max(float(np.abs(part).max(initial=0.0)) for part in parts)
        exponent = math.frexp(largest)[1] + half if 0.0 < largest < math.inf else 0
        if math.isfinite(largest) or centre is None:
            break
    return math.isfinite(largest), exponent


def _part(rows: Rows, t: int, i: int, exponent: int, centre: Rows | None) -> NDArray:
    """Return layer t of ``2^-exponent (x_i - y)``, y the centre, or 0, in the memory of the CPU."""
    with array_module(rows.device), np.errstate(over="ignore", invalid="ignore"):
        x, *y = (
            np.ldexp(part if rows.device is None else part.get(), -exponent)
            for part in (rows.owners[t][i], *([] if centre is None else [centre.owners[t][0]]))
        )
        return x - y[0] if y else x


def shifted(vector: Any, exponent: int, device: int | None) -> Any:
    """Return ``2^exponent`` times a vector: on a GPU by way of the CPU, as only unusual data need it."""
    with array_module(device) as xp, np.errstate(over="ignore"):
        return xp.asarray(np.ldexp(vector if device is None else vector.get(), exponent))


def rescaled(rows: Rows, live: NDArray, exponents: NDArray, centre: Rows | None) -> Rows:
    """Return the rows with the live ones in other units, ``2^-exponents[i] (x_i - y)``.

    Only those of another exponent than 0 are copied; all live ones where there is a centre y.
    """
    segments, owners = [], []
    changed = [int(i) for i in live if centre is not None or exponents[i] != 0]
    for t, segment in enumerate(rows.segments):
        with array_module(rows.device) as xp:
            parts = [rows.owners[t][i] for i in range(rows.p)]
            for i in changed:
                parts[i] = xp.asarray(_part(rows, t, i, int(exponents[i]), centre))
        if rows.device is None:
            data = segment.data.copy()
            data[changed] = [parts[i].__array_interface__["data"][0] for i in changed]
        else:
            data = parts = stacked(parts, rows.dtype)
        segments.append(Segment(segment.start, segment.stop, data))
        owners.append(parts)
    return Rows(rows.p, rows.d, rows.dtype, rows.device, segments, rows.shapes, owners)
