"""The rows of `gossamer robustness`: each rule with the parameters that suit its worst attack best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .robust_experiment import HYPER, WORST, RobustExperiment


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
