"""BEER: against its definition, its invariants, and CHOCO-SGD, which stops short."""

import json

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import oracles, random
from gossamer.kernels.compression import QSGD, Identity, Natural, RandK, ScaledSign, TopK, compress_rows
from gossamer.kernels.rounds import reference_choco as reference
from gossamer.solvers import State

N, D = 7, 40
GRAPH = graphs.Graph.from_edges(7, [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (3, 5), (4, 5), (5, 6), (1, 6)])
W = graphs.mixing_matrix(GRAPH).toarray()


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(3)
    A = rng.normal(size=(6 * N, D))
    return problems.LeastSquares.from_data(A, A @ rng.normal(size=D), n_nodes=N, l2=0.1, rng=0)


def ring():
    """Heterogeneous quadratics on ten nodes, L = 1, condition number 10."""
    drawn = problems.Quadratic.random(10, 50, condition_number=10.0)
    return problems.Quadratic(drawn.H / 10.0, drawn.b / 10.0), graphs.cycle(10)


def relative(problem, X):
    x_star = problem.solution()
    return float(((X - x_star) ** 2).sum() / len(X) / (x_star @ x_star))


def without_wall_time(state):
    packed = state.pack()
    scalars = json.loads(str(packed.pop("state")))
    scalars.pop("wall_time")
    return scalars, {key: array.tobytes() for key, array in packed.items()}


@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("compressor", [Identity(), TopK(3), RandK(4, scaled=False), QSGD(3, scaled=False)])
def test_rounds_equal_the_definition(samples, compressor, batch_size):
    gamma, step = 0.1, 0.01
    solver = solvers.BEER(compressor, step=step, gamma=gamma, batch_size=batch_size)
    state = solver.init(samples, GRAPH, np.ones(D), rng=5)

    def gradients(turn, X):
        if batch_size is None:
            return samples.gradients(X)
        oracle, out = samples.sample_oracle, np.empty(X.shape)
        for i in range(N):
            size = int(oracle.n_samples[i])
            rows = random.distinct_integers(batch_size, size, state.key, random.streams.BATCH, turn * N + i)
            out[i] = oracles.gradient(oracle, i, X[i], rows)
        return out

    def compress(turn, X):
        return compress_rows(compressor, X, state.key, index=turn * N)[0]

    X = np.ones((N, D))
    first = gradients(0, X)
    variables = X, np.zeros((N, D)), first, np.zeros((N, D)), first
    for t in range(70):
        variables = reference.beer(W, lambda X, t=t: gradients(t + 1, X), compress, t, variables, gamma, step)
        solver.advance(state, samples, GRAPH)
        if t in (0, 1, 5, 69):
            found = state.arrays["rows"][[0, 1, 3, 4, 6]]
            for one, other in zip(found, variables, strict=True):
                np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * max(1.0, np.abs(other).max()))
    assert state.n_gradients == 71 * N
    assert state.n_communications == 70 * GRAPH.n_edges
    V, last = state.arrays["rows"][3], state.arrays["rows"][6]
    np.testing.assert_allclose(V.mean(axis=0), last.mean(axis=0), rtol=0, atol=1e-13 * np.abs(last).max())


def test_the_ledger_counts_both_payloads(samples):
    compressor = TopK(3)  # index codes of different lengths
    solver = solvers.BEER(compressor, step=0.01, gamma=0.1)
    state = solver.init(samples, GRAPH)
    bits = []

    def compress(turn, X):
        payloads = [compressor.compress(x) for x in X]
        bits.extend(p.nbits * int(k) for p, k in zip(payloads, GRAPH.degrees, strict=True))
        return np.stack([p.dense() for p in payloads])

    first = samples.gradients(np.zeros((N, D)))
    variables = np.zeros((N, D)), np.zeros((N, D)), first, np.zeros((N, D)), first
    for t in range(5):
        variables = reference.beer(W, samples.gradients, compress, t, variables, 0.1, 0.01)
    solver.advance(state, samples, GRAPH, 5)
    assert state.bits == sum(bits)
    assert len(bits) == 5 * 2 * N


