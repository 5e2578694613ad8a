"""What all solvers share: stopping, the trace, callbacks, saving, resuming. Shown on DADAO."""

import copy
import json
import pickle

import numpy as np
import pytest
from matplotlib import pyplot

from gossamer import graphs, problems, solvers
from gossamer.solvers import Result, State, Trace

GRAPH = graphs.cycle(5)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(60, 4))
    return problems.LeastSquares.from_data(A, A @ rng.normal(size=4), n_nodes=5, l2=0.1, split="iid", rng=0)


@pytest.fixture(scope="module")
def solver():
    return solvers.DADAO()


def same_state(a, b):
    left, right = a.pack(), b.pack()
    scalars = [json.loads(str(side.pop("state"))) for side in (left, right)]
    for side in scalars:
        side.pop("wall_time")
    return scalars[0] == scalars[1] and all(left[k].tobytes() == right[k].tobytes() for k in left | right)


# -- stopping --------------------------------------------------------------------------------------------


def test_converged_means_what_it_says(problem, solver):
    tol = 1e-7
    result = solver.solve(problem, GRAPH, tol=tol, x_star=problem.solution())
    assert result.success
    assert result.status == "converged"
    first = np.linalg.norm(problem.full_gradient(np.zeros(4)))
    assert np.linalg.norm(problem.full_gradient(result.x)) <= tol * first
    spread = np.sqrt(((result.X - result.x) ** 2).sum() / 5)
    assert spread <= tol * (1 + np.linalg.norm(result.x))
    assert result.trace["optimality"][-1] == np.linalg.norm(problem.full_gradient(result.x))
    assert result.trace["consensus"][-1] == pytest.approx(spread)
    expected = ((result.X - problem.solution()) ** 2).sum() / 5
    assert result.trace["distance"][-1] == pytest.approx(expected)
    assert result.trace["objective"][-1] == problem.objective(result.x)
    # not before: the record before the last did not meet both
    before = result.trace["optimality"][-2] / first, result.trace["consensus"][-2]
    assert before[0] > tol or before[1] > tol


def test_limits(problem, solver):
    by_events = solver.solve(problem, GRAPH, tol=0, max_events=1234)
    assert by_events.status == "max_events"
    assert not by_events.success
    assert by_events.state.n_events == 1234 == by_events.n_gradients + by_events.n_communications
    by_time = solver.solve(problem, GRAPH, tol=0, max_time=50.0)
    assert by_time.status == "max_time"
    assert by_time.time == 50.0
    assert by_time.state.clock <= 50.0
    both = solver.solve(problem, GRAPH, tol=0, max_time=50.0, max_events=10**7)
    assert same_state(both.state, by_time.state)
    assert "tolerance 0 not" in both.message
    nothing = solver.solve(problem, GRAPH, tol=0, max_events=0)
    assert nothing.state.n_events == 0
    assert not nothing.X.any()


def test_a_start_at_the_solution_needs_no_work(problem, solver):
    result = solver.solve(problem, GRAPH, problem.solution())
    assert result.success
    assert result.state.n_events == 0


def test_time_does_not_run_backwards(problem, solver):
    state = solver.init(problem, GRAPH)
    solver.advance(state, problem, GRAPH, 10**6, max_time=50.0)
    before = state.copy()
    for earlier in (1.0, -1.0, 50.0):
        solver.advance(state, problem, GRAPH, 10, max_time=earlier)
        assert same_state(state, before)
    with pytest.raises(ValueError, match="max_time"):
        solver.advance(state, problem, GRAPH, 10, max_time=np.nan)


def test_a_raising_objective_spoils_the_state_visibly():
    calls = []

    def gradient(node, x, out):
        calls.append(node)
        if len(calls) > 40:
            raise RuntimeError("out of data")
        out[:] = x

    with pytest.warns(problems.PerformanceWarning):
        raising = problems.Custom(
            gradient, n_nodes=5, dim=1, smoothness=1, strong_convexity=1, solution=[0.0], compiled=False
        )
    state = solvers.DADAO().init(raising, GRAPH, [1.0])
    with pytest.raises(RuntimeError, match="out of data"):
        solvers.DADAO().advance(state, raising, GRAPH, 1000)
    assert not state.is_finite


