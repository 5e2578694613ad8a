"""Optimal rates: closed forms, published savings, other exact formulations, invariances, failures."""

import copy
import pickle
import time

import cvxpy as cp
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer import graphs
from gossamer.graphs.rates import (
    CRITERIA,
    METHODS,
    barrier,
    communication_cost,
    gossip_rates,
    lowrank,
    sdp,
    verify_rates,
)
from gossamer.graphs.rates.duals import Proposal

PETERSEN = graphs.Graph.from_networkx(nx.petersen_graph(), name="petersen")
BIPARTITE = graphs.Graph.from_networkx(nx.complete_bipartite_graph(3, 4), name="bipartite(3, 4)")


def consistent(result):
    """Everything a result claims, recomputed from its rates."""
    g, w = result.graph, result.rates
    assert w.shape == (g.n_edges,)
    assert np.all(w >= 0)
    assert result.total_rate == pytest.approx(w.sum(), rel=1e-14)
    assert graphs.chi(g, w) == pytest.approx((result.chi1, result.chi2), rel=1e-9)
    np.testing.assert_allclose(graphs.effective_resistances(g, w), result.edge_resistances, rtol=1e-9)
    assert w @ result.edge_resistances == pytest.approx(g.n_nodes - 1, rel=1e-9)
    assert result.cost == pytest.approx(communication_cost(g, w), rel=1e-9)
    assert result.cost_uniform == pytest.approx(communication_cost(g, np.ones(g.n_edges)), rel=1e-9)
    assert result.saved == pytest.approx(1 - result.cost / result.cost_uniform)
    bounds = verify_rates(g, w, result.certificate)
    assert tuple(bounds[:2]) == pytest.approx((result.lower_bound, result.upper_bound), rel=1e-9)
    assert bounds.gap == pytest.approx(result.gap, abs=1e-9)
    assert result.lower_bound <= result.upper_bound * (1 + 1e-12)
    if result.criterion == "communication":
        assert result.chi1 * result.chi2 == pytest.approx(0.5, rel=1e-9)
        assert result.total_rate == pytest.approx(result.cost, rel=1e-9)
        assert result.total_rate == pytest.approx(result.upper_bound, rel=1e-9)
        assert result.saved >= 0
    else:
        assert result.total_rate == pytest.approx(1.0)
    return result


# graph, cost of uniform rates, least cost, gain in lambda_2 of "algebraic_connectivity"
SAVINGS = [
    (graphs.path(16), 76.517, 76.517, 1.148),
    (graphs.star(16), 15.0, 15.0, 1.0),
    (graphs.cycle(16), 39.705, 39.705, 1.0),
    (graphs.grid_2d(5, 5), 54.109, 50.335, 1.047),
    (graphs.barbell(5), 38.441, 18.215, 3.804),
    (graphs.barbell(8), 126.148, 32.924, 8.724),
    (graphs.lollipop(8, 8), 149.597, 63.586, 3.924),
]


@pytest.mark.parametrize(("graph", "uniform", "best", "gain"), SAVINGS, ids=lambda v: getattr(v, "name", ""))
def test_savings_table(graph, uniform, best, gain):
    r = consistent(gossip_rates(graph, "communication", method="sdp"))
    assert r.status == "certified"
    assert r.cost_uniform == pytest.approx(uniform, abs=5.1e-4)
    assert r.cost == pytest.approx(best, abs=5.1e-4)
    a = consistent(gossip_rates(graph, "algebraic_connectivity", method="sdp"))
    assert a.status == "certified"
    l2_uniform = graphs.algebraic_connectivity(graph) / graph.n_edges
    assert 1 / a.chi1 / l2_uniform == pytest.approx(gain, abs=5.1e-4)


def test_barbell_savings():
    assert gossip_rates(graphs.barbell(5)).saved == pytest.approx(0.53, abs=0.005)
    assert gossip_rates(graphs.barbell(8)).saved == pytest.approx(0.74, abs=0.005)


