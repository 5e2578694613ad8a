"""Counts, agreement with networkx, determinism and argument checks of the graph families."""

import networkx as nx
import numpy as np
import pytest

from gossamer import graphs
from gossamer.graphs import random_topologies

FAMILIES = [
    (graphs.complete(7), nx.complete_graph(7)),
    (graphs.cycle(9), nx.cycle_graph(9)),
    (graphs.path(6), nx.path_graph(6)),
    (graphs.star(8), nx.star_graph(7)),
    (graphs.grid_2d(4, 6), nx.grid_2d_graph(4, 6)),
    (graphs.torus_2d(3, 5), nx.grid_2d_graph(3, 5, periodic=True)),
    (graphs.hypercube(4), nx.hypercube_graph(4)),
    (graphs.barbell(5), nx.barbell_graph(5, 0)),
    (graphs.lollipop(5, 4), nx.lollipop_graph(5, 4)),
    (graphs.binary_tree(3), nx.balanced_tree(2, 3)),
]


@pytest.mark.parametrize(("graph", "expected"), FAMILIES, ids=lambda v: getattr(v, "name", None))
def test_same_as_networkx(graph, expected):
    assert graph.n_nodes == expected.number_of_nodes()
    assert graph.n_edges == expected.number_of_edges()
    assert nx.is_isomorphic(graph.to_networkx(), expected)
    assert len(np.unique(graph.positions.round(9), axis=0)) == graph.n_nodes


def test_node_numbers():
    assert graphs.star(4).edges.tolist() == [[0, 1], [0, 2], [0, 3]]
    assert graphs.grid_2d(2, 3).edges.tolist() == [[0, 1], [0, 3], [1, 2], [1, 4], [2, 5], [3, 4], [4, 5]]
    assert [2, 3] in graphs.barbell(3).edges.tolist()
    assert graphs.binary_tree(2).edges.tolist() == [[0, 1], [0, 2], [1, 3], [1, 4], [2, 5], [2, 6]]
    assert all(bin(i ^ j).count("1") == 1 for i, j in graphs.hypercube(5).edges.tolist())


@pytest.mark.parametrize("n", [2, 3, 6, 16, 21])
def test_exponential(n):
    expected = {tuple(sorted((i, (i + 2**k) % n))) for i in range(n) for k in range(10) if 2**k < n}
    assert {tuple(e) for e in graphs.exponential(n).edges.tolist()} == expected
    assert graphs.exponential(n).is_connected


@pytest.mark.parametrize(
    "graph",
    [
        graphs.complete(1),
        graphs.path(1),
        graphs.star(1),
        graphs.grid_2d(1, 1),
        graphs.hypercube(0),
        graphs.binary_tree(0),
        graphs.exponential(1),
        graphs.random_regular(1, 0),
        graphs.random_geometric(1),
        graphs.erdos_renyi(1),
    ],
    ids=repr,
)
def test_one_node(graph):
    assert (graph.n_nodes, graph.n_edges) == (1, 0)


RANDOM = {
    "random_regular": lambda rng: graphs.random_regular(30, 3, rng),
    "random_geometric": lambda rng: graphs.random_geometric(60, rng=rng),
    "erdos_renyi": lambda rng: graphs.erdos_renyi(40, rng=rng),
    "barabasi_albert": lambda rng: graphs.barabasi_albert(40, 2, rng),
    "watts_strogatz": lambda rng: graphs.watts_strogatz(40, 4, 0.2, rng),
}


@pytest.mark.parametrize("draw", RANDOM.values(), ids=RANDOM.keys())
def test_random_families(draw):
    for seed in range(5):
        graph = draw(seed)
        assert graph.is_connected
        assert draw(seed) == graph
        assert draw(np.random.SeedSequence(seed)) == graph
        generators = np.random.default_rng(seed), np.random.default_rng(seed)
        assert draw(generators[0]) == draw(generators[1])
        assert draw(generators[0]) != draw(np.random.default_rng(seed))  # it advances
    assert draw(0) != draw(1)
    assert draw(None) != draw(None)
    assert draw(None).is_connected
    for rng in (True, [1, 2], np.random.RandomState(0), 1.0, "seed"):
        with pytest.raises(TypeError, match="rng must be None, an int, a SeedSequence or a Generator"):
            draw(rng)
    with pytest.raises(ValueError, match="rng must be a non-negative seed, got -1"):
        draw(-1)


def test_reproducible_by_default():
    assert graphs.random_regular(30, 3) == graphs.random_regular(30, 3, rng=0)
    assert graphs.random_geometric(60) == graphs.random_geometric(60, rng=0)
    assert graphs.erdos_renyi(40) == graphs.erdos_renyi(40, rng=0)
    assert graphs.barabasi_albert(40, 2) == graphs.barabasi_albert(40, 2, rng=0)
    assert graphs.watts_strogatz(40, 4, 0.2) == graphs.watts_strogatz(40, 4, 0.2, rng=0)


