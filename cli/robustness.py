"""`gossamer robustness`: which aggregation rules survive which attacks, each at its best."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..files import make_folder, whole_file
from .errors import user_errors
from .interrupts import interrupted, stoppable
from .robust_experiment import COLUMNS, WORST
from .robust_selection import Row, select
from .seeds import n_processors


def robustness(
    experiment: Annotated[
        Path, typer.Argument(metavar="ROBUSTNESS.TOML", help="See `gossamer template robustness`.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for results; made if need be.")] = Path("out"),
    processes: Annotated[
        int | None, typer.Option(min=1, show_default="processors", help="Runs at once.")
    ] = None,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Find out which aggregation rules survive which attacks.

    Distributed SGD is run for every number of faulty workers, split of the data,
    rule, attack and step size. For each rule the step and momentum are chosen by
    the accuracy under its worst attack on validation samples, and the accuracy
    with them is reported on test samples that nothing was chosen on.

    Writes robustness.csv (a row a rule), robustness.png and runs/, a small file
    for each run: interrupted, the same command goes on where it was.
    """
    from .robust_experiment import read_robustness

    wanted = read_robustness(experiment)
    with user_errors(f"{experiment}: [problem]"):
        from .robust_runs import build_classifier, n_finished, run_all

        common = wanted.common()
        for split in wanted.workers.splits:
            build_classifier(json.dumps(common), split)
    with user_errors(str(experiment)):
        from .figures import save_figure
        from .robust_figure import heat_maps

        make_folder(output / "runs")
    jobs = wanted.jobs()
    try:
        outcomes = run_all(
            common, jobs, output / "runs", n_processes=processes or n_processors(), progress=progress
        )
    except KeyboardInterrupt as interrupt:
        kept = n_finished(common, jobs, output / "runs")
        message = f"{kept} of {len(jobs)} runs are in {output / 'runs'}; the same command goes on from there"
        raise interrupted(interrupt, message) from interrupt
    with stoppable() as stop:
        rows = select(wanted, outcomes)
        figure = heat_maps(rows, list(wanted.attacks))
        with user_errors():
            write_rows(output / "robustness.csv", rows)
            save_figure(figure, output / "robustness.png", dpi=150)

    from .tables import console

    screen = console()
    screen.print(f"{wanted.problem.kind} on {wanted.problem.data}, {len(outcomes)} runs")
    for split, f in wanted.studies:
        screen.print()
        screen.print(study_table([row for row in rows if (row.split, row.f) == (split, f)]))
    screen.print(f"robustness.csv, robustness.png and runs written to {output}")
    stop.leave("all was written")


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a row for each rule of each study; accuracies are those on the test samples but for one."""
    with whole_file(path) as file:
        writer = csv.writer(file)
        attacks = list(rows[0].test)
        writer.writerow([*COLUMNS, *attacks])
        for row in rows:
            numbers = [f"{value:.4f}" for value in (row.validation, *row.test.values())]
            writer.writerow([row.split, row.f, row.pre, row.rule, *row.chosen.values(), *numbers])


def study_table(rows: Sequence[Row]) -> Any:
    """Return the table of one study, best first."""
    from .tables import table

    attacks = list(rows[0].test)
    ordered = sorted(rows, key=lambda row: -row.test[WORST])
    cells = [
        (row.label, f"{row.chosen['step']:g}", *(f"{100 * row.test[name]:.1f}" for name in attacks))
        for row in ordered
    ]
    title = f"test accuracy (%), split {rows[0].split}, f = {rows[0].f}, best first"
    return table(("rule", "step", *attacks), cells, title=title)
