"""States that no run can have reached are refused; those of callbacks and results are nobody else's."""

import pickle

import numpy as np
import pytest

from gossamer import files, graphs, problems, solvers
from gossamer.kernels.aggregation import CoordinateMedian
from gossamer.solvers import Result, State

GRAPH = graphs.cycle(4)
PROBLEM = problems.Quadratic(np.array([np.diag([1.0, 2.0])] * 4), np.arange(8.0).reshape(4, 2))


@pytest.fixture(scope="module")
def reached():
    return solvers.DADAO().solve(PROBLEM, GRAPH, tol=0, max_events=100).state


def changed(state, **scalars):
    state = state.copy()
    for name, value in scalars.items():
        setattr(state, name, value)
    state.prepared = None
    return state


NONSENSE = {
    "key": (-1, 2**64, 1.5, "0", None),
    "clock": (-1.0, np.nan, np.inf, "0", None),
    "time": (-1.0, np.nan, np.inf, 0.0, None),  # 0.0 is before the clock
    "n_events": (-1, 2**63, 99.0, 99, True),
    "n_gradients": (-1, 2**70, 1),
    "n_communications": (-1, None),
    "bits": (-1, 0.5),
    "bits_down": (-1, 10**9),
    "wall_time": (-1.0, np.nan, np.inf),
    "first_optimality": (-1.0, np.inf, None),
    "most": (-1.0, "1", None),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in NONSENSE.items() for value in values]
)
def test_scalars_out_of_range(reached, tmp_path, name, value):
    state = changed(reached, **{name: value})
    with pytest.raises(ValueError, match=name):
        solvers.DADAO().solve(PROBLEM, GRAPH, tol=0, max_events=200, state=state)
    with pytest.raises(ValueError, match=name):
        solvers.DADAO().advance(state, PROBLEM, GRAPH)
    if (name, value) in (("n_events", 99), ("n_gradients", 1)):
        return  # which only the solver knows
    files.save_npz(tmp_path / "state.npz", state.pack())
    with pytest.raises(ValueError, match=rf"state\.npz cannot be read: state\.{name}"):
        State.load(tmp_path / "state.npz")


def test_arrays_that_cannot_be(reached):
    solver = solvers.DADAO()
    rows, last = reached.arrays["rows"], reached.arrays["last"]
    for arrays, match in (
        ({"rows": np.full_like(rows, np.nan)}, r"state\.arrays\['rows'\] holds NaN"),
        ({"rows": np.where(rows == rows.max(), np.inf, rows)}, "holds NaN or infinity"),
        ({"rows": rows.astype(np.float32)}, "other hyper-parameters"),
        ({"rows": rows.astype(complex)}, "must be an array of real numbers"),
        ({"rows": rows[:-1]}, "other hyper-parameters"),
        ({"rows": "rows"}, "must be an array of real numbers"),
        ({"more": rows}, "other hyper-parameters"),
        ({"last": last - 1e9}, r"'last'\] must lie between 0 and state.clock"),
        ({"last": last + 1e9}, r"'last'\] must lie between 0 and state.clock"),
    ):
        state = changed(reached)
        state.arrays.update(arrays)
        with pytest.raises(ValueError, match=match):
            solver.solve(PROBLEM, GRAPH, state=state)
    del state.arrays["last"]
    with pytest.raises(ValueError, match="other hyper-parameters"):
        solver.solve(PROBLEM, GRAPH, state=state)


def test_a_state_in_use_is_checked_too(reached):
    """Though what was prepared for it is kept."""
    result = solvers.DADAO().solve(PROBLEM, GRAPH, tol=0, max_events=100)
    result.state.arrays["rows"][0] = np.nan
    with pytest.raises(ValueError, match="the run was spoilt"):
        solvers.DADAO().solve(PROBLEM, GRAPH, tol=0, max_events=200, state=result.state)


def test_rounds_are_counted_by_the_clock():
    for solver, graph in (
        (solvers.DGD(), GRAPH),
        (solvers.RobustSGD(CoordinateMedian(), f=0, step=0.1), graphs.star(4)),
    ):
        state = solver.solve(PROBLEM, graph, tol=0, max_events=10).state
        assert solver.solve(PROBLEM, graph, tol=0, max_events=20, state=state).state.n_events == 20
        with pytest.raises(ValueError, match="n_events = 7 rounds"):
            solver.solve(PROBLEM, graph, state=changed(state, n_events=7))
    state.arrays["excluded"][1] = -1
    with pytest.raises(ValueError, match="'excluded'"):
        solver.solve(PROBLEM, graph, state=changed(state))


def test_settings_that_are_integers_are_compared_exactly():
    """A column beyond the matrix would be read from memory that is not its own."""
    from gossamer.solvers.base.solver import same

    assert same(np.array([1.0]), np.array([1.0 + 1e-9]))
    assert not same(np.array([1.0]), np.array([1.1]))
    assert not same(np.array([10**6]), np.array([10**6 + 1]))


@pytest.mark.parametrize("rng", [0, None, 3, np.random.default_rng(0)])
def test_rng_and_state_contradict_each_other(reached, rng):
    with pytest.raises(ValueError, match="give rng or state, not both"):
        solvers.DADAO().solve(PROBLEM, GRAPH, rng=rng, state=reached)