def test_a_start_at_the_solution_is_converged_at_once(problem, solver):
    result = solver.solve(problem, GRAPH, problem.solution(), tol=1.0)
    assert result.success
    assert result.state.n_events == 0


def test_without_limits_runs_end_at_a_multiple_of_theorys_time(problem, solver):
    result = solver.solve(problem, GRAPH, tol=0)  # never satisfied
    assert result.status == "max_time"
    assert result.trace["optimality"][-1] < 1e-12


@pytest.mark.parametrize(("every", "words"), [(None, "beyond every bound"), (10**6, "non-finite")])
def test_divergence_returns_the_last_good_state(problem, solver, every, words):
    wild = solver.parameters(problem, GRAPH).constants._replace(beta=40.0)
    diverging = solvers.DADAO(constants=wild)
    settings = {"tol": 0, "max_time": 1e5, "x_star": problem.solution(), "record_every": every}
    result = diverging.solve(problem, GRAPH, **settings)
    assert result.status == "diverged"
    assert words in result.message
    assert np.isfinite(result.X).all()
    assert result.state.is_finite
    G = np.stack([problem.gradient(i, np.zeros(4)) for i in range(5)])
    bound = 1e12 * np.linalg.norm(G) / problem.strong_convexity
    assert np.linalg.norm(result.X) <= bound == pytest.approx(result.state.most)
    assert result.trace["n_gradients"][-1] == result.n_gradients  # the returned state is the last recorded


@pytest.mark.parametrize("cut", [1, 25])
def test_divergence_is_measured_from_the_start_of_resumed_runs(problem, solver, cut, tmp_path):
    wild = solver.parameters(problem, GRAPH).constants._replace(beta=40.0)
    diverging = solvers.DADAO(constants=wild)
    whole = diverging.solve(problem, GRAPH, [3.0] * 4, tol=0, max_time=1e5, record_every=10)
    part = diverging.solve(problem, GRAPH, [3.0] * 4, tol=0, max_events=cut, record_every=10)
    assert part.status == "max_events"
    part.save(tmp_path / "part.npz")
    state = State.load(tmp_path / "part.npz")
    assert state.most == whole.state.most
    rest = diverging.solve(problem, GRAPH, tol=0, max_time=1e5, record_every=10, state=state)
    assert rest.status == whole.status == "diverged"
    assert rest.message == whole.message
    assert same_state(rest.state, whole.state)


@pytest.mark.parametrize(
    ("problem", "x0", "scale"),
    [
        (problems.Averaging(np.full((5, 2), 3.0)), [0.0, 4.0], np.sqrt(5 * 16) + np.sqrt(5 * 10)),
        (problems.Averaging(np.zeros((5, 2))), None, 1.0),  # starts at every node's minimiser
        (problems.Averaging(np.full((5, 2), 1e-20)), None, np.sqrt(10) * 1e-20),
        # mu = 0: G is -sum y a / 2 at zero, and L = lambda_max / 4
        (problems.LogisticRegression(np.ones((5, 1)), [1, 1, 1, 0, 0], np.arange(6)), None, np.sqrt(5) * 2),
    ],
)
def test_what_counts_as_diverged_scales_with_the_start(problem, x0, scale):
    result = solvers.DGD().solve(problem, GRAPH, x0, tol=0, max_events=0)
    assert result.state.most == pytest.approx(1e12 * scale)


def test_faulty_nodes_do_not_set_the_scale(problem):
    from gossamer.kernels.aggregation import Mean
    from gossamer.solvers import gossip_rules

    X = np.zeros((5, 4))
    X[4] = 1e9
    gossip = solvers.RobustGossip(gossip_rules.OnModels(Mean()), f=1)
    result = gossip.solve(problem, GRAPH, X, tol=0, max_events=0)
    G = np.stack([problem.gradient(i, np.zeros(4)) for i in range(4)])
    assert result.state.most == pytest.approx(1e12 * np.linalg.norm(G) / problem.strong_convexity)


# -- the record ------------------------------------------------------------------------------------------


