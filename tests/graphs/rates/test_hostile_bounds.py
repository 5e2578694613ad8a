"""No bound is false, whatever rates, dual objects and costs are thrown at it: exact arithmetic decides."""

import functools
from fractions import Fraction

import numpy as np
import pytest
from exact_rates import (
    Exact,
    false_bounds,
    false_mixing_bounds,
    hostile_graph,
    hostile_limits,
    hostile_mixing_case,
    hostile_rates,
    hostile_rates_case,
)

from gossamer import graphs
from gossamer.graphs.rates import (
    CRITERIA,
    Certificate,
    communication_lower_bound,
    duals,
    traces,
    verify_rates,
)
from gossamer.kernels.sparse import factor_laplacian


@functools.cache
def optimal_rates(criterion, n, edges):
    """Rates near the optimum without costs and bounds, as Exact."""
    graph = graphs.Graph(n, np.frombuffer(edges, np.int32).reshape(-1, 2))
    return Exact(graph, graphs.gossip_rates(graph, criterion).rates)


def false_of(seed):
    graph, w, certificate, given = hostile_rates_case(seed)
    criterion = certificate.criterion
    # uniform rates, and the best: a lower bound that exceeds what these attain is false
    others = [Exact(graph, np.ones(graph.n_edges))]
    others.append(optimal_rates(criterion, graph.n_nodes, graph.edges.tobytes()))
    with pytest.MonkeyPatch.context() as patch:
        if seed // 4 % 2:  # the way of large graphs: secants of resistances
            patch.setattr(duals, "EXACT_EDGES", 0)
            patch.setattr(traces, "EXACT_WORK", 0.0)
        return [(seed, criterion, false) for false in false_bounds(graph, w, certificate, given, others)]


@pytest.mark.parametrize(
    "seeds", [range(120), pytest.param(range(120, 3900), marks=pytest.mark.slow)], ids=len
)
def test_no_bound_of_rates_is_false(seeds):
    assert [found for seed in seeds for found in false_of(seed)] == []


def false_of_optimum(seed):
    """Of what `gossip_rates` returns under hostile costs and bounds."""
    rng = np.random.default_rng(10**6 + seed)
    graph, criterion = hostile_graph(rng), list(CRITERIA)[seed % 4]
    given = hostile_limits(rng, graph)
    try:
        result = graphs.gossip_rates(graph, criterion, **given)
    except ValueError as error:  # no rates within the bounds
        return [] if "node_budget" in str(error) else [(seed, criterion, str(error))]
    others = [Exact(graph, np.ones(graph.n_edges)), Exact(graph, hostile_rates(rng, graph))]
    false = false_bounds(graph, result.rates, result.certificate, given, others)
    return [(seed, criterion, one) for one in false]


@pytest.mark.filterwarnings("ignore:uniform rates:RuntimeWarning")  # solvers may fail at such costs
@pytest.mark.parametrize("seeds", [range(24), pytest.param(range(24, 500), marks=pytest.mark.slow)], ids=len)
def test_no_bound_of_a_result_is_false(seeds):
    assert [found for seed in seeds for found in false_of_optimum(seed)] == []


@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(40, 640), marks=pytest.mark.slow)], ids=len)
def test_no_bound_of_mixing_is_false(seeds):
    found = []
    for seed in seeds:
        best = graphs.fastest_mixing(hostile_graph(np.random.default_rng(seed)), ("fdla", "fmmc")[seed % 2])
        for case in (hostile_mixing_case(seed, best), (best.weights, best.certificate)):
            found += [(seed, best.kind, one) for one in false_mixing_bounds(best.graph, *case, best.weights)]
    assert found == []


def test_the_thread_that_spoilt_the_sum_of_resistances():
    # cliques of strong edges joined by a thread: differences of potentials cancel, 30 decades apart
    graph = graphs.barbell(3)
    w = np.full(graph.n_edges, 1e15)
    w[np.flatnonzero((graph.edges == [2, 3]).all(axis=1))] = 1e-15
    bounds = verify_rates(graph, w, Certificate("total_resistance"))
    exact = Exact(graph, w)
    fit = 1 / sum(exact.w)
    value = graph.n_nodes * exact.trace / fit
    assert value <= Fraction(bounds.upper) <= value * (1 + Fraction(1, 10**12))
    best = graphs.gossip_rates(graph, "total_resistance")
    assert 0 < bounds.lower <= best.upper_bound


def test_factors_are_as_accurate_as_they_say():
    rng = np.random.default_rng(0)
    for _ in range(60):
        graph = hostile_graph(rng)
        w = hostile_rates(rng, graph)
        w = w / w.max()
        factor = factor_laplacian(graph.n_nodes, graph.edges, w)
        exact = Exact(graph, w)
        largest = Fraction(float(factor.resistances(graph.edges).max()))
        assert abs(largest / exact.largest - 1) <= Fraction(factor.rounding)
        assert factor.rounding < 1e-12


@pytest.mark.parametrize("criterion", list(CRITERIA))
def test_rates_at_the_ends_of_the_numbers(criterion):
    graph = graphs.barbell(3)
    certificate = Certificate(criterion, np.eye(6), np.ones(7))
    plain = verify_rates(graph, np.ones(7), certificate)
    for scale in (1e-289, 1e-250, 1e250, 1e300, 1e308):
        assert verify_rates(graph, np.full(7, scale), certificate) == pytest.approx(plain, rel=1e-10)
    for tiny in (1e-300, 5e-324):
        with pytest.raises(ValueError, match=r"rates must be zero or at least 1e-290, got"):
            verify_rates(graph, np.full(7, tiny), certificate)
        with pytest.raises(ValueError, match="rates must be zero or at least"):
            verify_rates(graph, [1, 1, 1, tiny, 1, 1, 1], certificate)
    with pytest.raises(ValueError, match="finite"):
        verify_rates(graph, np.full(7, np.inf), certificate)


def test_a_single_edge_has_tight_bounds():
    graph = graphs.path(2)
    for w in (1e-200, 1.0, 1e200):
        for criterion, value in (
            ("communication", np.sqrt(0.5)),
            ("algebraic_connectivity", 2.0),
            ("max_resistance", 1.0),
            ("total_resistance", 1.0),
        ):
            bounds = verify_rates(graph, [w], Certificate(criterion, np.array([[1.0], [-1.0]]), np.ones(1)))
            assert bounds.lower <= value * (1 + 1e-15)
            assert bounds.upper >= value * (1 - 1e-15)
            assert bounds.gap < 1e-12
    assert communication_lower_bound(graph, [1.0], [[1.0], [-1.0]]) == pytest.approx(np.sqrt(0.5), rel=1e-13)
