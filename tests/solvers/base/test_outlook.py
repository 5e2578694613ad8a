"""Runs that will be long, and problems that are badly conditioned, say so: once, with the remedy."""

import warnings

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.solvers import State
from gossamer.solvers.base.progress import Outlook

GRAPH = graphs.cycle(3)


def looked_at(outlook, time, wall_time, optimality, n_events=0):
    """Whether the outlook warns at a record."""
    state = State("DGD", 0, "", {}, time=time, wall_time=wall_time, n_events=n_events, first_optimality=1.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outlook.look(state, {"optimality": optimality})
    return [str(warning.message) for warning in caught]


def test_the_outlook_is_that_of_the_progress_bar():
    inf = np.inf
    # half of the digits in so many rounds and seconds: twice as many in all
    for time, seconds, late in (
        (9e4, 59.0, 0),
        (4e5, 1.0, 0),
        (6e5, 1.0, 1),
        (2e5, 200.0, 0),
        (1e3, 301.0, 1),
    ):
        assert len(looked_at(Outlook(1e-8, inf, inf), time, seconds, 1e-4)) == late
    # no progress: until the limit, if there is one
    assert len(looked_at(Outlook(1e-8, inf, inf), 1e5, 1.0, 1.0)) == 1
    assert len(looked_at(Outlook(1e-8, 5e5, inf), 1e5, 1.0, 1.0)) == 0
    assert len(looked_at(Outlook(1e-8, inf, 3e5), 1e5, 1.0, 1.0, n_events=100_000)) == 0
    (said,) = looked_at(Outlook(1e-8, 1.1e7, inf), 1e5, 3.0, 1.0)
    for words in ("1e+07 rounds", "6 minutes", "standardize", "max_wall_time"):
        assert words in said


def test_the_outlook_is_asked_once_at_each_doubling():
    outlook = Outlook(1e-8, np.inf, np.inf)
    assert not looked_at(outlook, 1e5, 0.0, 1e-4)
    assert not looked_at(outlook, 1.9e5, 0.0, 1.0)
    assert looked_at(outlook, 2e5, 0.0, 1.0)
    assert not looked_at(outlook, 1e9, 1e9, 1.0)


def test_a_long_run_says_so_once():
    problem = problems.Quadratic([np.diag([1.0, 1e-7])] * 3, np.ones((3, 2)))

    def stop(state, record):
        if state.time >= 200_000:
            raise StopIteration

    with pytest.warns(problems.PerformanceWarning, match="at this pace it takes") as caught:
        result = solvers.DGD().solve(problem, GRAPH, record_every=20_000, callback=stop)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert result.trace["time"][-1] >= 1e5


def test_columns_of_different_sizes_are_named():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(30, 4))
    for scale, late in ((1e7, 0), (1e9, 1), (1e-9, 1)):
        scaled = A.copy()
        scaled[:, 2] *= scale
        scaled[:, 3] = 0.0
        problem = problems.LeastSquares.from_data(scaled, A[:, 0], 3, l2=1e-3 * scale**2, rng=0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                solvers.DGD().solve(problem, GRAPH, max_events=1)
        found = [str(warning.message) for warning in caught if "columns" in str(warning.message)]
        assert len(found) == late
        assert all("standardize" in text and "2" in text for text in found)


def test_condition_numbers_beyond_rounding_are_named():
    for kappa, late in ((1e11, 0), (1e13, 1)):
        problem = problems.Quadratic([np.diag([1.0, kappa])] * 3, np.ones((3, 2)))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                solvers.DGD().solve(problem, GRAPH, max_events=1)
        assert [warning.category for warning in caught] == [problems.PerformanceWarning] * late
        assert all(
            "standardize" in str(warning.message) and "1.0e+13" in str(warning.message) for warning in caught
        )
