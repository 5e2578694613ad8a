"""Spectra against closed forms, networkx, pseudo-inverses, and Lanczos against dense eigenvalues."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer import graphs
from gossamer.graphs import spectra
from gossamer.kernels import sparse


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
    factor = sparse.factor_laplacian(graph.n_nodes, graph.edges, w)
    np.testing.assert_allclose(spectra.pseudo_inverse(factor), pinv, atol=1e-9)
    u, v = graph.edges[0].tolist()
    distance = nx.resistance_distance(G, u, v, weight="weight", invert_weight=False)
    assert expected[0] == pytest.approx(distance, rel=1e-9)


def test_networkx_algebraic_connectivity():
    graph = graphs.random_geometric(40, rng=3)
    expected = nx.algebraic_connectivity(graph.to_networkx(), weight=None, tol=1e-12)
    assert graphs.algebraic_connectivity(graph) == pytest.approx(expected, rel=1e-8)


EVERY_FAMILY = [
    graphs.complete(40),
    graphs.cycle(61),
    graphs.path(70),
    graphs.star(50),
    graphs.grid_2d(12, 17),
    graphs.torus_2d(7, 9),
    graphs.hypercube(6),
    graphs.barbell(12),
    graphs.lollipop(9, 20),
    graphs.binary_tree(6),
    graphs.exponential(45),
    graphs.random_regular(60, 4),
    graphs.random_geometric(220),
    graphs.erdos_renyi(70),
    graphs.barabasi_albert(80, 3),
    graphs.watts_strogatz(90, 4, 0.2),
]


@pytest.mark.parametrize("graph", EVERY_FAMILY, ids=repr)
def test_every_family(graph, monkeypatch):
    w = np.random.default_rng(0).uniform(0.2, 3.0, graph.n_edges)
    L = graphs.laplacian(graph, w).toarray()
    P = np.linalg.pinv(L, hermitian=True)
    i, j = graph.edges.T
    expected = P[i, i] + P[j, j] - 2 * P[i, j]
    np.testing.assert_allclose(graphs.effective_resistances(graph, w), expected, rtol=1e-10)
    l2 = np.linalg.eigvalsh(L)[1]
    assert graphs.chi(graph, w) == pytest.approx((1 / l2, expected.max() / 2), rel=1e-10)
    gap = graphs.spectral_gap(graphs.mixing_matrix(graph, "metropolis"))
    monkeypatch.setattr(spectra, "PSEUDO_INVERSE_LIMIT", 10)
    monkeypatch.setattr(spectra, "DENSE_LIMIT", 10)
    assert graphs.chi(graph, w) == pytest.approx((1 / l2, expected.max() / 2), rel=1e-10)
    assert graphs.algebraic_connectivity(graph, w) == pytest.approx(l2, rel=1e-10)
    assert graphs.spectral_gap(graphs.mixing_matrix(graph, "metropolis")) == pytest.approx(gap, rel=1e-8)
    assert graphs.chi(graph, w) == graphs.chi(graph, w)  # the same bits


@pytest.mark.parametrize("limit", [1, 200], ids=["lanczos", "dense"])
@pytest.mark.parametrize("s", [1e-6, 1e-12, 1e-14, 1e-15, 1e-17, 1e-100, 1e-280])
def test_rates_that_span_many_magnitudes(s, limit, monkeypatch):
    monkeypatch.setattr(spectra, "PSEUDO_INVERSE_LIMIT", limit)
    # two weakly linked pairs; the exact lambda_2 of path(4) with rates 1, s, 1
    l2 = 2 * s / (1 + s + np.sqrt(1 + s**2))
    assert graphs.chi(graphs.path(4), [1, s, 1]) == pytest.approx((1 / l2, 0.5 / s), rel=1e-13)
    # ten cliques in a ring of weak links: to first order a ring with the rates s / 6
    clique = graphs.complete(6).edges
    links = [(6 * k, (6 * k + 7) % 60) for k in range(10)]
    graph = graphs.Graph.from_edges(60, np.vstack([*(clique + 6 * k for k in range(10)), links]))
    weak = np.diff(graph.edges // 6, axis=1)[:, 0] != 0
    rates = np.where(weak, s, 1.0)
    chi1, chi2 = graphs.chi(graph, rates)
    assert chi1 == pytest.approx(6 / (s * 4 * np.sin(np.pi / 10) ** 2), rel=2 * s + 1e-12)
    assert rates @ graphs.effective_resistances(graph, rates) == pytest.approx(59, rel=1e-13)
    # ten weak links in series next to 1/s each, and what the cliques add
    assert chi2 == pytest.approx(0.45 / s, rel=2 * s + 1e-12)


def test_extreme_rates():
    with pytest.raises(
        ValueError, match=r"chi would overflow: rates must be zero or at least 1e-290, got 1e-300"
    ):
        graphs.chi(graphs.path(3), [1.0, 1e-300])
    with pytest.raises(ValueError, match=r"at least 6.7e-91, got 1e-100"):
        graphs.effective_resistances(graphs.path(4), [1e200, 1e-100, 1e200])
    assert graphs.chi(graphs.path(2), [1e308]) == pytest.approx((0.5e-308, 0.5e-308))


@pytest.mark.parametrize("n", [27, 28, 31, 33, 64, 86, 145, 200])
def test_many_equal_eigenvalues(n):
    # LAPACK does not find one eigenvalue alone among many equal ones
    assert graphs.algebraic_connectivity(graphs.star(n)) == pytest.approx(1.0, rel=1e-12)
    assert graphs.algebraic_connectivity(graphs.complete(n)) == pytest.approx(n, rel=1e-12)


@pytest.mark.parametrize("n", [4000, 100_000])
def test_large_closed_forms(n):
    chi1, chi2 = graphs.chi(graphs.path(n))
    assert chi1 == pytest.approx(0.25 / np.sin(np.pi / (2 * n)) ** 2, rel=1e-11)
    assert chi2 == pytest.approx(0.5, rel=1e-14)
    chi1, chi2 = graphs.chi(graphs.cycle(n))
    assert chi1 == pytest.approx(0.25 / np.sin(np.pi / n) ** 2, rel=1e-11)
    assert chi2 == pytest.approx(0.5 * (n - 1) / n, rel=1e-13)


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
    ):
        with pytest.raises(ValueError, match="rates must"):
            graphs.chi(ring, rates)
    for rates in ("abc", np.ones(5) * 1j, [None] * 5):
        with pytest.raises(TypeError, match="rates must be an array of real numbers"):
            graphs.chi(ring, rates)
    with pytest.raises(TypeError, match="graph must be a Graph"):
        graphs.chi([[0, 1]])
    with pytest.raises(ValueError, match="2 components"):
        graphs.chi(ring, [1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match="5 components"):
        graphs.chi(ring, np.zeros(5))
    with pytest.raises(ValueError, match=r"chi needs two nodes or more, but Graph\('path\(1\)'"):
        graphs.chi(graphs.path(1))
    apart = graphs.Graph.from_edges(4, [(0, 1), (2, 3)])
    for function, name in (
        (graphs.chi, "chi"),
        (graphs.algebraic_connectivity, "algebraic_connectivity"),
        (graphs.effective_resistances, "effective_resistances"),
    ):
        with pytest.raises(ValueError, match=f"^{name} needs a connected graph.*2 components"):
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
    "W", [np.ones((2, 3)), np.ones(3), np.ones((0, 0)), [[1, 1], [0, 1]], np.ones((2, 2)), [[np.nan]]]
)
def test_spectral_gap_errors(W):
    from scipy.sparse import csr_array

    with pytest.raises(ValueError, match=r"^W "):
        graphs.spectral_gap(W)
    if np.ndim(W) == 2 and np.size(W):
        with pytest.raises(ValueError, match=r"^W "):
            graphs.spectral_gap(csr_array(W))
    for wrong in ("text", [[1j]], csr_array([[1j]])):
        with pytest.raises(TypeError, match="W must be an array of real numbers"):
            graphs.spectral_gap(wrong)


def test_lanczos_among_many_close_eigenvalues(monkeypatch):
    graph = graphs.random_regular(300, 4)
    expected = graphs.algebraic_connectivity(graph)
    exact = scipy.sparse.linalg.eigsh

    def eigsh(*args, tol=0, **options):
        if tol == 0:
            raise scipy.sparse.linalg.ArpackNoConvergence("no convergence", np.empty(0), np.empty((300, 0)))
        return exact(*args, tol=tol, **options)

    monkeypatch.setattr(scipy.sparse.linalg, "eigsh", eigsh)
    assert graphs.algebraic_connectivity(graph) == pytest.approx(expected, rel=1e-9)