@pytest.mark.parametrize("method", ["auto", "sdp"])
@pytest.mark.parametrize(
    "graph",
    [
        graphs.path(2),
        graphs.cycle(7),
        graphs.complete(6),
        graphs.star(6),
        PETERSEN,
        BIPARTITE,
        graphs.hypercube(3),
        graphs.torus_2d(4, 4),
    ],
    ids=repr,
)
def test_uniform_is_optimal_on_edge_transitive_graphs(graph, method):
    for criterion in ("communication", "algebraic_connectivity"):
        r = consistent(gossip_rates(graph, criterion, method=method))
        assert r.status == "certified"
        assert abs(r.saved) < 1e-6
        np.testing.assert_allclose(r.rates / r.total_rate * graph.n_edges, 1.0, atol=1e-5)
        if method == "auto":
            assert r.method == "uniform"
    u = consistent(gossip_rates(graph, "uniform"))
    assert u.status == "certified"


@pytest.mark.parametrize(
    "graph", [graphs.path(9), graphs.path(400), graphs.path(1500), graphs.star(90)], ids=repr
)
def test_trees_on_which_uniform_is_optimal_need_no_solver(graph):
    r = gossip_rates(graph)
    assert (r.status, r.method) == ("certified", "uniform")
    n = graph.n_nodes
    best = n - 1 if graph.name.startswith("star") else (n - 1) / np.sqrt(2 - 2 * np.cos(np.pi / n))
    assert r.cost == pytest.approx(best, rel=1e-6)


def test_large_edge_transitive_graph_needs_no_solver():
    r = gossip_rates(graphs.torus_2d(20, 20))
    assert (r.status, r.method) == ("certified", "uniform")


@pytest.mark.parametrize(
    ("graph", "cost"),
    [
        (graphs.path(2), 1 / np.sqrt(2)),
        (graphs.star(9), 8.0),
        (graphs.complete(9), 8 / np.sqrt(2)),
        (graphs.cycle(9), np.sqrt(72 / (2 - 2 * np.cos(2 * np.pi / 9)))),
        (graphs.path(9), 8 / np.sqrt(2 - 2 * np.cos(np.pi / 9))),
        (graphs.path(3), 2.0),
    ],
    ids=lambda v: getattr(v, "name", ""),
)
def test_closed_forms_of_the_cost(graph, cost):
    r = gossip_rates(graph, "communication", method="sdp")
    assert r.cost == pytest.approx(cost, rel=1e-6)
    assert r.lower_bound <= cost * (1 + 1e-9)


def test_path_parabola():
    n = 12
    r = consistent(gossip_rates(graphs.path(n), "algebraic_connectivity"))
    k = np.arange(1, n)
    np.testing.assert_allclose(r.rates, k * (n - k) / np.sum(k * (n - k)), atol=1e-6)
    assert 1 / r.chi1 == pytest.approx(12 / (n * (n * n - 1)), rel=1e-6)
    assert r.saved < 0  # the fastest mixing rates cost more communications than uniform ones


@pytest.mark.parametrize("k", [3, 4])
def test_square_grid_connectivity(k):
    r = consistent(gossip_rates(graphs.grid_2d(k, k), "algebraic_connectivity"))
    assert 1 / r.chi1 == pytest.approx(6 / (k * k * (k * k - 1)), rel=1e-5)


def test_trees():
    # uniform is optimal on a path, not on a binary tree
    path = gossip_rates(graphs.path(8), "communication")
    assert path.saved == pytest.approx(0.0, abs=1e-7)
    tree = consistent(gossip_rates(graphs.binary_tree(3), "communication"))
    assert tree.status == "certified"
    assert tree.saved > 0.005
    np.testing.assert_allclose(tree.edge_resistances, 1 / tree.rates, rtol=1e-9)


