"""Pairwise gossip: against its definition, event by event, and its second moment against the exact one."""

import itertools

import numpy as np
import pytest
from scipy.linalg import expm

from gossamer import graphs, problems, solvers
from gossamer.kernels import asynchronous, events, oracles
from gossamer.kernels.asynchronous import pairwise, reference
from gossamer.solvers import State

GRAPHS = [graphs.path(4), graphs.cycle(5), graphs.complete(4), graphs.star(5)]


def values(n, d=3, seed=0):
    return problems.Averaging(np.random.default_rng(seed).normal(size=(n, d)))


@pytest.mark.parametrize("graph", GRAPHS, ids=repr)
def test_each_event_is_its_definition(graph):
    problem = values(graph.n_nodes)
    solver = solvers.PairwiseGossip(np.linspace(0.5, 1.5, graph.n_edges))
    state = solver.init(problem, graph, rng=3)
    stream = events.EventStream(np.zeros(graph.n_nodes), np.linspace(0.5, 1.5, graph.n_edges), state.key)
    drawn = stream.take(0, 0.0, 200)
    X = problem.values.copy()
    for k in range(200):
        X = reference.pairwise(X, *graph.edges[drawn.index[k]])
        solver.advance(state, problem, graph, 1)
        assert state.time == drawn.time[k]
        np.testing.assert_allclose(solver.iterates(state, problem, graph), X, rtol=1e-14, atol=1e-15)
    assert state.n_events == state.n_communications == 200
    assert state.n_gradients == 0
    assert state.bits == 200 * 2 * 64 * 3


def second_moment(graph, rates, X, time):
    """E |X(t) - mean|^2, exactly: P -> sum_e rate_e (J_e P J_e - P) on the Gram matrix P = X X'."""
    n = graph.n_nodes
    centre = np.eye(n) - 1.0 / n
    generator = np.zeros((n * n, n * n))
    for (i, j), rate in zip(graph.edges, rates, strict=True):
        b = np.zeros(n)
        b[i], b[j] = 1.0, -1.0
        J = np.eye(n) - 0.5 * np.outer(b, b)
        generator += rate * (np.kron(J, J) - np.eye(n * n))
    P = centre @ X @ X.T @ centre
    return np.trace((expm(time * generator) @ P.ravel()).reshape(n, n))


@pytest.mark.parametrize("graph", GRAPHS, ids=repr)
def test_the_second_moment_is_the_exact_one(graph):
    problem, time, runs = values(graph.n_nodes), 1.5, 4000
    rates = np.linspace(0.5, 1.5, graph.n_edges)
    solver = solvers.PairwiseGossip(rates)
    found = []
    for seed in range(runs):
        state = solver.init(problem, graph, rng=seed)
        solver.advance(state, problem, graph, 10**6, max_time=time)
        X = solver.iterates(state, problem, graph)
        found.append(((X - X.mean(axis=0)) ** 2).sum())
    exact = second_moment(graph, rates, problem.values, time)
    error = np.std(found) / np.sqrt(runs)
    assert abs(np.mean(found) - exact) < 4.5 * error
    assert error < 0.1 * exact  # or the test would tell nothing


@pytest.mark.parametrize("graph", GRAPHS, ids=repr)
def test_the_decay_rate_bounds_the_exact_one(graph):
    """lambda_2 / 2 <= rate <= lambda_2, the lower end on complete graphs with equal rates."""
    rates = np.ones(graph.n_edges)
    X = values(graph.n_nodes).values
    bound = solvers.PairwiseGossip(rates).decay_rate(graph)
    time = 8.0 / bound
    exact = np.log(second_moment(graph, rates, X, time) / second_moment(graph, rates, X, time + 1.0))
    assert bound - 1e-9 <= exact <= 2.0 * bound + 1e-9
    if graph == graphs.complete(4):
        assert exact == pytest.approx(bound, rel=1e-6)


def test_the_mean_stays_and_runs_converge():
    graph = graphs.grid_2d(4, 5)
    problem = values(20, 7)
    result = solvers.PairwiseGossip().solve(problem, graph, tol=1e-10)
    assert result.success
    np.testing.assert_allclose(result.X, np.tile(problem.values.mean(axis=0), (20, 1)), atol=1e-9)
    # a node takes part in an exchange a unit of time
    assert result.n_communications / result.time == pytest.approx(10.0, rel=0.2)


def test_cut_and_resumed_runs_have_the_bits_of_whole_ones(tmp_path):
    graph, problem = graphs.cycle(6), values(6)
    solver = solvers.PairwiseGossip()
    whole = solver.solve(problem, graph, tol=0, max_events=500, rng=5)
    part = solver.solve(problem, graph, tol=0, max_events=200, rng=5)
    part.state.save(tmp_path / "state.npz")
    resumed = solver.solve(problem, graph, tol=0, max_events=500, state=State.load(tmp_path / "state.npz"))
    assert np.array_equal(resumed.X, whole.X)
    assert resumed.ledger == whole.ledger
    by_time = solver.solve(problem, graph, tol=0, max_time=whole.time, rng=5)
    assert np.array_equal(by_time.X, whole.X)


