"""The record of a run: one row each `record_every` events."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...files import whole_file
from ...kernels.checks import instance, real
from .ledger import NAMES
from .metrics import DEFAULTS

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

COLUMNS = ("time", *NAMES, "wall_time", *DEFAULTS)  # of every trace; a run may have more
LABELS = {
    "time": "simulated time",
    "n_gradients": "gradients",
    "n_communications": "communications",
    "bits": "bits",
    "bits_down": "bits sent by the server",
    "wall_time": "wall time (s)",
    "objective": r"$f(\bar x)$",
    "optimality": r"$\|\nabla f(\bar x)\|$",
    "consensus": r"$(\frac{1}{n}\sum_i \|x_i - \bar x\|^2)^{1/2}$",
    "distance": r"$\frac{1}{n}\sum_i \|x_i - x^\star\|^2$",
    "suboptimality": r"$f(\bar x) - f(x^\star)$",
    "accuracy": "test accuracy",
}
NO_RECORDS = "diverged before the first record"
_REMEDIES = {
    "distance": "pass x_star= to solve",
    "suboptimality": "pass x_star= to solve",
    "accuracy": "the problem must be a classifier with test samples (test=)",
}
_LONGEST = 100  # letters of a name that are compared
_NOT_RECORDED = "this run did not record it"


class Trace:
    """Columns of numbers, one row a record; `trace["distance"]` is a column.

    Columns: `time` (simulated), `n_gradients`, `n_communications` (edge activations), `bits` (all payloads,
    both directions), `bits_down` (those of them that a server sent), `wall_time` (s), `objective` f(x_mean),
    `optimality` |grad f(x_mean)| (of a variational inequality these two are its gap and the norm of its
    residual), `consensus` sqrt(mean |x_i - x_mean|^2), `distance` mean |x_i - x*|^2 (NaN where x* was not
    given), `accuracy` of x_mean on the test samples (NaN where the problem is no `problems.Classifier`).
    Where x* was given also `suboptimality` f(x_mean) - f(x*), and whatever `solve(..., metrics=)` was asked
    for. Where some nodes are faulty, means are over the others.

    Parameters
    ----------
    columns : mapping of str to array_like, optional
        Columns to start from, those of every trace and any others; all of one length.
    labels : mapping of str to str, optional
        For axes of plots, of columns that not every trace has; their names by default.

    Attributes
    ----------
    columns : tuple of str
        Names.
    labels : dict of str to str
        As given.
    """

    def __init__(self, columns: Mapping[str, Any] | None = None, *, labels: Mapping[str, str] | None = None):
        self.labels = dict(labels or {})
        self._rows: dict[str, array[Any]] = {}
        if columns is None:
            self._add(COLUMNS)
            return
        instance("columns", columns, Mapping)
        given = {name: _column(name, values) for name, values in columns.items()}
        missing = [name for name in COLUMNS if name not in given]
        if missing or len({len(values) for values in given.values()}) != 1:
            raise ValueError(
                f"a trace has the columns {COLUMNS}, and maybe more, all of one length; got {list(columns)}"
            )
        self._add([*COLUMNS, *(name for name in given if name not in COLUMNS)])
        for name, rows in self._rows.items():
            rows.frombytes(given[name].tobytes())

    def _add(self, names: Iterable[str]) -> None:
        self._rows |= {name: array("q" if name in NAMES else "d") for name in names}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._rows)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one row.

        Parameters
        ----------
        record : mapping
            A value for each column, at least.

        Raises
        ------
        TypeError, ValueError
            No mapping, or a column is missing.
        """
        instance("record", record, Mapping)
        missing = self._rows.keys() - record.keys()
        if missing:
            raise ValueError(f"a record has the columns {', '.join(self._rows)}; {min(missing)} is missing")
        for name, rows in self._rows.items():
            rows.append(record[name])

    def __len__(self) -> int:
        return len(self._rows["time"])

    def __getitem__(self, column: str) -> np.ndarray:
        if column not in self._rows:
            remedy = f": {_REMEDIES[column]}" if column in _REMEDIES else ""
            raise KeyError(f"no column {column!r}; there are {', '.join(self._rows)}{remedy}")
        return np.array(self._rows[column], np.int64 if column in NAMES else np.float64)

    def _named(self, argument: str, column: str) -> np.ndarray:
        """Return the column that an argument names."""
        instance(argument, column, str)
        if column not in self._rows:
            close = get_close_matches(column[:_LONGEST], self.columns, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(self._rows)}"
            hint = _REMEDIES.get(column, hint)
            raise ValueError(f"{argument} must be a column of the trace, got {column!r}: {hint}")
        return self[column]

    def __repr__(self) -> str:
        if not len(self):
            return "Trace(empty)"
        last = ", ".join(f"{name}={self._rows[name][-1]:.6g}" for name in self._rows)
        return f"Trace({len(self)} records; last: {last})"

    def first_below(self, column: str, target: float) -> dict[str, float] | None:
        """Return the first record whose column is at or below a target.

        Of a run that diverged before its first record there is none.

        Parameters
        ----------
        column : str
            Such as "distance".
        target : float
            Threshold.

        Returns
        -------
        dict or None
            The record, a value for each column; None if the run never got there.

        Raises
        ------
        ValueError
            There is no such column, or the run did not record it: it holds NaN only.
        """
        values = self._named("column", column)
        if len(self) and np.isnan(values).all():
            raise ValueError(f"column {column!r} holds NaN only: {_REMEDIES.get(column, _NOT_RECORDED)}")
        reached = np.flatnonzero(values <= target)
        if reached.size == 0:
            return None
        return {name: rows[reached[0]] for name, rows in self._rows.items()}

    def last_within(self, column: str, limit: float) -> dict[str, float] | None:
        """Return the last record whose column is at or below a limit: where a run stood on a budget.

        Parameters
        ----------
        column : str
            A column that never falls, such as "bits".
        limit : float
            Budget.

        Returns
        -------
        dict or None
            The record, a value for each column; None if the first one is above the limit.

        Raises
        ------
        ValueError
            There is no such column.
        """
        within = np.flatnonzero(self._named("column", column) <= limit)
        if within.size == 0:
            return None
        return {name: rows[within[-1]] for name, rows in self._rows.items()}

    def rate(self, column: str | None = None, *, decades: float = 3.0) -> float:
        """Return the factor by which a run's error fell a unit of time (a round), fitted on its last decades.

        Parameters
        ----------
        column : str, optional
            "distance", whose square root is fitted, or "optimality" or "consensus"; by default the first of
            the three that was recorded.
        decades : float
            How many of the error's decades are fitted, up to ten times its smallest value: below that,
            rounding errors or noise may have stopped it.

        Returns
        -------
        float
            Of an oscillating error that of its envelope; near 1 for a run that does not converge linearly.
            NaN if the error did not fall by a hundred, or there are fewer than three records on the way.

        Notes
        -----
        `Result.rate` is the certified factor of the worst problem, which this one falls short of but for
        rounding and transients: a double root of a recursion lets k rate^k fall more slowly than rate^k at
        first.
        """
        decades = real("decades", decades, above=0.0, most=300.0)
        if column is None:
            column = "distance" if np.isfinite(self["distance"]).any() else "optimality"
        if column not in ("distance", "optimality", "consensus"):
            raise ValueError(f"column must be 'distance', 'optimality' or 'consensus', got {column!r}")
        error = np.sqrt(self[column]) if column == "distance" else self[column]
        usable = np.isfinite(error)
        error, time = error[usable], self["time"][usable]
        if not len(error) or not (error > 0.0).any():
            return float("nan")
        least = 10.0 * error[error > 0.0].min()
        end = int(np.argmax(error <= least)) + 1  # the first record within a decade of the smallest error
        envelope = np.maximum.accumulate(error[:end][::-1])[::-1]
        window = envelope <= least * 10.0**decades
        if window.sum() < 3 or envelope[0] < 10.0 * least:
            return float("nan")
        slope = np.polyfit(time[:end][window], np.log(envelope[window]), 1)[0]
        return float(np.exp(slope))

    def to_dataframe(self) -> pandas.DataFrame:
        """Return a pandas DataFrame with the trace's columns (extra `plot`)."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError('Trace.to_dataframe needs pandas: pip install "gossamer[plot]"') from error
        return pandas.DataFrame({name: self[name] for name in self._rows})

    def to_csv(self, path: str | Path) -> None:
        """Write the trace as a CSV file with a header, floats in full precision; whole or not at all.

        Parameters
        ----------
        path : str or Path
            File to write.

        Raises
        ------
        OSError
            The file cannot be written; what stood under its name stays.
        """
        with whole_file(path) as file:
            writer = csv.writer(file)
            writer.writerow(self._rows)
            columns = (rows.tolist() for rows in self._rows.values())
            writer.writerows(zip(*columns, strict=True))

    def plot(
        self,
        x: str = "n_communications",
        y: str = "distance",
        *,
        ax: Axes | None = None,
        **line: Any,
    ) -> Axes:
        """Plot one column against another.

        The vertical axis is logarithmic where the values allow it, and never for `accuracy`. Where a run
        diverged before its first record, the empty axes say so.

        Parameters
        ----------
        x, y : str
            Columns.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **line
            Passed on to `Axes.plot`, for instance `label=`.

        Returns
        -------
        matplotlib Axes
            With labels; legend and title are yours.

        Raises
        ------
        ValueError
            There is no such column, or the run did not record column y: it holds no finite number.
        """
        horizontal, vertical = self._named("x", x), self._named("y", y)
        if len(self) and not np.isfinite(vertical).any():
            raise ValueError(f"column {y!r} holds no finite number: {_REMEDIES.get(y, _NOT_RECORDED)}")
        if ax is None:
            try:
                import matplotlib.pyplot as plt
            except ImportError as error:
                raise ImportError('Trace.plot needs matplotlib: pip install "gossamer[plot]"') from error
            ax = plt.figure(layout="constrained").add_subplot()
        ax.plot(horizontal, vertical, **line)
        if not len(self):
            ax.text(0.5, 0.5, NO_RECORDS, transform=ax.transAxes, ha="center", va="center")
        positive = (vertical[np.isfinite(vertical)] >= 0).all() and vertical.max(initial=0.0) > 0
        if positive and y != "accuracy":
            ax.set_yscale("log")
        labels = LABELS | self.labels
        ax.set_xlabel(labels.get(x, x))
        ax.set_ylabel(labels.get(y, y))
        return ax


def _column(name: str, values: Any) -> np.ndarray:
    """Return the values of a column as they are kept: int64 or float64."""
    given = np.asarray(values)
    kind = np.int64 if name in NAMES else np.float64
    fits = given.ndim == 1 and given.dtype.kind in "fiu"
    if fits and kind is np.int64:
        fits = bool(((given == np.floor(given)) & (np.abs(given) < 2.0**63)).all())
    if not fits:
        raise ValueError(f"the trace's column {name!r} must be a list of {kind.__name__}, got {given.dtype}")
    return given.astype(kind)
