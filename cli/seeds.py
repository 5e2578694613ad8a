"""Many runs at once: one thread each, up to the number of processors (compiled loops release the GIL)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..graphs import Graph
    from ..problems import Problem
    from ..solvers import Result, Solver


def solve_all(
    jobs: Sequence[tuple[Solver, dict[str, Any]]],
    problem: Problem,
    graph: Graph,
    *,
    progress: bool,
    n_threads: int | None = None,
    callback: Callable[..., None] | None = None,
    stop: threading.Event | None = None,
    **options: Any,
) -> list[Result | None]:
    """Solve with each (solver, options), in threads.

    Parameters
    ----------
    jobs : sequence of (Solver, dict)
        What to run, and its own options of `Solver.solve`, such as {"rng": seed}.
    problem, graph
        Of all runs.
    progress : bool
        Show a bar on stderr, if that is a terminal.
    n_threads : int, optional
        At most so many; by default, as many as there are processors.
    callback : callable, optional
        As in `Solver.solve`; called from all threads, so it must not keep anything.
    stop : threading.Event, optional
        Ends the runs under way once it is set, and those that wait never begin.
    **options
        Options of all runs.

    Returns
    -------
    list of Result
        In the order of the jobs, whatever the number of threads; None for a job that never began.
    """
    event = stop or threading.Event()

    def solve(job: tuple[Solver, dict[str, Any]]) -> Result | None:
        solver, own = job
        if event.is_set():
            return None
        return solver.solve(problem, graph, callback=callback, stop=event, **options, **own)

    size = min(len(jobs), n_threads or n_processors())
    with runs_bar(len(jobs), progress) as advance, ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(solve, job) for job in jobs]
        try:
            for future in as_completed(futures):
                future.result()
                advance()
        except BaseException:
            event.set()
            raise
    return [future.result() for future in futures]


def tuned_numbers(solver: Solver, problem: Problem, graph: Graph) -> dict[str, float]:
    """Return the numbers for all that a solver has to tune, so that runs from several seeds tune them once.

    Parameters
    ----------
    solver : Solver
        With "auto" for some hyper-parameters, or none.
    problem, graph
        Of the runs.
    """
    from ..solvers.base.rounds import AUTO, RoundSolver

    if not isinstance(solver, RoundSolver):
        return {}
    wanted = {name for name, value in vars(solver).items() if isinstance(value, str) and value == AUTO}
    if not wanted:
        return {}
    values = solver.parameters(problem, graph)
    return {name: value for name, value in values.items() if name in wanted}


def check_job(solver: Solver, problem: Problem, graph: Graph, **options: Any) -> None:
    """Raise what a run would raise: its checks and first record, without an event.

    Parameters
    ----------
    solver, problem, graph
        Of the run.
    **options
        Options of `Solver.solve`.
    """

    def stop(*_: object) -> None:
        raise StopIteration

    solver.solve(problem, graph, callback=stop, **options)


def n_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def runs_bar(total: int, shown: bool) -> Iterator[Callable[[], None]]:
    """Yield a function that moves the bar by one run.

    Parameters
    ----------
    total : int
        Number of runs.
    shown : bool
        Show a bar on stderr, if that is a terminal.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("runs", total=total)
        yield lambda: bar.advance(task)