def test_given_events_are_applied():
    graph, problem = graphs.path(3), problems.Averaging([[0.0], [4.0], [8.0]])
    solver = solvers.PairwiseGossip(events=([0.5, 0.7], [1, 1], [0, 1]))
    result = solver.solve(problem, graph, tol=0)
    assert result.X.ravel().tolist() == [2.0, 5.0, 5.0]
    assert "end of the given events" in result.message


def test_rates_are_checked():
    graph, problem = graphs.path(3), values(3)
    optimal = graphs.gossip_rates(graph, "algebraic_connectivity")
    assert solvers.PairwiseGossip(optimal).solve(problem, graph, tol=1e-6).success
    for rates, match in (
        ([1.0], "rates must have shape"),
        ([1.0, -1.0], "rates"),
        ([1.0, 0.0], "connect"),
        (graphs.gossip_rates(graphs.star(4), "algebraic_connectivity"), "other edges"),
    ):
        with pytest.raises(ValueError, match=match):
            solvers.PairwiseGossip(rates).solve(problem, graph)
    with pytest.raises(TypeError, match=r"PairwiseGossip needs a problems\.Averaging"):
        solvers.PairwiseGossip().solve(problems.Quadratic.random(3, 2, rng=0), graph)
    with pytest.raises(ValueError, match="put x0 into Averaging"):
        solvers.PairwiseGossip().solve(problem, graph, np.zeros(3))
    with pytest.raises(NotImplementedError, match="decay_rate"):
        solvers.PairwiseGossip().certified_rate(problem, graph)


def test_one_node():
    result = solvers.PairwiseGossip().solve(problems.Averaging([[3.0]]), graphs.complete(1))
    assert result.success
    assert result.x.tolist() == [3.0]


# -- the kernels -----------------------------------------------------------------------------------------


def arguments():
    oracle = problems.Averaging(np.zeros((3, 2))).oracle
    setting = asynchronous.Setting.of(np.array([[0, 1], [1, 2]]), oracle)
    return oracle, setting, np.ones((3, 1, 2)), np.full(3, 0.25)


@pytest.mark.parametrize(
    ("time", "kind", "index", "error"),
    [
        ([0.5, 0.4], [1, 1], [0, 1], ValueError),
        ([np.nan], [1], [0], ValueError),
        ([0.2], [1], [0], ValueError),
        ([0.2], [0], [0], ValueError),
        ([0.5], [1], [2], IndexError),
        ([0.5], [1], [-1], IndexError),
        ([0.5], [0], [3], IndexError),
    ],
)
def test_events_that_cannot_be(time, kind, index, error):
    _, setting, rows, last = arguments()
    given = events.Events(np.array(time), np.array(kind, np.uint8), np.array(index, np.int32))
    with pytest.raises(error):
        asynchronous.run_events(pairwise.pairwise, setting, given, 0, np.empty(0), rows, last)
    assert (rows == 1.0).all()
    assert (last == 0.25).all()


def test_arrays_that_do_not_fit():
    oracle, setting, rows, last = arguments()
    good = events.Events(np.array([0.5]), np.array([1], np.uint8), np.array([0], np.int32))
    run = asynchronous.run_events
    numbers = np.empty(0)
    for call, error in (
        (lambda: run(len, setting, good, 0, numbers, rows, last), TypeError),
        (lambda: run(pairwise.pairwise, None, good, 0, numbers, rows, last), TypeError),
        (lambda: run(pairwise.pairwise, setting, (), 0, numbers, rows, last), TypeError),
        (lambda: run(pairwise.pairwise, setting, good, -1, numbers, rows, last), ValueError),
        (lambda: run(pairwise.pairwise, setting, good, 0, numbers, rows[:2], last), ValueError),
        (lambda: run(pairwise.pairwise, setting, good, 0, numbers, rows, last[:2]), ValueError),
        (lambda: run(pairwise.pairwise, setting, good, 0, numbers, rows.astype("f4"), last), TypeError),
        (lambda: run(pairwise.pairwise, setting, good, 0, numbers, rows, last, area=rows), ValueError),
        (lambda: asynchronous.Setting.of(np.array([[0, 3]]), oracle), ValueError),
        (lambda: asynchronous.Setting.of(np.array([[1, 1]]), oracle), ValueError),
        (lambda: asynchronous.Setting.of(np.array([0, 1]), oracle), ValueError),
        (
            lambda: asynchronous.Setting.of(
                np.array([[0, 1]]), oracle, oracles.Batches(1, np.ones(2, np.int64), np.uint64(0))
            ),
            ValueError,
        ),
    ):
        with pytest.raises(error):
            call()


def test_all_orders_of_three_exchanges():
    """A mutant that takes a wrong end, or one end only, is told apart."""
    graph, problem = graphs.complete(3), values(3)
    for order in itertools.permutations(range(3)):
        given = ([1.0, 2.0, 3.0], [1, 1, 1], order)
        X = problem.values
        for e in order:
            X = reference.pairwise(X, *graph.edges[e])
        result = solvers.PairwiseGossip(events=given).solve(problem, graph, tol=0)
        np.testing.assert_allclose(result.X, X, rtol=1e-15)
