"""What all round-based solvers share: rounds as time, networks, numbers of the loop, states. Shown on DGD."""

import json
import pickle

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import gossip
from gossamer.solvers import State

N, D = 6, 4
GRAPH = graphs.cycle(N)
W = graphs.mixing_matrix(GRAPH).toarray()


@pytest.fixture(scope="module")
def problem():
    return problems.Quadratic.random(N, D, condition_number=10.0, rng=2)


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(60, D))
    return problems.LeastSquares.from_data(A, A @ rng.normal(size=D), n_nodes=N, l2=0.1, rng=0)


@pytest.fixture(scope="module")
def solver():
    return solvers.DGD()


def same_state(a, b):
    left, right = a.pack(), b.pack()
    scalars = [json.loads(str(side.pop("state"))) for side in (left, right)]
    for side in scalars:
        side.pop("wall_time")
    return scalars[0] == scalars[1] and all(left[k].tobytes() == right[k].tobytes() for k in left | right)


# -- time and limits ---------------------------------------------------------------------------------------


def test_a_round_is_a_unit_of_time_and_an_event(problem, solver):
    trace = solver.solve(problem, GRAPH, tol=0, max_events=12, record_every=1).trace
    assert trace["time"].tolist() == list(range(13))
    assert trace["n_gradients"].tolist() == [N * t for t in range(13)]
    assert trace["n_communications"].tolist() == [N * t for t in range(13)]
    assert trace["bits"].tolist() == [2 * N * 64 * D * t for t in range(13)]
    assert not trace["bits_down"].any()


def test_time_limits_between_rounds(problem, solver):
    result = solver.solve(problem, GRAPH, tol=0, max_time=7.5)
    assert (result.status, result.time, result.state.clock) == ("max_time", 7.5, 7.0)
    assert result.state.n_events == 7
    whole = solver.solve(problem, GRAPH, tol=0, max_time=20)
    assert same_state(solver.solve(problem, GRAPH, tol=0, max_time=20, state=result.state).state, whole.state)
    early = solver.solve(problem, GRAPH, tol=0, max_time=0.5)
    assert (early.time, early.state.n_events) == (0.5, 0)
    both = solver.solve(problem, GRAPH, tol=0, max_time=20.5, max_events=13)
    assert (both.status, both.state.n_events, both.time) == ("max_events", 13, 13.0)


def test_time_does_not_run_backwards(problem, solver):
    state = solver.init(problem, GRAPH)
    solver.advance(state, problem, GRAPH, 100, max_time=7.5)
    before = state.copy()
    for n_events, limit in ((10, 1.0), (10, -np.inf), (10, 7.5), (0, np.inf), (0, 3.0)):
        solver.advance(state, problem, GRAPH, n_events, max_time=limit)
        assert same_state(state, before)


def test_without_limits_runs_end_at_a_multiple_of_theorys_time(problem, solver):
    result = solver.solve(problem, GRAPH, tol=0)
    assert result.status == "max_time"
    values = solver.parameters(problem, GRAPH)
    assert result.time > 40 / (values["step"] * problem.strong_convexity)


# -- the run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 3])
def test_records_and_cuts_do_not_change_the_run(samples, batch_size):
    solver = solvers.DGD(batch_size=batch_size)
    whole = solver.solve(samples, GRAPH, tol=0, max_events=50, rng=5)
    for every in (1, 7, 1000):
        run = solver.solve(samples, GRAPH, tol=0, max_events=50, rng=5, record_every=every)
        assert same_state(run.state, whole.state)
    state = solver.init(samples, GRAPH, rng=5)
    for _ in range(50):
        solver.advance(state, samples, GRAPH)
    assert solver.iterates(state, samples, GRAPH).tobytes() == whole.X.tobytes()


@pytest.mark.parametrize("cut", [1, 17, 30])
def test_resume_equals_uninterrupted(samples, tmp_path, cut):
    solver = solvers.DGD(batch_size=2)
    whole = solver.solve(samples, GRAPH, tol=0, max_events=50, rng=3)
    part = solver.solve(samples, GRAPH, tol=0, max_events=cut, rng=3)
    part.state.save(tmp_path / "state.npz")
    again = State.load(tmp_path / "state.npz")
    assert same_state(solver.solve(samples, GRAPH, tol=0, max_events=50, state=again).state, whole.state)
    assert part.state.n_events == cut
    light = pickle.loads(pickle.dumps(part.state))
    assert same_state(solver.solve(samples, GRAPH, tol=0, max_events=50, state=light).state, whole.state)


