"""The scalable methods against the exact one, closed forms and each other."""

import time

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer import graphs
from gossamer.graphs.rates import (
    Certificate,
    barrier,
    communication_cost,
    connectivity,
    lowrank,
    multiplicative,
    unfolding,
)
from gossamer.graphs.rates.certificates import verify_rates
from gossamer.graphs.rates.connectivity import proven_connectivity
from gossamer.graphs.rates.edges import EdgeSpace, conjugate_gradients, largest_step

NEVER = np.inf
FAMILIES = [
    graphs.path(9),
    graphs.star(7),
    graphs.cycle(8),
    graphs.complete(6),
    graphs.binary_tree(3),
    graphs.barbell(5),
    graphs.lollipop(6, 5),
    graphs.grid_2d(4, 5),
    graphs.torus_2d(3, 4),
    graphs.random_regular(14, 3),
    graphs.random_geometric(20),
    graphs.erdos_renyi(16),
    graphs.watts_strogatz(18, 4, 0.2),
    graphs.barabasi_albert(20, 2),
]


# ---------------------------------------------------------------------- edges


def test_edge_space_against_dense_matrices():
    graph = graphs.random_geometric(40, rng=3)
    rng = np.random.default_rng(0)
    w, v = rng.uniform(0.5, 2.0, (2, graph.n_edges))
    space = EdgeSpace(graph)
    B = graphs.spectra.incidence(graph)
    P = np.linalg.pinv(B @ np.diag(w) @ B.T, hermitian=True)
    T = B.T @ P @ B
    inverse = space.grounded(w)
    np.testing.assert_allclose(space.at_edges(inverse), np.diag(T), rtol=1e-10)
    np.testing.assert_allclose(space.squares(inverse, v), T**2 @ v, rtol=1e-10)
    np.testing.assert_array_equal(space.divergences().toarray(), B)
    values = np.linalg.eigvalsh(B @ np.diag(w) @ B.T)
    found, V = space.lowest(w, rng.standard_normal((40, 6)), 60)
    np.testing.assert_allclose(found[:3], values[1:4], rtol=1e-9)
    np.testing.assert_allclose(V.T @ V, np.eye(6), atol=1e-12)
    assert space.is_above(w, values[1] * (1 - 1e-9))
    assert not space.is_above(w, values[1] * (1 + 1e-9))


def test_conjugate_gradients_and_steps():
    rng = np.random.default_rng(1)
    A = rng.standard_normal((30, 30))
    A = A @ A.T + np.eye(30)
    b = rng.standard_normal(30)
    x, count = conjugate_gradients(lambda v: A @ v, b, lambda r: r / np.diag(A), 1e-10, 200, np.inf)
    assert np.abs(A @ x - b).max() <= 1e-9
    assert 1 < count < 200
    assert largest_step(np.array([1.0, 2.0, 3.0]), np.array([1.0, -4.0, -1.0])) == 0.5
    assert largest_step(np.ones(2), np.ones(2)) == np.inf


# ---------------------------------------------------------------------- agreement


@pytest.mark.parametrize("criterion", ["communication", "algebraic_connectivity"])
@pytest.mark.parametrize("graph", FAMILIES, ids=repr)
def test_barrier_agrees_with_the_conic_solver(graph, criterion):
    exact = graphs.gossip_rates(graph, criterion, method="sdp")
    found = graphs.gossip_rates(graph, criterion, method="barrier")
    assert found.status == "certified"
    # both values are proven: neither bound may cross the other's value
    assert found.lower_bound <= exact.upper_bound * (1 + 1e-9)
    assert exact.lower_bound <= found.upper_bound * (1 + 1e-9)
    value = {"communication": "cost", "algebraic_connectivity": "chi1"}[criterion]
    assert getattr(found, value) == pytest.approx(getattr(exact, value), rel=2e-6)


@pytest.mark.parametrize("graph", [graphs.grid_2d(6, 7), graphs.random_geometric(60, rng=2)], ids=repr)
def test_lowrank_agrees_with_barrier(graph):
    exact = graphs.gossip_rates(graph, method="barrier")
    rough = graphs.gossip_rates(graph, method="lowrank", tol=2e-2)
    assert (exact.status, rough.status, rough.method) == ("certified", "certified", "lowrank")
    assert rough.lower_bound <= exact.cost * (1 + 1e-9)
    assert exact.cost * (1 - 1e-6) <= rough.cost <= exact.cost * 1.02
    fast = graphs.gossip_rates(graph, "algebraic_connectivity", method="lowrank", tol=1e-5)
    assert fast.status == "certified"
    other = graphs.gossip_rates(graph, "algebraic_connectivity", method="barrier")
    assert fast.chi1 == pytest.approx(other.chi1, rel=2e-5)


