"""Files: exact round trips and errors that name the line."""

import os
import warnings

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


@pytest.mark.parametrize(
    ("name", "text", "edges", "lengths"),
    [
        ("a.csv", "source,target\n0,3\n1,2\n", [(0, 3), (1, 2)], None),
        ("a.csv", ",source,target\n0,3,7\n1,2,5\n", [(3, 7), (2, 5)], None),
        ("a.csv", "id,source,target\n10,3,7\n", [(3, 7)], None),
        ("a.csv", '"","Target","SOURCE"\n"1",0,3\n', [(3, 0)], None),
        ("a.csv", "length,source,target\n2.5,0,1\n", [(0, 1)], [2.5]),
        ("a.csv", "source,length,target\n0,5,1\n", [(0, 1)], [5]),
        ("a.csv", "u,v,km\n0,1,7\n", [(0, 1)], [7]),
        ("a.csv", "a,b\n0,1\n", [(0, 1)], None),
        ("a.csv", "a,b,distance\n0,1,2\n", [(0, 1)], [2]),
        ("a.csv", "source,target,2020\n0,1,2\n", [(0, 1)], None),
        ("a.txt", "dist to from\n4 0 1\n", [(0, 1)], [4]),
        ("a.txt", "# a path\r\n0 1 5.0\r\n1 2 3.0\r\n", [(0, 1), (1, 2)], [5, 3]),
        ("a.csv", "\ufeffsource,target\r0,1\r", [(0, 1)], None),
    ],
)
def test_columns_of_edge_lists(tmp_path, name, text, edges, lengths):
    (tmp_path / name).write_bytes(text.encode())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="columns of a are ignored: '2020'")
        found = graphs.read_graph(tmp_path / name)
    assert found == Graph.from_edges(1 + max(map(max, edges)), edges, lengths=lengths)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "weight,source,target\n2,0,1\n", "line 1: the edges have weights.*'ignore'"),
        ("a.csv", "0,3,7\n1,2,5\n2,0,4\n", "line 1: the first column counts the lines: is it an index"),
        ("a.csv", "1,3,7\n2,2,5\n3,0,4\n", "line 1: the first column counts the lines: is it an index"),
        ("a.csv", "source;target\n0;1\n", "line 1: what separates columns is ';': it must be commas"),
        ("a.csv", "0\t1\n1\t2\n", "line 1: what separates columns is"),
        ("a.txt", "0,1\n1,2\n", "line 1: what separates columns is ','"),
        ("a.csv", "layer,a,b\n9,0,1\n", "line 1: name the columns, as in source target length"),
        ("a.csv", "layer,source,length\n9,0,1\n", "line 1: name the columns"),
        ("a.csv", "9,0,1,2\n", "line 1: expected two nodes and optionally a length"),
        ("a.csv", "source,target,source\n0,1,2\n", "line 1: two columns are called 'source' or 'target'"),
        ("a.csv", "source,target,length,km\n0,1,2,3\n", "line 1: two columns could be the lengths"),
        ("a.csv", "source,target\n0;1\n", "line 2: expected two node indices.*'0;1'"),
        ("a.csv", 'source,target\n0,"1\n', "line 2: "),
        ("a.csv", "source,target\n0,1_0\n", "line 2: expected two node indices"),
        ("a.csv", "source,target,length\n0,1\n", "line 2: expected two node indices"),
        ("a.csv", "source,target,length\n0,1,\n", "line 2: expected two node indices"),
        ("a.txt", "# n_nodes: 5\n# n_nodes: 6\n0 1\n", "line 2: n_nodes = 6, but it was 5 before"),
    ],
)  # fmt: skip
def test_edge_lists_that_could_be_misread(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        graphs.read_graph(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_weights(tmp_path):
    (tmp_path / "a.csv").write_text("weight,source,target\n2,0,1\n3,1,0\n0.5,1,2\n")
    ignored = graphs.read_graph(tmp_path / "a.csv", weights="ignore")
    assert ignored == Graph.from_edges(3, [(0, 1), (1, 2)])
    summed = graphs.read_graph(tmp_path / "a.csv", weights="lengths")
    assert summed == Graph.from_edges(3, [(0, 1), (1, 2)], lengths=[5.0, 0.5])
    (tmp_path / "b.csv").write_text("length,source,target\n2,0,1\n3,1,0\n")
    assert graphs.read_graph(tmp_path / "b.csv").lengths.tolist() == [2.0]  # the shortest
    for name in ("a.csv", "b.csv"):
        with pytest.raises(ValueError, match=r"the edge \[1, 0\] is given more than once; parallel='merge'"):
            graphs.read_graph(tmp_path / name, weights="lengths", parallel="refuse")
    (tmp_path / "c.csv").write_text("length,source,target,weight\n2,0,1,7\n")
    with pytest.raises(ValueError, match="line 1: the edges have lengths and weights"):
        graphs.read_graph(tmp_path / "c.csv", weights="lengths")
    assert graphs.read_graph(tmp_path / "c.csv", weights="ignore").lengths.tolist() == [2.0]
    (tmp_path / "d.csv").write_text("layer,source,target\n9,0,1\n")
    with pytest.warns(UserWarning, match="columns of d are ignored: 'layer'"):
        graphs.read_graph(tmp_path / "d.csv")
    G = nx.MultiGraph([(0, 1, {"weight": 2}), (0, 1, {"weight": 3}), (1, 2, {"weight": 1})])
    nx.write_graphml(G, tmp_path / "w.graphml")
    with pytest.raises(ValueError, match="the edges have weights"):
        graphs.read_graph(tmp_path / "w.graphml")
    assert graphs.read_graph(tmp_path / "w.graphml", weights="lengths").lengths.tolist() == [5.0, 1.0]
    for options in ({"weights": "sum"}, {"directed": True}, {"parallel": "keep"}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} must be one of"):
            graphs.read_graph(tmp_path / "w.graphml", **options)


def test_only_files_are_read(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        graphs.read_graph(tmp_path / "a.csv")
    os.mkfifo(tmp_path / "a.edges")
    with pytest.raises(ValueError, match="is a pipe"):
        graphs.read_graph(tmp_path / "a.edges")
    with open(tmp_path / "a.graphml", "wb") as file:
        file.truncate(2**28 + 1)  # of holes
    with pytest.raises(ValueError, match="268,435,457 bytes or more"):
        graphs.read_graph(tmp_path / "a.graphml")


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


DEFAULTS = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="d0" for="edge" attr.name="length" attr.type="double"><default>10.0</default></key>
<key id="d1" for="node" attr.name="label" attr.type="string"><default>switch</default></key>
<key id="d2" for="all" attr.name="x" attr.type="double"><default>0</default></key>
<key id="d3" for="node" attr.name="y" attr.type="double"><default>0</default></key>
<graph edgedefault="undirected">
<node id="a"><data key="d1">core</data><data key="d2">1</data><data key="d3">2</data></node>
<node id="b"/><node id="c"/>
<edge id="e" source="a" target="b"/><edge source="b" target="c"><data key="d0">3</data></edge>
<edge source="a" target="c"/></graph></graphml>"""


def test_defaults_of_graphml(tmp_path):
    file = tmp_path / "g.graphml"
    for text, lengths in (
        (DEFAULTS, [10, 10, 3]),
        (DEFAULTS.replace('<data key="d0">3</data>', ""), [10] * 3),
    ):
        file.write_text(text)
        g = graphs.read_graph(file)
        assert g.lengths.tolist() == lengths
        assert g.labels == ("core", "switch", "switch")
        assert g.positions.tolist() == [[1, 2], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</graph></graphml>", "</graph><graph/></graphml>", ": it is not a GraphML file of one graph"),
        ('<node id="b"/>', '<node id="b"><graph><node id="d"/></graph></node>', ": it has a graph in a node"),
        ('<node id="b"/>', '<hyperedge/><node id="b"/>', ": it has a hyperedge, which is not read"),
        ('<node id="b"/>', '<locator/><node id="b"/>', ": it has a locator"),
        ('<node id="b"/>', '<node id="a"/>', ", node 'a' is there twice"),
        ('<node id="b"/>', "<node/>", ", node 1 of the file has no id"),
        ('target="c"/>', 'target="d"/>', ", edge 'a' to 'd' ends at 'd', which is no node"),
        (' target="b"/>', "/>", ", edge 'a' to None needs a source and a target"),
        ('<data key="d0">3', '<data key="d1">3', ", edge 'b' to 'c' has data of the key 'd1', which is"),
        ('<data key="d0">3', '<data key="d9">3', ", edge 'b' to 'c' has data of the key 'd9', which is"),
        ('<data key="d2">1', '<data key="d3">1', ", node 'a' has two values of 'y'"),
        ('id="d1"', 'id="d0"', ": it is not a GraphML file: two keys, or none, with id 'd0'"),
        ("undirected", "both", ": it is not a GraphML file: edgedefault is 'both'"),
        (">3<", ">3_0<", ", edge 'b' to 'c': length must be a number, got '3_0'"),
        ("<graphml", "<!DOCTYPE a [<!ENTITY b 'c'>]><graphml", ": it is .* defines entities"),
        ("graphml", "gexf", ": it is not a GraphML file: its root is 'gexf'"),
        ('<node id="a">', '<node id="a">&b;', ": it is not a GraphML file: undefined entity"),
    ],
)  # fmt: skip
def test_what_of_graphml_would_be_lost_is_refused(tmp_path, old, new, message):
    assert old in DEFAULTS
    file = tmp_path / "bad.graphml"
    file.write_text(DEFAULTS.replace(old, new))
    with pytest.raises(ValueError, match=message) as caught:
        graphs.read_graph(file)
    assert str(caught.value).startswith(str(file))


@pytest.mark.parametrize("code", ["utf-16", "utf-16-le", "utf-16-be"])
def test_entities_in_other_encodings(tmp_path, code):
    file = tmp_path / "bad.graphml"
    file.write_bytes(
        f"<?xml version='1.0' encoding='utf-16'?><!DOCTYPE a [<!ENTITY b 'c'>]>{DEFAULTS}".encode(code)
    )
    with pytest.raises(ValueError, match="it defines entities"):
        graphs.read_graph(file)


YED = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://www.yworks.com/xml/graphml">
<key for="node" id="d6" yfiles.type="nodegraphics"/><key for="graphml" id="d7" yfiles.type="resources"/>
<key for="edge" id="d9" yfiles.type="edgegraphics"/>
<graph edgedefault="DIRECTION" id="G">
<node id="n0"><data key="d6"><y:ShapeNode><y:Geometry height="30" x="10.0" y="20.0"/>
<y:NodeLabel>r1</y:NodeLabel></y:ShapeNode></data></node>
<node id="n1"><data key="d6"><y:GenericNode><y:Geometry x="40.0" y="50.0"/><y:NodeLabel> r2
<y:LabelModel/></y:NodeLabel></y:GenericNode></data></node>
<edge id="e0" source="n0" target="n1"><data key="d9"><y:PolyLineEdge/></data></edge>
<edge id="e1" source="n1" target="n0"/></graph><data key="d7"><y:Resources/></data></graphml>"""


def test_graphml_of_yed(tmp_path):
    """It marks every graph as directed; its positions and labels are those of its figures."""
    right = Graph.from_edges(2, [(0, 1)], positions=[(10, 20), (40, 50)], labels=["r1", "r2"])
    (tmp_path / "u.graphml").write_text(YED.replace("DIRECTION", "undirected"))
    (tmp_path / "d.graphml").write_text(YED.replace("DIRECTION", "directed"))
    assert graphs.read_graph(tmp_path / "u.graphml") == right
    with pytest.raises(TypeError, match=r"graph is directed.*directed='ignore' takes its edges without"):
        graphs.read_graph(tmp_path / "d.graphml")
    assert graphs.read_graph(tmp_path / "d.graphml", directed="ignore") == right
    one = YED.replace("DIRECTION", "undirected").replace('<edge id="e0"', '<edge id="e0" directed="true"')
    (tmp_path / "e.graphml").write_text(one)
    with pytest.raises(TypeError, match="graph is directed"):
        graphs.read_graph(tmp_path / "e.graphml")
    assert graphs.read_graph(tmp_path / "e.graphml", directed="ignore") == right
    double = YED.replace("DIRECTION", "undirected").replace('id="e1"', 'id="e0"')  # two edges all the same
    (tmp_path / "i.graphml").write_text(double)
    assert graphs.read_graph(tmp_path / "i.graphml") == right
    with pytest.raises(ValueError, match="given more than once"):
        graphs.read_graph(tmp_path / "i.graphml", parallel="refuse")
    advised = nx.read_graphml(tmp_path / "d.graphml").to_undirected()  # positions are there as texts
    np.testing.assert_array_equal(Graph.from_networkx(advised).positions, right.positions)


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
