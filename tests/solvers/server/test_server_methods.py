"""EF, EF21, DIANA, MARINA: against their definitions, against theory, and the ledger."""

import dataclasses

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import compression, random
from gossamer.kernels.compression import (
    QSGD,
    Bernoulli,
    BlockRandK,
    Composed,
    Identity,
    Natural,
    PermK,
    RandK,
    ScaledSign,
    TernGrad,
    TopK,
)
from gossamer.kernels.random import streams
from gossamer.kernels.rounds import reference_server as reference

N, D, K = 6, 20, 4
UNBIASED = [
    RandK(K),
    BlockRandK(3),
    PermK(N),
    Bernoulli(0.3),
    QSGD(7),
    TernGrad(),
    Natural(),
    Identity(),
    RandK(K, shared_seed=False),
    Composed(RandK(K), QSGD(3)),
]
CONTRACTIVE = [
    TopK(K),
    RandK(K, scaled=False),
    Bernoulli(0.3, scaled=False),
    ScaledSign(),
    Natural(),
    Identity(),
    Composed(TopK(K), QSGD(15, scaled=False)),
    compression.LowRank(1),
]


@pytest.fixture(scope="module")
def problem():
    return problems.Quadratic.random(N, D, condition_number=20.0, rng=3)


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(5)
    features, targets = rng.normal(size=(N * 9, D)), rng.normal(size=N * 9)
    return problems.LeastSquares.from_data(features, targets, n_nodes=N, l2=0.1)


def batch_gradient(problem, i, x, size, key, index):
    """Gradient of f_i over the samples that batch `index` draws from 9."""
    oracle, out = problem.sample_oracle, np.empty(D)
    rows = random.distinct_integers(size, 9, int(key), streams.BATCH, index)
    oracle.gradient(i, x, rows, oracle.data, out)
    return out


def replay(solver, problem, n_rounds, rng):
    """Run the definition; return x after each round and the bits that workers sent."""
    key = random.make_key(rng)
    values = solver.parameters(problem, graphs.star(N))
    x, kept = np.zeros(D), np.zeros((N, D))
    last, estimate = x, np.zeros(D)
    found, bits = [], 0

    for t in range(n_rounds):

        def gradients(x, t=t):
            if solver.batch_size is None:
                return np.stack([problem.gradient(i, x) for i in range(N)])
            return np.stack(
                [batch_gradient(problem, i, x, solver.batch_size, key, t * N + i) for i in range(N)]
            )

        sent = []

        def compress(V, t=t, sent=sent):
            payloads = [solver.compressor.compress(v, key, index=t * N + i) for i, v in enumerate(V)]
            sent += [payload.nbits for payload in payloads]
            return np.stack([payload.dense() for payload in payloads])

        if isinstance(solver, solvers.EF):
            x, kept = reference.error_feedback(gradients, compress, x, kept, values["step"])
        elif isinstance(solver, solvers.EF21):
            x, kept = reference.ef21(gradients, compress, x, kept, values["step"])
        elif isinstance(solver, solvers.DIANA):
            x, kept = reference.diana(gradients, compress, x, kept, values["step"], values["shift_step"])
        else:
            word = random.words(int(key), streams.COIN, t, 1)[0, 0]
            full = t == 0 or int(word) < values["probability"] * 2**32
            now = x
            x, estimate = reference.marina(gradients, compress, x, last, estimate, values["step"], full)
            last = now
            if full:
                sent = [64 * D] * N
        found.append(x)
        bits += sum(sent[1:])  # the hub of a star is node 0
    return np.array(found), bits


def methods():
    yield from (solvers.EF(c, step=0.02) for c in CONTRACTIVE)
    yield from (solvers.EF21(c, step=0.01) for c in CONTRACTIVE)
    yield from (solvers.DIANA(c) for c in UNBIASED)
    yield from (solvers.MARINA(c, probability=0.3) for c in UNBIASED)


