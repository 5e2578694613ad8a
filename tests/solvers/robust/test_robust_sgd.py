"""RobustSGD: against a plain reimplementation, its ledger, resuming, what it survives, what it refuses."""

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import oracles, random
from gossamer.kernels.aggregation import (
    NNM,
    Bucketing,
    Bulyan,
    CenteredClipping,
    CoordinateMedian,
    Flag,
    FoolsGold,
    GeometricMedian,
    Krum,
    Mean,
    MoNNA,
    MultiKrum,
    NormalizedMean,
    TrimmedMean,
)
from gossamer.kernels.random import streams
from gossamer.problems import attacks

N, F = 9, 2
STAR, COMPLETE = graphs.star(N), graphs.complete(N)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(135, 4))
    noise = 0.3 * rng.normal(size=135)
    return problems.LeastSquares.from_data(A, A @ rng.normal(size=4) + noise, N, l2=0.1, split="sorted")


def batch(problem, key, t, i, size):
    """Rows of node i's mini-batch of round t."""
    drawn = random.distinct_integers(
        size, int(problem.sample_oracle.n_samples[i]), key, streams.BATCH, t * problem.n_nodes + i
    )
    return drawn


def plain_run(problem, rule, attack, faulty, rounds, step, decay, beta, server_beta, size, key):
    n, d = problem.n_nodes, problem.dim
    honest = [i for i in range(n) if i not in faulty]
    x, u, m = np.zeros(d), np.zeros(d), None
    for t in range(rounds):
        if size:
            G = [
                oracles.gradient(problem.sample_oracle, i, x, batch(problem, key, t, i, size))
                for i in range(n)
            ]
        else:
            G = [problem.gradient(i, x) for i in range(n)]
        G = np.array(G)
        m = G if m is None else beta * m + (1 - beta) * G
        sent = m.copy()
        if attack is not None and faulty:
            sent[faulty] = attack(m[honest], len(faulty), own=m[faulty], step=t)
        u = server_beta * u + rule(sent, step=t, full=True).value
        x = x - step / (1 + decay * t) * u
    return x


RUNS = [
    pytest.param(CoordinateMedian(), None, 0, {}, id="median"),
    pytest.param(TrimmedMean(2), attacks.ReversedGradient(), 2, {"momentum": 0.9}, id="own gradients"),
    pytest.param(Krum(2), attacks.ALIE(1.5), [0, 4], {"batch_size": 5}, id="chosen nodes, batches"),
    pytest.param(NNM(2) >> Flag(m=4), attacks.IPM(5.0), 2, {"server_momentum": 0.8}, id="pre-aggregation"),
    pytest.param(
        GeometricMedian(),
        attacks.GaussianNoise(key=3),
        2,
        {"batch_size": 4, "momentum": 0.5, "server_momentum": 0.5, "step_decay": 0.1},
        id="all together",
    ),
    pytest.param(MultiKrum(2), attacks.OptimizedIPM(MultiKrum(2)), 2, {}, id="optimised"),
    pytest.param(CoordinateMedian(), attacks.NonFinite(), 2, {}, id="NaN"),
    pytest.param(Bucketing(2, key=5) >> CoordinateMedian(), attacks.Drop(0.5), 1, {}, id="a rule that draws"),
]


@pytest.mark.parametrize(("rule", "attack", "f", "options"), RUNS)
def test_rounds_are_their_definition(problem, rule, attack, f, options):
    solver = solvers.RobustSGD(rule, f=f, attack=attack, step=0.1, **options)
    result = solver.solve(problem, COMPLETE, tol=0, max_events=40, rng=7)
    faulty = solver.faulty(N).tolist()
    expected = plain_run(
        problem,
        rule,
        attack,
        faulty,
        40,
        0.1,
        options.get("step_decay", 0.0),
        options.get("momentum", 0.0),
        options.get("server_momentum", 0.0),
        options.get("batch_size"),
        result.state.key,
    )
    np.testing.assert_allclose(result.x, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert (result.X[0] == result.X).all()


def averages_of_nearest(G, f):
    """The rows that NNM makes of finite ones."""
    distances = np.linalg.norm(G[:, None] - G, axis=2)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : len(G) - f]
    return G[nearest].mean(axis=1)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("radius", [0.3, None])