def test_batches(samples):
    def run(size, rng=0):
        return solvers.DGD(batch_size=size).solve(samples, GRAPH, tol=0, max_events=30, rng=rng).X

    assert run(2).tobytes() == run(2).tobytes()
    assert run(2).tobytes() != run(2, rng=1).tobytes()
    full = solvers.DGD().solve(samples, GRAPH, tol=0, max_events=30).X
    for size in (10, 10**6):  # all samples of a node
        assert run(size).tobytes() == full.tobytes()
    # batches are unbiased: the mean over seeds of one step is the full step
    step = solvers.DGD().parameters(samples, GRAPH)["step"]
    one = [
        solvers.DGD(step, batch_size=2).solve(samples, GRAPH, np.ones(D), tol=0, max_events=1, rng=seed).X
        for seed in range(400)
    ]
    expected = solvers.DGD().solve(samples, GRAPH, np.ones(D), tol=0, max_events=1).X
    error = np.std(one, axis=0) / 20
    assert (np.abs(np.mean(one, axis=0) - expected) < 5 * error).all()


def test_the_start_is_left_alone_and_used(problem, solver):
    x0 = np.random.default_rng(1).normal(size=(N, D))
    x0.flags.writeable = False
    kept = x0.copy()
    result = solver.solve(problem, GRAPH, x0, tol=0, max_events=1)
    step = solver.parameters(problem, GRAPH)["step"]
    np.testing.assert_allclose(result.X, W @ x0 - step * problem.gradients(x0), rtol=1e-13)
    assert np.array_equal(x0, kept)


def test_divergence_returns_the_last_finite_state(problem):
    solver = solvers.DGD(step=3.0 / problem.smoothness)
    result = solver.solve(problem, GRAPH, tol=0, max_events=10**5)
    assert result.status == "diverged"
    assert np.isfinite(result.X).all()
    assert result.state.is_finite
    assert result.trace["n_gradients"][-1] == result.n_gradients


def test_a_mean_that_overflows_is_divergence(problem, solver):
    assert solver.solve(problem, GRAPH, np.full(D, 1e308), max_events=5).status == "diverged"


def test_a_gradient_that_is_not_finite_is_divergence():
    def gradient(node, x, out):
        out[:] = x - 0.5 if node or x >= 0 else np.nan

    with pytest.warns(problems.PerformanceWarning):
        custom = problems.Custom(
            gradient, n_nodes=2, dim=1, smoothness=1, strong_convexity=0.1, compiled=False, solution=[0.5]
        )
    fine = solvers.DGD(step=0.9).solve(custom, graphs.path(2), [1.0], tol=0, max_events=50)
    assert fine.status != "diverged"
    result = solvers.DGD(step=0.9).solve(custom, graphs.path(2), [[-1.0], [3.0]], tol=0, max_events=50)
    assert result.status == "diverged"
    assert result.X.tolist() == [[-1.0], [3.0]]
    assert len(result.trace) == 1


def test_a_raising_objective_spoils_the_state_visibly():
    def gradient(node, x, out):
        if x > 0.5:
            raise RuntimeError("out of data")
        out[:] = x

    with pytest.warns(problems.PerformanceWarning):
        raising = problems.Custom(
            gradient, n_nodes=2, dim=1, smoothness=1, strong_convexity=1, compiled=False, solution=[0.0]
        )
    state = solvers.DGD().init(raising, graphs.path(2), [1.0])
    with pytest.raises(RuntimeError, match="out of data"):
        solvers.DGD().advance(state, raising, graphs.path(2), 3)
    assert not state.is_finite


# -- numbers of the loop -----------------------------------------------------------------------------------


def test_parameters_are_those_of_theory_or_as_set(problem):
    low, high = np.linalg.eigvalsh(W)[[0, -2]]
    theory = min(0.8 * (1 + low), 0.5 * (1 - high)) / problem.smoothness
    assert solvers.DGD().parameters(problem, GRAPH) == {
        "step": pytest.approx(theory, rel=1e-12),
        "step_decay": 0.0,
    }
    assert solvers.DGD(step=0.01, step_decay=0.5).parameters(problem, GRAPH) == {
        "step": 0.01,
        "step_decay": 0.5,
    }
    assert solvers.DGD(step=np.float32(0.25)).parameters(problem, GRAPH)["step"] == 0.25
    state = solvers.DGD(step=0.01).init(problem, GRAPH)
    assert state.arrays["steps"].tolist() == [0.01, 0.0]


