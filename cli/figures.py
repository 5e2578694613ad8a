"""The figures of the commands: matplotlib's objects only, without the state of pyplot."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

try:
    import matplotlib
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError('figures need matplotlib: pip install "gossamer[plot]"') from error

from .. import graphs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

    from ..graphs import GossipRates
    from ..solvers import Trace

# Okabe and Ito's colours, which colour-blind readers tell apart
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#555555"
STYLE = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "ytick.minor.size": 0,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,  # fonts as outlines that journals accept
}
X_LABELS = {"n_communications": "communications", "n_gradients": "gradients"}


@dataclass(frozen=True)
class Curve:
    """Runs of one method.

    Attributes
    ----------
    label, color : str
        For the legend and the lines.
    traces : sequence of Trace
        One a seed.
    decay : dict of str to float
        For each column on a horizontal axis, theory's decay of log distance per unit of it; may be empty.
    """

    label: str
    color: str
    traces: Sequence[Trace]
    decay: dict[str, float]


def relative_distance(trace: Trace) -> np.ndarray:
    """Return the distance over that at the start (over 1, if the run started at the minimiser)."""
    distance = trace["distance"]
    return distance / (distance[0] or 1.0)


def band(traces: Sequence[Trace], column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a grid of a column, and smallest, median and largest relative distance over the runs there.

    Runs record at their own moments; between two records the logarithm of the distance is taken as linear.
    The grid ends where the first run ends.

    Parameters
    ----------
    traces : sequence of Trace
        One a seed.
    column : str
        Horizontal axis.
    """
    grid = np.linspace(0.0, min(float(trace[column][-1]) for trace in traces), 400)
    tiny = np.finfo(float).tiny  # an exact zero has no logarithm
    logs = np.array(
        [
            np.interp(grid, trace[column], np.log(np.maximum(relative_distance(trace), tiny)))
            for trace in traces
        ]
    )
    return grid, np.exp(logs.min(axis=0)), np.exp(np.median(logs, axis=0)), np.exp(logs.max(axis=0))


def draw_curves(ax: Axes, curves: Sequence[Curve], column: str, target: float | None = None) -> None:
    """Draw the relative distance against a column: medians, ranges over the seeds, and theory's slopes.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    curves : sequence of Curve
        The methods.
    column : str
        Horizontal axis.
    target : float, optional
        Relative distance that a thin line marks.
    """
    end = max(float(trace[column].max()) for curve in curves for trace in curve.traces)
    unit = 10 ** max(0, 3 * int(np.log10(max(end, 1.0)) // 3)) if end >= 1e4 else 1
    lowest = 1.0
    for curve in curves:
        grid, low, median, high = band(curve.traces, column)
        ax.fill_between(grid / unit, low, high, color=curve.color, alpha=0.25, linewidth=0)
        ax.plot(grid / unit, median, color=curve.color, label=curve.label)
        lowest = min(lowest, float(low.min()))
    for decay, color in {
        curve.decay[column]: curve.color for curve in curves if column in curve.decay
    }.items():
        same = sum(curve.decay.get(column) == decay for curve in curves) > 1
        x = np.array([0.0, end])
        ax.plot(
            x / unit, np.exp(-decay * x), color=GREY if same else color, linestyle=(0, (3, 2)), linewidth=0.9
        )
    if target is not None:
        ax.axhline(target, color=GREY, linewidth=0.5, linestyle=":")
    ax.set_yscale("log")
    ax.set_ylim(max(lowest, 1e-16) / 1.5, 3.0)
    ax.set_xlim(0.0, end / unit if end else 1.0)
    exponent = round(np.log10(unit))
    ax.set_xlabel(X_LABELS[column] + (rf" ($\times 10^{exponent}$)" if exponent else ""))


def comparison_figure(found: GossipRates, curves: Sequence[Curve], *, target: float, title: str) -> Figure:
    """Draw a network with its rates beside what two methods need on it.

    Parameters
    ----------
    found : GossipRates
        Edge widths of the network.
    curves : sequence of Curve
        The methods.
    target : float
        Relative distance to mark.
    title : str
        Of the network.
    """
    with _style():
        figure = Figure(figsize=(7.2, 2.45), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
        _draw_network(left, found)
        left.set_title(f"(a) {title}")
        for ax, letter, column in ((middle, "b", "n_communications"), (right, "c", "n_gradients")):
            draw_curves(ax, curves, column, target)
            ax.set_title(f"({letter})")
        middle.set_ylabel(r"$\sum_i\|x_i-x^\star\|^2\,/\,\sum_i\|x_i^0-x^\star\|^2$")
        right.tick_params(labelleft=False)
        middle.plot([], [], color=GREY, linestyle=(0, (3, 2)), linewidth=0.9, label="theory's slope")
        middle.legend(loc="lower left", borderaxespad=0.1)
    return figure


def seeds_figure(traces: Sequence[Trace], label: str) -> Figure:
    """Draw the relative distance of one method's runs against communications and gradients.

    Parameters
    ----------
    traces : sequence of Trace
        One a seed.
    label : str
        Name of the method.
    """
    many = f"{label}: median and range of {len(traces)} seeds" if len(traces) > 1 else label
    curve = Curve(many, BLUE, traces, {})
    with _style():
        figure = Figure(figsize=(5.2, 2.4), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        draw_curves(left, [curve], "n_communications")
        draw_curves(right, [curve], "n_gradients")
        left.set_ylabel(r"$\sum_i\|x_i-x^\star\|^2\,/\,\sum_i\|x_i^0-x^\star\|^2$")
        figure.suptitle(many, fontsize=8)
    return figure


def network_figure(found: GossipRates) -> Figure:
    """Draw a network with its rates.

    Parameters
    ----------
    found : GossipRates
        Rates and graph.
    """
    with _style():
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        ax = figure.subplots()
        graphs.draw(found.graph, found.rates, ax, label="communications per unit of time")
        ax.set_title(found.graph.name)
    return figure


def _draw_network(ax: Axes, found: GossipRates) -> None:
    graphs.draw(found.graph, found.rates, ax, label="rate")


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context(STYLE):
        yield
