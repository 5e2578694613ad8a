"""Metrics, the open trace, and when records are made."""

import math

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import compression
from gossamer.kernels.ledger import NAMES, new_ledger
from gossamer.solvers import Metric, Result, Trace
from gossamer.solvers.base import records
from gossamer.solvers.base.ledger import Ledger
from gossamer.solvers.base.metrics import DEFAULTS, Recorder
from gossamer.solvers.base.records import FIRST, Schedule
from gossamer.solvers.base.trace import COLUMNS

N, D = 6, 4
GRAPH = graphs.cycle(N)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(60, D))
    return problems.LeastSquares.from_data(A, A @ np.ones(D) + rng.normal(size=60), N, l2=0.1, rng=0)


@pytest.fixture(scope="module")
def x_star(problem):
    return problem.solution()


METRICS = [
    Metric("worst", lambda problem, X, state: np.linalg.norm(X, axis=1).max(), "worst norm"),
    Metric("turn", lambda problem, X, state: state.n_events),
]


def test_columns_are_what_they_say(problem, x_star):
    kept = []
    result = solvers.EXTRA().solve(
        problem,
        GRAPH,
        tol=0,
        max_events=200,
        record_every=20,
        x_star=x_star,
        metrics=METRICS,
        callback=lambda state, record: kept.append(state.arrays["rows"][0].copy()),
    )
    trace = result.trace
    assert trace.columns == (*COLUMNS, "suboptimality", "worst", "turn")
    assert len(kept) == len(trace) == 11
    for k, X in enumerate(kept):
        mean = X.mean(axis=0)
        expected = {
            "objective": problem.objective(mean),
            "optimality": np.linalg.norm(problem.full_gradient(mean)),
            "consensus": np.sqrt(((X - mean) ** 2).sum() / N),
            "distance": ((X - x_star) ** 2).sum() / N,
            "worst": max(np.linalg.norm(x) for x in X),
            "turn": 20 * k,
            "time": 20 * k,
        }
        for name, value in expected.items():
            assert trace[name][k] == pytest.approx(value, rel=1e-10, abs=1e-25), name
        gap = problem.objective(mean) - problem.objective(x_star)
        assert trace["suboptimality"][k] == pytest.approx(gap, abs=1e-14)
    assert trace["suboptimality"][0] > 0.1


def test_members_alone_count(problem):
    solver = solvers.RobustGossip(solvers.gossip_rules.NNA(1), f=[2], step=0.05)
    x = np.ones(D)
    result = solver.solve(problem, graphs.complete(N), tol=0, max_events=20, record_every=10, x_star=x)
    members = [0, 1, 3, 4, 5]
    mean = result.X[members].mean(axis=0)
    objective = np.mean([problem.node_objective(i, mean) for i in members])
    least = np.mean([problem.node_objective(i, x) for i in members])
    assert result.trace["objective"][-1] == pytest.approx(objective, rel=1e-12)
    assert result.trace["suboptimality"][-1] == pytest.approx(objective - least, rel=1e-12)
    assert result.trace["distance"][-1] == pytest.approx(((result.X[members] - x) ** 2).sum() / 5, rel=1e-12)


def test_a_result_keeps_its_columns(problem, tmp_path):
    result = solvers.DGD().solve(problem, GRAPH, tol=0, max_events=5, metrics=METRICS)
    result.save(tmp_path / "result.npz")
    again = Result.load(tmp_path / "result.npz")
    assert again.trace.columns == result.trace.columns
    for name in result.trace.columns:
        assert np.array_equal(again.trace[name], result.trace[name], equal_nan=True)
    axes = again.trace.plot(x="turn", y="worst")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("turn", "worst norm")
    assert again.trace.first_below("turn", 0.0)["worst"] == 0.0


def test_suboptimality_needs_the_solution(problem):
    trace = solvers.DGD().solve(problem, GRAPH, tol=0, max_events=2).trace
    assert "suboptimality" not in trace.columns
    for ask in (lambda: trace.plot(y="suboptimality"), lambda: trace.first_below("suboptimality", 1.0)):
        with pytest.raises(ValueError, match="pass x_star= to solve"):
            ask()
    with pytest.raises(KeyError, match="pass x_star= to solve"):
        trace["suboptimality"]


