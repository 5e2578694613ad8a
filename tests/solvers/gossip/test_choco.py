"""CHOCO-Gossip and CHOCO-SGD: against their definitions, theory, exact gossip, and naive compression."""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import oracles, random
from gossamer.kernels.compression import (
    QSGD,
    Bernoulli,
    BlockRandK,
    Composed,
    Compressor,
    Identity,
    LowRank,
    Natural,
    PerBlock,
    PermK,
    RandK,
    ScaledSign,
    TernGrad,
    TopK,
    compress_rows,
)
from gossamer.kernels.rounds import reference_choco as reference
from gossamer.solvers import State

N, D = 7, 40
GRAPH = graphs.Graph.from_edges(7, [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (3, 5), (4, 5), (5, 6), (1, 6)])
W = graphs.mixing_matrix(GRAPH).toarray()


@dataclass(frozen=True)
class Halves(TopK):
    """A user's compressor, in Python: half of each of the largest coordinates."""

    def _compress(self, x, key, index):
        payload = super()._compress(x, key, index)
        return replace(payload, values=payload.values / 2)

    def _contraction(self, d):
        return 0.75 * super()._contraction(d)


# every class, in a form that contracts where there is one; messages are sparse in some, full in others
EVERY = [
    Identity(),
    RandK(4, scaled=False),
    RandK(0.2, scaled=False, shared_seed=False),
    BlockRandK(4, scaled=False),
    PermK(N),
    Bernoulli(0.1, scaled=False),
    TopK(1),
    TopK(0.3),
    QSGD(2, scaled=False),
    QSGD(255),
    TernGrad(scaled=False),
    Natural(),
    ScaledSign(),
    LowRank(1),
    Composed(TopK(4), Natural()),
    PerBlock(TopK(1), 15),
]


def name(value):
    return repr(value) if isinstance(value, Compressor) else None


@pytest.fixture(scope="module")
def averaging():
    return problems.Averaging(np.random.default_rng(0).normal(size=(N, D)) + 3.0)


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(3)
    A = rng.normal(size=(6 * N, D))
    return problems.LeastSquares.from_data(A, A @ rng.normal(size=D), n_nodes=N, l2=0.1, rng=0)


def messages(compressor, key):
    return lambda t, X: compress_rows(compressor, X, key, index=t * len(X))[0]


def batch_gradients(problem, batch_size, key, turn):
    def gradients(X):
        if batch_size is None:
            return problem.gradients(X)
        out = np.empty(X.shape)
        oracle = problem.sample_oracle
        for i in range(len(X)):
            rows = random.distinct_integers(
                batch_size, int(oracle.n_samples[i]), key, random.streams.BATCH, turn * len(X) + i
            )
            out[i] = oracles.gradient(oracle, i, X[i], rows)
        return out

    return gradients


def without_wall_time(state):
    packed = state.pack()
    scalars = json.loads(str(packed.pop("state")))
    scalars.pop("wall_time")
    return scalars, {key: array.tobytes() for key, array in packed.items()}


# -- rounds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressor", EVERY, ids=name)
def test_gossip_equals_its_definition_and_keeps_the_mean(averaging, compressor):
    gamma = 0.05
    solver = solvers.ChocoGossip(compressor, gamma=gamma, check_compressor=False)
    state = solver.init(averaging, GRAPH, rng=5)
    X, H, t = averaging.values, np.zeros((N, D)), 0
    mean, scale = X.mean(axis=0), np.abs(X).max()
    compress = messages(compressor, state.key)
    for until in (1, 2, 63, 64, 65, 150):
        solver.advance(state, averaging, GRAPH, until - t)
        for turn in range(t, until):
            X, H = reference.choco_gossip(W, compress, turn, X, H, gamma)
            scale = max(scale, np.abs(X).max(), np.abs(H).max())  # PermK(7) does not contract, and H grows
        t = until
        found = state.arrays["rows"]
        np.testing.assert_allclose(found[0], X, rtol=0, atol=1e-12 * scale)
        np.testing.assert_allclose(found[1], H, rtol=0, atol=1e-12 * scale)
        np.testing.assert_allclose(found[2], W @ found[1], rtol=0, atol=1e-13 * scale)
        assert np.abs(found[0].mean(axis=0) - mean).max() <= 1e-12 * scale
    assert scale < 20 or compressor == PermK(N)