@pytest.mark.parametrize("solver", list(methods()), ids=str)
def test_rounds_equal_the_definition_and_the_ledger_the_payloads(solver, problem):
    n_rounds = 25
    state = solver.init(problem, graphs.star(N), rng=7)
    expected, bits = replay(solver, problem, n_rounds, 7)
    scale = np.abs(expected).max()
    for x in expected:
        solver.advance(state, problem, graphs.star(N))
        np.testing.assert_allclose(
            solver.iterates(state, problem, graphs.star(N)), np.tile(x, (N, 1)), rtol=0, atol=1e-12 * scale
        )
    assert state.bits_down == n_rounds * (N - 1) * 64 * D
    assert state.bits - state.bits_down == bits
    assert state.n_gradients == n_rounds * N
    assert state.n_communications == n_rounds * (N - 1)
    assert state.time == n_rounds


@pytest.mark.parametrize(
    "solver",
    [
        solvers.EF(TopK(K), step=0.02, batch_size=2),
        solvers.EF21(TopK(K), step=0.02, batch_size=2),
        solvers.DIANA(RandK(K), batch_size=2),
    ],
    ids=str,
)
def test_rounds_of_batches_equal_the_definition(solver, samples):
    graph = graphs.star(N)
    expected, _ = replay(solver, samples, 25, 7)
    result = solver.solve(samples, graph, tol=0, max_events=25, rng=7)
    np.testing.assert_allclose(result.x, expected[-1], rtol=0, atol=1e-12 * np.abs(expected).max())
    full = dataclasses.replace(solver, batch_size=None).solve(samples, graph, tol=0, max_events=25, rng=7)
    assert np.abs(result.x - full.x).max() > 1e-3 * np.abs(full.x).max()


@pytest.mark.parametrize("make", [solvers.EF21, solvers.DIANA, solvers.MARINA, solvers.EF])
def test_a_complete_graph_gives_the_same_iterates_and_its_own_ledger(make, problem):
    solver = make(Natural())
    star, complete = (
        solver.solve(problem, graph(N), max_events=30) for graph in (graphs.star, graphs.complete)
    )
    assert np.array_equal(star.X, complete.X)
    assert complete.bits_down == 0 < star.bits_down
    # the hub sends no message of its own; everyone's goes to all others in the complete graph
    assert complete.bits == (star.bits - star.bits_down) * N
    assert complete.n_communications == 30 * N * (N - 1) // 2


@pytest.mark.parametrize("make", [solvers.EF21, solvers.DIANA, solvers.MARINA])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_any_cut_gives_the_same_bits(make, batch_size, samples, tmp_path):
    graph = graphs.star(N)
    solver = make(Natural(), batch_size=batch_size)
    whole = solver.solve(samples, graph, max_events=40, tol=0, rng=2)
    state = solver.init(samples, graph, rng=2)
    for n_rounds in (1, 0, 6, 33):
        solver.advance(state, samples, graph, n_rounds)
        state.save(tmp_path / "state.npz")
        state = solvers.State.load(tmp_path / "state.npz")
    assert np.array_equal(solver.iterates(state, samples, graph), whole.X)
    assert (state.bits, state.n_gradients) == (whole.bits, whole.n_gradients)


def test_batches_of_all_rows_are_full_gradients(samples):
    graph = graphs.star(N)
    for make in (solvers.EF21, solvers.DIANA, solvers.MARINA):
        full = make(Natural()).solve(samples, graph, max_events=20, tol=0)
        batches = make(Natural(), batch_size=9).solve(samples, graph, max_events=20, tol=0)
        np.testing.assert_allclose(batches.X, full.X, rtol=1e-10)


def test_marina_takes_one_batch_at_both_points(samples):
    solver = solvers.MARINA(Identity(), probability=1e-9, step=0.01, batch_size=2)
    graph, n_rounds, key = graphs.star(N), 6, random.make_key(4)
    state = solver.init(samples, graph, rng=4)
    solver.advance(state, samples, graph, n_rounds)
    x = last = np.zeros(D)
    for t in range(n_rounds):
        if t == 0:
            estimate = samples.full_gradient(x)
        else:
            change = np.zeros((N, D))
            for i in range(N):
                for sign, point in ((1, x), (-1, last)):
                    change[i] += sign * batch_gradient(samples, i, point, 2, key, t * N + i)
            estimate = estimate + change.mean(axis=0)
        last, x = x, x - 0.01 * estimate
    np.testing.assert_allclose(solver.iterates(state, samples, graph)[0], x, rtol=1e-12)
    assert state.n_gradients == N + 2 * N * (n_rounds - 1)


