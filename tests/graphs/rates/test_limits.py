"""Edge costs, upper bounds and node budgets: other exact forms, validity of the bounds, refusals."""

import pickle
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from gossamer import graphs
from gossamer.graphs.rates import Certificate, communication_cost, gossip_rates, verify_rates
from gossamer.graphs.rates.limits import Limits

GRAPHS = [graphs.path(6), graphs.cycle(6), graphs.barbell(4), graphs.grid_2d(4, 4)]
CRITERIA = ["communication", "algebraic_connectivity", "max_resistance", "total_resistance"]


def random_costs(graph, seed=0):
    return np.exp(np.random.default_rng(seed).normal(size=graph.n_edges))


def other_form(graph, criterion, costs, upper=None, nodes=None):
    """The optimal value by semidefinite blocks, one for each edge, in cvxpy."""
    n, m = graph.n_nodes, graph.n_edges
    B = graphs.spectra.incidence(graph)
    start = np.eye(n)
    start[:, 0] = 1.0
    Q = np.linalg.qr(start)[0][:, 1:]
    b = Q.T @ B
    w, s = cp.Variable(m, nonneg=True), cp.Variable()
    L = sum(w[e] * np.outer(b[:, e], b[:, e]) for e in range(m))
    constraints = []
    if upper is not None:
        constraints.append(w <= upper)
    if nodes is not None:
        budgeted = np.isfinite(nodes)
        constraints.append(np.abs(B)[budgeted] @ w <= nodes[budgeted])
    each = [np.outer(b[:, e], b[:, e]) for e in range(m)]
    identity = np.eye(n - 1)
    if criterion == "communication":
        c = cp.Variable()
        constraints += [
            L >> s * identity,
            cp.SOC(s + c, cp.hstack([2.0, s - c])),
            *(L >> c * one for one in each),
        ]
        cp.Problem(cp.Minimize(costs @ w), constraints).solve(solver=cp.CLARABEL)
        return float(costs @ w.value)
    constraints.append(costs @ w <= 1)
    if criterion == "total_resistance":
        Z = cp.Variable((n - 1, n - 1), symmetric=True)
        constraints.append(cp.bmat([[L, identity], [identity, Z]]) >> 0)
        cp.Problem(cp.Minimize(n * cp.trace(Z)), constraints).solve(solver=cp.CLARABEL)
        return float(n * np.trace(np.asarray(Z.value)))
    blocks = [identity] if criterion == "algebraic_connectivity" else each
    constraints += [L >> s * block for block in blocks]
    cp.Problem(cp.Maximize(s), constraints).solve(solver=cp.CLARABEL)
    best = float(np.asarray(s.value))
    return best if criterion == "algebraic_connectivity" else 1.0 / best


def attained(result):
    """The value of the rates as they are, after checking that the result is what it says."""
    g, w, c = result.graph, result.rates, result.edge_costs
    c = np.ones(g.n_edges) if c is None else c
    given_limits: dict[str, Any] = {"edge_costs": c, "upper": result.upper, "node_budget": result.node_budget}
    bounds = verify_rates(g, w, result.certificate, **given_limits)
    claimed = (result.lower_bound, result.upper_bound, result.gap)
    assert tuple(bounds) == pytest.approx(claimed, rel=1e-9, abs=1e-9)
    l2, largest = graphs.algebraic_connectivity(g, w), graphs.effective_resistances(g, w).max()
    assert graphs.chi(g, w) == pytest.approx((result.chi1, result.chi2), rel=1e-9)
    assert result.total_rate == pytest.approx(w.sum())
    assert result.cost == pytest.approx(np.sqrt(largest / l2) * (c @ w), rel=1e-9)
    assert result.cost_uniform == pytest.approx(
        communication_cost(g, np.ones(g.n_edges)) * c.mean(), rel=1e-9
    )
    if result.upper is not None:
        assert np.all(w <= result.upper * (1 + 1e-9))
    if result.node_budget is not None:
        assert np.all(np.abs(graphs.spectra.incidence(g)) @ w <= result.node_budget * (1 + 1e-9))
    if result.criterion == "communication":
        assert result.chi1 * result.chi2 == pytest.approx(0.5, rel=1e-9)
        return c @ w
    assert c @ w <= 1 + 1e-9
    if result.criterion == "total_resistance":
        return g.n_nodes * np.trace(np.linalg.pinv(graphs.laplacian(g, w).toarray(), hermitian=True))
    return l2 if result.criterion == "algebraic_connectivity" else largest


