"""A progress bar for runs whose end is a tolerance, a time or a number of events, whichever comes first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .state import State


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
            done = max(state.time / max_time, state.n_events / max_events if max_events else 1.0)
            first = state.first_optimality
            if 0 < tol < 1 and record["optimality"] > 0 and first > 0:
                done = max(done, math.log(record["optimality"] / first) / math.log(tol))
            elif record["optimality"] == 0:
                done = 1.0
            detail = f"{state.n_events:,} events, |grad f| = {record['optimality']:.1e}"
            bar.update(task, completed=min(max(done, 0.0), 1.0), detail=detail)

        yield report
