"""When a run is recorded: often at first, then so seldom that records are a small part of it.

Distances follow from a model of what a record and an event touch, never from a clock, so that equal runs are
recorded alike.
"""

from __future__ import annotations

import math
from bisect import bisect_right

from ...problems import Problem
from .bound import Bound
from .state import State

SHARE = 0.1  # of a run that records may take, by the model
FIRST = 50  # units of time that are recorded each
_GROWTH = 10  # then the distance is a tenth of the way so far, until it is long: so much a run goes too far
_PYTHON = 30_000  # numbers that compiled loops touch in the time of a record's Python
_CALL = 60  # and in the time that an event's calls take


def events_between(bound: Bound, problem: Problem, state: State) -> int:
    """Return the events between two records of a long run.

    A record touches the data, twice where gradients have a form of their own, and what a state holds, some
    times over; an event `bound.work`.

    Parameters
    ----------
    bound, problem, state
        Of the run.
    """
    numbers = sum(array.size for array in state.arrays.values())
    values = problem.sample_oracle if problem.has_samples else problem.oracle
    data = problem.oracle.work() + values.work()
    record = _PYTHON + data + 4 * numbers
    return max(math.ceil(record / (SHARE * (_CALL + bound.work))), 1)


class Schedule:
    """The numbers of events at which a run is recorded, the same wherever it began.

    Parameters
    ----------
    every : int
        Events between two records, in the end.
    unit : int
        Events a unit of time: the first `FIRST` units are recorded each. 0 for records at multiples of
        `every` only.
    """

    def __init__(self, every: int, unit: int = 0):
        self._every, self._points = every, [0]  # at the last point the distance becomes `every`
        often = FIRST * unit
        while unit < every and unit:
            last = self._points[-1]
            step = unit if last < often else max(unit, last // _GROWTH)
            if step >= every:
                break
            self._points.append(last + step)

    def after(self, n_events: int) -> int:
        """Return the number of events at the first record after so many."""
        last = self._points[-1]
        if n_events >= last:
            return last + ((n_events - last) // self._every + 1) * self._every
        return self._points[bisect_right(self._points, n_events)]