@pytest.mark.parametrize(
    ("metrics", "error", "match"),
    [
        ([Metric("objective", lambda *_: 0.0)], ValueError, "has a column 'objective' already"),
        ([Metric("bits", lambda *_: 0.0)], ValueError, "has a column 'bits' already"),
        ([METRICS[0], METRICS[0]], ValueError, "has a column 'worst' already"),
        ([len], TypeError, "metrics must be a Metric"),
        (METRICS[0], TypeError, "metrics must be a sequence"),
        ([Metric("mine", lambda problem, X, state: X)], TypeError, "'mine' must compute one number"),
        ([Metric("mine", lambda problem, X, state: None)], TypeError, "'mine' must compute one number"),
    ],
)
def test_metrics_that_cannot_be(problem, metrics, error, match):
    with pytest.raises(error, match=match):
        solvers.DGD().solve(problem, GRAPH, tol=0, max_events=2, metrics=metrics)


def test_metrics_are_made_of_a_name_and_a_function():
    for wrong, error in ((("a b", len), ValueError), ((3, len), ValueError), (("a", 3), TypeError)):
        with pytest.raises(error):
            Metric(*wrong)
    with pytest.raises(TypeError):
        Metric("a", len, 3)


def test_a_metric_cannot_change_the_iterates(problem):
    def spoil(problem, X, state):
        X[:] = 0.0

    with pytest.raises(ValueError, match="read-only"):
        solvers.DGD().solve(problem, GRAPH, tol=0, max_events=2, metrics=[Metric("spoil", spoil)])


def test_a_metric_cannot_change_the_state(problem):
    def spoil(problem, X, state):
        state.arrays["rows"][:] = np.nan
        state.n_events = -1
        return 0.0

    plain = solvers.DGD().solve(problem, GRAPH, tol=0, max_events=30)
    spoilt = solvers.DGD().solve(problem, GRAPH, tol=0, max_events=30, metrics=[Metric("spoil", spoil)])
    assert np.array_equal(plain.X, spoilt.X)


def test_metrics_do_not_change_the_run(problem):
    plain = solvers.DADAO().solve(problem, GRAPH, tol=0, max_events=300)
    with_metrics = solvers.DADAO().solve(problem, GRAPH, tol=0, max_events=300, metrics=METRICS)
    assert np.array_equal(plain.X, with_metrics.X)
    assert np.array_equal(plain.trace["time"], with_metrics.trace["time"])


def test_the_trace_takes_the_columns_that_it_is_given():
    columns = {name: [1, 2] for name in COLUMNS} | {"mine": [0.5, 0.25]}
    trace = Trace(columns, labels={"mine": "my own"})
    assert trace.columns == (*COLUMNS, "mine")
    assert trace["mine"].tolist() == [0.5, 0.25]
    trace.append(dict.fromkeys(trace.columns, 3))
    assert len(trace) == 3
    with pytest.raises(ValueError, match="mine is missing"):
        trace.append(dict.fromkeys(COLUMNS, 3))
    with pytest.raises(ValueError, match="all of one length"):
        Trace(columns | {"mine": [0.5]})
    assert Trace().columns == COLUMNS == ("time", *NAMES, "wall_time", *DEFAULTS)