@pytest.fixture(scope="module")
def heterogeneous():
    rng = np.random.default_rng(0)
    H = np.stack([np.diag(rng.uniform(1, 10, 50)) for _ in range(10)])
    return problems.Quadratic(H, rng.normal(size=(10, 50)))


@pytest.mark.parametrize(
    ("solver", "n_rounds"),
    [
        (solvers.EF21(TopK(5)), 3000),
        (solvers.DIANA(RandK(5)), 1000),
        (solvers.DIANA(PermK(10)), 1000),
        (solvers.MARINA(RandK(5)), 1000),
        (solvers.MARINA(PermK(10)), 1000),
    ],
    ids=str,
)
def test_exact_methods_converge_at_least_as_theory_says(solver, n_rounds, heterogeneous):
    graph = graphs.star(10)
    start, goal = (heterogeneous.objective(x) for x in (np.zeros(50), heterogeneous.solution()))
    result = solver.solve(
        heterogeneous, graph, x_star=heterogeneous.solution(), tol=0, max_events=n_rounds, rng=1
    )
    distance = result.trace["distance"]
    assert distance[-1] <= 1e-24 * distance[0]
    values = solver.parameters(heterogeneous, graph)
    promised = values["step"] * heterogeneous.strong_convexity
    if "shift_step" in values and isinstance(solver, solvers.DIANA):
        promised = min(promised, values["shift_step"] / 2)
    halfway = result.trace.first_below("distance", 1e-12 * distance[0])
    assert halfway is not None
    objective = result.trace["objective"][result.trace["time"] == halfway["time"]][0]
    assert (objective - goal) / (start - goal) < 1e-10
    assert halfway["time"] <= np.log(1e12) / -np.log1p(-promised)


