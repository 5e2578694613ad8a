"""The warning for what works, but much slower than it could."""

from __future__ import annotations

import sys


class PerformanceWarning(UserWarning):
    """A call works, but much slower than it could."""


def level_of_the_user() -> int:
    """`stacklevel` of the first caller outside the package and Numba, seen from its caller."""
    inside = (__name__.partition(".")[0], "numba", "functools")
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in inside:
        frame, level = frame.f_back, level + 1
    return level
