"""Problems with samples: their constants, the data they take, and how these are dealt out."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from problem_cases import regression

from gossamer import problems
from gossamer.problems.base.samples import gram_extremes


@pytest.mark.parametrize("kind", ["LeastSquares", "LogisticRegression"])
@pytest.mark.parametrize(("n", "d"), [(1, 5), (5, 5), (20, 5), (3, 40), (60, 3)])
def test_constants_are_the_extreme_eigenvalues(kind, n, d):
    X, y = regression(60, d)
    problem = getattr(problems, kind).from_data(X, y > 0, n, l2=0.2)
    lows, highs = [], []
    for i in range(n):
        A = problem.features[problem.offsets[i] : problem.offsets[i + 1]]
        eigenvalues = scipy.linalg.eigvalsh(A.T @ A / len(A))
        lows.append(eigenvalues[0])
        highs.append(eigenvalues[-1])
    if kind == "LeastSquares":
        assert problem.smoothness == pytest.approx(max(highs) + 0.2, rel=1e-13)
        assert problem.strong_convexity == pytest.approx(min(lows) + 0.2, rel=1e-12)
    else:
        assert problem.smoothness == pytest.approx(max(highs) / 4 + 0.2, rel=1e-13)
        assert problem.strong_convexity == 0.2


def test_largest_eigenvalue_by_lanczos():
    rng = np.random.default_rng(0)
    for shape in ((501, 520), (700, 502)):
        A = rng.normal(size=shape)
        expected = np.linalg.eigvalsh(A.T @ A)[-1] / shape[0]
        assert gram_extremes(A, largest_only=True) == (0.0, pytest.approx(expected, rel=1e-12))
    low, high = gram_extremes(A)
    assert low > 0
    assert high == pytest.approx(expected, rel=1e-12)
    assert gram_extremes(np.zeros((501, 501)), largest_only=True) == (0.0, 0.0)


@pytest.mark.parametrize("cls", [problems.LeastSquares, problems.LogisticRegression])
def test_bad_data_are_refused(cls):
    X, y = np.ones((6, 3)), np.array([0.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    broken = X.copy()
    broken[4, 1] = np.inf
    broken[5, 0] = np.nan
    with pytest.raises(ValueError, match=r"features must be finite, but features\[4, 1\] is inf \(2 such"):
        cls(broken, y, [0, 6])
    with pytest.raises(ValueError, match=r"X must be finite, but X\[4, 1\] is inf"):
        cls.from_data(broken, y, 2)
    with pytest.raises(ValueError, match="l2 must be a finite number >= 0, got -1"):
        cls(X, y, [0, 6], l2=-1)
    with pytest.raises(ValueError, match=r"offsets\[1:3\]"):
        cls(X, y, [0, 3, 3, 6])
    with pytest.raises(ValueError, match="X has 6 rows but y has 5"):
        cls.from_data(X, y[:5], 2)
    with pytest.raises(ValueError, match="at least one row and one column"):
        cls.from_data(np.ones((0, 3)), np.ones(0), 1)
    with pytest.raises(ValueError, match="n_nodes = 7 exceeds the 6 samples"):
        cls.from_data(X, y, 7)
    with pytest.raises(TypeError, match="real numbers"):
        cls.from_data(X.astype(str), y, 2)
    with pytest.raises(TypeError, match="l2 must be a number, got None"):
        cls(X, y, [0, 6], l2=None)
    with pytest.raises(ValueError, match="features must be a rectangular array"):
        cls([[1, 2], [3]], [0, 1], [0, 2])


@pytest.mark.parametrize("cls", [problems.LeastSquares, problems.LogisticRegression])
def test_inputs_of_any_kind_are_kept_unmodified(cls):
    X, y = regression(20, 3)
    X, y = X.astype(np.float32).astype(float), np.where(y > 0, 1.0, -1.0)
    expected = cls(X, y, [0, 8, 20], 0.1)
    before = X.copy()
    for variant in (np.asfortranarray(X), X.astype(np.float32), X.tolist(), np.repeat(X, 2, axis=0)[::2]):
        other = cls(variant, y.tolist(), np.array([0, 8, 20], dtype=np.int32), 0.1)
        np.testing.assert_array_equal(other.features, X)
        np.testing.assert_array_equal(other.solution(), expected.solution())
        assert other.features.flags.c_contiguous
        assert other.features.dtype == np.float64
    view = X.view()
    view.flags.writeable = False
    seen = cls(view, y, [0, 8, 20], 0.1)
    X[:] = 0  # not shared with the caller, not even through a read-only view
    np.testing.assert_array_equal(seen.features, before)
    np.testing.assert_array_equal(expected.features, before)


@given(st.integers(1, 12), st.sampled_from(["iid", "contiguous", "sorted"]), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_from_data_deals_out_the_rows(n, split, seed):
    X, y = regression(12, 2)
    problem = problems.LeastSquares.from_data(X, y, n, split=split, rng=seed)
    order = np.argsort(problem.targets)
    np.testing.assert_array_equal(problem.targets[order], np.sort(y))
    np.testing.assert_array_equal(problem.features[order], X[np.argsort(y)])
    assert np.ptp(np.diff(problem.offsets)) <= 1


def test_dirichlet_on_regression_targets_uses_quantile_bins():
    X, y = regression(1000, 2)
    problem = problems.LeastSquares.from_data(X, y, 10, split="dirichlet", alpha=0.05)
    deviations = [np.std(part) for part in np.split(problem.targets, problem.offsets[1:-1])]
    iid = problems.LeastSquares.from_data(X, y, 10)
    iid_deviations = [np.std(part) for part in np.split(iid.targets, iid.offsets[1:-1])]
    assert np.median(deviations) < 0.7 * np.median(iid_deviations)