# -- when records are made -------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 2, 7, 60, 1000, 10**6])
@pytest.mark.parametrize("unit", [0, 1, 13, 500])
def test_the_schedule(every, unit):
    schedule = Schedule(every, unit)
    points = [0]
    while points[-1] < 3 * (every + 50 * unit) and len(points) < 5000:
        points.append(schedule.after(points[-1]))
    gaps = np.diff(points)
    assert (gaps > 0).all()
    assert gaps.max() <= every
    # wherever a run goes on from, it meets the same points
    for start in range(0, points[-2], max(points[-2] // 300, 1)):
        assert schedule.after(start) == points[np.searchsorted(points, start, side="right")]
    if unit:  # a run of so many units has as many records, up to FIRST
        for units in (1, 5, FIRST, 2 * FIRST):
            n_records = np.searchsorted(points, units * unit, side="right")
            assert n_records >= min(units, FIRST)
    else:
        assert (gaps == every).all()


def test_short_runs_are_recorded_at_each_round(problem):
    for rounds in (1, 7, FIRST):
        trace = solvers.DGD().solve(problem, GRAPH, tol=0, max_events=rounds).trace
        assert trace["time"].tolist() == list(range(rounds + 1))
    long = solvers.DGD().solve(problem, GRAPH, tol=0, max_events=20_000).trace
    assert len(long) < 300


def test_equal_runs_are_recorded_alike_and_resumed_ones_too(problem):
    solver = solvers.DIANA(compression.RandK(2))
    star = graphs.star(N)
    whole = solver.solve(problem, star, tol=0, max_events=3000)
    half = solver.solve(problem, star, tol=0, max_events=1234)
    rest = solver.solve(problem, star, tol=0, max_events=3000, state=half.state)
    joined = sorted({*half.trace["time"], *rest.trace["time"]} - {1234.0})
    assert joined == [t for t in whole.trace["time"] if t != 1234.0]


def test_the_distance_of_records_follows_the_data():
    """Few records where one reads many samples and an event few of them; many where both read the same."""

    def distance(batch_size, n_samples):
        X = np.random.default_rng(0).normal(size=(N * n_samples, D))
        problem = problems.LogisticRegression.from_data(X, np.sign(X[:, 0]), N, l2=0.1, rng=0)
        solver = solvers.DGD(step=0.1, batch_size=batch_size)
        state = solver.init(problem, GRAPH)
        return records.events_between(state.prepared[-1], problem, state)

    assert distance(None, 10_000) <= math.ceil(2.3 / records.SHARE)
    assert distance(2, 10_000) > 20 * distance(None, 10_000)


def test_wall_time_leaves_compilation_out(problem, monkeypatch):
    """As of a kernel that takes three seconds to compile, in the middle of a run."""
    from gossamer.solvers.base import pieces

    passed = [0.0]
    monkeypatch.setattr(pieces, "seconds_compiling", lambda: passed[0])
    bound_apply = None

    def compiling(state, events):
        passed[0] += 3.0
        bound_apply(state, events)

    solver = solvers.DGD()
    state = solver.init(problem, GRAPH)
    bound = state.prepared[-1]
    bound_apply, bound.apply = bound.apply, compiling
    clock = iter(np.arange(0.0, 1e4, 0.5))
    monkeypatch.setattr(pieces.clock, "perf_counter", lambda: next(clock) + passed[0])
    seconds = pieces.advance(bound, state, 4, math.inf, pieces.Watch())
    assert 0.0 < seconds <= 2.0


# -- the ledger ------------------------------------------------------------------------------------------


def test_a_ledger_adds_what_loops_count():
    ledger = Ledger(bits=3)
    counts = new_ledger()
    assert len(counts) == len(NAMES)
    counts[:] = range(1, len(NAMES) + 1)
    ledger.add(counts)
    assert list(ledger) == list(NAMES)
    assert ledger == {"n_gradients": 1, "n_communications": 2, "bits": 6, "bits_down": 4}
    copied = ledger.copy()
    copied.add(counts)
    assert ledger["bits"] == 6
    assert copied["bits"] == 9


def test_a_state_and_a_result_read_the_ledger(problem):
    result = solvers.DGD().solve(problem, GRAPH, tol=0, max_events=3)
    assert dict(result.ledger) == {name: getattr(result.state, name) for name in NAMES}
    assert {name: getattr(result, name) for name in NAMES} == result.ledger
    assert {name: int(result.trace[name][-1]) for name in NAMES} == result.ledger
    assert isinstance(Recorder(problem, None, None).columns, tuple)
