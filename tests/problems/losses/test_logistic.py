"""Logistic regression: constants, minimisers, labels."""

import numpy as np
import pytest
from problem_cases import regression

from gossamer import problems

EPS = np.finfo(float).eps


def test_logistic_constants_bound_sampled_hessians_and_are_attained():
    X, y = regression()
    problem = problems.LogisticRegression.from_data(X, y > 0, 4, l2=0.05)
    d, h = problem.dim, 1e-5

    def hessian(i, x):
        columns = [problem.gradient(i, x + h * e) - problem.gradient(i, x - h * e) for e in np.eye(d)]
        return np.linalg.eigvalsh(np.array(columns) / (2 * h))

    at_zero = max(hessian(i, np.zeros(d))[-1] for i in range(4))
    assert at_zero == pytest.approx(problem.smoothness, rel=1e-8)
    for x in np.random.default_rng(0).normal(size=(20, d)) * np.geomspace(0.01, 30, 20)[:, None]:
        for i in range(4):
            eigenvalues = hessian(i, x)
            assert eigenvalues[0] >= problem.strong_convexity - 1e-8
            assert eigenvalues[-1] <= problem.smoothness + 1e-8


def test_logistic_solution_equals_scikit_learns():
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y = regression(200, 6)
    l2 = 0.03
    problem = problems.LogisticRegression.from_data(X, y > 0, 4, l2=l2)  # equal parts: f is the plain mean
    model = linear_model.LogisticRegression(C=1 / (200 * l2), fit_intercept=False, tol=1e-12, max_iter=10_000)
    model.fit(X, y > 0)
    np.testing.assert_allclose(problem.solution(), model.coef_[0], atol=1e-6)


def test_logistic_solution_of_one_repeated_sample():
    """3 of 4 labels positive: sigma(x) = 3/4 whatever the nodes' shares, which must count as weights."""
    problem = problems.LogisticRegression(np.ones((4, 1)), [1, 1, 0, 1], [0, 4])
    assert problem.solution()[0] == pytest.approx(np.log(3), rel=1e-15)
    # node 0 all positive, node 1 one third: mean 2/3
    problem = problems.LogisticRegression(np.ones((4, 1)), [1, 1, 0, 0], [0, 1, 4])
    assert problem.solution()[0] == pytest.approx(np.log(2), rel=1e-14)


@pytest.mark.parametrize("margins", [[1.0, 2.0, 5.0], [1.0, 0.5, 0.0]])
def test_separable_data_have_no_minimiser(margins):
    features = np.column_stack([margins, np.zeros(3)])
    features = features * [[1], [-1], [1]]
    problem = problems.LogisticRegression(features, [1, -1, 1], [0, 3])
    with pytest.raises(ValueError, match="separable"):
        problem.solution()
    ridged = problems.LogisticRegression(features, [1, -1, 1], [0, 3], l2=1e-8)
    assert np.linalg.norm(ridged.full_gradient(ridged.solution())) < 1e-15


def test_rank_deficient_logistic_takes_the_least_norm():
    X, y = regression(60, 3)
    narrow = problems.LogisticRegression.from_data(X, y > 0, 3)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 3)))[0]
    wide = problems.LogisticRegression.from_data(X @ rotation.T, y > 0, 3)
    np.testing.assert_allclose(wide.solution(), rotation @ narrow.solution(), atol=1e-12)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("l2", [1e-10, 1e-3, 1e3])
def test_newton_converges_from_afar(scale, l2):
    X, y = regression(80, 4, seed=3)
    problem = problems.LogisticRegression.from_data(X * scale, np.sign(y), 4, l2=l2)
    x = problem.solution()
    norms = np.linalg.norm(problem.features, axis=1).mean() + l2 * np.linalg.norm(x)
    assert np.linalg.norm(problem.full_gradient(x)) < 100 * EPS * norms


@pytest.mark.parametrize(
    ("labels", "signs"),
    [
        ([-1, 1, 1], [-1, 1, 1]),
        ([0, 1, 0], [-1, 1, -1]),
        ([False, True, True], [-1, 1, 1]),
        ([1, 1, 1], [1, 1, 1]),
        ([0, 0, 0], [-1, -1, -1]),
        ([2, 1, 2], [1, -1, 1]),
        ([0.5, -0.5, 0.5], [1, -1, 1]),
        (["no", "yes", "no"], [-1, 1, -1]),
        (np.array([0, 1, 1], dtype=np.uint8), [-1, 1, 1]),
    ],
)
def test_labels(labels, signs):
    problem = problems.LogisticRegression(np.ones((3, 1)), labels, [0, 3], 0.1)
    assert problem.labels.tolist() == signs
    assert not problem.labels.flags.writeable


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 1, 2], ValueError, "labels must take two values, got 3: 0, 1, 2"),
        ([7, 7, 7], ValueError, "two values, got 1: 7"),
        ([-1, 0, 1], ValueError, "two values, got 3"),
        ([0.0, np.nan, 1.0], ValueError, r"labels must be finite, but labels\[1\] is nan"),
        ([0, 1], ValueError, "3 rows but labels has 2"),
        ([[0], [1], [1]], ValueError, "labels must have 1 dimension"),
        ([0j, 1j, 0], TypeError, "numbers or strings"),
        ([None, 1, 0], ValueError, r"labels must not be missing, but labels\[0\] is None"),
    ],
)
def test_bad_labels_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        problems.LogisticRegression(np.ones((3, 1)), labels, [0, 3])
