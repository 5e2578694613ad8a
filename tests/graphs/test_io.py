"""Files: exact round trips and errors that name the line."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gossamer import graphs
from gossamer.graphs import Graph

TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=8)


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trips(tmp_path, data):
    n = data.draw(st.integers(1, 9))
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] != e[1])
    edges = data.draw(st.lists(pairs, max_size=12)) if n > 1 else []
    numbers = st.floats(0, 1e300, allow_nan=False)
    lengths = data.draw(st.lists(numbers, min_size=len(edges), max_size=len(edges))) if edges else None
    plain = Graph.from_edges(n, edges)
    weighted = Graph.from_edges(n, edges, lengths=lengths)
    labels = data.draw(st.lists(TEXT.filter(lambda s: s.strip() == s), min_size=n, max_size=n))
    positions = data.draw(st.lists(st.tuples(numbers, numbers), min_size=n, max_size=n))
    full = Graph.from_edges(n, edges, lengths=lengths, labels=labels, positions=positions, name="net")
    for graph, suffixes in (
        (plain, ("graphml", "edges", "txt", "csv")),
        (weighted, ("graphml", "edges", "txt", "csv")),
        (full, ("graphml",)),
    ):
        for suffix in suffixes:
            file = tmp_path / f"g.{suffix}"
            graphs.write_graph(graph, file)
            assert graphs.read_graph(file) == graph
    graphs.write_graph(full, str(tmp_path / "g.graphml"))
    assert graphs.read_graph(str(tmp_path / "g.graphml")).name == "net"


def test_foreign_edge_lists(tmp_path):
    file = tmp_path / "net.csv"
    file.write_text("# a comment\nfrom, to, km\n2, 0, 1.5\n\n1,2,3\n")
    g = graphs.read_graph(file)
    assert g == Graph.from_edges(3, [(0, 2), (1, 2)], lengths=[1.5, 3.0])
    assert g.name == "net"
    file = tmp_path / "net.TXT"
    file.write_text("0\t1\n1   4\n")
    assert graphs.read_graph(file) == Graph.from_edges(5, [(0, 1), (1, 4)])


def test_foreign_graphml(tmp_path):
    G = nx.Graph([("a", "b"), ("b", "c")])
    nx.set_node_attributes(G, {"a": 1.0, "b": 2.0, "c": 3.0}, "Longitude")
    nx.set_node_attributes(G, {"a": 4.0, "b": 5.0, "c": 6.0}, "Latitude")
    nx.write_graphml(G, tmp_path / "x.graphml")
    g = graphs.read_graph(tmp_path / "x.graphml")
    assert g.labels == ("a", "b", "c")
    np.testing.assert_array_equal(g.positions, [[1, 4], [2, 5], [3, 6]])
    nx.write_graphml(nx.DiGraph([(0, 1)]), tmp_path / "d.graphml")
    with pytest.raises(TypeError, match="directed"):
        graphs.read_graph(tmp_path / "d.graphml")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("0 1\n1 2 3.0\n", "line 2"),
        ("0 1\n1 x\n", "line 2"),
        ("0 1.5\n", "line 1"),
        ("0\n", "line 1"),
        ("0 1 2 3\n", "line 1"),
        ("# nothing\n", "no edge"),
        ("0 -1\n", "out of range"),
        ("# n_nodes: 2\n0 5\n", "out of range"),
        ("0 1 nan\n", "NaN"),
    ],
)
def test_malformed_edge_lists(tmp_path, text, match):
    file = tmp_path / "bad.edges"
    file.write_text(text)
    with pytest.raises(ValueError, match=match):
        graphs.read_graph(file)


def test_bad_paths(tmp_path):
    with pytest.raises(ValueError, match=r"\.graphml, \.edges"):
        graphs.write_graph(graphs.path(2), tmp_path / "g.json")
    with pytest.raises(ValueError, match="must end in"):
        graphs.read_graph(tmp_path / "g")
    with pytest.raises(FileNotFoundError, match=r"g\.edges"):
        graphs.read_graph(tmp_path / "g.edges")
    (tmp_path / "broken.graphml").write_text("not xml")
    with pytest.raises(ValueError, match="not a GraphML file"):
        graphs.read_graph(tmp_path / "broken.graphml")
