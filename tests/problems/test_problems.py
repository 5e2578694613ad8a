"""What all problems share, and the closed forms of each: constants, minimisers, refusals."""

import copy
import doctest
import importlib
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer import problems
from gossamer.kernels import oracles

EPS = np.finfo(float).eps


def regression(M=60, d=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(M, d)) * np.geomspace(0.3, 3, d)
    return X, X @ rng.normal(size=d) / np.sqrt(d) + 2 * rng.normal(size=M)


def quadratic(n=4, d=5, seed=0):
    rng = np.random.default_rng(seed)
    G = rng.normal(size=(n, d + 3, d))
    return problems.Quadratic(G.transpose(0, 2, 1) @ G, rng.normal(size=(n, d)))


def examples():
    X, y = regression()
    for n, options in ((1, {}), (7, {"l2": 0.1}), (30, {"l2": 0.5, "split": "dirichlet", "alpha": 0.3})):
        yield problems.LeastSquares.from_data(X, y, n, **options)
        yield problems.LogisticRegression.from_data(X, y > 0, n, **({"l2": 0.01} | options))
        yield quadratic(n)
    yield problems.LogisticRegression.from_data(X, y > 0, 4)  # l2 = 0, not separable
    yield problems.Custom(
        lambda node, x, out: np.add(np.sinh(x - node), x, out),
        lambda node, x: np.sum(np.cosh(x - node)) + np.sum(x * x) / 2,
        n_nodes=3,
        dim=2,
        smoothness=100.0,
        strong_convexity=2.0,
    )
    yield problems.Averaging(np.random.default_rng(0).normal(size=(6, 3)))


@pytest.fixture(scope="module", params=range(12))
def problem(request):
    return list(examples())[request.param]


def test_the_face_of_a_problem(problem):
    n, d = problem.n_nodes, problem.dim
    X = np.random.default_rng(1).normal(size=(n, d))
    x = X[0]
    each = np.array([problem.gradient(i, x) for i in range(n)])
    np.testing.assert_allclose(problem.full_gradient(x), each.mean(axis=0), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(problem.gradients(X), [problem.gradient(i, X[i]) for i in range(n)])
    values = [problem.node_objective(i, x) for i in range(n)]
    np.testing.assert_allclose(problem.objective(x), np.mean(values), rtol=1e-13)
    assert isinstance(problem.objective(x), float)
    value, gradient = problem.value_and_gradient(x)
    assert value == problem.objective(x)
    assert isinstance(value, float)
    np.testing.assert_array_equal(gradient, problem.full_gradient(x))
    assert isinstance(problem.smoothness, float)
    assert 0 <= problem.strong_convexity <= problem.smoothness
    assert repr(problem).startswith(f"{type(problem).__name__}(n_nodes={n}, dim={d}")


def test_mean_over_some_nodes_alone(problem):
    x = np.random.default_rng(3).normal(size=problem.dim)
    nodes = [0, problem.n_nodes - 1]
    value, gradient = problem.mean_over(nodes, x)
    assert value == pytest.approx(np.mean([problem.node_objective(i, x) for i in nodes]), rel=1e-14)
    np.testing.assert_allclose(gradient, np.mean([problem.gradient(i, x) for i in nodes], axis=0), rtol=1e-13)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda problem: pickle.loads(pickle.dumps(problem))])
def test_pickles_and_copies_work(duplicate):
    for original in list(examples())[:6]:
        expected = original.solution()
        other = duplicate(original)
        np.testing.assert_array_equal(other.full_gradient(expected), original.full_gradient(expected))
        assert other.solution() is not expected
        arrays = [
            other.solution(),
            *other.oracle.data,
            *(v for v in vars(other).values() if hasattr(v, "flags")),
        ]
        assert not any(array.flags.writeable for array in arrays)


def test_gradient_at_the_solution_is_rounding(problem):
    x = problem.solution()
    assert x is problem.solution()
    assert not x.flags.writeable
    # what the nodes' gradients cancel to, against the sizes that cancel
    size = np.mean([np.linalg.norm(problem.gradient(i, x)) for i in range(problem.n_nodes)])
    size += problem.smoothness * np.linalg.norm(x)
    assert np.linalg.norm(problem.full_gradient(x)) <= 20 * EPS * size


def test_solution_is_the_least_point(problem):
    x = problem.solution()
    for step in np.random.default_rng(2).normal(size=(20, problem.dim)) * 1e-3:
        assert problem.objective(x + step) > problem.objective(x)


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


def test_largest_eigenvalue_by_lanczos():
    from gossamer.problems.samples import gram_extremes

    rng = np.random.default_rng(0)
    for shape in ((501, 520), (700, 502)):
        A = rng.normal(size=shape)
        expected = np.linalg.eigvalsh(A.T @ A)[-1] / shape[0]
        assert gram_extremes(A, largest_only=True) == (0.0, pytest.approx(expected, rel=1e-12))
    low, high = gram_extremes(A)
    assert low > 0
    assert high == pytest.approx(expected, rel=1e-12)
    assert gram_extremes(np.zeros((501, 501)), largest_only=True) == (0.0, 0.0)


# -- least squares ---------------------------------------------------------------------------------------


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


def solve_exactly(G, b):
    """Solution of G x = b in rational arithmetic, by Gauss and Jordan."""
    rows = [[*row, value] for row, value in zip(G, b, strict=True)]
    for i, pivot in enumerate(rows):
        for j, row in enumerate(rows):
            if j != i:
                factor = row[i] / pivot[i]
                rows[j] = [u - factor * v for u, v in zip(row, pivot, strict=True)]
    return np.array([float(row[-1] / row[i]) for i, row in enumerate(rows)])


def rationals(A):
    return [[Fraction(float(v)) for v in row] for row in A]


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


# -- logistic regression ---------------------------------------------------------------------------------


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
        ([None, 1, 0], TypeError, "numbers or strings"),
    ],
)
def test_bad_labels_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        problems.LogisticRegression(np.ones((3, 1)), labels, [0, 3])


# -- data ------------------------------------------------------------------------------------------------


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


# -- quadratic -------------------------------------------------------------------------------------------


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


# -- custom ----------------------------------------------------------------------------------------------


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


# -- examples --------------------------------------------------------------------------------------------


MODULES = ["problems", "kernels.oracles.custom"]
MODULES += [f"problems.{path.stem}" for path in Path(problems.__file__).parent.glob("[!_]*.py")]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    pytest.importorskip("sklearn")
    module = importlib.import_module(f"gossamer.{name}")
    assert doctest.testmod(module).failed == 0