def test_accuracy_is_that_of_the_mean_iterate_on_the_test_samples(solver):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(90, 4))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    test = X[60:], y[60:]
    problem = problems.SoftmaxRegression.from_data(X[:60], y[:60], 5, l2=0.1, test=test)
    result = solver.solve(problem, GRAPH, tol=1e-4)
    assert result.trace["accuracy"][-1] == (problem.predict(result.x, test[0]) == test[1]).mean() > 0.6
    assert result.trace.plot(y="accuracy").get_yscale() == "linear"
    pyplot.close()


def test_without_classes_there_is_no_accuracy(problem, solver):
    assert np.isnan(solver.solve(problem, GRAPH, tol=1e-2).trace["accuracy"]).all()


def test_records_do_not_change_the_run(problem, solver):
    runs = [
        solver.solve(problem, GRAPH, tol=0, max_events=3000, record_every=every)
        for every in (1, 7, 1000, 10**9)
    ]
    assert all(same_state(run.state, runs[0].state) for run in runs)
    assert [len(run.trace) for run in runs] == [3001, 430, 4, 2]
    coarse, fine = runs[2].trace, runs[0].trace
    for column in set(Trace().columns) - {"wall_time", "distance", "accuracy"}:
        assert np.array_equal(coarse[column], fine[column][::1000])
    assert np.isnan(fine["distance"]).all()


def test_trace_columns_count_what_happened(problem, solver):
    trace = solver.solve(problem, GRAPH, tol=0, max_events=500, record_every=1).trace
    steps = np.diff(trace["n_gradients"]) + np.diff(trace["n_communications"])
    assert (steps == 1).all()
    assert np.array_equal(trace["bits"], trace["n_communications"] * 2 * 64 * 4)
    assert (np.diff(trace["time"]) > 0).all()
    assert (np.diff(trace["wall_time"]) >= 0).all()


def test_trace_exports(problem, solver, tmp_path):
    trace = solver.solve(problem, GRAPH, tol=0, max_events=100, record_every=10, x_star=np.ones(4)).trace
    frame = trace.to_dataframe()
    assert tuple(frame.columns) == trace.columns
    trace.to_csv(tmp_path / "trace.csv")
    again = np.genfromtxt(tmp_path / "trace.csv", delimiter=",", names=True)
    for column in trace.columns:
        assert np.array_equal(frame[column], trace[column], equal_nan=True)
        assert np.array_equal(again[column], trace[column], equal_nan=True)
    assert frame["bits"].dtype == np.int64


def test_trace_first_below(problem, solver):
    trace = solver.solve(problem, GRAPH, tol=1e-6, x_star=problem.solution()).trace
    target = trace["distance"][0] / 1000
    found = trace.first_below("distance", target)
    row = int(np.argmax(trace["distance"] <= target))
    assert found == pytest.approx({name: trace[name][row] for name in trace.columns}, rel=0, nan_ok=True)
    assert trace.first_below("distance", -1.0) is None


def test_first_below_says_why_a_column_is_empty(problem, solver):
    trace = solver.solve(problem, GRAPH, tol=1e-2).trace
    with pytest.raises(ValueError, match=r"'distance' holds NaN only: pass x_star= to solve"):
        trace.first_below("distance", 1e-3)
    with pytest.raises(ValueError, match=r"'accuracy' holds NaN only: the problem must be a classifier"):
        trace.first_below("accuracy", 0.5)
    assert trace.first_below("optimality", 1e300)["time"] == 0.0


def test_a_run_that_diverges_before_its_first_record(problem, solver):
    result = solver.solve(problem, GRAPH, np.full(4, 1e200), x_star=problem.solution())
    assert result.status == "diverged"
    assert len(result.trace) == 0
    assert repr(result.trace) == "Trace(empty)"
    assert "diverged: non-finite values by time 0" in repr(result)
    assert result.trace.first_below("distance", 1.0) is None
    assert result.trace.last_within("bits", 1.0) is None
    assert len(result.trace.to_dataframe()) == 0
    axes = result.trace.plot()
    pyplot.close(axes.figure)
    assert [text.get_text() for text in axes.texts] == ["diverged before the first record"]
    assert axes.get_xlabel() == "communications"


