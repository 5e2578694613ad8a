"""Construction, validation, conversion and identity of Graph."""

import copy
import pickle

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer.graphs import Graph, cycle, path


def test_canonical_order_and_types():
    given_edges = [(3, 1), (0, 2), (1, 0)]
    g = Graph.from_edges(4, given_edges, lengths=[3.0, 2.0, 1.0])
    assert g.edges.tolist() == [[0, 1], [0, 2], [1, 3]]
    assert g.lengths.tolist() == [1.0, 2.0, 3.0]
    assert g.edges.dtype == np.int32
    assert g.edges.flags.c_contiguous
    assert g.degrees.tolist() == [2, 2, 1, 1]
    assert (g.n_nodes, g.n_edges) == (4, 3)
    assert given_edges == [(3, 1), (0, 2), (1, 0)]


def test_arrays_are_read_only_copies():
    edges = np.array([[0, 1], [1, 2]])
    positions = np.zeros((3, 2))
    g = Graph.from_edges(3, edges, positions=positions, lengths=[1, 2])
    edges[0, 1] = 2
    positions[0] = 7.0
    assert g.edges.tolist() == [[0, 1], [1, 2]]
    assert g.positions[0, 0] == 0.0
    for array in (g.edges, g.positions, g.lengths, g.degrees):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError):
        g.n_nodes = 5


def test_loops_and_parallel_edges():
    with pytest.warns(UserWarning, match="1 self-loop"):
        g = Graph.from_edges(3, [(1, 1), (2, 0), (0, 2), (0, 1)], lengths=[9, 5, 4, 1])
    assert g.edges.tolist() == [[0, 1], [0, 2]]
    assert g.lengths.tolist() == [1.0, 4.0]


@pytest.mark.parametrize("edges", [[], (), np.empty((0, 2), dtype=int), np.zeros(0)])
def test_single_node(edges):
    g = Graph.from_edges(1, edges)
    assert g.n_edges == 0
    assert g.edges.shape == (0, 2)
    assert g.is_connected
    assert g.adjacency.shape == (1, 1)
    assert g.degrees.tolist() == [0]
    assert Graph.from_networkx(g.to_networkx()) == g


@pytest.mark.parametrize(
    ("n", "edges", "error", "match"),
    [
        (3, [(0, 3)], ValueError, r"edges\[0\] = \[0, 3\] is out of range"),
        (3, [(0, 1), (-1, 2)], ValueError, r"edges\[1\]"),
        (3, [(0, 1.5)], TypeError, "integer"),
        (3, [(0, 1, 2)], ValueError, r"\(1, 3\)"),
        (3, [0, 1], ValueError, "shape"),
        (3, [(0, 1), (2,)], ValueError, "pairs"),
        (3, 5, ValueError, "pairs"),
        (0, [], ValueError, "n_nodes"),
        (2.0, [], TypeError, "n_nodes"),
        (True, [], TypeError, "n_nodes"),
        ("3", [], TypeError, "n_nodes"),
    ],
)
def test_bad_edges(n, edges, error, match):
    with pytest.raises(error, match=match):
        Graph.from_edges(n, edges)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"lengths": [1.0]}, ValueError, "lengths must have shape"),
        ({"lengths": [1.0, np.nan]}, ValueError, r"lengths must be finite, but lengths\[1\] is nan"),
        ({"lengths": [1.0, -1.0]}, ValueError, "lengths must be at least 0"),
        ({"lengths": ["a", "b"]}, TypeError, "lengths must be an array of real numbers"),
        ({"lengths": [1j, 1.0]}, TypeError, "lengths must be an array of real numbers"),
        ({"positions": np.zeros((2, 2))}, ValueError, "positions must have shape"),
        (
            {"positions": np.full((3, 2), np.inf)},
            ValueError,
            r"positions must be finite, but positions\[0, 0\]",
        ),
        ({"positions": np.ones((3, 2)) * 1j}, TypeError, "positions must be an array of real numbers"),
        ({"labels": ["a", "b"]}, ValueError, "labels"),
        ({"labels": [1, 2, 3]}, TypeError, "labels"),
        ({"labels": iter("ab")}, ValueError, "labels"),
        ({"labels": "abc"}, TypeError, "labels"),
    ],
)
def test_bad_attributes(arguments, error, match):
    with pytest.raises(error, match=match):
        Graph.from_edges(3, [(0, 1), (1, 2)], **arguments)


@pytest.mark.parametrize("edges", [[[1, 0]], [[0, 2], [0, 1]], [[0, 1], [0, 1]], [[1, 1]]])
def test_constructor_wants_canonical_edges(edges):
    with pytest.raises(ValueError, match="from_edges"):
        Graph(3, np.array(edges))


def test_connectivity_and_components():
    g = Graph.from_edges(6, [(0, 1), (2, 3), (3, 4)], labels=list("abcdef"), lengths=[1, 2, 3])
    assert not g.is_connected
    assert g.n_components == 3
    with pytest.raises(ValueError, match=r"mixing needs a connected graph.*3 components.*largest_component"):
        g.require_connected("mixing")
    big = g.largest_component()
    assert big == Graph.from_edges(3, [(0, 1), (1, 2)], labels=list("cde"), lengths=[2, 3])
    assert big.largest_component() is big


def test_adjacency():
    g = cycle(5)
    A = g.adjacency
    np.testing.assert_array_equal(A.toarray(), nx.to_numpy_array(nx.cycle_graph(5)))
    A.data[:] = 7  # a copy: the graph is not affected
    assert g.adjacency.max() == 1.0


