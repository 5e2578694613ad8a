"""Problems of the user's functions: compiled and not, solved, checked."""

import pickle

import numpy as np
import pytest
import scipy.optimize
from problem_cases import regression

from gossamer import problems


def ridge_logcosh(node, x, out):
    for k in range(x.size):
        out[k] = np.tanh(x[k] - node) + 0.1 * x[k]


def ridge_logcosh_value(node, x):
    total = 0.0
    for k in range(x.size):
        total += np.log(np.cosh(x[k] - node)) + 0.05 * x[k] ** 2
    return total


OPTIONS = {"n_nodes": 3, "dim": 4, "smoothness": 1.1, "strong_convexity": 0.1}


def test_custom_paths_agree_and_solve():
    fast = problems.Custom(ridge_logcosh, ridge_logcosh_value, **OPTIONS)
    with pytest.warns(problems.PerformanceWarning, match="compiled=False"):
        slow = problems.Custom(ridge_logcosh, ridge_logcosh_value, compiled=False, **OPTIONS)
    assert (fast.strong_convexity, fast.smoothness) == (0.1, 1.1)
    x = np.linspace(-1, 1, 4)
    np.testing.assert_allclose(slow.full_gradient(x), fast.full_gradient(x), rtol=1e-14)
    assert slow.objective(x) == pytest.approx(fast.objective(x), rel=1e-14)
    for problem in (fast, slow):
        root = scipy.optimize.brentq(lambda t: np.tanh([t, t - 1, t - 2]).mean() + 0.1 * t, -1, 3, xtol=1e-15)
        np.testing.assert_allclose(problem.solution(), root, rtol=1e-13)


def test_custom_can_be_pickled():
    problem = problems.Custom(ridge_logcosh, ridge_logcosh_value, **OPTIONS)
    other = pickle.loads(pickle.dumps(problem))
    x = np.linspace(-1, 1, 4)
    assert other.objective(x) == problem.objective(x)
    assert (other.strong_convexity, other.smoothness) == (0.1, 1.1)
    np.testing.assert_array_equal(other.gradients(np.tile(x, (3, 1))), problem.gradients(np.tile(x, (3, 1))))
    np.testing.assert_array_equal(other.solution(), problem.solution())


def test_custom_equals_logistic_regression():
    X, y = regression(40, 3)
    known = problems.LogisticRegression.from_data(X, y > 0, 4, l2=0.01)
    A, labels, offsets = known.features, known.labels, known.offsets

    def gradient(node, x, out):
        out[:] = 0.01 * x
        for j in range(offsets[node], offsets[node + 1]):
            weight = labels[j] / (1 + np.exp(labels[j] * np.sum(A[j] * x)))
            out -= weight * A[j] / (offsets[node + 1] - offsets[node])

    problem = problems.Custom(gradient, n_nodes=4, dim=3, smoothness=5.0, strong_convexity=0.01)
    np.testing.assert_allclose(problem.solution(), known.solution(), atol=1e-14)
    assert np.isnan(problem.objective(np.zeros(3)))


def test_custom_solution_is_checked():
    given_solution = problems.Custom(ridge_logcosh, **OPTIONS).solution()
    problem = problems.Custom(ridge_logcosh, solution=given_solution.tolist(), **OPTIONS)
    np.testing.assert_array_equal(problem.solution(), given_solution)
    with pytest.raises(ValueError, match="no minimiser"):
        problems.Custom(ridge_logcosh, solution=given_solution + 0.1, **OPTIONS)
    with pytest.raises(ValueError, match=r"solution must have shape \(4,\), got shape \(1,\)"):
        problems.Custom(ridge_logcosh, solution=[1.0], **OPTIONS)

    def unbounded(node, x, out):
        out[:] = 1.0 + np.exp(x)

    with pytest.raises(ValueError, match="no minimiser"):
        problems.Custom(unbounded, **OPTIONS).solution()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"smoothness": 0.0}, "smoothness must be a finite number > 0"),
        ({"smoothness": np.inf}, "smoothness must be a finite number > 0"),
        ({"strong_convexity": -0.1}, "strong_convexity must be a finite number >= 0"),
        ({"strong_convexity": 2.0}, "strong_convexity must be at most smoothness = 1.1, got 2.0"),
        ({"strong_convexity": np.nan}, "strong_convexity must be a finite number >= 0"),
        ({"dim": 0}, "dim must be at least 1"),
    ],
)
def test_bad_custom_problems_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        problems.Custom(ridge_logcosh, **(OPTIONS | changes))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.filterwarnings("ignore::gossamer.problems.PerformanceWarning")
def test_custom_exceptions_reach_the_caller(compiled):
    def gradient(node, x, out):
        if x[0] > 10:
            raise OverflowError("too far")
        out[:] = x

    problem = problems.Custom(gradient, n_nodes=2, dim=2, smoothness=1, strong_convexity=1, compiled=compiled)
    with pytest.raises(OverflowError, match="too far"):
        problem.full_gradient([11.0, 0.0])
