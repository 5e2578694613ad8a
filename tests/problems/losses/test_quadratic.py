"""Quadratics: closed forms, constants, random ones, refusals."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
from problem_cases import quadratic, rationals, solve_exactly

from gossamer import problems


def test_quadratic_closed_forms():
    problem = quadratic(4, 5)
    eigenvalues = np.linalg.eigvalsh(problem.H)
    assert problem.smoothness == eigenvalues.max()
    assert problem.strong_convexity == eigenvalues.min()
    expected = np.linalg.solve(problem.H.mean(axis=0), problem.b.mean(axis=0))
    np.testing.assert_allclose(problem.solution(), expected, rtol=1e-12)
    x = np.arange(5.0)
    value = np.mean([x @ H @ x / 2 - b @ x for H, b in zip(problem.H, problem.b, strict=True)])
    assert problem.objective(x) == pytest.approx(value, rel=1e-13)
    with pytest.raises(ValueError, match="Quadratic has no samples"):
        problem.sample_oracle  # noqa: B018


def test_quadratic_refines_to_machine_precision():
    """A Hilbert matrix, of condition number 1e10: what extended precision can resolve, and not less."""
    H = scipy.linalg.hilbert(8)
    problem = problems.Quadratic(H[None], np.ones((1, 8)))
    expected = solve_exactly(rationals(H), [Fraction(1)] * 8)
    np.testing.assert_allclose(problem.solution(), expected, rtol=1e10 * np.finfo(np.longdouble).eps)


def test_singular_quadratics():
    H = np.diag([2.0, 0.0])
    bounded = problems.Quadratic([H], [[4.0, 0.0]])
    np.testing.assert_allclose(bounded.solution(), [2.0, 0.0], atol=1e-15)
    assert bounded.strong_convexity == 0.0
    with pytest.raises(ValueError, match="unbounded below"):
        problems.Quadratic([H], [[4.0, 1.0]]).solution()
    shared = problems.Quadratic([H, H[::-1, ::-1]], [[4.0, 0.0], [0.0, 2.0]])  # singular nodes, regular mean
    np.testing.assert_allclose(shared.solution(), [2.0, 1.0], rtol=1e-15)
    np.testing.assert_array_equal(problems.Quadratic(np.zeros((1, 2, 2)), np.zeros((1, 2))).solution(), 0.0)


def test_rounding_is_no_strong_convexity():
    """Singular Hessians, whose smallest computed eigenvalue is noise of either sign."""
    rng = np.random.default_rng(0)
    for d in (2, 3, 4, 7, 20):
        for _ in range(100):
            G = rng.normal(size=(2, d, d - 1))
            b = np.zeros((2, d))
            assert problems.Quadratic(G @ G.transpose(0, 2, 1), b).strong_convexity == 0.0
            A = rng.normal(size=(2 * d + 4, d))
            A[:, -1] = A[:, :-1] @ rng.normal(size=d - 1)
            problem = problems.LeastSquares(A, A[:, 0], [0, d + 2, 2 * d + 4])
            assert problem.strong_convexity == 0.0
            assert problem.smoothness > 0.0
    one_hot = np.column_stack([np.eye(4)[rng.integers(4, size=40)], np.ones(40)])
    for l2 in (0.0, 1e-3):
        problem = problems.LeastSquares(one_hot, one_hot[:, 0], [0, 40], l2)
        assert problem.strong_convexity == l2


def test_small_strong_convexity_is_kept():
    H = np.diag([1e-14, 1.0])
    assert problems.Quadratic([H, np.eye(2)], np.zeros((2, 2))).strong_convexity == 1e-14
    assert problems.Quadratic([[[1e-300]], [[1.0]]], np.zeros((2, 1))).strong_convexity == 1e-300
    problem = problems.LeastSquares(np.diag([1e-6, 1.0]), np.ones(2), [0, 2])
    assert problem.strong_convexity == pytest.approx(1e-12 / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("H", "b", "message"),
    [
        (
            [[[1.0, 0.5], [0.0, 1.0]]],
            [[0.0, 0.0]],
            r"H\[0\] must be symmetric, but H - H' has an entry of 0.5",
        ),
        (
            [np.eye(2), np.diag([1.0, -1e-6])],
            np.zeros((2, 2)),
            r"H\[1\] must be positive semidefinite.*-1e-06",
        ),
        ([-np.eye(2)], [[0.0, 0.0]], "positive semidefinite"),
        ([[[np.nan]]], [[0.0]], r"H must be finite, but H\[0, 0, 0\] is nan"),
        ([[[1.0]]], [[np.inf]], r"b must be finite, but b\[0, 0\] is inf"),
        ([[[1.0]]], [[1.0, 2.0]], r"b must have shape \(1, 1\)"),
        (np.ones((2, 2, 3)), np.ones((2, 2)), r"H must be \(n, d, d\)"),
        (np.ones((0, 2, 2)), np.ones((0, 2)), r"H must be \(n, d, d\)"),
    ],
)
def test_bad_quadratics_are_refused(H, b, message):
    with pytest.raises(ValueError, match=message):
        problems.Quadratic(H, b)


def test_rounding_asymmetry_is_repaired():
    H = np.array([[[2.0, 0.1], [0.1 + 1e-16, 1.0]]])
    H[0, 1, 0] = np.nextafter(0.1, 1)
    problem = problems.Quadratic(H, [[1.0, 1.0]])
    np.testing.assert_array_equal(problem.H[0], problem.H[0].T)


def test_random_quadratics_have_the_spectrum_they_promise():
    problem = problems.Quadratic.random(5, 7, condition_number=1e4, rng=3)
    expected = np.tile(1e4 ** (np.arange(7) / 6), (5, 1))
    np.testing.assert_allclose(np.linalg.eigvalsh(problem.H), expected, rtol=1e-9)
    assert problem.strong_convexity == pytest.approx(1.0, rel=1e-9)
    assert problem.smoothness == pytest.approx(1e4, rel=1e-9)
    hardest = problems.Quadratic.random(2, 200, condition_number=1e10)
    assert hardest.strong_convexity == pytest.approx(1.0, rel=1e-3)
    np.testing.assert_array_equal(problems.Quadratic.random(3, 1, condition_number=1).H, np.ones((3, 1, 1)))


def test_random_quadratics_have_uniform_axes():
    """E H = (tr H / d) I, and the entries q of uniform axes have E q^2 = 1/d, E q^4 = 3/(d(d+2))."""
    n, d = 4000, 3
    H = problems.Quadratic.random(n, d, condition_number=9.0, rng=1).H
    np.testing.assert_allclose(H.mean(axis=0), np.eye(d) * (1 + 3 + 9) / 3, atol=5 * 3 / np.sqrt(n))
    q = np.linalg.eigh(H)[1][:, :, 2]
    np.testing.assert_allclose((q**2).mean(axis=0), 1 / d, atol=5 * 0.3 / np.sqrt(n))
    np.testing.assert_allclose((q**4).mean(axis=0), 3 / (d * (d + 2)), atol=5 * 0.3 / np.sqrt(n))


def test_random_quadratics_are_as_heterogeneous_as_asked():
    shared = problems.Quadratic.random(6, 4, heterogeneity=0.0)
    np.testing.assert_allclose(shared.gradients(np.tile(shared.solution(), (6, 1))), 0.0, atol=1e-11)
    n, d = 2000, 4
    once, twice = (problems.Quadratic.random(n, d, heterogeneity=h, rng=5) for h in (1.0, 2.0))
    np.testing.assert_array_equal(once.H, twice.H)
    own = [np.linalg.solve(p.H, p.b[:, :, None])[:, :, 0] for p in (once, twice)]
    assert own[0].std(axis=0) == pytest.approx(np.ones(d), abs=5 / np.sqrt(2 * n))
    assert own[1].std(axis=0) == pytest.approx(2 * own[0].std(axis=0), rel=1e-9)
    common = 2 * own[0] - own[1]
    np.testing.assert_allclose(common, np.tile(common[0], (n, 1)), atol=1e-9)


def test_random_quadratics_repeat():
    a, b, c = (problems.Quadratic.random(3, 4, rng=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(a.H, b.H)
    np.testing.assert_array_equal(a.b, b.b)
    assert not np.array_equal(a.H, c.H)
    generator = np.random.default_rng(0)
    first, second = (problems.Quadratic.random(3, 4, rng=generator) for _ in range(2))
    assert not np.array_equal(first.H, second.H)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_nodes": 0}, "n_nodes must be at least 1, got 0"),
        ({"dim": 0}, "dim must be at least 1, got 0"),
        ({"dim": 1}, "condition_number must be 1 where dim is 1, got 100"),
        ({"condition_number": 0.5}, "condition_number must be"),
        ({"condition_number": np.inf}, "condition_number must be"),
        ({"heterogeneity": -1.0}, "heterogeneity must be"),
        ({"rng": -1}, "rng must be a non-negative seed"),
    ],
)
def test_bad_random_quadratics_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        problems.Quadratic.random(**{"n_nodes": 3, "dim": 4} | arguments)