INACCURATE = pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # of the other form


@INACCURATE
@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("graph", GRAPHS, ids=repr)
def test_costs_agree_with_another_exact_form(graph, criterion):
    c = random_costs(graph)
    r = gossip_rates(graph, criterion, edge_costs=c)
    assert attained(r) == pytest.approx(other_form(graph, criterion, c), rel=1e-6)
    assert r.status == "certified"
    np.testing.assert_array_equal(r.edge_costs, c)


def bounds_of_case(graph, criterion, c, which):
    """Bounds that bind: below the free optimum in places, above what is needed elsewhere."""
    free = gossip_rates(graph, criterion, edge_costs=c)
    rng = np.random.default_rng(graph.n_edges)
    w = free.rates
    upper = w.copy()
    upper[rng.permutation(len(w))[: len(w) // 3 + 1]] *= 0.8
    grown = 1.3 if criterion == "communication" else 0.95
    upper = np.maximum(upper * grown, 0.2 * w.mean())
    nodes = np.abs(graphs.spectra.incidence(graph)) @ w * (1.35 if criterion == "communication" else 0.9)
    nodes[0] = np.inf
    nodes[1:3] *= 0.85
    return (upper if which != "nodes" else None), (nodes if which != "upper" else None)


@INACCURATE
@pytest.mark.parametrize(
    ("graph", "which"),
    [
        *((g, which) for g in (GRAPHS[0], GRAPHS[2]) for which in ("upper", "nodes")),
        *((g, "both") for g in GRAPHS),
    ],
    ids=repr,
)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_bounds_agree_with_another_exact_form(graph, criterion, which):
    c = random_costs(graph, 1)
    upper, nodes = bounds_of_case(graph, criterion, c, which)
    r = gossip_rates(graph, criterion, edge_costs=c, upper=upper, node_budget=nodes)
    best = other_form(graph, criterion, c, upper, nodes)
    assert attained(r) == pytest.approx(best, rel=2e-6)
    assert r.gap < 1e-5


def test_costs_break_the_shortcut_of_the_largest_resistance():
    """The multiplicative update solves min max R_e / c_e: another problem, once costs differ."""
    g, c = graphs.barbell(4), random_costs(graphs.barbell(4), 5)
    w = 1.0 / c
    for _ in range(300):
        w = np.maximum(w * graphs.effective_resistances(g, w) / c, 1e-50)
        w /= c @ w
    shortcut = graphs.effective_resistances(g, w)
    assert (shortcut / c).max() == pytest.approx(g.n_nodes - 1, rel=1e-3)
    best = gossip_rates(g, "max_resistance", edge_costs=c)
    assert (best.method, best.status) == ("sdp", "certified")
    assert best.edge_resistances.max() < 0.9 * shortcut.max()


@pytest.mark.parametrize("criterion", ["communication", "algebraic_connectivity"])
def test_barrier_agrees_with_sdp_on_costs(criterion):
    g = graphs.random_geometric(20, rng=3)
    c = random_costs(g)
    one, other = (
        gossip_rates(g, criterion, edge_costs=c, method=name, tol=1e-5) for name in ("barrier", "sdp")
    )
    assert one.method == "barrier"
    assert one.status == other.status == "certified"
    assert attained(one) == pytest.approx(attained(other), rel=2e-5)


def test_total_resistance_with_costs_at_a_larger_size():
    g = graphs.grid_2d(12, 12)
    r = gossip_rates(g, "total_resistance", edge_costs=random_costs(g))
    assert (r.method, r.status) == ("multiplicative", "certified")
    attained(r)


@pytest.mark.parametrize("criterion", [*CRITERIA, "uniform"])
def test_equal_costs_and_wide_bounds_change_nothing(criterion):
    g = graphs.barbell(4)
    plain = gossip_rates(g, criterion)
    dear = gossip_rates(g, criterion, edge_costs=np.full(g.n_edges, 4.0))
    if criterion in ("communication", "uniform"):
        assert dear.upper_bound == pytest.approx(4.0 * plain.upper_bound, rel=1e-6)
    assert dear.cost == pytest.approx(4.0 * plain.cost, rel=1e-5)
    share = dear.rates / dear.total_rate, plain.rates / plain.total_rate
    np.testing.assert_allclose(*share, atol=1e-4)
    if criterion != "uniform":
        wide = gossip_rates(g, criterion, upper=np.full(g.n_edges, 1e3), node_budget=np.full(8, np.inf))
        assert attained(wide) == pytest.approx(attained(plain), rel=2e-6)
        assert wide.status == "certified"


def test_uniform_rates_with_costs_tell_what_could_be_saved():
    g, c = graphs.barbell(4), random_costs(graphs.barbell(4))
    r = gossip_rates(g, "uniform", edge_costs=c)
    best = gossip_rates(g, edge_costs=c)
    assert c @ r.rates == pytest.approx(1.0)
    assert np.ptp(r.rates) == 0.0
    assert r.lower_bound <= best.cost <= r.cost == best.cost_uniform


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_bounds_hold_for_any_dual_object(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    g = graphs.erdos_renyi(n, min(1.0, 0.2 + 2.0 / n), seed)
    m = g.n_edges
    B = np.abs(graphs.spectra.incidence(g))
    c = rng.exponential(size=m) + 0.05

    def cost(w):  # at chi1 * chi2 = 1/2
        return float(np.sqrt(graphs.effective_resistances(g, w).max() / graphs.algebraic_connectivity(g, w)))

    some = rng.exponential(size=m) + 0.05
    some = some * cost(some)
    upper = some * rng.uniform(1.0, 2.0, m)
    nodes = (B @ some) * rng.uniform(1.0, 1.5, n)
    nodes[rng.random(n) < 0.3] = np.inf
    problem: dict[str, Any] = {"edge_costs": c, "upper": upper, "node_budget": nodes}
    dual: dict[str, Any] = {
        "Y": rng.standard_normal((n, 2)),
        "p": rng.exponential(size=m),
        "reference": rng.exponential(size=m) + 0.01,
        "node_prices": rng.exponential(size=n) * rng.choice([0.0, 0.1, 1.0]),
    }
    least = verify_rates(
        g, some, Certificate("communication", t=float(rng.exponential()) + 0.1, **dual), **problem
    )
    assert least.upper == pytest.approx(c @ some, rel=1e-9)
    for _ in range(8):
        w = some * rng.uniform(0.9, 1.2, m)
        w = w * cost(w)
        if np.all(w <= upper) and np.all(B @ w <= nodes):
            assert least.lower <= c @ w * (1 + 1e-9)
    for criterion in CRITERIA[1:]:
        bounds = verify_rates(g, some, Certificate(criterion, **dual), **problem)
        for _ in range(4):
            w = rng.exponential(size=m) + 0.01
            w = w * min(1 / (c @ w), (upper / w).min(), (nodes / (B @ w)).min())
            value = {
                "algebraic_connectivity": graphs.algebraic_connectivity(g, w),
                "max_resistance": graphs.effective_resistances(g, w).max(),
                "total_resistance": n
                * np.trace(np.linalg.pinv(graphs.laplacian(g, w).toarray(), hermitian=True)),
            }[criterion]
            if criterion == "algebraic_connectivity":
                assert value <= bounds.upper * (1 + 1e-9)
            else:
                assert value >= bounds.lower * (1 - 1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_sorted_programmes_are_linear_programmes(seed):
    rng = np.random.default_rng(seed)
    g = graphs.cycle(int(rng.integers(3, 9)))
    m = g.n_edges
    c, z = rng.exponential(size=m) + 0.1, rng.exponential(size=m) * (rng.random(m) < 0.8)
    u = np.where(rng.random(m) < 0.3, np.inf, rng.exponential(size=m))
    limits = Limits(g, c, u, None)
    box = [(0.0, None if np.isinf(one) else one) for one in u]
    assert limits.highest(z) == pytest.approx(-linprog(-z, A_ub=[c], b_ub=[1.0], bounds=box).fun, rel=1e-9)
    least = linprog(c, A_ub=[-z], b_ub=[-1.0], bounds=box)
    assert limits.cheapest(z) == pytest.approx(np.inf if least.status == 2 else least.fun, rel=1e-9)


def test_rates_beyond_the_bounds_prove_no_upper_bound():
    g = graphs.barbell(4)
    r = gossip_rates(g)
    bounds = verify_rates(g, r.rates, r.certificate, upper=0.99 * r.rates)
    assert bounds.upper == bounds.gap == np.inf
    # a tampered certificate is weaker, never false
    worse = Certificate("communication", np.random.default_rng(0).standard_normal((8, 1)))
    assert verify_rates(g, r.rates, worse, edge_costs=np.ones(13)).lower < r.lower_bound


@pytest.mark.parametrize("price", [1e5, 1e16, 1e25, 1e300, 1e308])
def test_large_prices_prove_nothing_false(price):
    for g in (graphs.path(2), graphs.barbell(4)):
        r = gossip_rates(g)
        nodes = np.abs(graphs.spectra.incidence(g)) @ r.rates  # there is no room left
        for k in range(5):
            prices = price * np.random.default_rng(k).choice([0.5, 1.0], g.n_nodes)
            dual: dict[str, Any] = {"Y": r.certificate.Y, "p": np.ones(g.n_edges), "node_prices": prices}
            bounds = verify_rates(g, r.rates, Certificate("communication", **dual), node_budget=nodes)
            assert bounds.lower <= r.upper_bound * (1 + 1e-9)


def test_bounds_that_no_rates_meet():
    g = graphs.grid_2d(3, 3)
    r = gossip_rates(g)
    with pytest.raises(ValueError, match="raise them by a factor of"):
        gossip_rates(g, upper=0.5 * r.rates)
    # edge by edge there is room, but not at the nodes
    loads = np.abs(graphs.spectra.incidence(g)) @ r.rates
    with pytest.raises(ValueError, match="no rates within upper and node_budget were found"):
        gossip_rates(g, node_budget=0.7 * loads)


def test_the_answer_records_the_problem():
    g = graphs.path(4)
    c, u = [1.0, 2.0, 1.0], np.array([5.0, 5.0, np.inf])
    r = pickle.loads(pickle.dumps(gossip_rates(g, edge_costs=c, upper=u)))
    assert r.node_budget is None
    np.testing.assert_array_equal(r.edge_costs, c)
    np.testing.assert_array_equal(r.upper, u)
    assert not r.edge_costs.flags.writeable
    assert not r.upper.flags.writeable
    assert u.flags.writeable
    assert gossip_rates(g).edge_costs is None


def test_refusals(monkeypatch):
    def refused(arguments: dict[str, Any]):
        gossip_rates(g, **arguments)

    g = graphs.barbell(4)
    c, u = random_costs(g), np.ones(g.n_edges)
    with pytest.raises(
        ValueError, match=r"'multiplicative' does not serve .*'max_resistance' with edge costs.*'sdp'"
    ):
        gossip_rates(g, "max_resistance", edge_costs=c, method="multiplicative")
    with pytest.raises(
        ValueError, match=r"'lowrank' does not serve .* with edge costs; use 'sdp' or 'barrier'"
    ):
        gossip_rates(g, edge_costs=c, method="lowrank")
    with pytest.raises(
        ValueError, match=r"'lowrank' does not serve .* with edge costs and bounds; use 'sdp' or 'barrier'"
    ):
        gossip_rates(g, edge_costs=c, upper=u, method="lowrank")
    with pytest.raises(
        ValueError, match=r"'multiplicative' does not serve .*'total_resistance' with bounds; use 'sdp'$"
    ):
        gossip_rates(g, "total_resistance", upper=u, method="multiplicative")
    with pytest.raises(ValueError, match="'uniform' optimises nothing"):
        gossip_rates(g, "uniform", upper=u)
    for name in ("edge_costs", "upper", "node_budget"):
        size = g.n_nodes if name == "node_budget" else g.n_edges
        for bad in (np.ones(size + 1), np.zeros(size), np.full(size, np.nan), -np.ones(size)):
            with pytest.raises(ValueError, match=name):
                refused({name: bad})
        with pytest.raises(TypeError, match=name):
            refused({name: ["a"] * size})
        for far in (1e-300, 1e-60, 1e60, 1e300):
            with pytest.raises(
                ValueError, match=f"{name} must lie within 1e-50..1e\\+50.*choose another unit"
            ):
                refused({name: np.full(size, far)})
    with pytest.raises(ValueError, match="edge_costs"):
        gossip_rates(g, edge_costs=np.full(g.n_edges, np.inf))
    monkeypatch.setattr("gossamer.graphs.rates.barrier.PRACTICAL_EDGES", 10)
    large = graphs.grid_2d(9, 9)
    with pytest.raises(ValueError, match=r"uniform rates exceed upper .* the graph has 81 nodes"):
        gossip_rates(large, node_budget=np.r_[1.0, np.full(80, np.inf)])