@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize("compressor", [TopK(2), Natural()])
def test_cuts_and_resuming_do_not_change_the_run(samples, tmp_path, compressor, batch_size):
    solver = solvers.BEER(compressor, step=0.01, gamma=0.1, batch_size=batch_size)
    whole = solver.solve(samples, GRAPH, tol=0, max_events=150, rng=3)
    for every in (1, 7, 64):
        run = solver.solve(samples, GRAPH, tol=0, max_events=150, rng=3, record_every=every)
        assert without_wall_time(run.state) == without_wall_time(whole.state)
    part = solver.solve(samples, GRAPH, tol=0, max_events=70, rng=3)
    part.state.save(tmp_path / "state.npz")
    state = State.load(tmp_path / "state.npz")
    resumed = solver.solve(samples, GRAPH, tol=0, max_events=150, state=state)
    assert without_wall_time(resumed.state) == without_wall_time(whole.state)


def test_converges_linearly_where_choco_sgd_stops_short():
    problem, graph = ring()
    solver = solvers.BEER(TopK(5), step=0.1, gamma=0.2)
    state = solver.init(problem, graph)
    for n_rounds, bound in ((1500, 1e-3), (3000, 1e-7), (5000, 1e-11)):
        solver.advance(state, problem, graph, n_rounds - state.n_events)
        assert relative(problem, state.arrays["rows"][0]) < bound
    assert relative(problem, state.arrays["rows"][0]) < 1e-24
    floored = solvers.ChocoSGD(TopK(5), step=0.1, gamma=0.2).solve(problem, graph, tol=0, max_events=5000)
    assert relative(problem, floored.X) > 1e-3


def test_the_solution_is_a_fixed_point():
    """With H = X = x*, G = V = 0 nothing moves."""
    problem, graph = ring()
    solver = solvers.BEER(TopK(5), step=0.1, gamma=0.2)
    state = solver.init(problem, graph, problem.solution())
    solver.advance(state, problem, graph, 1)
    rows = state.arrays["rows"]
    rows[0] = rows[1] = rows[2] = problem.solution()
    rows[3:6] = 0.0
    rows[6] = problem.gradients(rows[0])
    solver.advance(state, problem, graph, 60)
    assert relative(problem, rows[0]) < 1e-28


@pytest.mark.parametrize(
    "compressor", [TopK(0.1), RandK(0.2, scaled=False), QSGD(4, scaled=False), ScaledSign()]
)
def test_tuned_runs_reach_the_solution(compressor):
    problem, graph = ring()
    result = solvers.BEER(compressor).solve(problem, graph, tol=1e-13, max_events=20_000)
    assert result.success
    assert relative(problem, result.X) < 1e-24


def test_one_node_is_gradient_descent_with_memory():
    problem = problems.Quadratic.random(1, 3, condition_number=5.0)
    result = solvers.BEER(TopK(1), step=0.2, gamma=0.5).solve(problem, graphs.path(1), tol=1e-12)
    assert result.success
    assert result.bits == result.n_communications == 0


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"gamma": 1.01}, ValueError, "gamma must be"),
        ({"step": 0.0}, ValueError, "step must be"),
        ({"step": np.nan}, ValueError, "step must be"),
        ({"compressor": RandK(4)}, ValueError, "contractive compressor"),
        ({"compressor": "topk"}, TypeError, "compressor must be one"),
        ({"batch_size": 0}, ValueError, "batch_size must be"),
        ({"mixing": np.ones((N, N))}, ValueError, "rows of W must sum to 1"),
    ],
)
def test_bad_hyper_parameters(samples, arguments, error, match):
    with pytest.raises(error, match=match):
        solvers.BEER(**{"compressor": TopK(2), "step": 0.1, "gamma": 0.1} | arguments).solve(samples, GRAPH)


def test_without_strong_convexity_there_is_no_theory():
    features = np.eye(4)[:, :2]
    problem = problems.LeastSquares(features, np.ones(4), np.arange(5))
    assert problem.strong_convexity == 0.0
    for missing in ("step", "gamma"):
        solver = solvers.BEER(TopK(1), **{"step": 0.1, "gamma": 0.1} | {missing: None})
        with pytest.raises(ValueError, match=f"no theory for {missing}"):
            solver.init(problem, graphs.cycle(4))
