"""Mixing matrices: stochasticity, formulas, known optima, order of the gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer import graphs

SIMPLE = ("metropolis", "lazy_metropolis", "max_degree", "best_constant")
ALL = (*SIMPLE, "fdla", "fmmc")


def check(graph, W, *, non_negative):
    dense = W.toarray()
    np.testing.assert_array_equal(dense, dense.T)
    np.testing.assert_allclose(dense.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    allowed = graph.adjacency.toarray() + np.eye(graph.n_nodes)
    assert np.all(dense[allowed == 0] == 0)
    if non_negative:
        assert dense.min() >= -1e-15


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_symmetric_and_stochastic(n, seed):
    graph = graphs.erdos_renyi(n, min(1.0, 0.2 + 2.0 / n), seed)
    for kind in SIMPLE:
        for lazy in (False, True):
            W = graphs.mixing_matrix(graph, kind, lazy=lazy)
            check(graph, W, non_negative=kind != "best_constant")
            if n > 1 and kind == "lazy_metropolis":
                assert W.diagonal().min() >= 0.5 - 1e-15


@pytest.mark.parametrize(
    "graph", [graphs.path(2), graphs.star(7), graphs.barbell(4), graphs.random_geometric(14, rng=1)], ids=repr
)
def test_optimal_kinds(graph):
    gaps = {kind: graphs.spectral_gap(graphs.mixing_matrix(graph, kind)) for kind in ALL}
    check(graph, graphs.mixing_matrix(graph, "fdla"), non_negative=False)
    check(graph, graphs.mixing_matrix(graph, "fmmc"), non_negative=True)
    assert gaps["fdla"] >= gaps["best_constant"]
    assert gaps["fmmc"] >= gaps["metropolis"]
    # the larger feasible set has the larger optimum, up to the solver's accuracy
    assert gaps["fdla"] >= gaps["fmmc"] - 1e-6
    assert gaps["fmmc"] >= max(gaps["max_degree"], gaps["lazy_metropolis"]) - 1e-6


@pytest.mark.parametrize("n", [5, 8])
def test_star_fdla_closed_form(n):
    gap = graphs.spectral_gap(graphs.mixing_matrix(graphs.star(n), "fdla"))
    assert 1.0 - gap == pytest.approx((n - 1) / (n + 1), abs=1e-7)


def test_best_constant_is_optimal_on_edge_transitive_graphs():
    for graph in (graphs.cycle(7), graphs.complete(5), graphs.hypercube(3)):
        best = graphs.spectral_gap(graphs.mixing_matrix(graph, "best_constant"))
        assert graphs.spectral_gap(graphs.mixing_matrix(graph, "fdla")) == pytest.approx(best, abs=1e-7)


def test_best_constant_beats_every_other_constant():
    graph = graphs.random_geometric(20, rng=4)
    L = graphs.laplacian(graph).toarray()
    best = graphs.spectral_gap(graphs.mixing_matrix(graph, "best_constant"))
    for a in np.linspace(1e-3, 0.5, 200):
        assert graphs.spectral_gap(np.eye(20) - a * L) <= best + 1e-12


def test_path_3_formulas():
    def upper(kind):
        return graphs.mixing_matrix(graphs.path(3), kind).toarray()[0, 1]

    assert upper("metropolis") == pytest.approx(1 / 3)
    assert upper("lazy_metropolis") == pytest.approx(1 / 4)
    assert upper("max_degree") == pytest.approx(1 / 2)
    assert upper("best_constant") == pytest.approx(2 / (1 + 3))


def test_bipartite_needs_lazy():
    torus = graphs.torus_2d(4, 4)
    W = graphs.mixing_matrix(torus, "max_degree")
    assert graphs.spectral_gap(W) == pytest.approx(0.0, abs=1e-12)
    lazy = graphs.mixing_matrix(torus, "max_degree", lazy=True)
    np.testing.assert_allclose(lazy.toarray(), 0.5 * (np.eye(16) + W.toarray()))
    assert graphs.spectral_gap(lazy) > 0.1


@pytest.mark.parametrize(
    "graph",
    [
        graphs.torus_2d(4, 5),
        graphs.torus_2d(3, 3),
        graphs.Graph.from_edges(7, [(i, j) for i in range(3) for j in range(3, 7)]),
        graphs.hypercube(4),
        graphs.star(6),
    ],
    ids=["torus 4x5", "torus 3x3", "bipartite 3+4", "hypercube", "star"],
)
def test_doubly_stochastic_and_mixing_on_torus_and_bipartite_graphs(graph):
    """Powers of W tend to the mean, also where the graph has two sides."""
    for kind in ("metropolis", "lazy_metropolis", "fmmc"):
        W = graphs.mixing_matrix(graph, kind)
        check(graph, W, non_negative=True)
        dense = W.toarray()
        np.testing.assert_allclose(dense.sum(axis=0), 1.0, rtol=0, atol=1e-12)
        np.testing.assert_allclose(np.linalg.matrix_power(dense, 4096), 1 / graph.n_nodes, rtol=0, atol=1e-9)


def test_best_constant_large_graph_agrees(monkeypatch):
    graph = graphs.grid_2d(9, 11)
    dense = graphs.mixing_matrix(graph, "best_constant").toarray()
    monkeypatch.setattr(graphs.spectra, "DENSE_LIMIT", 10)
    np.testing.assert_allclose(graphs.mixing_matrix(graph, "best_constant").toarray(), dense, rtol=1e-9)


def test_disconnected_single_and_errors():
    apart = graphs.Graph.from_edges(4, [(0, 1), (2, 3)])
    for kind in ("metropolis", "lazy_metropolis", "max_degree"):
        check(apart, graphs.mixing_matrix(apart, kind), non_negative=True)
    for kind in ("best_constant", "fdla", "fmmc"):
        with pytest.raises(ValueError, match="2 components"):
            graphs.mixing_matrix(apart, kind)
    for kind in ALL:
        assert graphs.mixing_matrix(graphs.path(1), kind).toarray().tolist() == [[1.0]]
    with pytest.raises(TypeError, match="graph must be a Graph, got int"):
        graphs.mixing_matrix(5)
    with pytest.raises(ValueError, match=r"\['fdla'\] is unknown"):
        graphs.mixing_matrix(graphs.path(3), ["fdla"])
    with pytest.raises(ValueError, match="choose from metropolis"):
        graphs.mixing_matrix(apart, "hastings")
    with pytest.raises(ValueError, match="2000 nodes"):
        graphs.mixing_matrix(graphs.cycle(2001), "fdla")


@pytest.mark.parametrize("n", [8, 18, 22, 50, 159])
def test_best_constant_among_equal_eigenvalues(n):
    W = graphs.mixing_matrix(graphs.complete(n), "best_constant").toarray()
    np.testing.assert_allclose(W, np.full((n, n), 1.0 / n), atol=1e-12)