def semidefinite_cost(graph, form):
    """Least cost by three textbook forms of the same convex problem, through a modelling language."""
    n, m = graph.n_nodes, graph.n_edges
    B = graphs.spectra.incidence(graph)
    Q = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0][:, 1:]
    b, eye = Q.T @ B, np.eye(n - 1)
    scale = communication_cost(graph, np.ones(m)) / m
    w, s = cp.Variable(m, nonneg=True), cp.Variable()
    L = b @ cp.diag(w * scale) @ b.T
    constraints = [L >> s * eye]
    if form == "one block for each edge":
        for e in range(m):
            column = b[:, e : e + 1]
            constraints.append(cp.bmat([[L, column], [column.T, cp.reshape(s, (1, 1), order="C")]]) >> 0)
    elif form == "one large block":
        Z = cp.Variable((n - 1, n - 1), symmetric=True)
        constraints.append(cp.bmat([[L, eye], [eye, Z]]) >> 0)
        constraints += [b[:, e] @ Z @ b[:, e] <= s for e in range(m)]
    else:
        c = cp.Variable()
        constraints += [L >> c * np.outer(b[:, e], b[:, e]) for e in range(m)]
        constraints.append(cp.SOC(s + c, cp.hstack([2.0, s - c])))
    problem = cp.Problem(cp.Minimize(cp.sum(w)), constraints)
    problem.solve(solver=cp.CLARABEL)
    return communication_cost(graph, np.maximum(w.value, 0))


@pytest.mark.parametrize("form", ["one block for each edge", "one large block", "second-order cone"])
@pytest.mark.parametrize(
    "graph",
    [graphs.barbell(3), graphs.lollipop(4, 3), graphs.erdos_renyi(8, 0.4, 1), graphs.grid_2d(2, 4)],
    ids=repr,
)
def test_agrees_with_other_exact_forms(graph, form):
    r = gossip_rates(graph, "communication", method="sdp")
    assert r.cost == pytest.approx(semidefinite_cost(graph, form), rel=1e-6)


def test_connectivity_agrees_with_its_semidefinite_form():
    graph = graphs.random_geometric(10, rng=7)
    B = graphs.spectra.incidence(graph)
    w, s = cp.Variable(graph.n_edges, nonneg=True), cp.Variable()
    J = np.full((10, 10), 0.1)
    L = B @ cp.diag(w) @ B.T
    cp.Problem(cp.Maximize(s), [L + J >> s * (np.eye(10) - J), cp.sum(w) == 1]).solve(solver=cp.CLARABEL)
    r = consistent(gossip_rates(graph, "algebraic_connectivity"))
    assert 1 / r.chi1 == pytest.approx(s.value, rel=1e-5)


@st.composite
def small_graphs(draw):
    n = draw(st.integers(2, 9))
    return graphs.erdos_renyi(n, min(1.0, 0.15 + 2.0 / n), draw(st.integers(0, 2**32 - 1)))


