"""Bounds of the rates in the interior point on the edges: against conic programmes and closed forms."""

from typing import Any

import numpy as np
import pytest

from gossamer import graphs
from gossamer.graphs import gossip_rates
from gossamer.graphs.rates import barrier, duals, verify_rates
from gossamer.graphs.rates.limits import Limits

BOTH = ["communication", "algebraic_connectivity"]
ROUNDING = 1e-9
# so many nodes that lambda_2 is proven, not computed from the whole spectrum
LARGE = pytest.param(graphs.grid_2d(15, 15), marks=pytest.mark.slow)


def loads(graph, w):
    return np.abs(graphs.spectra.incidence(graph)) @ w


def to_condition(graph, w):
    """The multiple of w with ``chi1 * chi2 = 1/2``."""
    return w * np.sqrt(graphs.effective_resistances(graph, w).max() / graphs.algebraic_connectivity(graph, w))


def random_bounds(graph, criterion, which, seed, loose=1.0) -> dict[str, Any]:
    """Bounds that some random rates meet, tightly at many edges and nodes; infinite at others."""
    rng = np.random.default_rng(seed)
    w = rng.exponential(size=graph.n_edges) + 0.1
    w = to_condition(graph, w) if criterion == "communication" else w / w.sum()
    w = w * loose * (rng.choice([1.001, 1.1, 1.5]) if criterion == "communication" else rng.uniform(0.3, 1.0))
    upper = w * rng.choice([1.0, 1.0, 2.0, np.inf], graph.n_edges)
    nodes = loads(graph, w) * rng.choice([1.0, 1.1, np.inf], graph.n_nodes)
    costs = rng.exponential(size=graph.n_edges) + 0.1
    return {
        "edge_costs": costs if rng.random() < 0.6 else None,
        "upper": None if which == "nodes" else upper,
        "node_budget": None if which == "upper" else nodes,
    }


def value(result):
    """What the rates attain, after checking that they obey the bounds and prove what is claimed."""
    graph, w = result.graph, result.rates
    given: dict[str, Any] = {
        "edge_costs": result.edge_costs,
        "upper": result.upper,
        "node_budget": result.node_budget,
    }
    limits = Limits(graph, **given)
    assert np.all(w >= 0)
    assert np.all(w <= limits.upper * (1 + ROUNDING))
    assert np.all(loads(graph, w) <= limits.nodes * (1 + ROUNDING))
    bounds = verify_rates(graph, w, result.certificate, **given)
    assert bounds == pytest.approx((result.lower_bound, result.upper_bound, result.gap), rel=1e-9, abs=1e-9)
    assert bounds.lower <= bounds.upper * (1 + 1e-6)  # rounding of bounds that leave no room is magnified
    if result.criterion == "communication":
        assert np.prod(graphs.chi(graph, w)) == pytest.approx(0.5, rel=1e-8)
        assert limits.cost(w) == pytest.approx(result.upper_bound, rel=1e-8)
        return limits.cost(w)
    assert limits.cost(w) <= 1 + 1e-9
    l2 = graphs.algebraic_connectivity(graph, w)
    assert l2 == pytest.approx(result.lower_bound, rel=1e-8)
    return l2


# ---------------------------------------------------------------------- agreement


@pytest.mark.parametrize("which", ["upper", "nodes", "both"])
@pytest.mark.parametrize("criterion", BOTH)
@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_the_conic_programmes(criterion, which, seed):
    n = 5 + 2 * seed
    graph = graphs.erdos_renyi(n, 0.15 + 2.5 / n, seed) if seed % 2 else graphs.random_geometric(n, rng=seed)
    given = random_bounds(graph, criterion, which, seed)
    found, exact = (gossip_rates(graph, criterion, method=name, **given) for name in ("barrier", "sdp"))
    assert (found.method, found.status) == ("barrier", "certified")
    assert exact.gap < 1e-4  # next to the bounds they do not always reach 1e-6
    assert value(found) == pytest.approx(value(exact), rel=1e-6 + exact.gap)
    assert found.lower_bound <= exact.upper_bound * (1 + 1e-9)
    assert exact.lower_bound <= found.upper_bound * (1 + 1e-9)