def test_centered_clipping_starts_from_the_value_of_the_round_before(problem, radius, before):
    rule = CenteredClipping(radius, n_steps=2)
    attack = attacks.GaussianNoise(50.0, key=1)
    solver = solvers.RobustSGD(NNM(2) >> rule if before else rule, f=F, attack=attack, step=0.1)
    result = solver.solve(problem, STAR, tol=0, max_events=30)
    x, v = np.zeros(4), np.zeros(4)
    for t in range(30):
        G = np.array([problem.gradient(i, x) for i in range(N)])
        G[-F:] = attack(G[:-F], F, step=t)
        G = averages_of_nearest(G, 2) if before else G
        for _ in range(2):
            lengths = np.linalg.norm(G - v, axis=1)
            tau = np.median(lengths) if radius is None else radius
            v = v + ((G - v) * np.minimum(1.0, tau / lengths)[:, None]).mean(axis=0)
        x = x - 0.1 * v
    np.testing.assert_allclose(result.x, x, rtol=1e-9)
    np.testing.assert_allclose(result.state.arrays["memory"], [v], rtol=1e-9)
    anew = rule(averages_of_nearest(G, 2) if before else G)
    assert np.linalg.norm(anew - v) > 1e-2 * np.linalg.norm(v)  # a start from zero differs


@pytest.mark.parametrize("before", [False, True])
def test_fools_gold_compares_sums_of_all_rounds(problem, before):
    attack = attacks.Mimic(3)
    rule = NNM(2) >> FoolsGold() if before else FoolsGold()
    solver = solvers.RobustSGD(rule, f=F, attack=attack, step=0.1, batch_size=3)
    result = solver.solve(problem, STAR, tol=0, max_events=20, rng=4)
    x, sums, differed = np.zeros(4), np.zeros((N, 4)), 0.0
    for t in range(20):
        G = np.array(
            [
                oracles.gradient(problem.sample_oracle, i, x, batch(problem, result.state.key, t, i, 3))
                for i in range(N)
            ]
        )
        G[-F:] = attack(G[:-F], F, step=t)
        G = averages_of_nearest(G, 2) if before else G
        sums = sums + G
        value = FoolsGold()(G, history=sums)
        differed = max(differed, np.linalg.norm(value - FoolsGold()(G)))
        x = x - 0.1 * value
    np.testing.assert_allclose(result.x, x, rtol=1e-9)
    np.testing.assert_allclose(result.state.arrays["memory"], sums, rtol=1e-9)
    assert differed > 0.1


@pytest.mark.parametrize("rule", [FoolsGold(), CenteredClipping(), NNM(2) >> FoolsGold()], ids=repr)
def test_what_is_not_finite_is_not_remembered(problem, rule):
    solver = solvers.RobustSGD(rule, f=[1, 3], attack=attacks.NonFinite(), step=0.05)
    result = solver.solve(problem, STAR, tol=0, max_events=10)
    assert result.status == "max_events"
    assert result.state.arrays["excluded"].tolist() == [0, 10, 0, 10, 0, 0, 0, 0, 0]
    memory = result.state.arrays["memory"]
    if len(memory) == N:
        assert not memory[[1, 3]].any()
        assert memory[[0, 2, 4, 5, 6, 7, 8]].all()


def test_rules_that_remember_workers_need_workers(problem):
    with pytest.raises(ValueError, match="FoolsGold remembers each worker"):
        solvers.RobustSGD(Bucketing(2) >> FoolsGold(), step=0.1).init(problem, STAR)
    solver = solvers.RobustSGD(Bucketing(2) >> CenteredClipping(), f=2, attack=attacks.NonFinite(), step=0.1)
    assert solver.solve(problem, STAR, tol=0, max_events=10).status == "max_events"


def test_without_faults_and_with_the_mean_it_is_gradient_descent(problem):
    step = 1.0 / problem.smoothness
    x = np.zeros(4)
    for _ in range(30):
        x = x - step * problem.full_gradient(x)
    result = solvers.RobustSGD(Mean()).solve(problem, STAR, tol=0, max_events=30)
    np.testing.assert_allclose(result.x, x, rtol=1e-12)
    until = solvers.RobustSGD(Mean()).solve(problem, STAR, tol=1e-10)
    assert until.success
    np.testing.assert_allclose(until.x, problem.solution(), atol=1e-8)


