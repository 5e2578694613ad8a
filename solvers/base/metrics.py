"""What a record measures: a `Metric` a column, beside what is counted and timed.

The default ones share one evaluation of the objective and one pass over the iterates: `Recorder`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels.checks import instance
from ...kernels.iterates import spread
from ...problems import Classifier, Problem
from .ledger import NAMES
from .state import State

Record = dict[str, Any]


@dataclass(frozen=True)
class Metric:
    """A column of the trace that a user adds: `solve(..., metrics=[...])`.

    Parameters
    ----------
    name : str
        Of the column: a Python identifier that no other column has.
    compute : callable
        ``compute(problem, X, state)`` returns a number, for the nodes' iterates X (n, d), read-only, and a
        copy of the solver's state.
    label : str, optional
        For axes of plots; the name by default.

    Examples
    --------
    >>> import numpy as np
    >>> from gossamer import graphs, problems, solvers
    >>> problem = problems.Averaging(np.arange(8.0).reshape(4, 2))
    >>> widest = solvers.Metric("widest", lambda problem, X, state: float(np.ptp(X, axis=0).max()))
    >>> result = solvers.DGD(step=0.1).solve(problem, graphs.cycle(4), max_events=3, metrics=[widest])
    >>> result.trace["widest"].round(3).tolist()
    [0.0, 0.6, 0.607, 0.666]
    """

    name: str
    compute: Callable[[Problem, np.ndarray, State], float]
    label: str = ""

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isidentifier()):
            raise ValueError(f"the name of a metric must be an identifier, got {self.name!r}")
        if not callable(self.compute):
            raise TypeError(f"compute must be callable, got {self.compute!r}")
        instance("label", self.label, str)


DEFAULTS = ("objective", "optimality", "consensus", "distance", "accuracy")
WHERE_KNOWN = ("suboptimality",)  # beside these, where x_star is given


class Recorder:
    """Measures a run.

    Parameters
    ----------
    problem : Problem
        What is solved.
    members : (m,) int array or None
        Nodes that count; None for all.
    x_star : (d,) array or None
        The minimiser, if it is known.
    metrics : sequence of Metric
        Columns that the user adds.
    """

    def __init__(
        self,
        problem: Problem,
        members: np.ndarray | None,
        x_star: np.ndarray | None,
        metrics: Sequence[Metric] = (),
    ):
        self._problem, self._members, self._x_star, self._metrics = problem, members, x_star, tuple(metrics)
        self._least = math.nan if x_star is None else self._value_and_gradient(x_star)[0]
        self._classifier = problem if isinstance(problem, Classifier) else None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the trace, in order."""
        known = () if self._x_star is None else WHERE_KNOWN
        return "time", *NAMES, "wall_time", *DEFAULTS, *known, *(metric.name for metric in self._metrics)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the metrics that have one."""
        return {metric.name: metric.label for metric in self._metrics if metric.label}

    def _value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        if self._members is None:
            return self._problem.value_and_gradient(x)
        return self._problem.mean_over(self._members, x)

    def measure(self, state: State, X: np.ndarray) -> Record:
        """Return a record of the iterates X (n, d) at the state's time.

        Beside the columns of the trace it has `norm`, |x_mean|, and `size`, the Frobenius norm of the rows.
        Nothing is measured where the iterates are not finite: optimality is then NaN.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # diverging runs overflow on their way
            mean, consensus, norm, size, distance = spread(X, members=self._members, x_star=self._x_star)
            if not math.isfinite(consensus):
                return {"optimality": math.nan, "consensus": consensus}
            objective, gradient = self._value_and_gradient(mean)
            record = {
                "time": state.time,
                **state.ledger,
                "wall_time": state.wall_time,
                "objective": objective,
                "optimality": math.sqrt(float(gradient @ gradient)),
                "consensus": consensus,
                "distance": distance,
                "accuracy": math.nan if self._classifier is None else self._classifier.accuracy(mean),
                "norm": norm,
                "size": size,
            }
            if self._x_star is not None:
                record["suboptimality"] = objective - self._least
            X.flags.writeable = False
            seen = state.copy() if self._metrics else state
            for metric in self._metrics:
                value = metric.compute(self._problem, X, seen)
                try:
                    record[metric.name] = float(value)
                except (TypeError, ValueError):
                    raise TypeError(
                        f"the metric {metric.name!r} must compute one number, got {value!r}"
                    ) from None
        return record


def checked_metrics(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """Return metrics whose names no other column has.

    Raises
    ------
    TypeError, ValueError
        Something else than metrics, or a name that is taken.
    """
    if isinstance(metrics, Metric):
        raise TypeError(f"metrics must be a sequence, such as [{metrics.name}]")
    taken = {"time", "wall_time", "norm", "size", "seconds", *NAMES, *DEFAULTS, *WHERE_KNOWN}
    for metric in metrics:
        instance("metrics", metric, Metric, "solvers.Metric(name, compute)")
        if metric.name in taken:
            raise ValueError(f"the trace has a column {metric.name!r} already: give the metric another name")
        taken.add(metric.name)
    return tuple(metrics)
