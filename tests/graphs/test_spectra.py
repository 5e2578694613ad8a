"""Spectra against closed forms, networkx, and the dense way against the sparse one."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer import graphs
from gossamer.graphs import spectra


@st.composite
def weighted_graphs(draw):
    n = draw(st.integers(2, 14))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    graph = graphs.erdos_renyi(n, min(1.0, 0.2 + 2.0 / n), rng)
    return graph, rng.uniform(0.05, 5.0, graph.n_edges)


# n, c1, c2 and E with the normalisation sum of rates = 1
CHI_TABLE = [
    (graphs.star(16), 15, 7.5),
    (graphs.star(100), 99, 49.5),
    (graphs.path(16), 390.326, 7.5),
    (graphs.path(100), 100_316.222, 49.5),
    (graphs.cycle(16), 105.097, 7.5),
    (graphs.cycle(100), 25_338.631, 49.5),
    (graphs.complete(16), 7.5, 7.5),
    (graphs.complete(100), 49.5, 49.5),
    (graphs.grid_2d(4, 4), 40.971, 8.411),
    (graphs.grid_2d(10, 10), 1838.856, 62.796),
]


@pytest.mark.parametrize(("graph", "c1", "c2"), CHI_TABLE, ids=lambda v: getattr(v, "name", ""))
def test_chi_table(graph, c1, c2):
    chi1, chi2 = graphs.chi(graph, np.full(graph.n_edges, 1.0 / graph.n_edges))
    assert chi1 == pytest.approx(c1, abs=6e-4)
    assert chi2 == pytest.approx(c2, abs=6e-4)


@pytest.mark.parametrize("n", [3, 8, 25])
def test_chi_closed_forms(n):
    line = 1.0 / (2 - 2 * np.cos(np.pi / n))
    assert graphs.chi(graphs.path(n)) == pytest.approx((line, 0.5), rel=1e-12)
    assert graphs.chi(graphs.star(n)) == pytest.approx((1.0, 0.5), rel=1e-12)
    assert graphs.chi(graphs.complete(n)) == pytest.approx((1 / n, 1 / n), rel=1e-12)
    ring = 1.0 / (2 - 2 * np.cos(2 * np.pi / n))
    assert graphs.chi(graphs.cycle(n)) == pytest.approx((ring, 0.5 * (n - 1) / n), rel=1e-12)


@given(weighted_graphs())
@settings(max_examples=40, deadline=None)
def test_foster_order_and_homogeneity(case):
    graph, w = case
    resistances = graphs.effective_resistances(graph, w)
    assert w @ resistances == pytest.approx(graph.n_nodes - 1, rel=1e-10)
    chi1, chi2 = graphs.chi(graph, w)
    assert chi2 <= chi1 * (1 + 1e-12)
    assert chi2 == pytest.approx(0.5 * resistances.max(), rel=1e-12)
    assert graphs.chi(graph, 8.0 * w) == pytest.approx((chi1 / 8, chi2 / 8), rel=1e-12)
    assert graphs.chi(graph, 1e-200 * w) == pytest.approx((chi1 / 1e-200, chi2 / 1e-200), rel=1e-9)


@given(weighted_graphs())
@settings(max_examples=25, deadline=None)
def test_against_networkx_and_pinv(case):
    graph, w = case
    G = nx.Graph()
    G.add_nodes_from(range(graph.n_nodes))
    G.add_weighted_edges_from((i, j, x) for (i, j), x in zip(graph.edges.tolist(), w, strict=True))
    L = graphs.laplacian(graph, w).toarray()
    np.testing.assert_allclose(L, nx.laplacian_matrix(G).toarray(), atol=1e-13)
    assert graphs.algebraic_connectivity(graph, w) == pytest.approx(np.linalg.eigvalsh(L)[1], rel=1e-9)
    pinv = np.linalg.pinv(L, hermitian=True)
    b = spectra.incidence(graph)
    expected = np.einsum("ie,ij,je->e", b, pinv, b)
    np.testing.assert_allclose(graphs.effective_resistances(graph, w), expected, rtol=1e-9)
    np.testing.assert_allclose(spectra.dense_pseudo_inverse(graph, w), pinv, atol=1e-9)
    u, v = graph.edges[0].tolist()
    distance = nx.resistance_distance(G, u, v, weight="weight", invert_weight=False)
    assert expected[0] == pytest.approx(distance, rel=1e-9)


def test_networkx_algebraic_connectivity():
    graph = graphs.random_geometric(40, rng=3)
    expected = nx.algebraic_connectivity(graph.to_networkx(), weight=None, tol=1e-12)
    assert graphs.algebraic_connectivity(graph) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    "graph", [graphs.grid_2d(12, 17), graphs.random_geometric(300, rng=1), graphs.binary_tree(7)], ids=repr
)
def test_sparse_agrees_with_dense(graph, monkeypatch):
    w = np.random.default_rng(0).uniform(0.2, 3.0, graph.n_edges)
    W = graphs.mixing_matrix(graph, "metropolis")
    dense = (*graphs.chi(graph, w), graphs.algebraic_connectivity(graph, w), graphs.spectral_gap(W))
    resistances = graphs.effective_resistances(graph, w)
    monkeypatch.setattr(spectra, "DENSE_LIMIT", 10)
    sparse = (*graphs.chi(graph, w), graphs.algebraic_connectivity(graph, w), graphs.spectral_gap(W))
    assert sparse == pytest.approx(dense, rel=1e-8)
    np.testing.assert_allclose(graphs.effective_resistances(graph, w), resistances, rtol=1e-9)
    assert graphs.chi(graph, w) == graphs.chi(graph, w)  # the same bits


def test_large_path_closed_form():
    n = 4000
    chi1, chi2 = graphs.chi(graphs.path(n))
    assert chi1 == pytest.approx(1 / (2 - 2 * np.cos(np.pi / n)), rel=1e-6)
    assert chi2 == pytest.approx(0.5, rel=1e-9)


def test_zero_rate_edges_have_resistance():
    ring = graphs.cycle(5)
    w = np.ones(5)
    w[graph_edge(ring, 0, 4)] = 0.0  # a path remains
    resistances = graphs.effective_resistances(ring, w)
    assert resistances[graph_edge(ring, 0, 4)] == pytest.approx(4.0)
    assert graphs.chi(ring, w) == pytest.approx((1 / (2 - 2 * np.cos(np.pi / 5)), 2.0))
    assert graphs.laplacian(ring, w).nnz == 5 + 2 * 4


def graph_edge(graph, i, j):
    return int(np.flatnonzero((graph.edges == [i, j]).all(axis=1))[0])


def test_bad_rates():
    ring = graphs.cycle(5)
    for rates in (
        [1, 2],
        np.ones((5, 1)),
        [1, 1, 1, 1, -1],
        [1, 1, 1, 1, np.nan],
        [1, 1, 1, 1, np.inf],
        "abc",
    ):
        with pytest.raises(ValueError, match="rates"):
            graphs.chi(ring, rates)
    with pytest.raises(TypeError, match="graph must be a Graph"):
        graphs.chi([[0, 1]])
    with pytest.raises(ValueError, match="2 components"):
        graphs.chi(ring, [1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match="5 components"):
        graphs.chi(ring, np.zeros(5))
    with pytest.raises(ValueError, match="one node"):
        graphs.chi(graphs.path(1))
    apart = graphs.Graph.from_edges(4, [(0, 1), (2, 3)])
    for function in (graphs.chi, graphs.algebraic_connectivity, graphs.effective_resistances):
        with pytest.raises(ValueError, match="2 components"):
            function(apart)
    assert graphs.laplacian(apart).shape == (4, 4)


def test_inputs_are_accepted_and_not_modified():
    ring = graphs.cycle(6)
    w = np.arange(1.0, 13.0)[::2]
    w.flags.writeable = False
    expected = graphs.chi(ring, w)
    assert graphs.chi(ring, w.tolist()) == expected
    assert graphs.chi(ring, w.astype(np.float32)) == expected
    assert graphs.chi(ring, w.astype(int)) == expected
    assert w.tolist() == [1, 3, 5, 7, 9, 11]


def test_spectral_gap_values():
    assert graphs.spectral_gap(np.eye(1)) == pytest.approx(1.0)
    assert graphs.spectral_gap(np.eye(3)) == pytest.approx(0.0)
    assert graphs.spectral_gap([[0, 1], [1, 0]]) == pytest.approx(0.0)
    assert graphs.spectral_gap(np.full((4, 4), 0.25)) == pytest.approx(1.0)
    n = 9
    W = graphs.mixing_matrix(graphs.cycle(n), "metropolis")
    eigenvalues = (1 + 2 * np.cos(2 * np.pi * np.arange(1, n) / n)) / 3
    assert graphs.spectral_gap(W) == pytest.approx(1 - np.abs(eigenvalues).max())
    assert graphs.spectral_gap(W.toarray()) == graphs.spectral_gap(W)


def test_spectral_gap_sparse_special_cases(monkeypatch):
    even = graphs.mixing_matrix(graphs.cycle(40), "max_degree")  # swaps two halves
    negative = graphs.mixing_matrix(graphs.cycle(40), "metropolis")
    negative = 1.9 * negative - 0.9 * np.eye(40)
    apart = graphs.mixing_matrix(graphs.Graph.from_edges(40, [(0, 1)]), "metropolis")
    from scipy.sparse import csr_array

    expected = graphs.spectral_gap(negative)
    monkeypatch.setattr(spectra, "DENSE_LIMIT", 10)
    assert graphs.spectral_gap(even) == pytest.approx(0.0, abs=1e-12)
    assert graphs.spectral_gap(apart) == 0.0
    assert graphs.spectral_gap(csr_array(negative)) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    "W", ["text", np.ones((2, 3)), np.ones(3), [[1, 1], [0, 1]], np.ones((2, 2)), [[np.nan]]]
)
def test_spectral_gap_errors(W):
    with pytest.raises(ValueError, match="W"):
        graphs.spectral_gap(W)