def test_faulty_data_do_not_count(problem):
    solver = solvers.RobustSGD(CoordinateMedian(), f=[2, 5], step=0.1)
    result = solver.solve(problem, STAR, tol=0, max_events=20, record_every=5, x_star=np.zeros(4))
    honest = [0, 1, 3, 4, 6, 7, 8]
    assert result.members.tolist() == honest
    x = result.x
    assert result.trace["objective"][-1] == pytest.approx(
        np.mean([problem.node_objective(i, x) for i in honest])
    )
    gradient = np.mean([problem.gradient(i, x) for i in honest], axis=0)
    assert result.trace["optimality"][-1] == pytest.approx(np.linalg.norm(gradient))
    assert result.trace["distance"][-1] == pytest.approx(x @ x)
    assert (result.trace["consensus"] < 1e-15).all()


def test_faulty_nodes_without_an_attack_compute_honestly(problem):
    """As honest ones do, of whatever data they have: only the record leaves them out."""
    options = {"batch_size": 3, "momentum": 0.9, "step": 0.1}
    runs = [
        solvers.RobustSGD(CoordinateMedian(), f=f, **options).solve(data, STAR, tol=0, max_events=20, rng=2)
        for data, f in ((problem, 0), (problem, [2, 5]), (problem, []))
    ]
    for run in runs[1:]:
        assert np.array_equal(run.x, runs[0].x)
        assert run.n_gradients == runs[0].n_gradients
    assert runs[1].members.tolist() == [0, 1, 3, 4, 6, 7, 8]
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 3)), rng.integers(0, 2, 90)
    data = problems.SoftmaxRegression.from_data(X, y, N, l2=0.1)
    spoilt = solvers.RobustSGD(Mean(), f=2, step=0.1).solve(data.flipped([7, 8]), STAR, tol=0, max_events=5)
    x = np.zeros(data.dim)
    for _ in range(5):
        x = x - 0.1 * np.mean([data.flipped([7, 8]).gradient(i, x) for i in range(N)], axis=0)
    np.testing.assert_allclose(spoilt.x, x, rtol=1e-12)


