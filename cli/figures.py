"""The figures of the commands: matplotlib's objects only, without the state of pyplot."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    import matplotlib
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.transforms import Bbox
except ImportError as error:
    raise ImportError('figures need matplotlib: pip install "gossamer[plot]"') from error

from .. import graphs
from ..files import whole_file
from ..solvers.base.trace import NO_RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes

    from ..graphs import GossipRates
    from ..solvers import Trace

# Okabe and Ito's colours, which colour-blind readers tell apart
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#555555"
STYLE: dict[Any, Any] = {
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
THEORY: dict[str, Any] = {"color": GREY, "linestyle": (0, (3, 2)), "linewidth": 0.9}
Y_LABEL = r"$\|X_t-X^{\star}\|^2\,/\,\|X_0-X^{\star}\|^2$"
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
    distance = np.minimum(trace["distance"], np.finfo(float).max)
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
    floor, ceiling = 1e-100, 1e100  # zero has no logarithm, and axes must not overflow when runs diverge
    runs = ((trace[column], np.log(np.clip(relative_distance(trace), floor, ceiling))) for trace in traces)
    logs = np.array([np.interp(grid, *run) for run in runs])
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
    widths = np.linspace(2.4, 1.1, len(curves)) if len(curves) > 1 else [1.4]  # curves may coincide
    lowest = highest = 1.0
    for width, curve in zip(widths, curves, strict=True):
        grid, low, median, high = band(curve.traces, column)
        ax.fill_between(grid / unit, low, high, color=curve.color, alpha=0.25, linewidth=0)
        ax.plot(grid / unit, median, color=curve.color, label=curve.label, linewidth=width)
        lowest, highest = min(lowest, float(low.min())), max(highest, float(high.max()))
    decays = [curve.decay[column] for curve in curves if column in curve.decay]
    x = np.array([0.0, end])
    for decay in dict.fromkeys(decays):
        owners = [curve for curve in curves if curve.decay.get(column) == decay]
        color = owners[0].color if len(owners) == 1 else GREY
        style: dict[str, Any] = THEORY | {"color": color}
        ax.plot(x / unit, np.exp(-decay * x), **style)
    if target is not None:
        ax.axhline(target, color=GREY, linewidth=0.5, linestyle=":")
    ax.set_yscale("log")
    ax.set_ylim(max(lowest, 1e-30) / 1.5, 3.0 * highest)
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
    with style():
        figure = Figure(figsize=(7.2, 2.45), layout=ConstrainedLayoutEngine(w_pad=0.08))
        left, middle, right = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
        _draw_network(left, found)
        left.set_title(f"(a) {title}")
        for ax, letter, column in ((middle, "b", "n_communications"), (right, "c", "n_gradients")):
            draw_curves(ax, curves, column, target)
            ax.set_title(f"({letter})")
        middle.set_ylabel(Y_LABEL)
        right.tick_params(labelleft=False)
        middle.plot([], [], label="theory's slope", **THEORY)
        figure.legend(*middle.get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return figure


def seeds_figure(traces: Sequence[Trace], label: str) -> Figure:
    """Draw the relative distance of one method's runs against communications and gradients.

    Parameters
    ----------
    traces : sequence of Trace
        One a seed; those without a record are left out.
    label : str
        Name of the method.
    """
    traces = [trace for trace in traces if len(trace)]
    many = f"{label}: median and range of {len(traces)} seeds" if len(traces) > 1 else label
    many = many if traces else f"{label} {NO_RECORDS}"
    curve = Curve(many, BLUE, traces, {})
    with style():
        figure = Figure(figsize=(5.2, 2.4), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for ax, column in ((left, "n_communications"), (right, "n_gradients")):
            if traces:
                draw_curves(ax, [curve], column)
            else:
                ax.set_xlabel(X_LABELS[column])
        left.set_ylabel(Y_LABEL)
        figure.suptitle(many, fontsize=8)
    return figure


def network_figure(found: GossipRates) -> Figure:
    """Draw a network with its rates.

    Parameters
    ----------
    found : GossipRates
        Rates and graph.
    """
    with style():
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        ax = figure.subplots()
        named = found.graph.labels is not None and found.graph.n_nodes <= 16  # more would overlap
        graphs.draw(found.graph, found.rates, ax, node_labels=named, label="communications per unit of time")
        figure.suptitle(found.graph.name, x=0.02, ha="left", fontsize=8)
        _part_names(ax)
    return figure


def _part_names(ax: Axes) -> None:
    """Move each name to a corner of its node where it covers no node and no other name, or hide it."""
    figure: Any = ax.figure
    figure.draw_without_rendering()  # sizes and places are known only now
    nodes = next(drawn for drawn in ax.collections if isinstance(drawn, PathCollection))
    points = ax.transData.transform(np.asarray(nodes.get_offsets()))
    taken = [Bbox.from_extents(*(point - 4.0), *(point + 4.0)) for point in points]
    for text in ax.texts:
        x, y = np.abs(text.get_position())
        first = -1.0 if text.get_horizontalalignment() == "right" else 1.0
        for across, up in ((first, 1.0), (first, -1.0), (-first, 1.0), (-first, -1.0)):
            text.set_position((across * x, up * y))
            text.set_horizontalalignment("left" if across > 0 else "right")
            text.set_verticalalignment("bottom" if up > 0 else "top")
            box = text.get_window_extent()
            if not box.count_overlaps(taken):
                taken.append(box)
                break
        else:
            text.set_visible(False)


def _draw_network(ax: Axes, found: GossipRates) -> None:
    """Draw the network finer than `graphs.draw` does, for a panel of two inches."""
    graphs.draw(found.graph, found.rates, ax, label="")
    ax.figure.axes[-1].set_title("rate", loc="center", fontsize=7)  # the colour bar; a label would be turned
    ax.set_anchor("N")
    for drawn in ax.collections:
        drawn.set_linewidth([0.6 * width for width in np.atleast_1d(drawn.get_linewidth())])
        if isinstance(drawn, PathCollection):
            drawn.set_sizes([12.0])


def save_figure(figure: Figure, path: Path, **options: Any) -> None:
    """Write a figure, whole or not at all.

    Parameters
    ----------
    figure : Figure
        To write.
    path : Path
        File; its ending says the format.
    **options
        Of `Figure.savefig`.
    """
    with whole_file(path, binary=True) as file:
        figure.savefig(file, format=path.suffix[1:].lower(), **options)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of all figures."""
    with matplotlib.rc_context(STYLE):
        yield
