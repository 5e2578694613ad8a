"""How far a run is whose end is a tolerance, a time or a number of events, whichever comes first."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...kernels.performance import PerformanceWarning, level_of_the_user
from .state import State

MANY_ROUNDS = 1e6
MANY_SECONDS = 600.0
_SOON = 0.1  # share of these after which a run is looked at


def share_done(state: State, record: dict[str, Any], tol: float, max_time: float, max_events: float) -> float:
    """Return how much of a run is done, in [0, 1], on the shortest of the ways to its end.

    Parameters
    ----------
    state, record
        The latest.
    tol, max_time, max_events : float
        The three ways to the end.
    """
    done = max(state.time / max_time, state.n_events / max_events if max_events else 1.0)
    first = state.first_optimality
    if 0 < tol < 1 and record["optimality"] > 0 and first > 0:
        done = max(done, math.log(record["optimality"] / first) / math.log(tol))
    elif record["optimality"] == 0:
        done = 1.0
    return min(max(done, 0.0), 1.0)


class Outlook:
    """Warns once of a run that is on the way to a million rounds (units of time) or to ten minutes.

    It looks after a tenth of that, then each time that the run has become twice as long.

    Parameters
    ----------
    tol, max_time, max_events : float
        The three ways to the end.
    """

    def __init__(self, tol: float, max_time: float, max_events: float):
        self._ends = tol, max_time, max_events
        self._rounds, self._seconds = _SOON * MANY_ROUNDS, _SOON * MANY_SECONDS

    def look(self, state: State, record: dict[str, Any]) -> None:
        """Look at a record, if it is time to.

        Parameters
        ----------
        state, record
            The latest.
        """
        if state.time < self._rounds and state.wall_time < self._seconds:
            return
        self._rounds = max(self._rounds, 2.0 * state.time)
        self._seconds = max(self._seconds, 2.0 * state.wall_time)
        done = share_done(state, record, *self._ends)
        rounds, seconds = (
            total / done if done > 0.0 else math.inf for total in (state.time, state.wall_time)
        )
        if rounds <= MANY_ROUNDS and seconds <= MANY_SECONDS:
            return
        self._rounds = self._seconds = math.inf
        warnings.warn(
            f"{state.solver}: {100 * done:.2g} % done in {state.time:.2g} rounds, {state.wall_time:.0f} s; "
            f"at this pace it takes {rounds:.1g} rounds, {seconds / 60:.1g} minutes; standardize the data, "
            "raise l2 or tol, or set max_time, max_events or max_wall_time",
            PerformanceWarning,
            stacklevel=level_of_the_user(),
        )


@contextmanager
def progress_bar(
    shown: bool, title: str, tol: float, max_time: float, max_events: float
) -> Iterator[Callable[[State, dict[str, Any]], None]]:
    """Yield a function to be called with each record; it moves the bar, or does nothing.

    Parameters
    ----------
    shown : bool
        Whether there is a bar.
    title : str
        Text in front of it.
    tol, max_time, max_events : float
        The three ways to the end; the bar shows the one that is nearest.
    """
    if not shown:
        yield lambda state, record: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(title, total=1.0, detail="")

        def report(state: State, record: dict[str, Any]) -> None:
            done = share_done(state, record, tol, max_time, max_events)
            detail = f"{state.n_events:,} events, |grad f| = {record['optimality']:.1e}"
            bar.update(task, completed=done, detail=detail)

        yield report