@given(small_graphs(), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_properties_on_random_graphs(graph, seed):
    rng = np.random.default_rng(seed)
    best = consistent(gossip_rates(graph, "communication"))
    fastest = consistent(gossip_rates(graph, "algebraic_connectivity"))
    uniform = consistent(gossip_rates(graph, "uniform"))
    assert best.gap < 1e-5
    assert fastest.gap < 1e-5
    assert best.cost <= fastest.cost * (1 + 1e-7)
    assert best.cost <= uniform.cost
    assert uniform.lower_bound <= best.cost * (1 + 1e-9)
    for _ in range(5):
        w = rng.exponential(size=graph.n_edges) + 1e-3
        assert best.lower_bound <= communication_cost(graph, w) * (1 + 1e-9)
        assert graphs.algebraic_connectivity(graph, w) / w.sum() <= fastest.upper_bound * (1 + 1e-9)
    # relabelling the nodes permutes the edges and keeps the cost
    order = rng.permutation(graph.n_nodes)
    other = gossip_rates(graphs.Graph.from_edges(graph.n_nodes, order[graph.edges]))
    assert other.cost == pytest.approx(best.cost, rel=1e-5)


def test_relabelling_permutes_unique_rates():
    graph = graphs.barbell(4)
    order = np.random.default_rng(0).permutation(8)
    relabelled = graphs.Graph.from_edges(8, order[graph.edges])
    a, b = gossip_rates(graph), gossip_rates(relabelled)
    rates = {tuple(e): r for e, r in zip(relabelled.edges.tolist(), b.rates, strict=True)}
    moved = [rates[tuple(sorted(e))] for e in order[graph.edges].tolist()]
    np.testing.assert_allclose(moved, a.rates, atol=2e-4 * a.rates.max())
    assert b.cost == pytest.approx(a.cost, rel=1e-6)


def test_adding_an_edge_never_lowers_the_connectivity():
    ring = graphs.cycle(7)
    base = gossip_rates(ring, "algebraic_connectivity")
    for j in (2, 3):
        more = graphs.Graph.from_edges(7, np.vstack([ring.edges, [[0, j]]]))
        r = gossip_rates(more, "algebraic_connectivity")
        assert 1 / r.chi1 >= 1 / base.chi1 * (1 - 1e-7)


def test_edges_at_rate_zero():
    # the fastest mixing rates leave about half of the edges of such graphs idle
    graph = graphs.random_geometric(14, rng=0)
    r = consistent(gossip_rates(graph, "algebraic_connectivity"))
    idle = r.rates < 1e-7
    assert idle.any()
    assert np.all(np.isfinite(r.edge_resistances[idle]))
    assert r.chi2 == pytest.approx(0.5 * r.edge_resistances.max())


def test_same_bits_and_read_only():
    a, b = gossip_rates(graphs.barbell(4)), gossip_rates(graphs.barbell(4))
    assert a.rates.tobytes() == b.rates.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        a.rates[0] = 1.0
    with pytest.raises(AttributeError):
        a.cost = 1.0


def test_repr():
    # the known costs are 38.441 and 18.215
    text = repr(gossip_rates(graphs.barbell(5)))
    assert text.startswith(
        "GossipRates(communication on Graph('barbell(5)', n_nodes=10, n_edges=21): total rate 18.2"
    )
    assert "cost 18.2" in text
    assert "(52.6% saved)" in text
    assert text.endswith(", certified)")


def test_real_network():
    pytest.importorskip("topohub")
    r = consistent(gossip_rates(graphs.topology("sndlib/geant")))
    assert r.status == "certified"
    assert r.cost == pytest.approx(39.9714, abs=1e-3)
    assert r.saved == pytest.approx(0.164, abs=1e-3)


def test_tree_on_which_equilibration_fails():
    pytest.importorskip("topohub")
    assert gossip_rates(graphs.topology("topozoo/Arn")).status == "certified"


# ---------------------------------------------------------------------- flows and cycles


@given(small_graphs())
@settings(max_examples=40, deadline=None)
def test_cycle_space(graph):
    cycles, block, cycle_block = sdp._cycle_space(graph)
    m, n = graph.n_edges, graph.n_nodes
    assert cycles.shape == (m, m - n + 1)
    assert not np.any(graphs.spectra.incidence(graph) @ cycles)
    assert np.linalg.matrix_rank(cycles) == m - n + 1 if m >= n else cycles.size == 0
    for k in range(cycles.shape[1]):
        assert set(block[cycles[:, k] != 0]) == {cycle_block[k]}
    expected = nx.biconnected_component_edges(graph.to_networkx())
    sets = {frozenset(tuple(sorted(e)) for e in edges) for edges in expected}
    pairs = [tuple(e) for e in graph.edges.tolist()]
    assert {frozenset(p for p, b in zip(pairs, block, strict=True) if b == c) for c in set(block)} == sets


def test_thomson_principle():
    graph = graphs.erdos_renyi(8, 0.5, 1)
    w = np.random.default_rng(0).uniform(0.5, 2.0, graph.n_edges)
    cycles = sdp._cycle_space(graph)[0].astype(float)
    # least energy of a unit flow: least squares over the circulations
    for e, resistance in enumerate(graphs.effective_resistances(graph, w)):
        own = np.eye(graph.n_edges)[e]
        y = np.linalg.lstsq(cycles / np.sqrt(w)[:, None], -own / np.sqrt(w), rcond=None)[0]
        assert np.sum((own + cycles @ y) ** 2 / w) == pytest.approx(resistance, rel=1e-10)


# ---------------------------------------------------------------------- arguments, sizes, failures


def test_bad_arguments():
    ring = graphs.cycle(5)
    with pytest.raises(ValueError, match="choose from uniform, communication, algebraic_connectivity"):
        gossip_rates(ring, "fastest")
    with pytest.raises(ValueError, match="choose from auto, multiplicative, sdp"):
        gossip_rates(ring, method="newton")
    for tol in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="tol must be a finite number > 0"):
            gossip_rates(ring, tol=tol)
    for tol in ("small", None, True, 1j):
        with pytest.raises(TypeError, match="tol must be a number"):
            gossip_rates(ring, tol=tol)
    for name in (None, 3, ["communication"]):
        for arguments in ({"criterion": name}, {"method": name}):
            with pytest.raises(TypeError, match="must be a string"):
                gossip_rates(ring, **arguments)
    with pytest.raises(ValueError, match=r"gossip_rates needs a connected graph.*2 components"):
        gossip_rates(graphs.Graph.from_edges(4, [(0, 1), (2, 3)]))
    with pytest.raises(ValueError, match="one node"):
        gossip_rates(graphs.path(1))
    with pytest.raises(TypeError, match="from_networkx"):
        gossip_rates(nx.path_graph(3))
    with pytest.raises(ValueError, match="does not serve"):
        gossip_rates(ring, "uniform", method="sdp")


