"""`gossamer compare`: what several solvers need on one problem and one graph."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..files import make_folder, whole_file
from .errors import user_errors
from .interrupts import stoppable

if TYPE_CHECKING:
    from ..solvers import Result
    from .comparison import CompareTable, Contestant

COSTS = ("time", "n_gradients", "n_communications", "bits", "wall_time")


@dataclass(frozen=True)
class Runs:
    """The runs of one solver.

    Attributes
    ----------
    label, solver : str
        Its label, and the name of its class.
    seeds : list of int
        One a run.
    results : list of Result
        In the order of the seeds.
    """

    label: str
    solver: str
    seeds: list[int]
    results: list[Result]


def compare(
    comparison: Annotated[
        Path, typer.Argument(metavar="COMPARE.TOML", help="See `gossamer template compare`.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for results; made if need be.")] = Path("out"),
    threads: Annotated[
        int | None,
        typer.Option(min=1, show_default="processors", help="Runs at once; 1 for undisturbed wall times."),
    ] = None,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Compare solvers on one problem and graph: cost to a target, equal bits, curves.

    Each solver runs with each seed. Two tables show medians over the seeds: time
    (rounds), gradients, communications, bits and wall time until the target is
    reached, where a run that never reaches it counts as infinitely long; and how
    far each solver is when all have sent equally many bits.

    Writes comparison.csv (a row a run), traces.csv (all records) and figure.png. Ctrl-C
    writes what there is.
    """
    from ..solvers.base.trace import NO_RECORDS
    from .comparison import read_comparison
    from .seeds import check_job, solve_all, tuned_numbers
    from .tables import console

    wanted = read_comparison(comparison)
    problem, graph, goal = wanted.problem, wanted.graph, wanted.goal
    with user_errors(f"{comparison}: [problem]"):
        options: dict[str, Any] = wanted.options | {"x_star": problem.solution()}
    contestants, tuned = [], []
    for contestant in wanted.contestants:
        with user_errors(contestant.place):
            found = tuned_numbers(contestant.solver, problem, graph)
            solver = replace(contestant.solver, **found)
            check_job(solver, problem, graph, **options, **contestant.options)
        contestants.append(replace(contestant, solver=solver))
        tuned += [f"{contestant.label}: {name} = {value:.4g}, tuned" for name, value in found.items()]
    with user_errors(str(comparison)):
        from .compare_figure import Method, compare_figure
        from .figures import save_figure

        make_folder(output)
    for contestant in contestants:
        contestant.solver.solve(problem, graph, max_events=1)  # compiles, so that no run waits for it
    jobs = [(c.solver, c.options | {"rng": seed}) for c in contestants for seed in wanted.seeds]
    with stoppable() as stop:
        found = solve_all(
            jobs, problem, graph, progress=progress, n_threads=threads, stop=stop.event, **options
        )
        all_runs = begun_runs(contestants, wanted.seeds, found)
        if not all_runs:
            stop.leave("no run had begun, nothing is written")
        bits = equal_bits(r for runs in all_runs for r in runs.results) if goal.bits is None else goal.bits
        methods = [Method(runs.label, [result.trace for result in runs.results]) for runs in all_runs]
        figure = compare_figure(methods, goal.column, target=goal.target, bits=bits)
        with user_errors():
            write_rows(output / "comparison.csv", all_runs, goal, bits)
            write_traces(output / "traces.csv", all_runs)
            save_figure(figure, output / "figure.png", dpi=200)

    screen = console()
    screen.print(f"{problem!r} and {graph!r}")
    for table in tables(all_runs, goal, bits):
        screen.print()
        screen.print(table)
    for line in tuned:
        screen.print(line)
    for runs in all_runs:
        if lost := sum(not len(result.trace) for result in runs.results):
            screen.print(f"{runs.label}: {lost} of {len(runs.results)} runs {NO_RECORDS}")
        if any(r.success and r.trace.first_below(goal.column, goal.target) is None for r in runs.results):
            screen.print(
                f"{runs.label} converged to tol = {options['tol']:g} before the target: lower tol to go on"
            )
    screen.print(f"comparison.csv, traces.csv and figure.png written to {output}")
    begun = sum(len(runs.results) for runs in all_runs)
    stop.leave(f"{begun} of {len(found)} runs had begun, and are written as far as they got")