def test_compressed_descent_without_shifts_stalls_and_error_feedback_floors(heterogeneous):
    graph, x_star = graphs.star(10), heterogeneous.solution()

    def floor(solver, n_rounds):
        trace = solver.solve(heterogeneous, graph, x_star=x_star, tol=0, max_events=n_rounds).trace
        return np.median(trace["distance"][-len(trace["distance"]) // 4 :]) / trace["distance"][0]

    assert floor(solvers.DIANA(RandK(5), shift_step=0.0), 3000) > 0.1
    large, small = (floor(solvers.EF(TopK(5), step=step), 20000) for step in (2e-3, 1e-3))
    assert large > 1e-5
    assert 2.0 < large / small < 8.0  # the distance itself is proportional to the step


@pytest.mark.parametrize("make", [solvers.EF, solvers.EF21, solvers.DIANA, solvers.MARINA])
def test_without_compression_all_are_gradient_descent(make, problem):
    solver = make(Identity(), step=0.05)
    x = np.zeros(D)
    for _ in range(30):
        x = x - 0.05 * problem.full_gradient(x)
    np.testing.assert_allclose(solver.solve(problem, graphs.star(N), max_events=30, tol=0).x, x, rtol=1e-11)


@pytest.mark.parametrize("make", [solvers.EF21, solvers.DIANA, solvers.MARINA])
def test_the_solution_is_a_fixed_point(make, problem):
    solver = make(Identity())
    result = solver.solve(problem, graphs.star(N), x0=problem.solution(), tol=0, max_events=20)
    np.testing.assert_allclose(result.x, problem.solution(), rtol=1e-12, atol=1e-13)


def test_compressors_of_the_wrong_class_are_refused(problem):
    graph = graphs.star(N)
    for solver, words in (
        (solvers.EF21(RandK(2)), "contractive"),
        (solvers.EF(QSGD(1)), "contractive"),
        (solvers.DIANA(TopK(2)), "unbiased"),
        (solvers.MARINA(RandK(2, scaled=False)), "unbiased"),
    ):
        with pytest.raises(ValueError, match=words):
            solver.init(problem, graph)
    with pytest.raises(ValueError, match="no theory for step"):
        solvers.DIANA(TopK(2), check_compressor=False).init(problem, graph)
    biased = solvers.DIANA(TopK(2), step=0.01, shift_step=1.0, check_compressor=False)
    ef21 = solvers.EF21(TopK(2), step=0.01)
    runs = [solver.solve(problem, graph, max_events=30) for solver in (biased, ef21)]
    assert np.array_equal(runs[0].X, runs[1].X)  # EF21 is DIANA with a shift step of one


def test_bad_calls_are_refused(problem):
    graph = graphs.star(N)
    with pytest.raises(ValueError, match=r"graphs\.star"):
        solvers.EF21(TopK(2)).init(problem, graphs.cycle(N))
    with pytest.raises(ValueError, match="one start for all"):
        solvers.EF21(TopK(2)).init(problem, graph, x0=np.arange(N * D).reshape(N, D))
    with pytest.raises(ValueError, match=f"PermK must be of the {N} nodes"):
        solvers.DIANA(PermK(N + 1)).init(problem, graph)
    with pytest.raises(ValueError, match="probability"):
        solvers.MARINA(RandK(2), probability=0.0).init(problem, graph)
    with pytest.raises(ValueError, match="k must be at most"):
        solvers.DIANA(RandK(D + 1)).init(problem, graph)
    with pytest.raises(TypeError, match="compressor"):
        solvers.EF21(0.1).init(problem, graph)
    with pytest.raises(ValueError, match="no samples"):
        solvers.EF21(TopK(2), batch_size=2).init(problem, graph)


def test_permk_and_then_a_quantiser_counts_as_permk(problem):
    graph, quantised = graphs.star(N), Composed(PermK(N), Natural())
    values = solvers.DIANA(quantised).parameters(problem, graph)
    assert values["step"] == pytest.approx(1 / (problem.smoothness * (1 + 6 * 9 / 8)), rel=1e-12)
    assert values["shift_step"] == pytest.approx(1 / (N * 9 / 8), rel=1e-12)
    rng = np.random.default_rng(0)
    V = rng.normal(size=(N, D))
    errors = []
    for index in range(0, 3000 * N, N):
        C, _ = compression.compress_rows(quantised, V, key=1, index=index)
        errors.append(((C.mean(axis=0) - V.mean(axis=0)) ** 2).sum())
    assert np.mean(errors) <= 9 / 8 * (V**2).sum() / N
    with pytest.raises(ValueError, match=f"PermK must be of the {N} nodes"):
        solvers.MARINA(Composed(PermK(N + 1), Natural())).init(problem, graph)


def test_the_probability_of_full_rounds_is_the_share_of_bits():
    graph = graphs.complete(2)

    def probability(compressor, dim):
        problem = problems.Quadratic.random(2, dim, condition_number=2.0)
        return solvers.MARINA(compressor).parameters(problem, graph)["probability"]

    assert probability(RandK(5), 50) == pytest.approx(0.1, rel=1e-12)
    assert probability(PermK(2), 50) == pytest.approx(0.5, rel=1e-12)
    # on 5 coordinates two messages of Bernoulli(0.02) are empty more often than not
    assert probability(Bernoulli(0.02), 5) == pytest.approx(0.02, rel=0.3)
    with pytest.raises(ValueError, match="almost always empty: set probability"):
        probability(Bernoulli(1e-9), 5)
    with pytest.raises(TypeError, match="probability must be a number, got 'auto'"):  # rounds tell no cost
        solvers.MARINA(RandK(1), probability="auto").parameters(problems.Quadratic.random(2, 3), graph)


@pytest.mark.parametrize("n", [1, 2])
def test_one_and_two_nodes(n):
    problem = problems.Quadratic.random(n, 3, condition_number=3.0, rng=0)
    for solver in (solvers.EF21(TopK(1)), solvers.DIANA(RandK(1)), solvers.MARINA(RandK(1))):
        result = solver.solve(problem, graphs.star(n) if n > 1 else graphs.complete(1))
        assert result.success
        np.testing.assert_allclose(result.x, problem.solution(), rtol=1e-6)