@pytest.mark.parametrize(
    ("graph", "up", "down", "links"),
    [(STAR, N - 1, N - 1, N - 1), (COMPLETE, N * (N - 1), 0, N * (N - 1) // 2)],
)
@pytest.mark.parametrize(("attack", "computing"), [(attacks.Zero(), 7), (attacks.SignFlip(), 9), (None, 9)])
def test_the_ledger(problem, graph, up, down, links, attack, computing):
    solver = solvers.RobustSGD(CoordinateMedian(), f=F, attack=attack, step=0.1)
    result = solver.solve(problem, graph, tol=0, max_events=11)
    assert result.n_gradients == 11 * computing
    assert result.n_communications == 11 * links
    assert result.bits == 11 * 64 * 4 * (up + down)
    assert result.bits_down == 11 * 64 * 4 * down
    assert result.time == 11.0


def test_left_out_messages_are_counted_by_sender(problem, recwarn):
    solver = solvers.RobustSGD(TrimmedMean(2), f=[1, 3], attack=attacks.NonFinite(np.inf), step=0.1)
    result = solver.solve(problem, STAR, tol=0, max_events=13)
    assert result.state.arrays["excluded"].tolist() == [0, 13, 0, 13, 0, 0, 0, 0, 0]
    assert not recwarn.list
    # two workers fewer, no trimming: the mean of the honest
    honest = result.members
    x = np.zeros(4)
    for _ in range(13):
        x = x - 0.1 * np.mean([problem.gradient(i, x) for i in honest], axis=0)
    np.testing.assert_allclose(result.x, x, rtol=1e-12)


FULL = {"batch_size": 3, "momentum": 0.9, "server_momentum": 0.5, "step_decay": 0.01}


@pytest.mark.parametrize(
    ("rule", "attack"),
    [
        (NNM(2) >> Krum(2), attacks.UniformNoise()),
        (NNM(2) >> Krum(2), attacks.Drop(0.5)),
        (NNM(2) >> Krum(2), attacks.OptimizedALIE(Krum(2))),
        (CenteredClipping(), attacks.UniformNoise()),
        (NNM(2) >> FoolsGold(), attacks.Drop(0.5)),
    ],
    ids=repr,
)
def test_any_cut_of_the_rounds_gives_the_same_bits(problem, rule, attack, tmp_path):
    solver = solvers.RobustSGD(rule, f=F, attack=attack, step=0.05, **FULL)
    whole = solver.solve(problem, STAR, tol=0, max_events=24, rng=1)
    state = solver.init(problem, STAR, rng=1)
    for count in (1, 0, 2, 9):
        solver.advance(state, problem, STAR, count)
    state.save(tmp_path / "state.npz")
    state = solvers.State.load(tmp_path / "state.npz")
    again = solver.solve(problem, STAR, tol=0, max_events=24, state=state, record_every=5)
    for name, array in whole.state.arrays.items():
        assert again.state.arrays[name].tobytes() == array.tobytes(), name
    assert again.bits == whole.bits
    other = solver.solve(problem, STAR, tol=0, max_events=24, rng=2)
    assert (other.x != whole.x).all()
    whole.save(tmp_path / "result.npz")
    loaded = solvers.Result.load(tmp_path / "result.npz")
    assert loaded.members.tolist() == whole.members.tolist()
    assert np.array_equal(loaded.x, whole.x)


def test_a_state_goes_on_with_its_own_method_only(problem):
    solver = solvers.RobustSGD(CoordinateMedian(), f=F, attack=attacks.Zero(), step=0.1)
    state = solver.init(problem, STAR)
    others = [
        solvers.RobustSGD(NormalizedMean(), f=F, attack=attacks.Zero(), step=0.1),
        solvers.RobustSGD(CoordinateMedian(), f=F, attack=attacks.SignFlip(), step=0.1),
        solvers.RobustSGD(CoordinateMedian(), f=[1, 2], attack=attacks.Zero(), step=0.1),
        solvers.RobustSGD(CoordinateMedian(), f=F, attack=attacks.Zero(), step=0.2),
        solvers.RobustSGD(CoordinateMedian(), f=F, attack=attacks.Zero(), step=0.1, momentum=0.1),
    ]
    for other in others:
        with pytest.raises(ValueError, match="other hyper-parameters"):
            other.advance(state, problem, STAR)


# -- what survives ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alike():
    """Nodes whose minimisers are near (1, -2), so that a robust rule must end there."""
    rng = np.random.default_rng(4)
    return problems.Averaging(np.array([1.0, -2.0]) + 0.05 * rng.normal(size=(11, 2)))


ATTACKS = [
    attacks.UniformNoise(100.0),
    attacks.GaussianNoise(),
    attacks.SignFlip(),
    attacks.ReversedGradient(),
    attacks.IPM(5.0),
    attacks.ALIE(1.5),
    attacks.NonFinite(),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: type(attack).__name__)
@pytest.mark.parametrize(
    "rule",
    [
        CoordinateMedian(),
        TrimmedMean(2),
        Krum(2),
        MultiKrum(2),
        GeometricMedian(),
        Bulyan(2),
        NNM(2) >> Krum(2),
    ],
    ids=repr,
)
def test_robust_rules_end_among_the_honest(alike, rule, attack):
    solver = solvers.RobustSGD(rule, f=2, attack=attack, step=0.5)
    result = solver.solve(alike, graphs.star(11), tol=0, max_events=60)
    assert np.linalg.norm(result.x - [1.0, -2.0]) < 0.25


def test_the_mean_does_not(alike):
    for attack in (attacks.UniformNoise(100.0), attacks.IPM(5.0), attacks.ReversedGradient()):
        solver = solvers.RobustSGD(Mean(), f=2, attack=attack, step=0.5)
        result = solver.solve(alike, graphs.star(11), tol=0, max_events=60)
        assert not np.linalg.norm(result.x - [1.0, -2.0]) < 1.0


def test_rules_without_norms_converge_with_a_decaying_step(alike):
    constant, decaying = (
        solvers.RobustSGD(Flag(m=2), f=2, attack=attacks.UniformNoise(), step=0.5, step_decay=decay)
        for decay in (0.0, 0.2)
    )
    ends = [
        np.linalg.norm(s.solve(alike, graphs.star(11), tol=0, max_events=300).x - [1.0, -2.0])
        for s in (constant, decaying)
    ]
    assert ends[1] < 0.2 < 0.25 < ends[0]


def test_flipped_labels_spoil_data_not_the_record():
    X, y = problems.load("digits")
    problem = problems.SoftmaxRegression.from_data(X[:600] / 16, y[:600], 10, test=(X[600:] / 16, y[600:]))
    spoilt = problem.flipped([8, 9])
    solver = solvers.RobustSGD(MultiKrum(2), f=2, step=0.5)
    result = solver.solve(spoilt, graphs.star(10), tol=0, max_events=60)
    clean = solver.solve(problem, graphs.star(10), tol=0, max_events=60)
    assert result.trace["accuracy"][-1] == problem.accuracy(result.x) > 0.85
    assert clean.trace["accuracy"][-1] > 0.85
    assert result.trace["objective"][0] == clean.trace["objective"][0]  # of the honest


@pytest.mark.parametrize("step", [3.0, 100.0])
@pytest.mark.parametrize(
    "rule",
    [Mean(), Krum(2), MoNNA(2), CenteredClipping(1e300), GeometricMedian(), NNM(2) >> Flag(scale="raw")],
    ids=repr,
)
def test_divergence_is_a_status(alike, rule, step):
    """Rules that take squares refuse rows above 1e150, whole rounds before those are infinite."""
    result = solvers.RobustSGD(rule, step=step).solve(alike, graphs.star(11), tol=0, max_events=5000)
    assert result.status == "diverged"
    assert np.isfinite(result.X).all()


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0.0}, "step"),
        ({"step": np.nan}, "step"),
        ({"step_decay": -1.0}, "step_decay"),
        ({"momentum": 1.0}, "momentum must be below 1"),
        ({"server_momentum": 1.0}, "server_momentum must be below 1"),
        ({"server_momentum": -0.1}, "server_momentum"),
        ({"f": 9}, "honest"),
        ({"f": -1}, "f must be"),
        ({"f": [1, 1]}, "once"),
        ({"f": [9]}, "f must be"),
        ({"f": [0]}, "hub"),
        ({"batch_size": 0}, "batch_size"),
        ({"f": 2, "attack": attacks.Mimic(8)}, "target"),
        ({"f": 8, "attack": attacks.ALIE()}, "ALIE has no z"),
        (
            {"attack": attacks.ALIE()},
            r"attack is ALIE\(z=None\), but f = 0 leaves no node faulty.*set f, or leave",
        ),
        ({"f": [], "attack": attacks.Zero()}, r"attack is Zero\(\), but f = \[\] leaves no node faulty"),
    ],
)
def test_bad_parameters(problem, options, message):
    solver = solvers.RobustSGD(CoordinateMedian(), **({"step": 0.1} | options))
    with pytest.raises(ValueError, match=message):
        solver.init(problem, STAR)


