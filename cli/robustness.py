"""`gossamer robustness`: which aggregation rules survive which attacks, each at its best."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import user_errors
from .outputs import make_folder
from .seeds import n_processors

if TYPE_CHECKING:
    from .robust_experiment import RobustExperiment

HYPER: tuple[str, ...] = ("step", "server_momentum", "momentum")
WORST = "worst"


@dataclass(frozen=True)
class Row:
    """A rule in a study, with the parameters that suit it best.

    Attributes
    ----------
    split, f, pre, rule
        Which.
    chosen : dict
        Step and momenta.
    validation : float
        Worst accuracy over the attacks on the validation samples, for which they were chosen.
    test : dict of str to float
        Accuracy on the test samples by attack, means over the seeds, and the worst of them.
    """

    split: str
    f: int
    pre: str
    rule: str
    chosen: dict[str, float]
    validation: float
    test: dict[str, float]

    @property
    def label(self) -> str:
        """What the rule is called, with what goes before it."""
        return self.rule if self.pre == "none" else f"{self.pre} >> {self.rule}"


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
        from .robust_runs import build_classifier, run_all

        for split in wanted.workers.splits:
            build_classifier(json.dumps(wanted.common()), split)
    with user_errors(str(experiment)):
        from .robust_figure import heat_maps

        make_folder(output / "runs")
    outcomes = run_all(
        wanted.common(),
        wanted.jobs(),
        output / "runs",
        n_processes=processes or n_processors(),
        progress=progress,
    )
    rows = select(wanted, outcomes)
    figure = heat_maps(rows, list(wanted.attacks))
    with user_errors():
        write_rows(output / "robustness.csv", rows)
        figure.savefig(output / "robustness.png", dpi=150)

    from .tables import console

    screen = console()
    screen.print(f"{wanted.problem.kind} on {wanted.problem.data}, {len(outcomes)} runs")
    for split, f in wanted.studies:
        screen.print()
        screen.print(study_table([row for row in rows if (row.split, row.f) == (split, f)]))
    screen.print(f"robustness.csv, robustness.png and runs written to {output}")


def select(wanted: RobustExperiment, outcomes: Sequence[dict[str, Any]]) -> list[Row]:
    """Return each rule of each study with the parameters whose worst validation accuracy is best.

    Of equally good ones the first.

    Parameters
    ----------
    wanted : RobustExperiment
        Experiment.
    outcomes : sequence of dict
        Of its jobs, in their order.
    """
    sums: dict[tuple[str, int, str, str], dict[tuple[float, ...], dict[str, list[tuple[float, float]]]]] = {}
    for job, outcome in zip(wanted.jobs(), outcomes, strict=True):
        where = job["split"], job["f"], job["pre"], job["rule"]
        point = tuple(job[name] for name in HYPER)
        found = sums.setdefault(where, {}).setdefault(point, {}).setdefault(job["attack"], [])
        found.append((outcome["validation"], outcome["test"]))
    rows = []
    for where, points in sums.items():
        worst = {point: min(_mean(runs, 0) for runs in by.values()) for point, by in points.items()}
        best = max(worst, key=lambda point: worst[point])
        test = {attack: _mean(runs, 1) for attack, runs in points[best].items()}
        chosen = dict(zip(HYPER, best, strict=True))
        rows.append(Row(*where, chosen, worst[best], test | {WORST: min(test.values())}))
    return rows


def _mean(runs: list[tuple[float, float]], which: int) -> float:
    return sum(run[which] for run in runs) / len(runs)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a row for each rule of each study; accuracies are those on the test samples but for one."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        attacks = list(rows[0].test)
        writer.writerow(["split", "f", "pre", "rule", *HYPER, "validation_worst", *attacks])
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