def test_the_step_of_theory_settles_on_equal_quadratics():
    equal = problems.Quadratic(np.stack([np.eye(2)] * 4), np.arange(8.0).reshape(4, 2))
    one, next_one = (
        solvers.DGD().solve(equal, graphs.cycle(4), tol=0, max_events=count).X for count in (200, 201)
    )
    np.testing.assert_allclose(one, next_one, rtol=1e-12)


def test_auto_is_tuned_once_and_kept_on_resuming(problem, monkeypatch):
    solver = solvers.DGD(step="auto")
    tuned = solver.parameters(problem, GRAPH)
    assert 0 < tuned["step"] < 2 / problem.smoothness
    part = solver.solve(problem, GRAPH, tol=0, max_events=20)
    assert part.state.arrays["steps"][0] == tuned["step"]
    by_hand = solvers.DGD(step=tuned["step"]).solve(problem, GRAPH, tol=0, max_events=20)
    assert by_hand.X.tobytes() == part.X.tobytes()
    whole = solver.solve(problem, GRAPH, tol=0, max_events=40)

    def fail(*args):
        raise AssertionError("tuned again")

    monkeypatch.setattr("gossamer.solvers.base.rounds.tuned", fail)
    assert same_state(solver.solve(problem, GRAPH, tol=0, max_events=40, state=part.state).state, whole.state)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"step": 0.0}, ValueError, "step must be a finite number > 0, got 0.0"),
        ({"step": -0.1}, ValueError, "step must be"),
        ({"step": np.nan}, ValueError, "step must be"),
        ({"step": np.inf}, ValueError, "step must be"),
        ({"step": "large"}, ValueError, "\"auto\", got 'large'"),
        ({"step": [0.1]}, TypeError, "step must be a number"),
        ({"step": True}, TypeError, "step must be a number"),
        ({"step_decay": -1.0}, ValueError, "step_decay must be"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"batch_size": 2.5}, TypeError, "batch_size must be an integer"),
        ({"mixing": "hastings"}, ValueError, "choose from metropolis"),
        ({"mixing": None}, (TypeError, ValueError), "W must be"),
    ],
)
def test_bad_hyper_parameters(samples, arguments, error, match):
    with pytest.raises(error, match=match):
        solvers.DGD(**arguments).solve(samples, GRAPH)


def test_batches_need_samples(problem):
    with pytest.raises((TypeError, ValueError), match="samples"):
        solvers.DGD(batch_size=2).solve(problem, GRAPH)


def test_objectives_without_smoothness_are_refused():
    flat = problems.Quadratic(np.zeros((N, D, D)), np.zeros((N, D)))
    with pytest.raises(ValueError, match="DGD needs 0 < smoothness < inf, got 0"):
        solvers.DGD().solve(flat, GRAPH)


# -- networks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["kind", "array", "sparse", "mixer", "list"])
def test_mixing_in_all_forms(problem, form):
    sparse = graphs.mixing_matrix(GRAPH, "lazy_metropolis")
    given = {
        "kind": "lazy_metropolis",
        "array": sparse.toarray(),
        "sparse": sparse,
        "mixer": gossip.Mixer(sparse),
        "list": sparse.toarray().tolist(),
    }[form]
    expected = solvers.DGD(mixing="lazy_metropolis").solve(problem, GRAPH, tol=0, max_events=9)
    solver = solvers.DGD(mixing=given)
    assert same_state(solver.solve(problem, GRAPH, tol=0, max_events=9).state, expected.state)
    again = pickle.loads(pickle.dumps(solver))
    assert again.parameters(problem, GRAPH) == solver.parameters(problem, GRAPH)
    assert same_state(again.solve(problem, GRAPH, tol=0, max_events=9).state, expected.state)


def with_entries(*entries):
    changed = W.copy()
    for i, j, by in entries:
        changed[i, j] += by
    return changed