@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("compressor", [TopK(3), QSGD(3, scaled=False)], ids=name)
def test_sgd_equals_its_definition(samples, compressor, batch_size):
    solver = solvers.ChocoSGD(compressor, step=0.02, gamma=0.1, step_decay=0.01, batch_size=batch_size)
    state = solver.init(samples, GRAPH, np.ones(D), rng=5)
    X, H = np.ones((N, D)), np.zeros((N, D))
    for t in range(70):
        gradients = batch_gradients(samples, batch_size, state.key, t)
        X, H = reference.choco_sgd(
            W, gradients, messages(compressor, state.key), t, X, H, 0.1, 0.02 / (1 + 0.01 * t)
        )
    solver.advance(state, samples, GRAPH, 70)
    np.testing.assert_allclose(state.arrays["rows"][0], X, rtol=0, atol=1e-12 * np.abs(X).max())
    assert (state.n_gradients, state.n_communications) == (70 * N, 70 * GRAPH.n_edges)


def test_a_compressor_in_python(averaging):
    with pytest.warns(problems.PerformanceWarning, match="runs in Python"):
        state = solvers.ChocoGossip(Halves(5), gamma=0.2).init(averaging, GRAPH)
    X, H = averaging.values, np.zeros((N, D))
    compress = lambda t, X: np.stack([Halves(5).compress(x).dense() for x in X])  # noqa: E731
    for t in range(20):
        X, H = reference.choco_gossip(W, compress, t, X, H, 0.2)
    state.prepared[0].advance(state, averaging, GRAPH, 20)
    np.testing.assert_allclose(state.arrays["rows"][0], X, rtol=0, atol=1e-12)


@pytest.mark.parametrize("compressor", EVERY, ids=name)
def test_the_ledger_counts_each_payload_once_for_each_neighbour(averaging, compressor):
    solver = solvers.ChocoGossip(compressor, gamma=0.05, check_compressor=False)
    state = solver.init(averaging, GRAPH, rng=2)
    X, H = averaging.values, np.zeros((N, D))
    bits = 0
    for t in range(4):
        payloads = [compressor.compress(X[i] - H[i], state.key, index=t * N + i) for i in range(N)]
        bits += sum(p.nbits * int(k) for p, k in zip(payloads, GRAPH.degrees, strict=True))
        sent = np.stack([p.dense() for p in payloads])
        X, H = reference.choco_gossip(W, lambda t, X, sent=sent: sent, t, X, H, 0.05)
    solver.advance(state, averaging, GRAPH, 4)
    assert state.bits == bits
    assert (state.n_gradients, state.bits_down, state.n_communications) == (0, 0, 4 * GRAPH.n_edges)


def test_identity_with_gamma_one_is_exact_gossip(averaging):
    solver = solvers.ChocoGossip(Identity(), gamma=1.0)
    state = solver.init(averaging, GRAPH)
    X = averaging.values
    for _ in range(40):
        X = W @ X
        solver.advance(state, averaging, GRAPH)
        np.testing.assert_allclose(state.arrays["rows"][0], X, rtol=1e-12)


@pytest.mark.parametrize("compressor", [TopK(2), RandK(30, scaled=False), Natural()], ids=name)
@pytest.mark.parametrize("method", ["gossip", "sgd"])
def test_cuts_and_resuming_do_not_change_the_run(averaging, samples, tmp_path, compressor, method):
    if method == "gossip":
        solver, problem = solvers.ChocoGossip(compressor, gamma=0.1), averaging
    else:
        solver, problem = solvers.ChocoSGD(compressor, step=0.01, gamma=0.1, batch_size=3), samples
    whole = solver.solve(problem, GRAPH, tol=0, max_events=150, rng=3)
    for every in (1, 7, 64):
        run = solver.solve(problem, GRAPH, tol=0, max_events=150, rng=3, record_every=every)
        assert without_wall_time(run.state) == without_wall_time(whole.state)
    part = solver.solve(problem, GRAPH, tol=0, max_events=70, rng=3)
    part.state.save(tmp_path / "state.npz")
    state = State.load(tmp_path / "state.npz")
    resumed = solver.solve(problem, GRAPH, tol=0, max_events=150, state=state)
    assert without_wall_time(resumed.state) == without_wall_time(whole.state)
    assert solver.solve(problem, GRAPH, tol=0, max_events=150, rng=4).X.tobytes() != whole.X.tobytes() or (
        not compressor.random and method == "gossip"
    )


