"""Draw a graph, its edges coloured and widened by their rates."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import checks
from .graph import Graph
from .spectra import check_rates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

_INK = "#22272e"
_QUIET = "#9aa3ad"


def draw(
    graph: Graph,
    rates: ArrayLike | None = None,
    ax: "Axes | None" = None,
    *,
    node_labels: bool = False,
    colorbar: bool = True,
    label: str = "rate",
    vmax: float | None = None,
    title: str | None = None,
) -> "Axes":
    """Draw a graph at its positions, or in a layout from networkx when it has none.

    Parameters
    ----------
    graph : Graph
        Positions that are longitudes and latitudes (recognised by lengths of many kilometres per degree)
        are drawn with the aspect of their latitude.
    rates : (m,) array_like, optional
        Non-negative rate of each edge. Width and colour grow linearly from zero, on a sequential scale
        that is safe for colour-blind readers and in grey print; edges of rate zero are dotted.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    node_labels : bool
        Write the label (or the number) of each node.
    colorbar : bool
        Add a colour bar when there are rates.
    label : str
        Label of the colour bar.
    vmax : float, optional
        Rate at the end of the scale, to compare drawings; the largest rate by default.
    title : str, optional
        Title; none by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the rates do not fit the graph.
    """
    try:
        import matplotlib.pyplot as plt
        from matplotlib.cm import ScalarMappable
        from matplotlib.collections import LineCollection
        from matplotlib.colors import ListedColormap, Normalize
    except ImportError:
        raise ImportError(
            'drawing needs matplotlib, which is not installed; pip install "gossamer[plot]"'
        ) from None
    w = None if rates is None else check_rates(graph, rates)
    if vmax is not None:
        top = checks.real("vmax", vmax, least=0.0)
    else:
        top = 1.0 if w is None else float(w.max(initial=0.0))
    points = _layout(graph)
    if ax is None:
        ax = plt.figure(figsize=_figure_size(graph, points), layout="constrained").add_subplot()
    segments = points[graph.edges]
    if w is None:
        ax.add_collection(LineCollection(list(segments), colors=_QUIET, linewidths=1.2, zorder=1))
    else:
        # the pale end of the map would vanish on white paper
        shades = ListedColormap(plt.get_cmap("YlGnBu")(np.linspace(0.36, 1.0, 256)))
        scale = Normalize(0.0, top if top > 0 else 1.0)
        relative = np.minimum(w / scale.vmax, 1.0)  # type: ignore[operator]
        order = np.argsort(w, kind="stable")  # the busiest on top
        silent, active = order[w[order] == 0], order[w[order] > 0]
        ax.add_collection(
            LineCollection(list(segments[silent]), colors=_QUIET, linewidths=0.8, linestyles=":", zorder=1)
        )
        ax.add_collection(
            LineCollection(
                list(segments[active]),
                colors=shades(scale(w[active])),
                linewidths=list(0.7 + 4.3 * relative[active]),
                capstyle="round",
                zorder=2,
            )
        )
        if colorbar:
            bar = ax.figure.colorbar(ScalarMappable(scale, shades), ax=ax, shrink=0.75, aspect=22, pad=0.02)
            bar.set_label(label)
            bar.outline.set_visible(False)  # type: ignore[operator]
    size = float(np.clip(1400.0 / graph.n_nodes, 6.0, 46.0))
    ax.scatter(points[:, 0], points[:, 1], s=size, c=_INK, edgecolors="white", linewidths=0.8, zorder=3)
    if node_labels:
        names = graph.labels or tuple(map(str, range(graph.n_nodes)))
        _write_labels(ax, points, names, 0.5 * np.sqrt(size))
    ax.set_aspect(_aspect(graph))
    ax.margins(0.06)
    ax.autoscale_view()
    ax.set_axis_off()
    if title is not None:
        ax.set_title(title, pad=12)
    return ax


def _layout(graph: Graph) -> NDArray[np.float64]:
    if graph.positions is not None:
        return graph.positions
    import networkx

    flat = graph.to_networkx()
    # distances in the drawing like distances in the graph: clear, but cubic in n
    if graph.n_nodes <= 100 and graph.is_connected:
        return np.array(list(networkx.kamada_kawai_layout(flat, weight=None).values()))
    return np.array(list(networkx.spring_layout(flat, weight=None, seed=0, iterations=200).values()))


def _aspect(graph: Graph) -> float:
    """Height of a unit of y over a unit of x: 1 in the plane, 1/cos(latitude) on the globe."""
    if graph.positions is None or graph.lengths is None or not graph.n_edges:
        return 1.0
    drawn = np.linalg.norm(graph.positions[graph.edges[:, 0]] - graph.positions[graph.edges[:, 1]], axis=1)
    if graph.lengths.sum() < 25.0 * drawn.sum():  # a degree is 111 km, less along a parallel
        return 1.0
    latitude = float(np.clip(np.mean(graph.positions[:, 1]), -75.0, 75.0))
    return 1.0 / float(np.cos(np.radians(latitude)))


def _figure_size(graph: Graph, points: NDArray[np.float64]) -> tuple[float, float]:
    """Choose a figure as wide as a page, with the height of the drawing."""
    width, height = np.ptp(points, axis=0) * [1.0, _aspect(graph)]
    ratio = height / width if width > 0 else 1.0
    return 6.4, float(np.clip(5.4 * ratio + 0.5, 2.2, 6.4))


def _write_labels(ax: Any, points: NDArray[np.float64], names: tuple[str, ...], offset: float) -> None:
    from matplotlib.patheffects import withStroke

    centre = points.mean(axis=0)
    for point, name in zip(points, names, strict=True):
        right = point[0] >= centre[0]
        ax.annotate(
            name,
            point,
            xytext=(offset + 2.0 if right else -offset - 2.0, offset),
            textcoords="offset points",
            ha="left" if right else "right",
            va="bottom",
            fontsize=7,
            color=_INK,
            path_effects=[withStroke(linewidth=2.0, foreground="white")],
            zorder=4,
        )
