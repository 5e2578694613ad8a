"""Long compiled loops in pieces, between which Ctrl-C, limits on wall time and other threads are heard.

Rounds and events are drawn by their numbers, so a run has the same bits however it is cut: the length of the
pieces may, and does, follow the measured time.
"""

from __future__ import annotations

import math
import threading
import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ...kernels._jit import seconds_compiling
from .state import State

PIECE = 0.1  # seconds: no wait that anyone notices, and a thousand times what a call costs
_FIRST = (
    1_000_000  # numbers that events of the first piece touch, when nothing was measured yet: milliseconds
)
_GROWTH = 8  # from one piece to the next, as their events may not cost the same


class Advances(Protocol):
    """What applies events to a state, as `base.Prepared` does.

    Attributes
    ----------
    piece : int
        Events that were measured to take `PIECE` seconds, 0 before.
    work : float
        Numbers, of data and variables, that an event touches, roughly.
    """

    piece: int
    work: float

    def advance(self, state: State, n_events: int, max_time: float) -> None:
        """Apply up to n_events events by max_time, in place, and count them in `state.n_events`."""
        ...


class Watch:
    """What may end a run between two pieces.

    Parameters
    ----------
    seconds : float or None
        Limit on wall time, from now on; None for none.
    stop : threading.Event or None
        Ends the run once it is set.
    """

    def __init__(self, seconds: float | None = None, stop: threading.Event | None = None):
        self.seconds = math.inf if seconds is None else seconds
        self._deadline = math.inf if seconds is None else clock.perf_counter() + seconds
        self._stop = stop

    @property
    def is_stopped(self) -> bool:
        """Whether the run was told to stop."""
        return self._stop is not None and self._stop.is_set()

    def left(self) -> float:
        """Return the seconds that are left; 0 or less once the run is over."""
        if self._stop is not None and self._stop.is_set():
            return 0.0
        return math.inf if self._deadline == math.inf else self._deadline - clock.perf_counter()


ENDLESS = Watch()


def advance(
    prepared: Advances, state: State, n_events: int, max_time: float, watch: Watch, reserve: float = 0.0
) -> float:
    """Apply up to n_events events by max_time to a state, in place, in pieces of about `PIECE` seconds.

    Parameters
    ----------
    prepared, state, n_events, max_time
        What advances what, how far.
    watch : Watch
        Asked after each piece whether to go on.
    reserve : float
        Seconds before the watch's limit at which to end.

    Returns
    -------
    float
        Seconds that it took, without those of compiling; NaN where that is neither limited nor long.
    """
    left, total = n_events, 0.0
    try:
        if watch is ENDLESS and left <= prepared.piece:
            prepared.advance(state, left, max_time)
            return math.nan
        while True:
            most = prepared.piece or max(int(_FIRST / prepared.work), 1)
            wanted = watch.left() - reserve
            part = most if wanted >= PIECE else most * max(wanted, 0.0) / PIECE
            # loops that work on two arrays in turn copy one at the end of an odd number of rounds
            size = min(left, max(int(part) & -2, 1))
            before, begin = state.n_events, clock.perf_counter() - seconds_compiling()
            prepared.advance(state, size, max_time)
            seconds = clock.perf_counter() - seconds_compiling() - begin
            total += seconds
            done = state.n_events - before
            if done:
                fitting = done * PIECE / max(seconds, 1e-9)
                prepared.piece = max(int(min(fitting, _GROWTH * most)), 1)
            left -= done
            if left == 0 or done < size or watch.left() <= reserve:
                return total
    except BaseException:
        for array in state.arrays.values():  # some events were applied and not counted
            if array.dtype.kind == "f" and array.flags.writeable:
                array[...] = math.nan
        raise


@contextmanager
def keeping(last: Callable[[], State | None]) -> Iterator[None]:
    """Give a KeyboardInterrupt on its way out the attribute `state`, a copy of the last whole state.

    Parameters
    ----------
    last : callable
        Returns it; None where a run had not begun.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        state = last()
        interrupt.state = None if state is None else state.copy()  # pyright: ignore[reportAttributeAccessIssue]
        raise
