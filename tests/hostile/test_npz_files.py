"""Loaders of npz files that were mutated: the content as it was saved, or an error that names the file."""

import tracemalloc
from pathlib import Path

import mutations
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gossamer import graphs, problems, solvers
from gossamer.solvers import Result, State

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.npz"))


def state_arrays(path):
    return State.load(path).pack()


def result_arrays(path):
    result = Result.load(path)
    words = {"status": np.array(result.status), "message": np.array(result.message), "X": result.X}
    return result.state.pack() | {name: result.trace[name] for name in result.trace.columns} | words


def data_arrays(path):
    return dict(zip("Xy", problems.load(path), strict=True))


LOADERS = {"state": state_arrays, "result": result_arrays, "data": data_arrays}


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Bytes of a file of each loader, of some 100 kB, and what is read from it."""
    folder = tmp_path_factory.mktemp("honest")
    rng = np.random.default_rng(0)
    problem = problems.Quadratic(np.array([np.diag(rng.uniform(1, 2, 40))] * 8), rng.normal(size=(8, 40)))
    result = solvers.DADAO(average_from=0.0).solve(
        problem, graphs.cycle(8), tol=0, max_events=2000, record_every=4, x_star=problem.solution()
    )
    result.save(folder / "result.npz")
    result.state.arrays["rows"] = rng.normal(size=(8, 3, 500))  # large enough to be mostly data
    result.state.save(folder / "state.npz")
    np.savez(folder / "data.npz", X=rng.normal(size=(300, 40)), y=np.arange(300) % 3, names=np.array(["a"]))
    return {
        name: ((folder / f"{name}.npz").read_bytes(), load(folder / f"{name}.npz"))
        for name, load in LOADERS.items()
    }


def identical(found, expected):
    return found.keys() == expected.keys() and all(
        found[name].dtype == array.dtype
        and found[name].shape == array.shape
        and found[name].tobytes() == array.tobytes()
        for name, array in expected.items()
    )


def is_refused(load, path, is_right, honest_size):
    """Whether a file was refused, or else its content right; in no more memory than twice the honest file."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    found, message = None, ""
    try:
        found = load(path)
    except ValueError as error:
        message = str(error)
    assert tracemalloc.get_traced_memory()[1] - before < 2 * honest_size + 2**19
    if found is None:
        assert str(path) in message
        assert len(message) < 1000
        return True
    assert is_right(found)
    return False


def attack(name, content, is_right, path, changes, change, number):
    """Have a loader read so many files with drawn changes; return of each whether it was refused."""
    refusals = []

    @settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(changes)
    def each(drawn):
        mutated = change(content, drawn)
        path.write_bytes(mutated)
        refusals.append(is_refused(LOADERS[name], path, is_right, max(len(content), len(mutated))))

    tracemalloc.start()
    try:
        each()
    finally:
        tracemalloc.stop()
    return refusals


def counts(times):
    return [
        pytest.param(20, id="some"),
        pytest.param(times * mutations.TIMES, id="many", marks=pytest.mark.slow),
    ]


@pytest.mark.parametrize("number", counts(2000))
@pytest.mark.parametrize("name", LOADERS)
def test_edited_bytes(name, number, honest, tmp_path, tried):
    content, expected = honest[name]
    path = tmp_path / "edited.npz"

    def is_right(found):
        return identical(found, expected)

    refusals = attack(name, content, is_right, path, mutations.edits(), mutations.edited, number)
    tried("mutated files", len(refusals))
    assert sum(refusals) > 0.8 * len(refusals)  # the others changed what no reader looks at, such as dates


@pytest.mark.parametrize("number", counts(200))
@pytest.mark.parametrize("name", LOADERS)
def test_other_arrays(name, number, honest, tmp_path, tried):
    """Arrays swapped, added, missing, of other types, of shapes of 2^40, of compressed zeros."""
    content, expected = honest[name]
    path = tmp_path / "rebuilt.npz"

    def is_right(found):  # data have no seal, and may have other arrays beside X and y
        return identical(found, expected) or (
            name == "data" and found["X"].dtype == float and found["X"].shape[:1] == found["y"].shape
        )

    def change(content, drawn):
        return mutations.rebuilt(content, *drawn)

    refusals = attack(name, content, is_right, path, mutations.rebuilds(), change, number)
    tried("mutated files", len(refusals))
    assert sum(refusals) > 0.3 * len(refusals)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_files_that_once_failed(load, path):
    with pytest.raises(ValueError, match=path.name):
        load(path)


@given(st.binary(max_size=300))
@settings(max_examples=50, derandomize=True, database=None, deadline=None)
def test_noise(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "noise.npz"
    path.write_bytes(content)
    for load in LOADERS.values():
        with pytest.raises(ValueError, match=r"noise\.npz"):
            load(path)