def test_trace_last_within():
    columns = {name: [0.0, 1.0, 2.0, 3.0] for name in Trace().columns} | {"bits": [8, 16, 16, 40]}
    trace = Trace(columns)
    for limit, row in ((8, 0), (15.9, 0), (16, 2), (39, 2), (40, 3), (1e9, 3)):
        assert trace.last_within("bits", limit) == {name: trace[name][row] for name in trace.columns}
    assert trace.last_within("bits", 7) is None
    assert Trace().last_within("bits", 7) is None


def test_trace_plot(problem, solver):
    trace = solver.solve(problem, GRAPH, tol=1e-4, x_star=problem.solution()).trace
    axes = trace.plot(x="n_gradients", y="distance", label="DADAO")
    pyplot.close(axes.figure)
    line = axes.get_lines()[0]
    assert np.array_equal(line.get_xdata(), trace["n_gradients"])
    assert np.array_equal(line.get_ydata(), trace["distance"])
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "gradients"
    assert trace.plot(ax=axes) is axes
    without = solver.solve(problem, GRAPH, tol=1e-1).trace
    with pytest.raises(ValueError, match="x_star"):
        without.plot()


def test_trace_refuses_what_it_does_not_have():
    trace = Trace()
    assert repr(trace) == "Trace(empty)"
    with pytest.raises(KeyError, match="no column 'loss'"):
        trace["loss"]
    with pytest.raises(ValueError, match="columns"):
        Trace({"time": [0.0]})


def test_callbacks(problem, solver):
    seen, order = [], []

    def stop_at_thousand(state, record):
        order.append("second")
        seen.append((state.n_events, record["n_gradients"], record["optimality"]))
        if state.n_events >= 1000:
            raise StopIteration("a thousand events")

    def first(state, record):
        order.append("first")

    result = solver.solve(problem, GRAPH, tol=0, record_every=100, callback=[first, stop_at_thousand])
    assert result.status == "stopped"
    assert result.message == "a thousand events"
    assert [events for events, *_ in seen] == list(range(0, 1001, 100))
    assert order[:4] == ["first", "second", "first", "second"]
    assert [gradients for _, gradients, _ in seen] == result.trace["n_gradients"].tolist()

    def broken(state, record):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        solver.solve(problem, GRAPH, callback=broken)


def test_progress_bar_shows_and_changes_nothing(problem, solver, capsys):
    quiet = solver.solve(problem, GRAPH, tol=1e-6)
    assert capsys.readouterr().out == ""
    shown = solver.solve(problem, GRAPH, tol=1e-6, progress=True)
    assert "DADAO" in capsys.readouterr().out
    assert same_state(quiet.state, shown.state)


# -- state -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 777, 1000])
def test_resume_equals_uninterrupted(problem, solver, tmp_path, cut):
    whole = solver.solve(problem, GRAPH, tol=0, max_events=4000, rng=3)
    part = solver.solve(problem, GRAPH, tol=0, max_events=cut, rng=3)
    part.state.save(tmp_path / "state.npz")
    resumed = solver.solve(problem, GRAPH, tol=0, max_events=4000, state=State.load(tmp_path / "state.npz"))
    assert same_state(resumed.state, whole.state)
    assert resumed.X.tobytes() == whole.X.tobytes()
    assert part.state.n_events == cut  # resuming left the old state alone


def test_resume_after_a_time_limit_equals_uninterrupted(problem, solver):
    whole = solver.solve(problem, GRAPH, tol=1e-6, rng=3)
    part = solver.solve(problem, GRAPH, tol=1e-6, max_time=33.3, rng=3)
    assert part.status == "max_time"
    resumed = solver.solve(problem, GRAPH, tol=1e-6, state=part.state)
    assert resumed.status == "converged"
    assert same_state(resumed.state, whole.state)  # the same first_optimality, the same grid of records