@pytest.mark.parametrize("criterion", ["communication", "algebraic_connectivity"])
def test_too_large_is_said_and_still_bounded(monkeypatch, criterion):
    monkeypatch.setattr(barrier, "PRACTICAL_EDGES", 10)
    for limit in ("PRACTICAL_WORK", "FEASIBLE_WORK"):
        monkeypatch.setattr(lowrank, limit, 10)
    r = consistent(gossip_rates(graphs.grid_2d(9, 9), criterion))
    assert (r.status, r.method) == ("tolerance_not_met", "uniform")
    # each limit with its method, and only methods that would take the graph
    assert "81 nodes, and the limit is 60 for 'sdp', and the graph has 144 edges" in r.message
    assert "'sdp' tries harder; method='barrier' tries harder" in r.message
    assert "'lowrank' tries harder" not in r.message
    assert 0 < r.gap < 1
    with pytest.raises(ValueError, match="144 nodes"):
        gossip_rates(graphs.grid_2d(12, 12), criterion, method="sdp")


def test_too_many_edges_in_a_block():
    graph = graphs.erdos_renyi(40, 0.5, 0)
    assert "pairs of edges" in sdp.size_limit(graph, "communication", practical=True)
    tree = graphs.barabasi_albert(55, 1, 0)  # many bridges, no pairs
    assert not sdp.size_limit(tree, "communication", practical=True)


def test_beyond_the_dense_limit(monkeypatch):
    graph = graphs.grid_2d(9, 9)
    dense = gossip_rates(graph, "uniform")
    monkeypatch.setattr(graphs.spectra, "DENSE_LIMIT", 10)
    sparse = gossip_rates(graph, "uniform")
    assert sparse.cost == pytest.approx(dense.cost, rel=1e-8)
    assert sparse.certificate.Y.shape == (81, 1)
    assert sparse.lower_bound <= dense.cost


def proposal(graph, rates):
    Y = np.random.default_rng(0).standard_normal((graph.n_nodes, 2))
    return Proposal(np.asarray(rates, dtype=float), Y, np.ones(graph.n_edges))


@pytest.mark.parametrize(
    "bad", ["raises", "nan", "negative", "zero", "disconnecting", "short", "bad dual", "bad weights"]
)
def test_solver_failures_give_uniform_rates(monkeypatch, bad):
    graph = graphs.barbell(4)
    m = graph.n_edges

    def propose(g, criterion, attempt, *_):
        good = proposal(g, np.ones(m))
        disconnecting = np.where((g.edges == [3, 4]).all(axis=1), 0.0, 1.0)
        if bad == "raises":
            raise RuntimeError("out of cheese")
        return {
            "nan": good._replace(rates=np.full(m, np.nan)),
            "negative": good._replace(rates=-np.ones(m)),
            "zero": good._replace(rates=np.zeros(m)),
            "disconnecting": good._replace(rates=disconnecting),
            "short": good._replace(rates=np.ones(m - 1)),
            "bad dual": good._replace(Y=np.full((8, 2), np.nan)),
            "bad weights": good._replace(p=np.zeros(m)),
        }[bad]

    monkeypatch.setitem(METHODS, "sdp", METHODS["sdp"]._replace(propose=propose))
    with pytest.warns(RuntimeWarning, match="uniform rates: method 'sdp' failed"):
        r = gossip_rates(graph, method="sdp")
    consistent(r)
    assert (r.status, r.method) == ("tolerance_not_met", "uniform")
    np.testing.assert_allclose(r.rates, r.rates[0])
    if bad == "raises":
        assert "out of cheese" in r.message