def test_equality_hash_repr_pickle():
    g = Graph.from_edges(3, [(0, 1), (1, 2)], lengths=[1, 2], labels=list("abc"), name="x")
    same = Graph.from_edges(3, [(2, 1), (1, 0)], lengths=[2, 1], labels=list("abc"), name="y")
    assert g == same
    assert hash(g) == hash(same)
    assert g != path(3)
    assert g != Graph.from_edges(3, [(0, 1), (1, 2)], lengths=[1, 3], labels=list("abc"))
    assert g != "graph"
    assert repr(g) == "Graph('x', n_nodes=3, n_edges=2)"
    assert repr(Graph.from_edges(1, [])) == "Graph(n_nodes=1, n_edges=0)"
    for copied in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g)):
        assert copied == g
        assert copied.name == "x"
        assert not copied.edges.flags.writeable


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=40)
        )
    ),
    st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_agrees_with_networkx(case, seed):
    n, edges = case
    edges = [e for e in edges if e[0] != e[1]]
    G = nx.Graph()
    G.add_nodes_from(range(n))
    G.add_edges_from(edges)
    g = Graph.from_edges(n, edges)
    assert {tuple(e) for e in g.edges.tolist()} == {tuple(sorted(e)) for e in G.edges}
    assert g.is_connected == nx.is_connected(G)
    assert g.n_components == nx.number_connected_components(G)
    assert g.degrees.tolist() == [d for _, d in sorted(G.degree)]
    assert Graph.from_networkx(G) == g
    rng = np.random.default_rng(seed)
    full = Graph.from_edges(
        n,
        g.edges,
        lengths=rng.random(g.n_edges) if g.n_edges else None,
        positions=rng.standard_normal((n, 2)),
        labels=[f"node {i}" for i in range(n)],
        name="full",
    )
    back = Graph.from_networkx(full.to_networkx())
    assert back == full
    assert back.name == "full"


def test_from_networkx_numbers_and_names():
    G = nx.Graph([(0, 2), (1, 2)])  # networkx order 0, 2, 1: the numbers must be kept
    assert Graph.from_networkx(G).edges.tolist() == [[0, 2], [1, 2]]
    named = Graph.from_networkx(nx.Graph([("paris", "rome"), ("rome", "oslo")]))
    assert named.labels == ("paris", "rome", "oslo")
    assert named.edges.tolist() == [[0, 1], [1, 2]]
    multi = nx.MultiGraph()
    multi.add_edge(0, 1, km=3.0)
    multi.add_edge(1, 0, km=2.0)
    assert Graph.from_networkx(multi, length="km").lengths.tolist() == [2.0]


def test_from_networkx_errors():
    with pytest.raises(TypeError, match="to_undirected"):
        Graph.from_networkx(nx.DiGraph([(0, 1)]))
    with pytest.raises(TypeError, match="networkx"):
        Graph.from_networkx([(0, 1)])
    with pytest.raises(ValueError, match="no node"):
        Graph.from_networkx(nx.Graph())


def test_from_networkx_ignores_incomplete_attributes():
    G = nx.path_graph(3)
    G.edges[0, 1]["length"] = 1.0
    with pytest.warns(UserWarning, match="'length' is ignored: it is missing on 1 of 2 edges") as caught:
        assert Graph.from_networkx(G) == path_without_positions(3)
    assert caught[0].filename == __file__
    G = nx.path_graph(3)
    nx.set_node_attributes(G, {0: (0.0, 1.0), 2: (1.0, 1.0)}, "pos")
    with pytest.warns(UserWarning, match="'pos' is ignored: it is missing on 1 of 3 nodes"):
        assert Graph.from_networkx(G) == path_without_positions(3)


def path_without_positions(n):
    return Graph.from_edges(n, path(n).edges)


def test_missing_labels():
    G = nx.path_graph(3)
    G.nodes[1]["label"] = "middle"
    assert Graph.from_networkx(G).labels == ("", "middle", "")
    named = nx.Graph([("a", "b")])
    named.nodes["a"]["label"] = "first"
    assert Graph.from_networkx(named).labels == ("first", "b")


def test_warnings_point_at_the_caller():
    loop = nx.Graph([(0, 0), (0, 1)])
    for make in (lambda: Graph.from_networkx(loop), lambda: Graph.from_edges(2, [(0, 0), (0, 1)])):
        with pytest.warns(UserWarning, match="1 self-loop") as caught:
            make()
        assert [w.filename for w in caught] == [__file__]


def test_parallel_edges_are_merged_or_refused():
    edges = [(0, 1), (2, 1), (1, 0)]
    assert Graph.from_edges(3, edges, lengths=[3.0, 2.0, 1.0]).lengths.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match=r"the edge \[1, 0\] is given more than once; parallel='merge'"):
        Graph.from_edges(3, edges, parallel="refuse")
    assert Graph.from_edges(3, edges[:2], parallel="refuse").n_edges == 2
    with pytest.raises(ValueError, match="parallel must be 'merge' or 'refuse', got 'sum'"):
        Graph.from_edges(3, edges, parallel="sum")
    with pytest.raises(ValueError, match="given more than once"):
        Graph.from_networkx(nx.MultiGraph(edges), parallel="refuse")


def test_positions_of_networkx():
    G = nx.path_graph(2)
    nx.set_node_attributes(G, {0: {"x": 1, "y": "2.5"}, 1: {"x": 3.0, "y": 4}})
    assert Graph.from_networkx(G).positions.tolist() == [[1.0, 2.5], [3.0, 4.0]]
    nx.set_node_attributes(G, {0: (5.0, 6.0), 1: (7.0, 8.0)}, "pos")
    assert Graph.from_networkx(G).positions.tolist() == [[5.0, 6.0], [7.0, 8.0]]
    features = nx.path_graph(2)  # something else of these names
    nx.set_node_attributes(features, {v: {"x": [1.0, 2.0], "y": 1} for v in features})
    assert Graph.from_networkx(features).positions is None
