"""`gossamer run`: an experiment described by a TOML file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..files import make_folder
from .errors import user_errors
from .interrupts import stoppable

if TYPE_CHECKING:
    from ..solvers import Result


def run(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.TOML", help="See `gossamer template`.")],
    output: Annotated[Path, typer.Option(help="Folder for results; made if need be.")] = Path("out"),
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Run an experiment over its seeds; save results, traces and a figure.

    Writes result-SEED.npz (gossamer.solvers.Result.load reads it), trace-SEED.csv and figure.png. Seeds run
    in threads; results do not depend on how many. Ctrl-C writes what there is.
    """
    from ..solvers.base.trace import NO_RECORDS
    from .experiment import read_experiment
    from .seeds import check_job, solve_all, tuned_numbers
    from .tables import console, table

    wanted = read_experiment(experiment)
    problem, graph, solver = wanted.problem, wanted.graph, wanted.solver
    with user_errors(str(experiment)):
        from .figures import save_figure, seeds_figure

        options: dict[str, Any] = wanted.options | {"x_star": problem.solution()}
        tuned = tuned_numbers(solver, problem, graph)
        solver = replace(solver, **tuned)
        check_job(solver, problem, graph, **options)
        make_folder(output)
    solver.solve(problem, graph, max_events=1)  # compiles, while Ctrl-C is heard at once
    name = type(solver).__name__
    with stoppable() as stop:
        found = solve_all(
            [(solver, {"rng": seed}) for seed in wanted.seeds],
            problem,
            graph,
            progress=progress,
            stop=stop.event,
            **options,
        )
        begun = {seed: result for seed, result in zip(wanted.seeds, found, strict=True) if result is not None}
        seeds, results = list(begun), list(begun.values())
        if begun:
            figure = seeds_figure([result.trace for result in results], name)
            with user_errors():
                for seed, result in begun.items():
                    result.save(output / f"result-{seed}.npz")
                    result.trace.to_csv(output / f"trace-{seed}.csv")
                save_figure(figure, output / "figure.png", dpi=200)
        else:
            stop.leave("no run had begun, nothing is written")

    screen = console()
    screen.print(f"{name} on {problem!r} and {graph!r}")
    header = ("seed", "status", "gradients", "communications", "Mbit", "time", "distance", "wall s")
    screen.print(table(header, result_rows(seeds, results), texts=2))
    for number, value in tuned.items():
        screen.print(f"{number} = {value:.4g}, tuned")
    converged = sum(result.success for result in results)
    for seed, result in begun.items():
        if not len(result.trace):
            screen.print(f"seed {seed} {NO_RECORDS}: {result.message}")
    screen.print(f"{converged} of {len(results)} runs converged to tol = {options['tol']:g}")
    certified = results[0].rate if results else None
    if certified is not None:
        fitted = [rate for result in results if math.isfinite(rate := result.trace.rate())]
        own = f"distance times {median(fitted):.6g} a round on its last decades; " if fitted else ""
        screen.print(f"{own}at most {certified:.6g} certified for the worst problem")
    screen.print(f"results, traces and figure.png written to {output}")
    stop.leave(f"{len(results)} of {len(found)} runs had begun, and are written as far as they got")


def last_distance(result: Result) -> float:
    """Return the distance at the last record; infinite where there is none."""
    return float(result.trace["distance"][-1]) if len(result.trace) else float("inf")


def result_rows(seeds: Sequence[int], results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return a table's rows: one a seed, then the medians where there are many."""
    import numpy as np

    from .tables import count, megabits

    numbers = np.array(
        [(r.n_gradients, r.n_communications, r.bits, r.time, last_distance(r), r.wall_time) for r in results]
    )
    names = [(str(seed), result.status) for seed, result in zip(seeds, results, strict=True)]
    if len(results) > 1:
        numbers = np.vstack([numbers, np.median(numbers, axis=0)])
        names.append(("median", ""))
    return [
        (
            *name,
            count(gradients),
            count(messages),
            megabits(bits),
            f"{t:.6g}",
            f"{distance:.2e}" if np.isfinite(distance) else "-",
            f"{wall:.2f}",
        )
        for name, (gradients, messages, bits, t, distance, wall) in zip(names, numbers.tolist(), strict=True)
    ]
