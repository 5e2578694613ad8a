"""Drawing: what is on the axes, and the errors."""

import sys

import numpy as np
import pytest

from gossamer import graphs

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_edges_widths_and_colour_bar():
    g = graphs.barbell(4)
    rates = np.ones(g.n_edges)
    rates[0], rates[5] = 0.0, 3.0
    ax = graphs.draw(g, rates, title="barbell", label="messages")
    silent, active, nodes = ax.collections
    assert len(silent.get_segments()) == 1
    assert len(active.get_segments()) == g.n_edges - 1
    np.testing.assert_allclose(active.get_segments()[-1], g.positions[g.edges[5]])  # the busiest on top
    assert active.get_linewidths()[-1] == max(active.get_linewidths())
    assert len(nodes.get_offsets()) == g.n_nodes
    assert ax.get_title() == "barbell"
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "messages"
    assert bar.get_ylim() == (0.0, 3.0)
    ax.figure.canvas.draw()


def test_without_rates_and_positions():
    g = graphs.erdos_renyi(8, rng=0)
    fig, ax = plt.subplots()
    assert graphs.draw(g, ax=ax, node_labels=True) is ax
    assert len(fig.axes) == 1
    assert [t.get_text() for t in ax.texts] == [str(i) for i in range(8)]
    apart = graphs.Graph.from_edges(5, [(0, 1)])
    graphs.draw(apart).figure.canvas.draw()
    graphs.draw(graphs.path(1)).figure.canvas.draw()


def test_aspect_of_maps():
    pytest.importorskip("topohub")
    g = graphs.topology("topozoo/Abilene")
    ax = graphs.draw(g, np.ones(g.n_edges), node_labels=True, colorbar=False)
    assert ax.get_aspect() == pytest.approx(1 / np.cos(np.radians(g.positions[:, 1].mean())))
    assert [t.get_text() for t in ax.texts] == list(g.labels)
    assert graphs.draw(graphs.random_geometric(20, rng=0)).get_aspect() == 1.0


def test_all_rates_zero_and_scale():
    g = graphs.cycle(5)
    graphs.draw(g, np.zeros(5)).figure.canvas.draw()
    ax = graphs.draw(g, np.ones(5), vmax=10.0)
    assert ax.figure.axes[1].get_ylim() == (0.0, 10.0)


def test_errors(monkeypatch):
    with pytest.raises(ValueError, match="rates"):
        graphs.draw(graphs.cycle(5), [1.0])
    with pytest.raises(ValueError, match="vmax"):
        graphs.draw(graphs.cycle(5), np.ones(5), vmax=np.nan)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"gossamer\[plot\]"):
        graphs.draw(graphs.cycle(5))