def test_random_counts():
    assert set(graphs.random_regular(30, 4, 0).degrees.tolist()) == {4}
    assert graphs.barabasi_albert(50, 3, 0).n_edges == 3 * 47
    assert graphs.watts_strogatz(50, 6, 0.3, 0).n_edges == 150
    assert graphs.erdos_renyi(20, 1.0).n_edges == 190
    assert graphs.erdos_renyi(20, 0.0, connected=False).n_edges == 0


def test_erdos_renyi_law():
    n, p, draws = 12, 0.3, 4000
    rng = np.random.default_rng(5)
    counts = np.zeros((n, n))
    for _ in range(draws):
        edges = graphs.erdos_renyi(n, p, rng, connected=False).edges
        counts[edges[:, 0], edges[:, 1]] += 1
    frequency = counts[np.triu_indices(n, 1)] / draws
    assert np.abs(frequency - p).max() < 4.5 * np.sqrt(p * (1 - p) / draws)


@pytest.mark.parametrize("n", [2, 3, 10, 57])
def test_unranking_all_pairs(n):
    pairs = random_topologies._unrank_pairs(np.arange(n * (n - 1) // 2), n)
    np.testing.assert_array_equal(pairs, np.column_stack(np.triu_indices(n, 1)))


def test_unranking_large():
    n = 1_000_003
    for rank in (0, n - 2, n - 1, n * (n - 1) // 2 - 1, 123_456_789_012):
        i, j = random_topologies._unrank_pairs(np.array([rank]), n)[0].tolist()
        assert 0 <= i < j < n
        assert i * (2 * n - 1 - i) // 2 + j - i - 1 == rank


def test_geometric_edges_are_the_close_pairs():
    graph = graphs.random_geometric(50, 0.3, 2)
    distance = np.linalg.norm(graph.positions[:, None] - graph.positions[None], axis=2)
    expected = np.argwhere(np.triu(distance <= 0.3, 1))
    np.testing.assert_array_equal(graph.edges, expected)
    np.testing.assert_allclose(graph.lengths, distance[expected[:, 0], expected[:, 1]])


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: graphs.complete(0), ValueError, "n must be at least 1, got 0"),
        (lambda: graphs.cycle(2), ValueError, "n must be at least 3"),
        (lambda: graphs.path(2.0), TypeError, "n must be an integer"),
        (lambda: graphs.star(True), TypeError, "n must be an integer"),
        (lambda: graphs.grid_2d(3, 0), ValueError, "cols"),
        (lambda: graphs.torus_2d(2, 3), ValueError, "rows"),
        (lambda: graphs.hypercube(-1), ValueError, "dim"),
        (lambda: graphs.barbell(1), ValueError, "k"),
        (lambda: graphs.lollipop(4, -1), ValueError, "length"),
        (lambda: graphs.random_regular(5, 3), ValueError, "even"),
        (lambda: graphs.random_regular(4, 4), ValueError, "below n"),
        (lambda: graphs.random_regular(8, 1, 0), ValueError, "no connected graph"),
        (lambda: graphs.random_geometric(50, -1.0), ValueError, "radius"),
        (lambda: graphs.random_geometric(50, "far"), TypeError, "radius must be a number"),
        (lambda: graphs.random_geometric(50, np.nan), ValueError, "radius"),
        (lambda: graphs.random_geometric(50, 1j), TypeError, "radius must be a number"),
        (lambda: graphs.erdos_renyi(10, True), TypeError, "p must be a number"),
        (lambda: graphs.random_geometric(50, 0.01, 0), ValueError, "larger radius"),
        (lambda: graphs.erdos_renyi(10, 1.5), ValueError, "p must be a finite number >= 0 and <= 1"),
        (lambda: graphs.erdos_renyi(10, np.nan), ValueError, "p must be a finite number >= 0 and <= 1"),
        (lambda: graphs.erdos_renyi(10, 0.0), ValueError, "connected=False"),
        (lambda: graphs.barabasi_albert(5, 5), ValueError, "m must be below n"),
        (lambda: graphs.watts_strogatz(10, 3, 0.1), ValueError, "even"),
        (lambda: graphs.watts_strogatz(10, 10, 0.1), ValueError, "below n"),
        (lambda: graphs.cycle(10**23), ValueError, "n must be at most 2147483647, got 1000"),
        (lambda: graphs.erdos_renyi(2**31), ValueError, "n must be at most 2147483647"),
        (lambda: graphs.grid_2d(10**5, 10**5), ValueError, r"rows \* cols must be at most 2147483647"),
        (lambda: graphs.torus_2d(10**5, 10**5), ValueError, r"rows \* cols must be at most 2147483647"),
        (lambda: graphs.hypercube(64), ValueError, "dim must be"),
        (lambda: graphs.binary_tree(64), ValueError, "depth must be"),
    ],
)
def test_bad_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