@pytest.mark.parametrize(
    ("mixing", "match"),
    [
        (with_entries((0, 0, 0.1)), r"rows of W must sum to 1.* row 0 sums to 1\.1"),
        (with_entries((0, 0, 0.1), (0, 1, -0.1)), "columns of W must sum to 1"),
        (np.roll(np.eye(N), 1, axis=0), "W must be symmetric"),
        (with_entries((0, 0, np.nan)), "W must be finite"),
        (
            with_entries((0, 2, 0.1), (2, 0, 0.1), (0, 0, -0.1), (2, 2, -0.1)),
            r"mixing must be zero off the edges, but \(0, 2\) is no edge",
        ),
        (graphs.mixing_matrix(graphs.cycle(5)), "matrix of 5 nodes, and the graph has 6"),
        (np.eye(N), r"must be in \(-1, 1\).*one is 1: weights > 0"),
        (2 * W - np.eye(N), None),
        ("max_degree", r"one is -1: take the mean with the identity"),
        (np.eye(N) - 2.0 * (np.eye(N) - W), None),
        (np.ones((2, 3)), "square matrix"),
    ],
)
def test_mixing_that_does_not_fit(problem, mixing, match):
    solver = solvers.DGD(mixing=mixing)
    if match is None:  # negative weights are fine within (-1, 1)
        low = np.linalg.eigvalsh(mixing)[0]
        if low > -1:
            solver.solve(problem, GRAPH, max_events=1)
            return
        match = "take the mean with the identity"
    with pytest.raises(ValueError, match=match):
        solver.solve(problem, GRAPH)


def test_disconnected_graphs_are_refused(solver):
    problem = problems.Quadratic.random(4, 2, condition_number=2.0)
    with pytest.raises(ValueError, match="the graph must be connected"):
        solver.solve(problem, graphs.Graph.from_edges(4, [(0, 1), (2, 3)]))


def test_edges_without_weight_carry_nothing():
    problem = problems.Quadratic.random(4, 2, condition_number=2.0)
    ring = graphs.mixing_matrix(graphs.cycle(4))
    result = solvers.DGD(mixing=ring).solve(problem, graphs.complete(4), tol=0, max_events=5)
    assert result.n_communications == 5 * 4
    assert result.bits == 5 * 4 * 2 * 64 * 2


def test_one_node_is_gradient_descent(solver):
    problem = problems.Quadratic.random(1, 3, condition_number=5.0)
    result = solver.solve(problem, graphs.path(1), tol=1e-12)
    assert result.success
    assert result.bits == result.n_communications == 0
    np.testing.assert_allclose(result.x, problem.solution(), rtol=1e-10, atol=1e-11)


# -- states ------------------------------------------------------------------------------------------------


def test_states_of_other_runs_are_refused(problem, solver):
    state = solver.init(problem, GRAPH)
    for other in (
        solvers.DGD(step=0.01),
        solvers.DGD(step_decay=0.1),
        solvers.DGD(mixing="lazy_metropolis"),
    ):
        with pytest.raises(ValueError, match="DGD with other hyper-parameters"):
            other.solve(problem, GRAPH, state=state)
    with pytest.raises(ValueError, match="belongs to another problem"):
        solver.solve(problem, graphs.path(N), state=state)
    with pytest.raises(ValueError, match="belongs to DGD, not to EXTRA"):
        solvers.EXTRA().solve(problem, GRAPH, state=state)
    assert solvers.DGD().solve(problem, graphs.cycle(N), state=state, max_events=1).state.n_events == 1


def test_equal_weights_at_other_places_are_another_matrix():
    problem = problems.Quadratic.random(4, 2, condition_number=2.0)
    one, other = (
        graphs.mixing_matrix(graphs.Graph.from_edges(4, edges))
        for edges in ([(0, 1), (1, 2), (2, 3), (0, 3)], [(0, 2), (1, 2), (1, 3), (0, 3)])
    )
    state = solvers.DGD(mixing=one).init(problem, graphs.complete(4))
    with pytest.raises(ValueError, match="other hyper-parameters"):
        solvers.DGD(mixing=other).solve(problem, graphs.complete(4), state=state)


def test_batch_sizes_are_part_of_a_state(samples):
    state = solvers.DGD(batch_size=2).init(samples, GRAPH)
    with pytest.raises(ValueError, match="other hyper-parameters"):
        solvers.DGD(batch_size=3).solve(samples, GRAPH, state=state)
    # only in how many are drawn: the samples are those of the same problem
    assert solvers.DGD(batch_size=2).solve(samples, GRAPH, state=state, max_events=2).state.n_events == 2