@pytest.mark.parametrize(("graph", "d"), [(graphs.path(1), 3), (graphs.path(2), 1), (graphs.complete(14), 1)])
def test_small_networks_and_single_coordinates(graph, d):
    problem = problems.Averaging(np.arange(float(graph.n_nodes * d)).reshape(-1, d))
    for gamma in (1.0, "auto"):
        result = solvers.ChocoGossip(TopK(1.0), gamma=gamma).solve(problem, graph, tol=1e-12)
        assert result.success
        np.testing.assert_allclose(result.X, np.tile(problem.solution(), (graph.n_nodes, 1)), rtol=1e-11)
    assert result.bits == result.state.n_events * 2 * graph.n_edges * (64 * d)


# -- convergence -------------------------------------------------------------------------------------------


def test_theorys_gamma_and_its_rate():
    """The root mean squares of X - mean and X - H shrink by at least the certified rate, in its weights."""
    for graph, compressor in ((graphs.complete(5), RandK(10, scaled=False)), (graphs.cycle(8), TopK(10))):
        n, d = graph.n_nodes, 20
        solver = solvers.ChocoGossip(compressor, gamma=None)
        problem = problems.Averaging(np.random.default_rng(0).normal(size=(n, d)))
        low, high = (np.linalg.eigvalsh(graphs.mixing_matrix(graph).toarray())[k] for k in (0, -2))
        delta, beta, alpha = 1 - max(abs(low), abs(high)), 1 - low, 0.5
        paper = (
            delta**2 * alpha / (16 * delta + delta**2 + 4 * beta**2 + 2 * delta * beta**2 - 8 * delta * alpha)
        )
        gamma = solver.parameters(problem, graph)["gamma"]
        assert gamma > 3 * paper
        rate = solver.certified_rate(problem, graph)
        for other in (gamma / 2, gamma * 1.2, paper):  # none does better
            assert solvers.ChocoGossip(compressor, gamma=other).certified_rate(problem, graph) > rate
        assert solvers.ChocoGossip(compressor, gamma=1.0).certified_rate(problem, graph) == math.inf
        energies = []
        for seed in range(20):
            state = solver.init(problem, graph, rng=seed)
            energy = []
            for _ in range(5):
                X, H = state.arrays["rows"][:2]
                energy.append(((X - problem.solution()) ** 2).sum() + ((X - H) ** 2).sum())
                solver.advance(state, problem, graph, 30)
            energies.append(energy)
        mean = np.mean(energies, axis=0)
        assert (mean[1:] <= mean[:-1] * rate**60).all()
        result = solver.solve(problem, graph, tol=1e-6)  # within the time that it is given
        assert result.success


def consensus(problem, X):
    start = problem.values - problem.solution()
    return float(((X - problem.solution()) ** 2).sum() / (start**2).sum())


def rounds_to(problem, graph, solver, target, limit):
    """Rounds until the relative squared consensus error is at most the target."""
    state = solver.init(problem, graph)
    while state.n_events < limit:
        solver.advance(state, problem, graph, 5)
        if not consensus(problem, state.arrays["rows"][0]) < 1e3:
            return math.inf
        if consensus(problem, state.arrays["rows"][0]) <= target:
            return state.n_events
    return math.inf


def ring_benchmark(d):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(25, d))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return problems.Averaging(values + rng.normal(size=d) / math.sqrt(d)), graphs.cycle(25)


def test_exact_gossip_on_the_ring():
    problem, graph = ring_benchmark(200)
    solver = solvers.ChocoGossip(Identity(), gamma=1.0)
    state = solver.advance(solver.init(problem, graph), problem, graph, 300)
    before = consensus(problem, state.arrays["rows"][0])
    solver.advance(state, problem, graph, 200)
    slope = math.log(consensus(problem, state.arrays["rows"][0]) / before) / 200
    second = (1 + 2 * math.cos(2 * math.pi / 25)) / 3
    assert slope == pytest.approx(2 * math.log(second), rel=1e-3)


def test_quantised_gossip_is_as_fast_as_exact_gossip_and_rand_k_has_a_sharp_edge():
    problem, graph = ring_benchmark(500)
    exact = rounds_to(problem, graph, solvers.ChocoGossip(Identity(), gamma=1.0), 1e-8, 500)
    quantised = rounds_to(problem, graph, solvers.ChocoGossip(QSGD(15, scaled=False), gamma=1.0), 1e-8, 500)
    assert exact < 400
    assert abs(quantised - exact) <= 20
    rand = RandK(0.1, scaled=False)
    assert 2000 < rounds_to(problem, graph, solvers.ChocoGossip(rand, gamma=0.15), 1e-8, 3500) < 3500
    assert rounds_to(problem, graph, solvers.ChocoGossip(rand, gamma=0.2), 1e-8, 3500) == math.inf


