"""Minimum of a function of one variable that falls and then rises."""

from __future__ import annotations

import math
from collections.abc import Callable

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def lowest(function: Callable[[float], float], low: float, high: float, width: float) -> tuple[float, float]:
    """Return where a function is least, and its value there, by golden section.

    Parameters
    ----------
    function : callable
        Of a float; infinity counts as more than any number.
    low, high : float
        Interval of the search.
    width : float
        Of the interval that is left.

    Returns
    -------
    (float, float)
        The best point that was tried, and its value.

    Examples
    --------
    >>> x, value = lowest(lambda x: (x - 2.0) ** 2, 0.0, 5.0, 1e-6)
    >>> round(x, 5), round(value, 9)
    (2.0, 0.0)
    """
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > width:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return (left, at_left) if at_left <= at_right else (right, at_right)