def begun_runs(
    contestants: Sequence[Contestant], seeds: Sequence[int], found: Sequence[Result | None]
) -> list[Runs]:
    """Return the runs of each solver, without those that never began."""
    all_runs = []
    for k, contestant in enumerate(contestants):
        own = found[k * len(seeds) : (k + 1) * len(seeds)]
        begun = {seed: result for seed, result in zip(seeds, own, strict=True) if result is not None}
        if begun:
            name = type(contestant.solver).__name__
            all_runs.append(Runs(contestant.label, name, list(begun), list(begun.values())))
    return all_runs


def equal_bits(results: Iterable[Result]) -> int:
    """Return the fewest bits that a run had sent in the end; those that diverged count only if all did."""
    found = list(results)
    return min(result.bits for result in [r for r in found if r.status != "diverged"] or found)


def costs(result: Result, goal: CompareTable) -> list[float]:
    """Return the `COSTS` of a run at its first record at the target; infinite where there is none."""
    record = result.trace.first_below(goal.column, goal.target)
    return [float("inf") if record is None else record[name] for name in COSTS]


def within_bits(result: Result, column: str, bits: float) -> tuple[float, float]:
    """Return a column's value at the last record within some bits, and the bits sent by then.

    The value is infinite where a run has diverged by then, or had sent more at its first record.
    """
    record = result.trace.last_within("bits", bits)
    if record is None:
        return float("inf"), float("nan")
    diverged = result.status == "diverged" and record["bits"] == result.trace["bits"][-1]
    return float("inf") if diverged else record[column], record["bits"]


def tables(all_runs: Sequence[Runs], goal: CompareTable, bits: float) -> list[Any]:
    """Return the table of costs to the target, and that of values at equal bits, best first."""
    import numpy as np

    from .tables import count, megabits, table

    many = max(len(runs.results) for runs in all_runs)
    over = f", median of {many} seeds" if many > 1 else ""
    rows = []
    for runs in all_runs:
        found = np.array([costs(result, goal) for result in runs.results])
        reached = np.isfinite(found[:, 0]).sum()
        time, gradients, communications, sent, wall = np.median(found, axis=0).tolist()
        cells = (f"{time:.6g}", count(gradients), count(communications), megabits(sent), f"{wall:.3g}")
        shown = cells if np.isfinite(time) else ("-",) * len(COSTS)
        rows.append((runs.label, status(runs.results), f"{reached}/{len(runs.results)}", *shown))
    header = ("solver", "status", "reached", "time", "gradients", "communications", "Mbit", "wall s")
    to_target = table(header, rows, texts=2, title=f"cost to {goal.column} <= {goal.target:g}{over}")

    standings = []
    for runs in all_runs:
        values, used = np.array([within_bits(r, goal.column, bits) for r in runs.results]).T
        standings.append((float(np.median(values)), runs.label, values, used))
    header = ("solver", goal.column, *(("lowest", "highest") if many > 1 else ()), "Mbit sent")
    rows = []
    for median, label, values, used in sorted(standings, key=lambda standing: standing[0]):
        numbers = (median, values.min(), values.max()) if many > 1 else (median,)
        sent = "-" if np.isnan(used).all() else megabits(float(np.nanmedian(used)))
        rows.append((label, *(f"{v:.3g}" if np.isfinite(v) else "-" for v in numbers), sent))
    title = f"{goal.column} within {megabits(bits)} Mbit{over}, best first"
    return [to_target, table(header, rows, title=title)]


def status(results: Sequence[Result]) -> str:
    """Return the status of some runs in a few words."""
    found = Counter(result.status for result in results)
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{times} {name}" for name, times in found.most_common())


def write_rows(path: Path, all_runs: Sequence[Runs], goal: CompareTable, bits: float) -> None:
    """Write a row for each run; cells are empty where the target was not reached."""
    columns = [f"{name}_to_target" for name in COSTS]
    with whole_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(
            ["label", "solver", "seed", "status", *columns, f"{goal.column}_at_equal_bits", "equal_bits"]
        )
        for runs in all_runs:
            for seed, result in zip(runs.seeds, runs.results, strict=True):
                needed = ["" if cost == float("inf") else cost for cost in costs(result, goal)]
                value, _ = within_bits(result, goal.column, bits)
                writer.writerow([runs.label, runs.solver, seed, result.status, *needed, value, bits])


def write_traces(path: Path, all_runs: Sequence[Runs]) -> None:
    """Write the records of all runs, with label and seed in front."""
    columns = all_runs[0].results[0].trace.columns
    with whole_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(["label", "seed", *columns])
        for runs in all_runs:
            for seed, result in zip(runs.seeds, runs.results, strict=True):
                records = zip(*(result.trace[name].tolist() for name in columns), strict=True)
                writer.writerows([runs.label, seed, *record] for record in records)