@pytest.mark.parametrize("k", [5, 16])
def test_square_grid_by_unfolding(k):
    # lambda_2 is double at the optimum
    r = graphs.gossip_rates(graphs.grid_2d(k, k), "algebraic_connectivity", method="lowrank")
    assert r.status == "certified"
    assert 1 / r.chi1 == pytest.approx(6 / (k * k * (k * k - 1)), rel=1e-6)


@pytest.mark.parametrize("n", [2, 3, 40])
def test_path_parabola_by_unfolding(n):
    found = unfolding.propose(graphs.path(n), 1e-7, NEVER)
    k = np.arange(1, n)
    np.testing.assert_allclose(found.rates / found.rates.sum(), k * (n - k) / np.sum(k * (n - k)), atol=1e-5)


@pytest.mark.parametrize("criterion", ["max_resistance", "total_resistance"])
@pytest.mark.parametrize("graph", [*FAMILIES, graphs.path(2), graphs.path(300)], ids=repr)
def test_resistance_criteria(graph, criterion):
    r = graphs.gossip_rates(graph, criterion)
    assert r.status == "certified"
    assert r.total_rate == pytest.approx(1.0)
    n = graph.n_nodes
    B = graphs.spectra.incidence(graph)
    P = np.linalg.pinv(B @ np.diag(r.rates) @ B.T, hermitian=True)
    if criterion == "max_resistance":
        assert r.upper_bound == pytest.approx(np.diag(B.T @ P @ B).max(), rel=1e-8)
        assert (n - 1) * (1 - 1e-11) <= r.lower_bound <= n - 1
        assert n - 1 <= r.upper_bound <= (n - 1) * (1 + 1e-6)
    else:
        assert r.upper_bound == pytest.approx(n * np.trace(P), rel=1e-8)
        spread = np.sum((P @ B) ** 2, axis=0)
        assert r.lower_bound == pytest.approx(n * np.trace(P) ** 2 / spread.max(), rel=1e-8)
    bounds = verify_rates(graph, r.rates, r.certificate)
    assert bounds.gap == pytest.approx(r.gap, abs=1e-9)


def test_closed_forms_of_the_resistance_criteria():
    tree = graphs.binary_tree(4)
    np.testing.assert_allclose(graphs.gossip_rates(tree, "max_resistance").rates, 1 / 30, rtol=1e-6)
    n = 12
    k = np.arange(1, n)
    path = graphs.gossip_rates(graphs.path(n), "total_resistance")
    root = np.sqrt(k * (n - k))
    np.testing.assert_allclose(path.rates, root / root.sum(), rtol=1e-5)
    assert path.upper_bound == pytest.approx(root.sum() ** 2, rel=1e-6)


def test_total_resistance_agrees_with_a_semidefinite_programme():
    import cvxpy as cp

    graph = graphs.lollipop(4, 3)
    n, m = graph.n_nodes, graph.n_edges
    B = graphs.spectra.incidence(graph)
    w, Z = cp.Variable(m, nonneg=True), cp.Variable((n, n), symmetric=True)
    L = B @ cp.diag(w) @ B.T + np.full((n, n), 1.0 / n)
    problem = cp.Problem(
        cp.Minimize(n * (cp.trace(Z) - 1)), [cp.bmat([[L, np.eye(n)], [np.eye(n), Z]]) >> 0, cp.sum(w) == 1]
    )
    problem.solve(solver=cp.CLARABEL)
    r = graphs.gossip_rates(graph, "total_resistance")
    assert r.upper_bound == pytest.approx(problem.value, rel=1e-5)


