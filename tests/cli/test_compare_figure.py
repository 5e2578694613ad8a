import numpy as np
import pytest

from gossamer.cli import compare_figure
from gossamer.cli.compare_figure import Method
from gossamer.solvers import Trace


def trace(cost, distance):
    """A run in which all costs are the same column."""
    cost, distance = np.array(cost), np.array(distance, float)
    costs = dict.fromkeys(("time", "n_gradients", "n_communications", "bits", "wall_time"), cost)
    return Trace(dict.fromkeys(Trace().columns, distance) | costs | {"bits_down": np.zeros_like(cost)})


def drawn(methods, column="distance", **marks):
    figure = compare_figure.compare_figure(methods, column, **{"target": 1e-3, "bits": 50} | marks)
    figure.draw_without_rendering()
    return figure


def many(n):
    x = np.arange(0, 101, 10)
    return [Method(f"method {k}", [trace(x, np.exp(-0.01 * (k + 1) * x))]) for k in range(n)]


def test_spreads_interpolate_logarithms_between_records():
    rates, ends = (0.01, 0.02, 0.05), (300, 200, 250)
    traces = []
    for rate, end in zip(rates, ends, strict=True):
        x = np.unique(np.append(np.random.default_rng(end).integers(0, end, 20), [0, end]))
        traces.append(trace(x, 7.0 * np.exp(-rate * x)))
    grid, low, median, high = compare_figure.spread(traces, "bits", "distance")
    assert (grid[0], grid[-1]) == (0, 200)
    for run in traces:  # all records are there
        assert set(run["bits"][run["bits"] <= 200]) <= set(grid)
    np.testing.assert_allclose(high, 7 * np.exp(-0.01 * grid), rtol=1e-12)
    np.testing.assert_allclose(median, 7 * np.exp(-0.02 * grid), rtol=1e-12)
    np.testing.assert_allclose(low, 7 * np.exp(-0.05 * grid), rtol=1e-12)


def test_panels_show_the_values_against_each_cost():
    x, y = [0, 10, 40], [4.0, 1.0, 0.01]
    figure = drawn([Method("a", [trace(x, y)])], bits=20)
    assert [ax.get_xlabel().split()[0] for ax in figure.axes] == ["simulated", "bits", "gradients", "wall"]
    for ax in figure.axes:
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), x)
        np.testing.assert_allclose(ax.lines[0].get_ydata(), y, rtol=1e-12)
        assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    vertical = [line for line in figure.axes[1].lines if list(line.get_xdata()) == [20, 20]]
    assert len(vertical) == 1


def test_the_columns_are_those_asked_for():
    figure = drawn([Method("a", [trace([0, 1], [1.0, 0.5])])], "optimality")
    assert "nabla" in figure.axes[0].get_ylabel()


def test_costs_of_other_orders_are_seen_together():
    cheap = Method("cheap", [trace([0, 5, 10], [1.0, 0.1, 0.01])])
    dear = Method("dear", [trace([0, 500, 1000], [1.0, 0.1, 0.01])])
    for ax in drawn([cheap, dear]).axes:
        assert ax.get_xscale() == "log"
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), [5, 10])  # zero has no logarithm
    assert drawn([cheap]).axes[0].get_xscale() == "linear"


def test_bands_of_seeds_can_be_seen():
    runs = [trace([0, 10], [1.0, end]) for end in (1e-2, 1e-3, 1e-5)]
    for ax in drawn([Method("a", runs)]).axes:
        (band,) = ax.collections
        assert 0.1 <= band.get_alpha() <= 0.5
        heights = band.get_paths()[0].vertices[:, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [1e-5, 1.0])
        np.testing.assert_allclose(ax.lines[0].get_ydata(), [1.0, 1e-3])


def test_methods_differ_in_colour_and_in_grey():
    lines = drawn(many(14)).axes[0].lines[:14]
    styles = [(line.get_color(), str(line._unscaled_dash_pattern)) for line in lines]
    assert len(set(styles)) == 14
    assert len({dashes for _, dashes in styles[:6]}) == 6
    assert len({color for color, _ in styles[:7]}) == 7


def test_diverging_runs_leave_the_axis_and_extremes_are_drawn():
    good = Method("good", [trace([0, 5, 9], [1.0, 0.5, 1e-4])])
    for last in (1e300, np.inf, 0.0, 1e-320):
        figure = drawn([good, Method("bad", [trace([0, 5, 9], [1.0, 10.0, last])])])
        low, high = figure.axes[0].get_ylim()
        assert 1e-31 < low < 1e-4
        assert 10.0 < high <= 1e3
    drawn([Method("no event", [trace([0], [1.0])])])


@pytest.mark.parametrize("n", [1, 5, 14])
def test_the_legend_covers_nothing(n):
    methods = [Method(f"{method.label} with a compressor and more", method.traces) for method in many(n)]
    figure = drawn(methods)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()][:-1] == [method.label for method in methods]
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert not box.count_overlaps([ax.get_tightbbox() for ax in figure.axes])


def test_long_labels_are_folded():
    figure = drawn([Method("word " * 40, many(1)[0].traces)])
    box = figure.legends[0].get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1


def test_labels_are_text_as_they_are():
    x = many(1)[0].traces
    labels = ["_hidden", r"$\foo$", "5 $ and {", "a_b^c"]
    (legend,) = drawn([Method(label, x) for label in labels]).legends
    shown = [text.get_text().replace(r"\$", "$").strip() for text in legend.get_texts()]
    assert shown[:-1] == labels


def test_labels_of_the_axes_do_not_overlap():
    figure = drawn(many(3))
    for ax in figure.axes:
        boxes = [t.get_window_extent() for t in ax.get_xticklabels() if t.get_text()]
        left, right = ax.get_xlim()
        assert left < right
        boxes = [box for box in boxes if box.x1 > ax.bbox.x0 and box.x0 < ax.bbox.x1]
        assert [box.count_overlaps(boxes) for box in boxes] == [1] * len(boxes)
