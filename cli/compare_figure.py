"""The figure of `gossamer compare`: one column of the traces against four kinds of cost."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from ..solvers.base.trace import LABELS, NO_RECORDS
from .figures import BLUE, GREY, ORANGE, Figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..solvers import Trace

PANELS = {
    "time": "simulated time, rounds",
    "bits": "bits",
    "n_gradients": "gradients",
    "wall_time": LABELS["wall_time"],
}
# Okabe and Ito's colours: 7 of them and 6 kinds of lines make 42 pairs; lines alone tell 6 methods apart
_COLORS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
_LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (2.5, 1)),
    (0, (8, 1, 1, 1, 1, 1)),
)
_MARK: dict[str, Any] = {"color": GREY, "linestyle": (0, (1, 2)), "linewidth": 0.8}
_FLOOR, _CEILING = 1e-100, 1e100  # zero has no logarithm, and axes must not overflow when runs diverge


@dataclass(frozen=True)
class Method:
    """Runs of one method.

    Attributes
    ----------
    label : str
        For the legend.
    traces : sequence of Trace
        One a seed; those without a record are not drawn.
    """

    label: str
    traces: Sequence[Trace]


def compare_figure(methods: Sequence[Method], column: str, *, target: float, bits: float) -> Figure:
    """Draw a column of the traces against time, bits, gradients and wall time.

    Lines are medians over the seeds, and bands reach from the lowest to the highest. A horizontal axis is
    logarithmic where the methods need it to be seen together.

    Parameters
    ----------
    methods : sequence of Method
        What to compare.
    column : str
        Vertical axis.
    target, bits : float
        Value of the column, and bits, that thin lines mark.
    """
    methods = [replace(method, traces=[t for t in method.traces if len(t)]) for method in methods]
    with style():
        figure = Figure(figsize=(7.2, 5.2), layout="constrained")
        axes = figure.subplots(2, 2, sharey=True)
        for ax, cost in zip(axes.flat, PANELS, strict=True):
            _draw(ax, methods, cost, column)
            ax.axhline(target, **_MARK)
            if cost == "bits":
                ax.axvline(bits, **_MARK)
        for ax in axes[:, 0]:
            ax.set_ylabel(LABELS[column])
        axes[0, 0].set_yscale("log")
        axes[0, 0].set_ylim(*_limits(methods, column, target))
        axes[0, 0].plot([], [], label="target; equal bits", **_MARK)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        longest = max(map(len, "\n".join(labels).split("\n")))
        n_columns = max(1, min(len(labels), 110 // (longest + 8)))
        figure.legend(handles, labels, loc="outside upper center", ncols=n_columns, handlelength=3.2)
    return figure


def spread(traces: Sequence[Trace], cost: str, column: str) -> np.ndarray:
    """Return rows of a cost, and of lowest, median and highest value of a column over the runs there.

    Parameters
    ----------
    traces : sequence of Trace
        One a seed. Between two records the logarithm of the value is taken as linear in the cost.
    cost, column : str
        Columns of the traces.

    Returns
    -------
    (4, any) array
        The costs are those of all records, up to where the first run ends.
    """
    end = min(float(trace[cost][-1]) for trace in traces)
    grid = np.unique(np.concatenate([trace[cost] for trace in traces]).astype(float))
    grid = grid[grid <= end]
    runs = ((trace[cost], np.log(np.clip(trace[column], _FLOOR, _CEILING))) for trace in traces)
    logs = np.array([np.interp(grid, *run) for run in runs])
    return np.array([grid, *np.exp([logs.min(axis=0), np.median(logs, axis=0), logs.max(axis=0)])])


def _draw(ax: Axes, methods: Sequence[Method], cost: str, column: str) -> None:
    from matplotlib.ticker import EngFormatter

    ends = [max((float(trace[cost][-1]) for trace in method.traces), default=0.0) for method in methods]
    positive = [end for end in ends if end > 0]
    logarithmic = len(positive) > 0 and max(positive) > 10 * min(positive)
    for method, color, line in zip(methods, cycle(_COLORS), cycle(_LINES)):
        found = spread(method.traces, cost, column) if method.traces else np.empty((4, 0))
        grid, low, median, high = found[:, found[0] > 0] if logarithmic else found
        name = method.label if method.traces else f"{method.label}, {NO_RECORDS}"
        label = textwrap.fill(name, 50).replace("$", r"\$")  # text, no formula
        label = f" {label}" if label.startswith("_") else label  # or the legend would leave it out
        ax.fill_between(grid, low, high, color=color, alpha=0.2, linewidth=0)
        ax.plot(grid, median, color=color, linestyle=line, label=label)
    if logarithmic:
        ax.set_xscale("log")
    else:
        ax.set_xlim(0.0, max(ends) or 1.0)
        if cost != "wall_time":  # 20m would be minutes, or milliseconds
            ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.set_xlabel(PANELS[cost])


def _limits(methods: Sequence[Method], column: str, target: float) -> tuple[float, float]:
    """Return the ends of the vertical axis: diverging runs leave it at the top."""
    values = [np.clip(trace[column], _FLOOR, _CEILING) for method in methods for trace in method.traces]
    start = max((value[0] for value in values), default=1.0)
    lowest = min([target, *(value.min() for value in values)])
    highest = max((min(value.max(), 100.0 * start) for value in values), default=1.0)
    return max(lowest, 1e-30) / 2.0, 2.0 * max(highest, target)
