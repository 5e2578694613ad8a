"""What the nodes' iterates say of a run: their mean, how far they are from it and from a point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import checks
from . import cpu

__all__ = ["Spread", "spread"]

_NOWHERE = checks.frozen(np.empty(0))
_EVERYONE = checks.frozen(np.empty(0, np.int64))


class Spread(NamedTuple):
    """Mean and sizes of some rows of a matrix X.

    Attributes
    ----------
    mean : (d,) float64 array
        x_mean.
    consensus : float
        (mean_i |x_i - x_mean|^2)^(1/2).
    norm, size : float
        |x_mean|, and the Frobenius norm of the rows.
    distance : float
        mean_i |x_i - x*|^2; NaN without an x*.
    """

    mean: np.ndarray
    consensus: float
    norm: float
    size: float
    distance: float


def spread(X: np.ndarray, *, members: np.ndarray | None = None, x_star: np.ndarray | None = None) -> Spread:
    """Return mean and sizes of rows, in two passes over them.

    Parameters
    ----------
    X : (n, d) float64 array
        C-contiguous; at least one row.
    members : (m,) int64 array, optional
        Rows that count, at least one; all by default.
    x_star : (d,) float64 array, optional
        A point to measure the distance to.

    Returns
    -------
    Spread
        Not finite where the rows are not, or overflow.

    Raises
    ------
    TypeError, ValueError
        Arrays that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from gossamer.kernels import iterates
    >>> found = iterates.spread(np.array([[0.0, 3.0], [2.0, 5.0]]), x_star=np.array([1.0, 4.0]))
    >>> found.mean.tolist(), round(found.consensus, 6), found.distance
    ([1.0, 4.0], 1.414214, 2.0)
    """
    checks.instance("X", X, np.ndarray)
    if X.ndim != 2 or len(X) == 0:
        raise ValueError(f"X must be (n, d) with n >= 1, got shape {X.shape}")
    n, d = X.shape
    chosen = _EVERYONE
    if members is not None:
        checks.instance("members", members, np.ndarray)
        if members.ndim != 1 or not members.size or not 0 <= members.min() <= members.max() < n:
            raise ValueError(f"members must be rows of X, from 0 to {n - 1}, got {members!r}")
        chosen = members
    if x_star is not None:
        checks.instance("x_star", x_star, np.ndarray)
        if x_star.shape != (d,):
            raise ValueError(f"x_star must have shape ({d},), got {x_star.shape}")
    mean, sums = np.empty(d), np.empty(4)
    cpu.spread(X, chosen, _NOWHERE if x_star is None else x_star, mean, sums)
    consensus, norm, size, distance = sums.tolist()
    return Spread(mean, consensus, norm, size, distance if x_star is not None else float("nan"))