def test_solver_gone_wrong_inside(monkeypatch):
    monkeypatch.setattr(
        sdp, "_solve", lambda cost, A, *rest: (np.full(len(cost), np.nan), np.zeros(A.shape[0]))
    )
    with pytest.warns(RuntimeWarning, match="failed"):
        assert gossip_rates(graphs.barbell(3), method="sdp").method == "uniform"


class PanicException(BaseException):
    """As a panic of a Rust library arrives."""


@pytest.mark.parametrize("thrown", [PanicException, KeyboardInterrupt])
def test_panics_are_failures_and_interrupts_are_not(monkeypatch, thrown):
    import clarabel

    def solver(*_):
        raise thrown("index out of bounds")

    monkeypatch.setattr(clarabel, "DefaultSolver", solver)
    if thrown is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            gossip_rates(graphs.barbell(3), method="sdp")
    else:
        with pytest.warns(RuntimeWarning, match="solver panicked: index out of bounds"):
            assert gossip_rates(graphs.barbell(3), method="sdp").method == "uniform"


def test_time_over_is_no_failure(monkeypatch):
    def propose(g, criterion, attempt, tol, deadline, limits):
        while time.monotonic() <= deadline:
            pass
        raise ArithmeticError("stopped")

    monkeypatch.setitem(METHODS, "sdp", METHODS["sdp"]._replace(propose=propose))
    r = gossip_rates(graphs.barbell(3), method="sdp", time_limit=0.05)
    assert (r.status, r.method) == ("tolerance_not_met", "uniform")
    assert "within time_limit" in r.message
    assert "stopped" in r.message


def test_rounding_is_no_improvement(monkeypatch):
    graph = graphs.barbell(4)
    for seed in range(20):
        w = np.full(graph.n_edges, 1.0) * (1.0 + 1e-15 * np.random.default_rng(seed).standard_normal(13))
        monkeypatch.setitem(
            METHODS, "sdp", METHODS["sdp"]._replace(propose=lambda g, *_, w=w: proposal(g, w))
        )
        r = gossip_rates(graph, method="sdp")
        assert r.saved >= 0.0
        assert r.method == "uniform"


def test_never_worse_than_uniform(monkeypatch):
    graph = graphs.barbell(4)
    w = np.ones(graph.n_edges)
    w[np.flatnonzero((graph.edges == [3, 4]).all(axis=1))] = 0.01
    monkeypatch.setitem(METHODS, "sdp", METHODS["sdp"]._replace(propose=lambda g, *_: proposal(g, w)))
    for criterion in ("communication", "algebraic_connectivity"):
        r = consistent(gossip_rates(graph, criterion, method="sdp"))
        assert r.method == "uniform"
        assert "nothing better" in r.message


def test_second_attempt_rescues_the_first(monkeypatch):
    def propose(g, criterion, attempt, *_):
        if attempt == 0:
            raise FloatingPointError("first")
        return sdp.propose(g, criterion, attempt)

    monkeypatch.setitem(METHODS, "sdp", METHODS["sdp"]._replace(propose=propose))
    r = gossip_rates(graphs.barbell(4), method="sdp")
    assert (r.status, r.method) == ("certified", "sdp")


def test_every_criterion_has_a_method():
    assert set(CRITERIA) == {c for entry in METHODS.values() for c in entry.criteria}


@pytest.mark.slow
def test_fifty_nodes():
    pytest.importorskip("topohub")
    r = consistent(gossip_rates(graphs.topology("sndlib/germany50")))
    assert r.status == "certified"
    assert r.cost == pytest.approx(146.4957, abs=1e-3)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))])
def test_copies_are_read_only(duplicate):
    original = graphs.gossip_rates(graphs.barbell(3), method="barrier")
    made = duplicate(original)
    np.testing.assert_array_equal(made.rates, original.rates)
    for r in (original, made):
        proof = r.certificate
        for array in (r.rates, r.edge_resistances, proof.Y, proof.p, proof.reference):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1.0