def test_stepping_by_hand_equals_solve(problem, solver):
    whole = solver.solve(problem, GRAPH, tol=0, max_events=50, rng=1)
    state = solver.init(problem, GRAPH, rng=1)
    for _ in range(50):
        assert solver.advance(state, problem, GRAPH) is state
    assert state.n_events == 50
    assert solver.iterates(state, problem, GRAPH).tobytes() == whole.X.tobytes()
    copy = state.copy()
    solver.advance(state, problem, GRAPH, 10)
    assert copy.n_events == 50
    assert not same_state(copy, state)


def test_result_round_trip(problem, tmp_path):
    solver = solvers.DADAO(batch_size=3)
    result = solver.solve(problem, GRAPH, tol=0, max_events=800, x_star=problem.solution())
    result.save(tmp_path / "result.npz")
    again = Result.load(tmp_path / "result.npz")
    assert again.X.tobytes() == result.X.tobytes()
    assert again.x_average.tobytes() == result.x_average.tobytes()
    assert (again.status, again.message, again.time, again.bits) == (
        result.status,
        result.message,
        result.time,
        result.bits,
    )
    assert same_state(again.state, result.state)
    assert same_state(State.load(tmp_path / "result.npz"), result.state)
    for column in result.trace.columns:
        assert np.array_equal(again.trace[column], result.trace[column], equal_nan=True)
    with np.load(tmp_path / "result.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file)


def test_states_and_results_travel_light(problem, solver):
    result = solver.solve(problem, GRAPH, tol=0, max_events=500)
    for found in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert same_state(found.state, result.state)
        assert found.X.tobytes() == result.X.tobytes()
    assert len(pickle.dumps(result.state)) < 2 * sum(a.nbytes for a in result.state.arrays.values()) + 2000
    resumed = solver.solve(
        problem, GRAPH, tol=0, max_events=900, state=pickle.loads(pickle.dumps(result.state))
    )
    assert same_state(resumed.state, solver.solve(problem, GRAPH, tol=0, max_events=900).state)


def test_broken_files_are_named(problem, solver, tmp_path):
    for name, content in (
        ("empty.npz", b""),
        ("text.npz", b"not an archive"),
        ("half.npz", b"PK\x03\x04abc"),
    ):
        (tmp_path / name).write_bytes(content)
        for load in (State.load, Result.load):
            with pytest.raises(ValueError, match=name):
                load(tmp_path / name)
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(ValueError, match=r"one.npy.*not an archive"):
        State.load(tmp_path / "one.npy")
    packed = solver.init(problem, GRAPH).pack()
    scalars = json.loads(str(packed["state"]))
    del scalars["clock"]
    with pytest.raises(ValueError, match="clock"):
        State.unpack(packed | {"state": np.array(json.dumps(scalars))})


def test_files_that_are_not_states(problem, solver, tmp_path):
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    with pytest.raises(ValueError, match="holds no solver state"):
        State.load(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="holds no result"):
        Result.load(tmp_path / "other.npz")
    packed = solver.init(problem, GRAPH).pack()
    packed["state"] = np.array(json.dumps(json.loads(str(packed["state"])) | {"schema": 99}))
    with pytest.raises(ValueError, match="schema 99"):
        State.unpack(packed)


def test_states_of_other_runs_are_refused(problem, solver):
    state = solver.init(problem, GRAPH)
    rates = solver.parameters(problem, GRAPH).rates
    features = problem.features.copy()
    features[0, 0] += 1e-9
    other_problem = problems.LeastSquares(features, problem.targets, problem.offsets, problem.l2)
    other_graph = graphs.Graph.from_edges(5, [(0, 1), (1, 2), (2, 3), (3, 4), (1, 4)])
    for run in (
        (solvers.DADAO(rates=2 * rates), problem, GRAPH),
        (solvers.DADAO(average_from=1.0), problem, GRAPH),
        (solvers.DADAO(batch_size=3), problem, GRAPH),
        (solver, other_problem, GRAPH),
        (solver, problem, other_graph),
        (solver, problems.Quadratic(np.ones((3, 1, 1)), np.zeros((3, 1))), graphs.cycle(3)),
    ):
        with pytest.raises(ValueError, match=r"belongs to (another problem|DADAO with other)"):
            run[0].solve(*run[1:], state=state)
    same = problems.LeastSquares(problem.features, problem.targets, problem.offsets, problem.l2)
    for equal in (
        solvers.DADAO(),
        solvers.DADAO(rates=rates.tolist()),
        solvers.DADAO(rates=rates * (1 + 1e-12)),
    ):
        resumed = equal.solve(same, graphs.cycle(5), tol=0, max_events=10, state=state)
        assert resumed.state.n_events == 10
        assert resumed.state.arrays["rates"].tobytes() == rates.tobytes()  # the state's own, to the bit
    # data in another order within a node: the stored Hessians may agree, the samples do not
    order = np.arange(len(problem.targets))
    order[:2] = [1, 0]
    permuted = problems.LeastSquares(
        problem.features[order], problem.targets[order], problem.offsets, problem.l2
    )
    with pytest.raises(ValueError, match="another problem"):
        solver.solve(permuted, GRAPH, state=state)
    state.solver = "EXTRA"
    with pytest.raises(ValueError, match="belongs to EXTRA"):
        solver.advance(state, problem, GRAPH)
    with pytest.raises(ValueError, match="x0 or state"):
        solver.solve(problem, GRAPH, np.zeros(4), state=state)


# -- arguments -------------------------------------------------------------------------------------------


def test_starts(problem, solver):
    rng = np.random.default_rng(1)
    x0 = rng.normal(size=(5, 4))
    forms = [x0, np.asfortranarray(x0), x0.tolist(), x0.astype(np.float32)]
    x0.flags.writeable = False
    results = [solver.solve(problem, GRAPH, form, tol=0, max_events=0).X for form in forms]
    for X in results[:3]:
        assert np.array_equal(X, x0)
    assert np.array_equal(results[3], x0.astype(np.float32))
    assert results[3].dtype == np.float64
    shared = solver.solve(problem, GRAPH, x0[0], tol=0, max_events=0).X
    assert np.array_equal(shared, np.tile(x0[0], (5, 1)))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"tol": -1.0}, "tol must be"),
        ({"tol": np.nan}, "tol must be"),
        ({"max_time": 0.0}, "max_time must be a number > 0"),
        ({"max_events": -1}, "max_events must be"),
        ({"max_time": np.nan}, "max_time must be"),
        ({"record_every": 0}, "record_every must be"),
        ({"x_star": np.zeros(3)}, r"x_star must have shape \(4,\)"),
        ({"x0": np.zeros(3)}, r"x0 must have shape \(4,\) or \(5, 4\)"),
        ({"x0": np.full(4, np.nan)}, "x0 must be finite"),
        ({"x0": np.full((5, 4), np.inf)}, "x0 must be finite"),
        ({"rng": -3}, "rng"),
    ],
)
def test_bad_arguments(problem, solver, arguments, match):
    with pytest.raises(ValueError, match=match):
        solver.solve(problem, GRAPH, **arguments)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"max_events": 1.5}, "max_events must be an integer"),
        ({"max_events": np.inf}, "max_events must be an integer"),
        ({"tol": "small"}, "tol must be a number"),
        ({"tol": None}, "tol must be a number"),
        ({"x0": np.ones(4) + 1j}, "x0 must be an array of real numbers"),
    ],
)
def test_bad_types(problem, solver, arguments, match):
    with pytest.raises(TypeError, match=match):
        solver.solve(problem, GRAPH, **arguments)


def test_swapped_problem_and_graph(problem, solver):
    with pytest.raises(TypeError, match="expected a Problem and a Graph, got Graph and LeastSquares"):
        solver.solve(GRAPH, problem)
    with pytest.raises(TypeError, match="from_networkx"):
        solver.solve(problem, GRAPH.to_networkx())


def test_problem_and_graph_must_agree(problem, solver):
    with pytest.raises(ValueError, match="5 nodes and the graph 6"):
        solver.solve(problem, graphs.cycle(6))


def test_result_and_trace_print_themselves(problem, solver):
    result = solver.solve(problem, GRAPH, tol=1e-3)
    assert "converged" in repr(result)
    assert f"{len(result.trace)} records" in repr(result.trace)