@pytest.mark.slow
def test_the_table_of_the_ring():
    """n = 25, d = 2000, to a relative squared consensus error of 1e-8."""
    problem, graph = ring_benchmark(2000)

    def run(compressor, gamma, limit):
        solver = solvers.ChocoGossip(compressor, gamma=gamma)
        state = solver.init(problem, graph)
        while consensus(problem, state.arrays["rows"][0]) > 1e-8 and state.n_events < limit:
            solver.advance(state, problem, graph)
        return state.n_events, state.bits / (2 * graph.n_edges)

    exact, whole = run(Identity(), 1.0, 500)
    assert exact == pytest.approx(377, abs=4)
    assert whole == exact * 64 * 2000
    quantised, bits = run(QSGD(15, scaled=False), 0.8, 600)
    assert quantised == pytest.approx(460, rel=0.03)
    assert bits == quantised * (64 + 5 * 2000)
    assert whole / 2 / bits == pytest.approx(5.2, abs=0.2)  # of numbers of 32 bits
    # divided by 1 + omega with an omega 1.5 times the worst case, gamma = 1 would do, in 377 rounds
    assert run(QSGD(15, scaled=False), 1.0, 600)[0] == 600  # diverges
    sparse, bits = run(RandK(0.1, scaled=False), 0.15, 4000)
    assert sparse == pytest.approx(2555, rel=0.03)
    assert whole / bits == pytest.approx(1.5, abs=0.1)
    assert run(RandK(0.1, scaled=False), 0.2, 4000)[0] == 4000  # diverges


def test_naive_quantised_gossip_does_not_reach_the_mean():
    """X += W Q(X) - Q(X) stays away from consensus; X = W Q(X) reaches another mean."""
    problem, graph = ring_benchmark(200)
    mixing = graphs.mixing_matrix(graph).toarray()
    compressor = QSGD(255)
    keep, replace = problem.values, problem.values
    tail = []
    for t in range(1500):
        sent = compress_rows(compressor, keep, 7, index=25 * t)[0]
        keep = keep + mixing @ sent - sent
        replace = mixing @ compress_rows(compressor, replace, 7, index=25 * t)[0]
        if t >= 1200:
            tail.append(consensus(problem, keep))
    assert min(tail) > 1e-4
    np.testing.assert_allclose(keep.mean(axis=0), problem.solution(), atol=1e-12)
    wrong = replace.mean(axis=0) - problem.solution()
    assert (wrong @ wrong) * 25 / ((problem.values - problem.solution()) ** 2).sum() > 1e-2
    solver = solvers.ChocoGossip(QSGD(255, scaled=False), gamma=1.0)
    result = solver.solve(problem, graph, tol=0, max_events=1500)
    assert consensus(problem, result.X) < 1e-20


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_values_of_zero_mean_converge(scale):
    values = scale * np.random.default_rng(0).normal(size=(N, D))
    values -= values.mean(axis=0)
    result = solvers.ChocoGossip(TopK(10), gamma=0.4).solve(problems.Averaging(values), GRAPH, tol=1e-8)
    assert result.success
    assert result.trace["optimality"][-1] <= 1e-13 * scale
    assert np.abs(result.X).max() <= 1e-6


def test_equal_values_have_converged_at_once():
    for values in (np.zeros((N, 3)), np.ones((N, 3))):
        result = solvers.ChocoGossip(TopK(1), gamma=0.1).solve(problems.Averaging(values), GRAPH)
        assert (result.status, result.state.n_events) == ("converged", 0)


def test_values_whose_squares_overflow_count_as_diverged():
    values = 1e200 * np.random.default_rng(0).normal(size=(N, D))
    result = solvers.ChocoGossip(TopK(10), gamma=0.4).solve(problems.Averaging(values), GRAPH)
    assert (result.status, result.state.n_events) == ("diverged", 0)
    assert np.array_equal(result.X, values)


def test_a_resumed_run_knows_what_it_compares_with(averaging):
    solver = solvers.ChocoGossip(TopK(10), gamma=0.3)
    part = solver.solve(averaging, GRAPH, tol=1e-9, max_events=30)
    whole = solver.solve(averaging, GRAPH, tol=1e-9)
    resumed = solver.solve(averaging, GRAPH, tol=1e-9, state=part.state)
    assert resumed.success
    assert without_wall_time(resumed.state) == without_wall_time(whole.state)
    assert whole.state.first_optimality == pytest.approx(np.linalg.norm(averaging.values) / math.sqrt(N))


