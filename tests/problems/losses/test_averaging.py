"""The mean of vectors as a problem: closed forms, its oracle against the definition, refusals."""

import numpy as np
import pytest

from gossamer import graphs, problems, solvers
from gossamer.kernels import oracles
from gossamer.kernels.oracles import reference


@pytest.mark.parametrize(("n", "d"), [(1, 1), (5, 1), (1, 4), (6, 131)])
def test_closed_forms(n, d):
    rng = np.random.default_rng(0)
    values, X = 5.0 + rng.normal(size=(n, d)), rng.normal(size=(n, d))
    problem = problems.Averaging(values)
    mean = values.mean(axis=0)
    np.testing.assert_allclose(problem.solution(), mean, rtol=1e-15)
    assert (problem.smoothness, problem.strong_convexity) == (1.0, 1.0)
    np.testing.assert_allclose(problem.full_gradient(X[0]), X[0] - mean, rtol=1e-14, atol=1e-14)
    excess = problem.objective(X[0]) - problem.objective(mean)
    assert excess == pytest.approx(((X[0] - mean) ** 2).sum() / 2)
    for i in range(n):
        assert np.array_equal(problem.gradient(i, X[i]), reference.averaging_gradient(X[i], values[i]))
        expected = reference.averaging_objective(X[i], values[i])
        assert problem.node_objective(i, X[i]) == pytest.approx(expected, rel=1e-14)
    assert not problem.has_samples


def test_the_mean_keeps_all_digits():
    values = np.array([[1e16], [1.0], [-1e16], [1.0]])
    assert problems.Averaging(values).solution() == pytest.approx(0.5)


def test_values_are_taken_in_all_forms_and_not_modified():
    values = np.arange(6.0).reshape(3, 2)
    kept = values.copy()
    for form in (values, values.tolist(), values.astype(np.float32), np.asfortranarray(values), values > -1):
        problem = problems.Averaging(form)
        assert problem.values.dtype == np.float64
        assert not problem.values.flags.writeable
        assert np.array_equal(problem.values, np.asarray(form, float))
    problem = problems.Averaging(values)
    values[:] = 0.0
    assert np.array_equal(problem.values, kept)
    assert repr(problem) == "Averaging(n_nodes=3, dim=2)"


@pytest.mark.parametrize(
    ("values", "error", "match"),
    [
        (np.empty((0, 2)), ValueError, "values must be"),
        (np.empty((2, 0)), ValueError, "values must be"),
        (np.ones(3), ValueError, "values must"),
        (np.ones((2, 2, 2)), ValueError, "values must"),
        ([[1.0, np.nan]], ValueError, "values must be finite"),
        ([[np.inf]], ValueError, "values must be finite"),
        ([["a"]], TypeError, "values must be"),
        (np.ones((2, 2)) * 1j, TypeError, "values must be"),
    ],
)
def test_bad_values(values, error, match):
    for make in (problems.Averaging, oracles.averaging):
        with pytest.raises(error, match=match):
            make(values)


@pytest.mark.parametrize("solver", [solvers.DGD(step=0.01), solvers.DADAO(), solvers.EXTRA()], ids=str)
def test_other_methods_run_on_it(solver):
    problem, graph = problems.Averaging(np.random.default_rng(1).normal(size=(5, 3))), graphs.cycle(5)
    result = solver.solve(problem, graph, tol=1e-8, max_time=3000)
    assert np.abs(result.x - problem.solution()).max() < 1e-6


def test_batches_are_refused():
    with pytest.raises(ValueError, match="Averaging has no samples"):
        solvers.DGD(batch_size=2).solve(problems.Averaging(np.ones((3, 2))), graphs.cycle(3))