def test_what_does_not_fit(problem):
    with pytest.raises(ValueError, match="Krum"):
        solvers.RobustSGD(Krum(4)).init(problem, STAR)
    with pytest.raises(ValueError, match=r"worker 7, the pivot of NNM.*must be honest"):
        solvers.RobustSGD(NNM(2) >> MoNNA(2, pivot=7), f=2, step=0.1).init(problem, STAR)
    solvers.RobustSGD(MoNNA(2, pivot=6), f=2, attack=attacks.NonFinite(), step=0.1).solve(
        problem, STAR, tol=0, max_events=3
    )
    with pytest.raises(TypeError, match="aggregator"):
        solvers.RobustSGD("median").init(problem, STAR)
    with pytest.raises(TypeError, match="attack"):
        solvers.RobustSGD(Mean(), f=1, attack="ALIE").init(problem, STAR)
    with pytest.raises(TypeError, match=r"attack must be an Attack of .*, got Dissension"):
        solvers.RobustSGD(Mean(), f=1, attack=attacks.Dissension()).init(problem, STAR)
    with pytest.raises(ValueError, match="server"):
        solvers.RobustSGD(Mean()).init(problem, graphs.cycle(N))
    with pytest.raises(ValueError, match="x0 must be one start"):
        solvers.RobustSGD(Mean()).init(problem, STAR, np.eye(N, 4))
    with pytest.raises(ValueError, match="samples"):
        solvers.RobustSGD(Mean(), batch_size=2).init(problems.Averaging(np.ones((N, 2))), STAR)
    perceptron = problems.Perceptron(np.eye(4), [0, 1, 0, 1], [0, 2, 4], hidden=(3,))
    with pytest.raises(ValueError, match="set step"):
        solvers.RobustSGD(Mean()).init(perceptron, graphs.star(2))


@pytest.mark.parametrize("n", [1, 2])
def test_few_nodes_and_one_coordinate(n):
    problem = problems.Averaging(np.arange(1.0, n + 1)[:, None])
    result = solvers.RobustSGD(CoordinateMedian()).solve(problem, graphs.complete(n), tol=1e-10)
    assert result.success
    assert result.x[0] == pytest.approx((n + 1) / 2)
