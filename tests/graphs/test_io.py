"""Files: exact round trips and errors that name the line."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gossamer import graphs
from gossamer.graphs import Graph

# what XML can hold: no control characters but tab and newline
XML = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], include_characters="\t\n\x85")
TEXT = st.text(XML.filter(lambda c: c not in "\ufffe\uffff"), max_size=8)


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
    labels = data.draw(st.lists(TEXT, min_size=n, max_size=n))
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
    with pytest.raises(TypeError, match=r"d\.graphml: graph is directed"):
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
        ("0 1\n0 -1\n", "line 2"),
        ("# n_nodes: 2\n0 1\n0 5\n", "line 3: node 5 is out of range"),
        ("0 1 nan\n", "line 1"),
        ("0 1 -2.0\n", "line 1"),
        ("# n_nodes: 0\n", "n_nodes must be"),
        ("0 99999999999\n", "n_nodes must be"),
        ("0 1\n1 2 \ud8e9\n", "line 2: not UTF-8"),
    ],
)
def test_malformed_edge_lists(tmp_path, text, match):
    file = tmp_path / "bad.edges"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=match) as caught:
        graphs.read_graph(file)
    assert str(file) in str(caught.value)


GRAPHML = """<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key attr.name="{x}" attr.type="{kind}" for="node" id="d0"/>
<key attr.name="{y}" attr.type="double" for="node" id="d1"/>
<key attr.name="length" attr.type="{kind}" for="edge" id="d2"/>
<graph edgedefault="undirected">
<node id="a"><data key="d0">{value}</data><data key="d1">47.5</data></node>
<node id="b"><data key="d0">3</data><data key="d1">4</data></node>
<node id="c">{third}</node>
<edge source="a" target="b"><data key="d2">{length}</data></edge>
<edge source="b" target="c">{second}</edge>
</graph></graphml>
"""
WHOLE = {
    "x": "Longitude",
    "y": "Latitude",
    "kind": "double",
    "value": "8.5",
    "third": '<data key="d0">5</data><data key="d1">6</data>',
    "length": "7",
    "second": '<data key="d2">9</data>',
}


def test_incomplete_attributes_are_ignored(tmp_path):
    file = tmp_path / "zoo.graphml"
    file.write_text(GRAPHML.format(**WHOLE))
    whole = graphs.read_graph(file)
    assert whole.positions.tolist() == [[8.5, 47.5], [3, 4], [5, 6]]
    assert whole.lengths.tolist() == [7, 9]
    file.write_text(GRAPHML.format(**WHOLE | {"third": '<data key="d0">5</data>'}))
    with pytest.warns(UserWarning, match="'pos' is ignored: it is missing on 1 of 3 nodes of zoo") as caught:
        g = graphs.read_graph(file)
    assert caught[0].filename == __file__  # the reader's line, not one inside the package
    assert g == Graph.from_edges(3, [(0, 1), (1, 2)], lengths=[7, 9], labels=["a", "b", "c"])
    file.write_text(GRAPHML.format(**WHOLE | {"second": ""}))
    with pytest.warns(UserWarning, match="'length' is ignored: it is missing on 1 of 2 edges of zoo"):
        g = graphs.read_graph(file)
    assert g.lengths is None
    np.testing.assert_array_equal(g.positions, whole.positions)
    # numbers that are declared as text are numbers
    file.write_text(GRAPHML.format(**WHOLE | {"kind": "string"}))
    assert graphs.read_graph(file) == whole


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"kind": "vector"}, "'vector'"),
        ({"value": "east"}, "east"),
        ({"kind": "string", "value": "8 E"}, "node 'a': Longitude must be a number, got '8 E'"),
        ({"kind": "string", "length": "far"}, "edge 'a' to 'b': length must be a number, got 'far'"),
        ({"value": "nan"}, "positions must be finite"),
        ({"length": "-1"}, "lengths must be at least 0"),
        ({"third": '<data key="d7">1</data>'}, "d7"),
        ({"third": "</graph>"}, "line 9"),
    ],
)
def test_malformed_graphml(tmp_path, change, match):
    file = tmp_path / "bad.graphml"
    file.write_text(GRAPHML.format(**WHOLE | change))
    with pytest.raises(ValueError, match=match) as caught:
        graphs.read_graph(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("text", ["\0", "a\x1b[0m", "one\rtwo", "\ud800", "\uffff"])
def test_text_that_xml_cannot_hold(tmp_path, text):
    file = tmp_path / "g.graphml"
    with pytest.raises(ValueError, match=r"g\.graphml: labels\[1\] is .*remove"):
        graphs.write_graph(Graph.from_edges(2, [(0, 1)], labels=["fine", text]), file)
    with pytest.raises(ValueError, match=r"g\.graphml: the name is .*remove"):
        graphs.write_graph(Graph.from_edges(2, [(0, 1)], name=text), file)
    assert not file.exists()


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


def test_attributes_of_other_programs(tmp_path):
    other = nx.Graph()
    other.add_node("n0", name="Bern", pos="(0.0, 1.0)")
    other.add_node("n1", name="Chur", pos="(2.0, 3.0)")
    other.add_edge("n0", "n1")
    file = tmp_path / "rail.graphml"
    nx.write_graphml(other, file)
    with pytest.warns(UserWarning, match="'pos' is ignored: it is no pair on 2 of 2 nodes of rail") as caught:
        g = graphs.read_graph(file)
    assert caught[0].filename == __file__
    assert g == Graph.from_edges(2, [(0, 1)], labels=["Bern", "Chur"])
