"""Smoothness and noise of gradients over mini-batches, against the enumeration of all batches."""

import itertools

import hostile_sets
import numpy as np
import pytest

from gossamer import problems
from gossamer.kernels import oracles
from gossamer.kernels.oracles import reference

OFFSETS = [0, 1, 4, 9]  # nodes of one, three and five rows
M, D = OFFSETS[-1], 2


def of_kind(kind, seed=0, l2=0.1):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(M, D))
    A[5] *= 20.0
    if kind == "squares":
        return problems.LeastSquares(A, rng.normal(size=M), OFFSETS, l2)
    if kind == "logistic":
        return problems.LogisticRegression(A, rng.integers(2, size=M), OFFSETS, l2)
    if kind == "softmax":
        return problems.SoftmaxRegression(A, np.arange(M) % 3, OFFSETS, l2)
    if kind == "affine":
        return problems.AffineOperator(np.eye(D) + rng.normal(size=(M, D, D)) / 9, A, OFFSETS)
    return problems.RobustLeastSquares(A, rng.normal(size=M), OFFSETS, l2, radius=2.0, perturbation=0.5)


KINDS = ["squares", "logistic", "softmax", "affine", "robust"]


def batches(m, b):
    """All batches of b of m rows that can be drawn."""
    return list(itertools.combinations(range(m), min(b, m)))


def of_batches(problem, i, b, x):
    m = int(problem.sample_oracle.n_samples[i])
    return np.array([oracles.gradient(problem.sample_oracle, i, x, rows) for rows in batches(m, b)])


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_that_of_all_batches(kind):
    problem = of_kind(kind)
    x = np.random.default_rng(1).normal(size=problem.dim)
    for b in range(1, 7):
        each = [
            ((of_batches(problem, i, b, x) - problem.gradient(i, x)) ** 2).sum(1).mean() for i in range(3)
        ]
        assert problem.gradient_noise(b, x) == pytest.approx(np.mean(each), rel=1e-12, abs=1e-25)
    assert problem.gradient_noise(5, x) == problem.gradient_noise(10**9, x) == 0.0
    rows = [of_batches(problem, i, 1, x) for i in range(3)]
    expected = [reference.row_variance(of_node) for of_node in rows]
    np.testing.assert_allclose(
        oracles.row_variances(problem.sample_oracle, x), expected, rtol=1e-12, atol=1e-25
    )


@pytest.mark.parametrize("kind", ["squares", "logistic", "softmax"])
def test_expected_smoothness_bounds_all_pairs_of_points(kind):
    problem = of_kind(kind)
    rng = np.random.default_rng(2)
    for b in range(1, 7):
        constants = problem.row_smoothness.expected(b)
        assert problem.expected_smoothness(b) == constants.max()
        for _ in range(20):
            x, y = rng.normal(size=(2, problem.dim)) * 10.0 ** rng.uniform(-2, 1)
            for i in range(3):
                jumps = of_batches(problem, i, b, x) - of_batches(problem, i, b, y)
                gap = problem.node_objective(i, x) - problem.node_objective(i, y)
                gap -= problem.gradient(i, y) @ (x - y)
                assert (jumps**2).sum(1).mean() <= 2 * constants[i] * gap * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize("b", [1, 2, 3, 4, 5])
def test_expected_smoothness_is_nearly_attained(b):
    # on quadratics the least constant is the largest eigenvalue of E H_S^2 relative to the mean Hessian
    rows = hostile_sets.named().features[:6]
    problem = problems.LeastSquares(rows, np.ones(6), [0, 6])
    hessians = [A.T @ A / b for A in (rows[list(chosen)] for chosen in batches(6, b))]
    root = np.linalg.inv(np.linalg.cholesky(np.mean(hessians, axis=0)))
    least = np.linalg.eigvalsh(root @ np.mean([H @ H for H in hessians], axis=0) @ root.T)[-1]
    assert 0.999 * problem.expected_smoothness(b) <= least <= problem.expected_smoothness(b)


@pytest.mark.parametrize("kind", KINDS)
def test_mean_squares_bound_all_pairs_of_points(kind):
    problem = of_kind(kind)
    rng = np.random.default_rng(3)
    for b in range(1, 7):
        same, noise = problem.row_smoothness.mean_square(b), problem.row_smoothness.noise(b)
        for _ in range(20):
            x, y = rng.normal(size=(2, problem.dim)) / 4  # within the sets of the robust problem
            x, y = (problem.project(z) if kind == "robust" else z for z in (x, y))
            for i in range(3):
                jumps = of_batches(problem, i, b, x) - of_batches(problem, i, b, y)
                square = ((x - y) ** 2).sum() * (1 + 1e-9)
                assert (jumps**2).sum(1).mean() <= same[i] * square
                spread = jumps - (problem.gradient(i, x) - problem.gradient(i, y))
                assert (spread**2).sum(1).mean() <= noise[i] * square + 1e-24