def test_the_default_of_rng_is_the_seed_0():
    runs = [solvers.DADAO().solve(PROBLEM, GRAPH, tol=0, max_events=50, **kw) for kw in ({}, {"rng": 0})]
    assert runs[0].X.tobytes() == runs[1].X.tobytes()
    assert runs[0].state.key == runs[1].state.key == solvers.DADAO().init(PROBLEM, GRAPH).key


# -- whose is the state? ---------------------------------------------------------------------------------


def test_callbacks_get_a_copy():
    plain = solvers.DADAO().solve(PROBLEM, GRAPH, tol=0, max_events=100, record_every=10)
    seen = []

    def spoil(state, record):
        seen.append(state)
        state.arrays["rows"][:] = np.nan
        state.arrays.clear()
        state.n_events = -5
        record["optimality"] = -1.0

    spoilt = solvers.DADAO().solve(PROBLEM, GRAPH, tol=0, max_events=100, record_every=10, callback=spoil)
    assert spoilt.X.tobytes() == plain.X.tobytes()
    assert spoilt.state.n_events == 100
    assert all(state is not spoilt.state for state in seen)
    assert np.array_equal(spoilt.trace["optimality"], plain.trace["optimality"])


def test_what_a_callback_keeps_stays():
    kept = []
    solver = solvers.DADAO()
    result = solver.solve(
        PROBLEM, GRAPH, tol=0, max_events=100, record_every=25, callback=lambda state, _: kept.append(state)
    )
    copies = [state.copy() for state in kept]
    result.state.arrays["rows"][:] = 7.0
    solver.advance(result.state, PROBLEM, GRAPH, 10)
    assert [state.n_events for state in kept] == [0, 25, 50, 75, 100]
    for state, copy in zip(kept, copies, strict=True):
        assert all(state.arrays[name].tobytes() == array.tobytes() for name, array in copy.arrays.items())
    # each is a state to go on from
    resumed = solver.solve(PROBLEM, GRAPH, tol=0, max_events=100, state=kept[2])
    assert resumed.X.tobytes() == solver.solve(PROBLEM, GRAPH, tol=0, max_events=100).X.tobytes()


def test_the_state_of_the_last_record_survives_a_callback_and_a_divergence():
    """The last good state is returned where a run diverges, and a callback has not touched it."""
    solver = solvers.DGD(step=1e3)
    spoil = lambda state, _: state.arrays["rows"].fill(7.0)  # noqa: E731
    runs = [solver.solve(PROBLEM, GRAPH, tol=0, max_events=10**4, callback=c) for c in (None, spoil)]
    assert [run.status for run in runs] == ["diverged", "diverged"]
    assert runs[0].X.tobytes() == runs[1].X.tobytes()


# -- files -----------------------------------------------------------------------------------------------


def test_results_that_cannot_be(tmp_path):
    result = solvers.DADAO(average_from=0.0).solve(PROBLEM, GRAPH, tol=0, max_events=50)
    result.save(tmp_path / "result.npz")
    with files.open_npz(tmp_path / "result.npz") as packed:
        arrays = dict(packed)
    for changes, match in (
        ({"X": arrays["X"][0]}, "X has shape"),
        ({"X": arrays["X"].astype(int)}, "X has shape"),
        ({"x_average": np.ones(3)}, r"x_average must have shape \(2,\)"),
        ({"members": np.array([0, 4])}, "members must be nodes, from 0 to 3"),
        ({"members": np.array([0.0])}, "members has shape"),
        ({"trace/time": arrays["trace/time"][1:]}, "all of one length"),
        ({"trace/time": arrays["trace/time"].astype(str)}, "column 'time'"),
        ({"trace/bits": arrays["trace/bits"] + 0.5}, "column 'bits'"),
        ({"trace/bits": arrays["trace/bits"] + 2.0**63}, "column 'bits'"),
        ({"trace/bits": np.full(len(arrays["trace/bits"]), np.inf)}, "column 'bits'"),
        ({"trace/time": arrays["trace/time"][:, None]}, "column 'time'"),
        ({"trace/time": np.array(1.0)}, "trace"),
        ({"result": np.array('{"status": "won", "message": ""}')}, "status of converged"),
        ({"result": np.array('{"status": "converged"}')}, "needs a message"),
        ({"result": np.array('{"status": ["converged"], "message": ""}')}, "needs a message"),
        ({"result": np.array("1")}, "object of JSON"),
    ):
        files.save_npz(tmp_path / "wrong.npz", arrays | changes)
        with pytest.raises(ValueError, match=rf"wrong\.npz cannot be read: .*{match}"):
            Result.load(tmp_path / "wrong.npz")


def test_files_without_a_seal_are_refused(reached, tmp_path):
    np.savez(tmp_path / "state.npz", **reached.pack())
    with pytest.raises(ValueError, match="no list of its contents"):
        State.load(tmp_path / "state.npz")


def test_pickled_states_are_checked_when_they_go_on(reached):
    state = pickle.loads(pickle.dumps(changed(reached, clock=-1.0)))
    with pytest.raises(ValueError, match=r"state\.clock must be a finite number >= 0"):
        solvers.DADAO().solve(PROBLEM, GRAPH, state=state)
