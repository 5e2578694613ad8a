"""Real networks of topohub."""

import importlib.resources

import numpy as np
import pytest

from gossamer import graphs
from gossamer.graphs import networks

pytest.importorskip("topohub")


def test_abilene():
    g = graphs.topology("topozoo/Abilene")
    assert (g.n_nodes, g.n_edges, g.name) == (11, 14, "topozoo/Abilene")
    assert g.is_connected
    assert g.labels[:2] == ("New York", "Chicago")
    assert g.positions[0].tolist() == [-74.01, 40.71]
    assert g.edges[0].tolist() == [0, 1]
    assert g.lengths[0] == 1146.16


def test_lengths_are_kilometres_between_positions():
    g = graphs.topology("sndlib/germany50")
    longitude, latitude = np.radians(g.positions[g.edges]).transpose(2, 1, 0)
    h = np.sin(np.diff(latitude, axis=0) / 2) ** 2
    h = h + np.cos(latitude).prod(axis=0) * np.sin(np.diff(longitude, axis=0) / 2) ** 2
    np.testing.assert_allclose(2 * 6371 * np.arcsin(np.sqrt(h[0])), g.lengths, rtol=0.01, atol=0.5)


def test_names():
    everything = graphs.topology_names()
    assert list(everything) == sorted(everything)
    collections = {name.split("/")[0] for name in everything}
    assert collections >= {"topozoo", "sndlib", "backbone", "caida", "gabriel"}
    assert graphs.topology_names("sndlib/") == tuple(n for n in everything if n.startswith("sndlib/"))
    assert graphs.topology_names("nothing") == ()


@pytest.mark.parametrize("collection", ["topozoo/", "sndlib/", "backbone/", "caida/", "gabriel/2"])
def test_every_collection_loads(collection):
    for name in graphs.topology_names(collection)[::9]:
        g = graphs.topology(name)
        assert g.n_edges >= g.n_nodes - g.n_components
        assert g.name == name
        assert len(g.labels) == g.n_nodes


def test_unknown_names():
    with pytest.raises(
        ValueError,
        match=r"'topozoo/abilene' \(did you mean topozoo/Abilene.*\?\); topology_names\(\) lists all",
    ):
        graphs.topology("topozoo/abilene")
    with pytest.raises(ValueError, match="topozoo/Abilene"):
        graphs.topology("Abilen")
    with pytest.raises(ValueError, match="topology_names"):
        graphs.topology("../../etc/passwd")
    with pytest.raises(TypeError, match="name"):
        graphs.topology(3)


def test_missing_package(monkeypatch):
    def files(package):
        raise ModuleNotFoundError(package)

    networks.topology_names.cache_clear()
    monkeypatch.setattr(importlib.resources, "files", files)
    with pytest.raises(ImportError, match=r"gossamer\[data\]"):
        graphs.topology("topozoo/Abilene")