@given(st.integers(3, 14), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_bounds_of_the_resistance_criteria_hold_at_any_rates(n, seed):
    rng = np.random.default_rng(seed)
    graph = graphs.erdos_renyi(n, min(1.0, 0.15 + 2.0 / n), seed)
    w, v = rng.exponential(size=(2, graph.n_edges)) + 1e-3
    for criterion in ("max_resistance", "total_resistance"):
        a, b = (verify_rates(graph, rates, Certificate(criterion)) for rates in (w, v))
        assert a.lower <= a.upper
        assert a.lower <= b.upper * (1 + 1e-12)
        scaled = verify_rates(graph, 1e9 * w, Certificate(criterion))
        assert scaled[:2] == pytest.approx(a[:2], rel=1e-10)


# ---------------------------------------------------------------------- at scale


@pytest.mark.parametrize(
    "graph",
    [graphs.random_geometric(300, rng=1), graphs.barabasi_albert(300, 3), graphs.random_regular(300, 4)],
    ids=repr,
)
def test_proofs_on_larger_graphs(graph):
    rng = np.random.default_rng(0)
    w = rng.exponential(size=graph.n_edges) + 0.01
    L = graphs.laplacian(graph, w).toarray()
    exact = np.linalg.eigvalsh(L)[1]
    assert exact * (1 - 1e-8) <= proven_connectivity(graph, w) <= exact * (1 + 1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gossamer.graphs.rates.connectivity.DENSE_NODES", 0)
        assert exact * (1 - 1e-7) <= proven_connectivity(graph, w) <= exact * (1 + 1e-12)
    # the sparse form of the communication bound is the exact one, less an allowance for rounding
    Y, p = rng.standard_normal((300, 3)), rng.exponential(size=graph.n_edges)
    certificate = Certificate("communication", Y, p)
    solved = verify_rates(graph, w, certificate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gossamer.graphs.rates.duals.EXACT_EDGES", 0)
        sparse = verify_rates(graph, w, certificate)
    assert solved.lower * (1 - 1e-4) <= sparse.lower <= solved.lower
    assert sparse.upper == pytest.approx(communication_cost(graph, w), rel=1e-7)


@pytest.mark.parametrize("dense_nodes", [0, 3000])
def test_proofs_of_multiple_eigenvalues(monkeypatch, dense_nodes):
    monkeypatch.setattr(connectivity, "DENSE_NODES", dense_nodes)
    graph = graphs.torus_2d(17, 17)
    exact, w = 2.0 - 2.0 * np.cos(2.0 * np.pi / 17), np.ones(graph.n_edges)  # four times
    assert exact * (1 - (1e-8 if dense_nodes else 1e-4)) <= proven_connectivity(graph, w) <= exact
    # whatever the iteration says, no more than lambda_2 is proven
    monkeypatch.setattr(connectivity, "algebraic_connectivity", lambda *_: exact * (1 + 1e-7))
    assert 0 < proven_connectivity(graph, w) <= exact
    far = 10.0 ** np.random.default_rng(0).uniform(-14, 0, graph.n_edges)
    monkeypatch.setattr(connectivity, "algebraic_connectivity", lambda *_: 1e-14)
    assert (
        proven_connectivity(graph, far)
        <= np.linalg.eigvalsh(graphs.laplacian(graph, far).toarray())[1] + 1e-15
    )


@pytest.mark.parametrize("n", [300, 1000])
def test_proofs_where_lambda_2_is_small(n):
    # many roundings of numbers far above lambda_2
    exact = 2.0 - 2.0 * np.cos(np.pi / n)
    assert exact * (1 - 1e-8) <= proven_connectivity(graphs.path(n), np.ones(n - 1)) <= exact


def test_each_elimination_proves_lambda_2_of_complete_graphs(monkeypatch):
    n = 210
    graph, w = graphs.complete(n), np.ones(n * (n - 1) // 2)  # lambda_2 = n, more than a degree
    for other in ("_sparse", "_dense"):
        with monkeypatch.context() as patch:
            patch.setattr(connectivity, other, lambda *_: np.inf)
            assert n * (1 - 1e-9) <= proven_connectivity(graph, w) <= n


def test_no_proof_is_no_certificate(monkeypatch):
    # as if rounding had spoilt the elimination
    monkeypatch.setattr("gossamer.graphs.rates.connectivity._MARGINS", ())
    graph = graphs.torus_2d(15, 15)
    for criterion in ("communication", "algebraic_connectivity"):
        r = graphs.gossip_rates(graph, criterion, time_limit=1e-3)
        assert (r.status, r.gap) == ("tolerance_not_met", np.inf)
        assert np.isfinite(r.cost)


def test_certificates_at_another_reference():
    graph = graphs.grid_2d(5, 5)
    r = graphs.gossip_rates(graph, method="barrier")
    c = r.certificate
    w = np.random.default_rng(0).uniform(0.5, 1.5, graph.n_edges)
    there = Certificate(c.criterion, c.Y, c.p, c.t, reference=r.rates)
    assert verify_rates(graph, w, there).lower == pytest.approx(r.lower_bound, rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("graph", "tol"),
    [
        (graphs.random_regular(250, 4), 1e-6),
        (graphs.barabasi_albert(250, 2), 1e-6),
        (graphs.grid_2d(16, 16), 1e-5),
    ],
    ids=repr,
)
def test_communication_at_some_hundred_edges(graph, tol):
    r = graphs.gossip_rates(graph, tol=tol)
    assert (r.status, r.method) == ("certified", "barrier")
    assert r.lower_bound <= r.cost <= r.cost_uniform


@pytest.mark.slow
def test_communication_beyond_the_dense_method():
    graph = graphs.random_geometric(700, rng=1)
    r = graphs.gossip_rates(graph, tol=3e-2, method="lowrank")
    assert r.status == "certified"
    assert r.cost < 0.8 * r.cost_uniform


# ---------------------------------------------------------------------- limits and bad input


def test_time_limit():
    graph = graphs.random_geometric(200, rng=0)
    begin = time.monotonic()
    r = graphs.gossip_rates(graph, time_limit=1e-3)
    assert r.status == "tolerance_not_met"
    assert r.lower_bound <= r.cost <= r.cost_uniform
    assert time.monotonic() - begin < 60  # hours otherwise
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="time_limit"):
            graphs.gossip_rates(graph, time_limit=bad)
    with pytest.raises(TypeError, match="time_limit"):
        graphs.gossip_rates(graph, time_limit="soon")


def test_size_limits():
    dense = graphs.erdos_renyi(200, 0.4, 0)
    assert "edges" in barrier.size_limit(dense, "communication", practical=True)
    assert not multiplicative.size_limit(dense, "max_resistance", practical=True)
    assert not lowrank.size_limit(dense, "communication", practical=True)
    expander = graphs.random_regular(3000, 4)
    assert "multiplications" in lowrank.size_limit(expander, "algebraic_connectivity", practical=True)
    assert not lowrank.size_limit(expander, "algebraic_connectivity", practical=False)
    assert not lowrank.size_limit(graphs.grid_2d(100, 100), "algebraic_connectivity", practical=True)
    with pytest.raises(ValueError, match="does not serve"):
        graphs.gossip_rates(graphs.path(4), "max_resistance", method="barrier")


@pytest.mark.slow
def test_bounds_of_the_first_iterations_can_be_good_by_luck():
    # an early bound stands for many iterations here, while the slacks do not agree
    for graph, method in ((graphs.topology("gabriel/425/5"), "auto"), (graphs.path(400), "barrier")):
        r = graphs.gossip_rates(graph, method=method)
        assert (r.status, r.method) == ("certified", "barrier" if method == "auto" else r.method)


def test_multiplicity_bridges_and_permutations():
    # two square grids joined by a bridge: lambda_2 simple, the bridge decisive
    two = nx.disjoint_union(nx.grid_2d_graph(3, 3), nx.grid_2d_graph(3, 3))
    two.add_edge(0, 9)
    graph = graphs.Graph.from_networkx(two)
    r = graphs.gossip_rates(graph, method="barrier")
    assert r.status == "certified"
    assert r.rates.argmax() == np.flatnonzero((graph.edges == [0, 9]).all(axis=1))[0]
    order = np.random.default_rng(0).permutation(18)
    moved = graphs.gossip_rates(graphs.Graph.from_edges(18, order[graph.edges]), method="barrier")
    assert moved.cost == pytest.approx(r.cost, rel=2e-6)


def test_the_same_bits():
    graph = graphs.random_geometric(40, rng=5)
    for method, criterion in [("barrier", "communication"), ("lowrank", "communication")]:
        a, b = (graphs.gossip_rates(graph, criterion, method=method, tol=1e-2) for _ in range(2))
        assert a.rates.tobytes() == b.rates.tobytes()


def test_certificates_need_their_factor():
    with pytest.raises(ValueError, match="Y is missing"):
        verify_rates(graphs.path(3), np.ones(2), Certificate("communication"))
    with pytest.raises(ValueError, match="Y is missing"):
        Certificate("max_resistance").X  # noqa: B018
