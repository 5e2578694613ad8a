import numpy as np
import pytest

from gossamer import graphs
from gossamer.cli import figures
from gossamer.solvers import Trace


def trace(communications, distance):
    zeros = np.zeros(len(distance))
    columns = dict.fromkeys(Trace().columns, zeros)
    return Trace(columns | {"n_communications": np.array(communications), "distance": np.array(distance)})


def test_relative_distance():
    np.testing.assert_array_equal(figures.relative_distance(trace([0, 1], [4.0, 1.0])), [1.0, 0.25])
    np.testing.assert_array_equal(figures.relative_distance(trace([0, 1], [0.0, 3.0])), [0.0, 3.0])


def test_bands_interpolate_logarithms_between_records():
    """Exact for exponential decays recorded at any moments; the grid ends with the shortest run."""
    rates, ends = (0.01, 0.02, 0.05), (300, 200, 250)
    traces = []
    for rate, end in zip(rates, ends, strict=True):
        x = np.unique(np.append(np.random.default_rng(end).integers(0, end, 20), [0, end]))
        traces.append(trace(x, 7.0 * np.exp(-rate * x)))
    grid, low, median, high = figures.band(traces, "n_communications")
    assert (grid[0], grid[-1]) == (0, 200)
    np.testing.assert_allclose(high, np.exp(-0.01 * grid), rtol=1e-12)
    np.testing.assert_allclose(median, np.exp(-0.02 * grid), rtol=1e-12)
    np.testing.assert_allclose(low, np.exp(-0.05 * grid), rtol=1e-12)


@pytest.mark.parametrize("last", [0.0, 1e-320, np.inf, 1e308])
def test_extreme_distances_are_drawn(last):
    figure = figures.seeds_figure([trace([0, 5, 9], [1.0, 0.5, last])], "method")
    figure.canvas.draw()
    low, high = figure.axes[0].get_ylim()
    assert 0 < low < high < np.inf


def test_a_run_without_events_is_drawn():
    figures.seeds_figure([trace([0], [1.0])], "method").canvas.draw()


def test_theory_is_drawn_with_its_slope():
    curves = [
        figures.Curve("a", figures.ORANGE, [trace([0, 100], [1.0, 0.1])], {"n_communications": 0.01}),
        figures.Curve("b", figures.BLUE, [trace([0, 100], [1.0, 0.01])], {"n_communications": 0.02}),
    ]
    ax = figures.Figure().subplots()
    figures.draw_curves(ax, curves, "n_communications", target=1e-3)
    theory = {line.get_color(): line for line in ax.lines if line.get_label() not in ("a", "b")}
    for color, rate in ((figures.ORANGE, 0.01), (figures.BLUE, 0.02)):
        x, y = theory[color].get_data()
        np.testing.assert_allclose(y, np.exp(-rate * np.asarray(x)))
    assert figures.GREY in theory  # the target
    same = figures.Curve("b", figures.BLUE, curves[1].traces, {"n_communications": 0.01})
    ax = figures.Figure().subplots()
    figures.draw_curves(ax, [curves[0], same], "n_communications")
    assert [line.get_color() for line in ax.lines][2:] == [figures.GREY]  # one line for both


def test_small_networks_are_drawn_with_the_names_of_their_nodes():
    abilene = graphs.gossip_rates(graphs.topology("topozoo/Abilene"), "uniform")
    written = [text.get_text() for text in figures.network_figure(abilene).axes[0].texts]
    assert sorted(written) == sorted(abilene.graph.labels)
    for large in ("topozoo/BtNorthAmerica", "topozoo/Geant2012"):
        found = graphs.gossip_rates(graphs.topology(large), "uniform")
        assert not figures.network_figure(found).axes[0].texts


def test_the_state_of_pyplot_is_left_alone():
    import matplotlib
    from matplotlib import pyplot

    before, open_figures = dict(matplotlib.rcParams), pyplot.get_fignums()
    figures.seeds_figure([trace([0, 1], [1.0, 0.5])], "method")
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == open_figures


@pytest.mark.parametrize("name", ["topozoo/Abilene", "six places at one point"])
def test_names_do_not_overlap(name):
    if "/" in name:
        graph = graphs.topology(name)
    else:
        labels = [f"a name that is long {i}" for i in range(6)]
        places = np.arange(12.0).reshape(6, 2) * 1e-3
        places[0] = 1.0
        edges = [(0, i) for i in range(1, 6)]
        graph = graphs.Graph.from_edges(6, edges, positions=places, labels=labels)
    figure = figures.network_figure(graphs.gossip_rates(graph, "uniform"))
    figure.draw_without_rendering()
    title = figure._suptitle.get_window_extent()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_visible()]
    assert [box.count_overlaps([title, *boxes]) for box in boxes] == [1] * len(boxes)  # each with itself
    assert len(boxes) == graph.n_nodes if "/" in name else 2 <= len(boxes) < 6