@pytest.mark.parametrize("criterion", BOTH)
@pytest.mark.parametrize(
    "graph",
    [graphs.random_geometric(60, rng=2), graphs.grid_2d(11, 11), graphs.barabasi_albert(120, 2), LARGE],
    ids=repr,
)
def test_some_hundred_edges(graph, criterion):
    # beyond the practical size of the conic programmes: "auto" has this method only
    result = gossip_rates(graph, criterion, **random_bounds(graph, criterion, "both", 1))
    assert (result.method, result.status) == ("barrier", "certified")
    value(result)


@pytest.mark.parametrize("criterion", BOTH)
def test_prices_alone_are_improved_on_large_graphs(criterion, monkeypatch):
    monkeypatch.setattr(duals, "LP_EDGES", 0)
    monkeypatch.setattr(duals, "EXACT_EDGES", 0)
    graph = graphs.random_geometric(25, rng=4)
    given = random_bounds(graph, criterion, "both", 3)
    result = gossip_rates(graph, criterion, method="barrier", tol=1e-4, **given)
    assert result.status == "certified"
    prices = result.certificate.node_prices
    assert prices is not None
    assert np.any(prices > 0)
    value(result)


# ---------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("graph", [graphs.grid_2d(4, 5), graphs.barbell(5)], ids=repr)
@pytest.mark.parametrize("criterion", BOTH)
def test_bounds_that_never_bind(graph, criterion):
    free = gossip_rates(graph, criterion)
    for factor in (2.0, 1e6, 1e40):
        wide = gossip_rates(
            graph,
            criterion,
            method="barrier",
            upper=np.full(graph.n_edges, free.rates.max() * factor),
            node_budget=np.full(graph.n_nodes, loads(graph, free.rates).max() * factor),
        )
        assert wide.status == "certified"
        assert value(wide) == pytest.approx(value(free), rel=1e-6)


def test_bounds_that_bind_everywhere():
    # lambda_2 grows with the rates: where the cost leaves room, the bounds are the optimum
    graph = graphs.random_geometric(20, rng=1)
    upper = np.random.default_rng(0).uniform(0.1, 1.0, graph.n_edges) / graph.n_edges
    at_bounds = gossip_rates(graph, "algebraic_connectivity", method="barrier", upper=upper)
    assert at_bounds.status == "certified"
    assert value(at_bounds) == pytest.approx(graphs.algebraic_connectivity(graph, upper), rel=1e-6)
    # by symmetry equal rates, and half a node's budget on each of its two edges
    ring = graphs.cycle(9)
    budget = gossip_rates(ring, "algebraic_connectivity", method="barrier", node_budget=np.full(9, 0.1))
    assert value(budget) == pytest.approx(0.05 * (2 - 2 * np.cos(2 * np.pi / 9)), rel=1e-6)
    # the budget of the hub, in equal parts
    star = gossip_rates(
        graphs.star(17), "algebraic_connectivity", method="barrier", node_budget=np.full(17, 0.1)
    )
    assert star.status == "certified"
    assert value(star) == pytest.approx(0.1 / 16, rel=1e-6)


@pytest.mark.parametrize("excess", [0.0, 1e-9, 1e-8, 1e-6, 1e-4])
@pytest.mark.parametrize("bound", ["upper", "node_budget"])
def test_hardly_any_room(bound, excess):
    """The bounds are the free optimum: next to no other rates are within them."""
    graph = graphs.grid_2d(4, 5)
    free = gossip_rates(graph, tol=1e-9)
    at = free.rates if bound == "upper" else loads(graph, free.rates)
    given: dict[str, Any] = {bound: (1 + excess) * at}
    result = gossip_rates(graph, method="barrier", **given)
    assert (result.method, result.status) == ("barrier", "certified")
    assert value(result) == pytest.approx(free.cost, rel=1e-6)


@pytest.mark.parametrize("excess", [0.0, 1e-8, 1e-6, 1e-3])
def test_hardly_any_room_far_from_the_free_optimum(excess):
    graph, rng = graphs.barbell(5), np.random.default_rng(2)
    w = to_condition(graph, rng.uniform(0.5, 2.0, graph.n_edges))
    result = gossip_rates(graph, method="barrier", upper=(1 + excess) * w)
    assert result.status == "certified"
    # all rates within the bounds cost nearly as much as the bounds, which meet the condition
    assert value(result) <= (1 + excess) * w.sum() * (1 + ROUNDING)
    assert value(result) >= gossip_rates(graph).cost