def test_both_ends():
    problem = of_kind("squares")
    lengths = (problem.features**2).sum(1)
    assert problem.expected_smoothness(1) == pytest.approx(lengths.max() + 0.1, rel=1e-15)
    for all_rows in (5, 6, 10**12):
        assert problem.expected_smoothness(all_rows) == problem.smoothness  # to the bit
        assert problem.mini_batch(all_rows) is None
    assert problem.mini_batch(4) == 4
    assert problem.mini_batch(None) is None
    steps = [problem.expected_smoothness(b) for b in range(1, 6)]
    assert steps == sorted(steps, reverse=True)
    assert (problem.row_smoothness.shares(2)[:1] == 0.0).all()  # a node of one row takes it whole
    assert problem.row_smoothness is problem.row_smoothness


def test_rows_that_are_alike_have_no_noise():
    alike = problems.LeastSquares(np.ones((6, 2)), np.ones(6), [0, 3, 6], 0.5)
    assert alike.expected_smoothness(1) == pytest.approx(alike.smoothness, rel=1e-15)
    assert alike.expected_smoothness(1) >= alike.smoothness
    assert alike.gradient_noise(1, [3.0, -1.0]) < 1e-28


def test_the_named_data_set():
    problem = hostile_sets.named()
    assert problem.smoothness == pytest.approx(114.50978448, rel=1e-10)
    assert problem.expected_smoothness(1) == pytest.approx(2280.247430547, rel=1e-12)
    assert problem.expected_smoothness(4) == pytest.approx(570.454552073, rel=1e-12)
    assert problem.strong_convexity == pytest.approx(0.394924688, rel=1e-8)
    x_star = problem.solution()
    np.testing.assert_allclose(x_star, [0.994390019, -1.995751014, 0.490132847], atol=5e-10)
    variances = oracles.row_variances(problem.sample_oracle, x_star)
    np.testing.assert_allclose(variances, [60.161, 27.648, 58.851, 6.951], atol=5e-4)
    assert problem.gradient_noise(1, x_star) == pytest.approx(variances.mean(), rel=1e-15)
    assert problem.gradient_noise(4, x_star) == pytest.approx(16 / 76 * variances.mean(), rel=1e-14)


class Unknown(problems.LeastSquares):
    """Rows of which no smoothness is known, as in a user's class that says nothing of them."""

    _row_bounds = problems.Problem._row_bounds


def test_constants_that_are_not_known():
    network = problems.Perceptron(np.eye(4), [0, 1, 0, 1], [0, 2, 4], hidden=(3,))
    assert network.expected_smoothness(1) == network.expected_smoothness(2) == np.inf
    assert network.gradient_noise(1, network.start()) > 0.0
    unknown = Unknown(np.eye(4), np.ones(4), [0, 2, 4], 0.1)
    assert unknown.expected_smoothness(1) == np.inf
    assert unknown.expected_smoothness(2) == unknown.smoothness < np.inf


@pytest.mark.parametrize(
    ("problem", "error", "match"),
    [
        (problems.Quadratic([[[2.0]]], [[1.0]]), ValueError, "Quadratic has no samples"),
        (problems.Averaging([[1.0]]), ValueError, "Averaging has no samples"),
        (problems.BilinearSaddle([[[1.0]]], [[0.0]], [[0.0]], 1.0), ValueError, "has no samples"),
    ],
)
def test_problems_without_rows_say_so(problem, error, match):
    if not isinstance(problem, problems.VariationalInequality):
        with pytest.raises(error, match=match):
            problem.expected_smoothness(1)
    with pytest.raises(error, match=match):
        problem.gradient_noise(1, np.zeros(problem.dim))
    with pytest.raises(error, match=match):
        problem.row_smoothness  # noqa: B018


def test_bad_arguments_are_refused():
    problem = of_kind("squares")
    for of in (problem.expected_smoothness, lambda b: problem.gradient_noise(b, [0.0, 0.0])):
        with pytest.raises(ValueError, match="batch_size must be at least 1"):
            of(0)
        with pytest.raises(TypeError, match="batch_size must be an integer"):
            of(2.5)
    with pytest.raises(ValueError, match="x must have shape"):
        problem.gradient_noise(1, [0.0])
    with pytest.raises(TypeError, match=r"row_smoothness\.mean_square"):
        of_kind("affine").expected_smoothness(1)
