"""The digest of runs has every solver in it, and notices a bit."""

import copy
import inspect
import itertools

import digest
import numpy as np
import pytest

from gossamer import solvers


@pytest.fixture(scope="module")
def runs():
    return list(digest.runs())


def test_every_solver_is_in_it_and_names_are_unique(runs):
    kinds = {
        getattr(solvers, name)
        for name in solvers.__all__
        if inspect.isclass(getattr(solvers, name)) and issubclass(getattr(solvers, name), solvers.Solver)
    }
    assert {type(solver) for _, solver, *_ in runs} == kinds - {solvers.Solver}
    assert len({name for name, *_ in runs}) == len(runs) >= 60


def test_one_changed_bit_is_noticed(runs):
    name, solver, problem, graph, arguments = next(run for run in runs if run[0].startswith("EXTRA"))
    results = [
        solver.solve(problem, graph, x0, tol=0.0, **arguments)
        for x0 in (np.zeros(problem.dim), np.zeros(problem.dim), np.full(problem.dim, 5e-324))
    ]
    first, again, other = ({name: digest.digest(result)} for result in results)
    assert digest.differences(first, again) == []
    assert digest.differences(first, other) in ([], [f"{name}: X"])  # 5e-324 may be rounded away
    for key, change in itertools.product(("X", "status"), ("", "x")):
        changed = copy.deepcopy(first)
        changed[name][key] += change
        assert digest.differences(first, changed) == [f"{name}: {key}"] * bool(change)
    for factor, noticed in ((1 + 1e-13, False), (1 + 1e-10, True)):
        changed = copy.deepcopy(first)
        changed[name]["trace"]["objective"] = [v * factor for v in first[name]["trace"]["objective"]]
        assert bool(digest.differences(first, changed)) is noticed
    missing = copy.deepcopy(first)
    del missing[name]["trace"]["objective"]
    assert digest.differences(first, missing) == [f"{name}: shape or missing values of objective"]
    assert digest.differences({}, first) == []
    assert digest.differences(first, {}) == [f"{name}: gone"]
