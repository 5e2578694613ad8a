"""Least squares: both forms of its oracle, closed forms, digits."""

import numpy as np
import pytest
from problem_cases import rationals, regression, solve_exactly

from gossamer import problems
from gossamer.kernels import oracles

EPS = np.finfo(float).eps


@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("n", [1, 6, 12, 13, 60])
def test_both_forms_of_least_squares_agree(n, l2):
    X, y = regression()
    problem = problems.LeastSquares.from_data(X, y, n, l2=l2)
    stores_hessians = problem.oracle is not problem.sample_oracle
    assert stores_hessians == (n <= 12)  # d = 5 <= 60 / n
    assert problem.sample_oracle.n_samples.sum() == 60
    points = np.random.default_rng(0).normal(size=(n, 5))
    np.testing.assert_allclose(
        oracles.gradients(problem.oracle, points),
        oracles.gradients(problem.sample_oracle, points),
        rtol=1e-11,
        atol=1e-13,
    )
    np.testing.assert_allclose(
        oracles.objectives(problem.oracle, points[0]),
        oracles.objectives(problem.sample_oracle, points[0]),
        rtol=1e-12,
    )
    for name in ("features", "targets", "offsets"):
        assert not getattr(problem, name).flags.writeable


def test_least_squares_solutions_in_closed_form():
    X, y = regression()
    offsets = [0, 10, 60]
    weights = np.repeat([1 / 20, 1 / 100], [10, 50])  # 1 / (n m_i)
    for l2 in (0.0, 0.7):
        problem = problems.LeastSquares(X, y, offsets, l2)
        expected = np.linalg.solve((X.T * weights) @ X + l2 * np.eye(5), X.T @ (weights * y))
        np.testing.assert_allclose(problem.solution(), expected, rtol=1e-12)


def test_underdetermined_least_squares_takes_the_least_norm():
    X, y = regression(6, 9)
    problem = problems.LeastSquares.from_data(X, y, 3)
    np.testing.assert_allclose(problem.solution(), np.linalg.pinv(X) @ y, rtol=1e-10)
    assert problem.strong_convexity == 0.0
    assert problem.objective(problem.solution()) < 1e-28
    X, y = regression(20, 3)
    twice = problems.LeastSquares.from_data(np.column_stack([X, X]), y, 4)  # square R, but of rank 3
    half = problems.LeastSquares.from_data(X, y, 4).solution() / 2
    np.testing.assert_allclose(twice.solution(), [*half, *half], rtol=1e-12)
    zero = problems.LeastSquares(np.zeros((2, 3)), [1.0, 2.0], [0, 2])
    np.testing.assert_array_equal(zero.solution(), 0.0)
    assert (zero.strong_convexity, zero.smoothness) == (0.0, 0.0)


@pytest.mark.parametrize(("condition", "accuracy"), [(1e3, 1e-15), (1e6, 1e-12)])
def test_ill_conditioned_least_squares_keeps_its_digits(condition, accuracy):
    rng = np.random.default_rng(0)
    U = np.linalg.qr(rng.normal(size=(40, 6)))[0]
    V = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    X = U * np.geomspace(1, 1 / condition, 6) @ V
    y = X @ rng.normal(size=6) + rng.normal(size=40)
    A, b = rationals(X), rationals(y[:, None])
    gram = [[sum(row[i] * row[j] for row in A) for j in range(6)] for i in range(6)]
    expected = solve_exactly(gram, [sum(r[i] * v[0] for r, v in zip(A, b, strict=True)) for i in range(6)])
    x = problems.LeastSquares(X, y, [0, 20, 40]).solution()
    if np.finfo(np.longdouble).eps == EPS:  # no extended precision on this platform
        accuracy = EPS * condition**2
    assert np.linalg.norm(x - expected) <= accuracy * np.linalg.norm(expected)