def test_sgd_moves_the_mean_by_the_mean_gradient(samples):
    solver = solvers.ChocoSGD(ScaledSign(), step=0.03, gamma=0.1)
    state = solver.advance(solver.init(samples, GRAPH), samples, GRAPH, 10)
    before = state.arrays["rows"][0].copy()
    solver.advance(state, samples, GRAPH)
    expected = before.mean(axis=0) - 0.03 * samples.gradients(before).mean(axis=0)
    np.testing.assert_allclose(state.arrays["rows"][0].mean(axis=0), expected, rtol=1e-12, atol=1e-14)


def test_sgd_stops_at_a_floor_proportional_to_the_step():
    problem = problems.Quadratic.random(N, 10, condition_number=5.0, rng=1)
    x_star = problem.solution()
    floors = []
    for step in (0.01, 0.0025):
        run = solvers.ChocoSGD(TopK(3), step=step, gamma=0.3).solve(
            problem, GRAPH, tol=0, max_events=int(60 / step), x_star=x_star
        )
        floors.append(math.sqrt(run.trace["distance"][-1]))
    assert floors[0] > 1e-3
    assert floors[0] / floors[1] == pytest.approx(4, rel=0.25)
    decaying = solvers.ChocoSGD(TopK(3), step=0.01, gamma=0.3, step_decay=0.01).solve(
        problem, GRAPH, tol=0, max_events=20_000, x_star=x_star
    )
    assert math.sqrt(decaying.trace["distance"][-1]) < floors[1]


# -- arguments ---------------------------------------------------------------------------------------------


def test_gossip_is_for_averaging_alone(averaging):
    other = problems.Quadratic.random(N, 3, condition_number=2.0)
    with pytest.raises(TypeError, match=r"ChocoGossip needs a problems\.Averaging, got Quadratic"):
        solvers.ChocoGossip(TopK(1)).solve(other, GRAPH)
    with pytest.raises(ValueError, match=r"put x0 into Averaging"):
        solvers.ChocoGossip(TopK(1)).solve(averaging, GRAPH, np.zeros(D))
    with pytest.raises(ValueError, match="leave batch_size out"):
        solvers.ChocoGossip(TopK(1), batch_size=2).solve(averaging, GRAPH)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"compressor": RandK(4)}, ValueError, "contractive compressor, and RandK"),
        ({"compressor": 0.1}, TypeError, "compressor must be one"),
        ({"gamma": 1.5}, ValueError, "gamma must be"),
        ({"gamma": 0.0}, ValueError, "gamma must be"),
        ({"gamma": np.nan}, ValueError, "gamma must be"),
        ({"gamma": "best"}, ValueError, "\"auto\", got 'best'"),
        (
            {"gamma": None, "compressor": RandK(4), "check_compressor": False},
            ValueError,
            "no theory for gamma",
        ),
        ({"mixing": np.eye(N)}, ValueError, "mixing|W must"),
    ],
)
def test_bad_hyper_parameters(averaging, arguments, error, match):
    with pytest.raises(error, match=match):
        solvers.ChocoGossip(**{"compressor": TopK(2), "gamma": 0.1} | arguments).solve(averaging, GRAPH)


def test_sgd_has_no_theory_for_its_step(samples):
    with pytest.raises(ValueError, match=r'no theory for step here: set it, or pass step="auto"'):
        solvers.ChocoSGD(TopK(2), step=None, gamma=0.1).solve(samples, GRAPH)
    with pytest.raises(ValueError, match="step must be"):
        solvers.ChocoSGD(TopK(2), step=-1.0, gamma=0.1).solve(samples, GRAPH)
    with pytest.raises(ValueError, match="connected"):
        solvers.ChocoSGD(TopK(2), step=0.1).solve(samples, graphs.Graph.from_edges(N, [(0, 1)]))


def test_states_of_other_compressors_are_refused(averaging):
    state = solvers.ChocoGossip(TopK(2), gamma=0.1).init(averaging, GRAPH)
    with pytest.raises(ValueError, match="other hyper-parameters"):
        solvers.ChocoGossip(TopK(3), gamma=0.1).solve(averaging, GRAPH, state=state)