# ---------------------------------------------------------------------- no rates, no time


def test_bounds_that_no_rates_meet():
    graph = graphs.grid_2d(4, 5)
    w = gossip_rates(graph, tol=1e-9).rates
    nothing = "no rates within upper and node_budget were found .* 'barrier' found none"
    for factor in (0.6, 0.9, 0.9999):
        with pytest.raises(ValueError, match="upper and node_budget are too small"):
            gossip_rates(graph, method="barrier", upper=factor * w)
        with pytest.raises(ValueError, match=nothing):
            gossip_rates(graph, method="barrier", node_budget=factor * loads(graph, w))
        with pytest.raises(ValueError, match=nothing):  # one edge is free, and that does not help
            gossip_rates(graph, method="barrier", upper=np.where(np.arange(w.size) == 3, np.inf, factor * w))


def test_a_proof_that_no_rates_meet_the_bounds_ends_the_iterations(monkeypatch):
    graph, steps = graphs.grid_2d(4, 5), []
    w = gossip_rates(graph).rates
    advance = barrier._Solver.advance
    monkeypatch.setattr(barrier._Solver, "advance", lambda self: (steps.append(1), advance(self)))
    with pytest.raises(ValueError, match="found none"):
        gossip_rates(graph, method="barrier", node_budget=0.5 * loads(graph, w))
    assert len(steps) < 10


def test_time_limit():
    graph = graphs.random_geometric(40, rng=0)
    w = to_condition(graph, np.ones(graph.n_edges))
    upper = w * np.random.default_rng(0).uniform(1.5, 3.0, graph.n_edges)
    given: dict[str, Any] = {"method": "barrier", "time_limit": 1e-3}
    # the bounds themselves serve at once
    result = gossip_rates(graph, upper=upper, **given)
    assert result.status == "tolerance_not_met"
    value(result)
    with pytest.raises(ValueError, match="or time_limit, if it was short"):
        gossip_rates(graph, node_budget=0.98 * loads(graph, w), **given)
    connected = gossip_rates(graph, "algebraic_connectivity", upper=upper / upper.sum(), **given)
    assert connected.status == "tolerance_not_met"
    value(connected)


def test_one_solver_after_another_gives_the_same_bits():
    graph = graphs.random_geometric(30, rng=5)
    for criterion in BOTH:
        given = random_bounds(graph, criterion, "both", 2)
        a, b = (gossip_rates(graph, criterion, method="barrier", **given) for _ in range(2))
        assert a.rates.tobytes() == b.rates.tobytes()


def test_the_rows_are_the_bounds():
    graph, rng = graphs.barbell(4), np.random.default_rng(1)
    upper = np.where(rng.random(graph.n_edges) < 0.4, np.inf, rng.exponential(size=graph.n_edges))
    nodes = np.where(rng.random(graph.n_nodes) < 0.4, np.inf, rng.exponential(size=graph.n_nodes))
    costs, w = rng.exponential(size=(2, graph.n_edges)) + 0.1
    limits = Limits(graph, costs, upper, nodes)
    A, b = limits.rows(with_cost=True)
    bounded, budgeted = np.isfinite(upper), np.isfinite(nodes)
    np.testing.assert_array_equal(b, [*upper[bounded], *nodes[budgeted], 1.0])
    np.testing.assert_allclose(A @ w, [*w[bounded], *loads(graph, w)[budgeted], costs @ w], rtol=1e-14)
    v = rng.exponential(size=len(b))
    prices = limits.node_prices(v)
    np.testing.assert_array_equal(prices[budgeted], v[bounded.sum() : -1])
    assert not prices[~budgeted].any()
    A, b = Limits(graph, costs).rows(with_cost=True)  # without bounds the scale of the rates is free
    assert A.shape == (0, graph.n_edges)
    assert len(b) == 0
    # shares are within the bounds and of cost at most one
    shares = limits.shares()
    assert limits.room(shares) >= 1 - 1e-12
    assert limits.cost(shares) <= 1 + 1e-12
    assert np.all(shares > 0)
