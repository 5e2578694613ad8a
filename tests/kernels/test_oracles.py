"""Compiled oracles against NumPy definitions, finite differences, exact enumeration and themselves."""

import copy
import itertools
import math
import pickle
import warnings

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossamer.kernels import oracles, random
from gossamer.kernels.oracles import reference

EPS = np.finfo(float).eps
SHAPES = [
    ([1], 1),
    ([1, 1, 1], 3),
    ([4, 1, 7, 2], 1),
    ([3, 9, 1], 5),
    ([8, 13], 17),
    ([5, 6, 11], 64),
    ([2], 131),
]


def make_data(sizes, d, seed=0, kind="least_squares"):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    A = rng.normal(size=(offsets[-1], d))
    b = rng.normal(size=offsets[-1])
    return A, np.where(b > 0, 1.0, -1.0) if kind == "logistic" else b, offsets


def make_oracle(kind, sizes, d, l2=0.3):
    if kind == "quadratic":
        rng = np.random.default_rng(1)
        n = len(sizes)
        G = rng.normal(size=(n, d, d))
        return oracles.quadratic(G @ G.transpose(0, 2, 1), rng.normal(size=(n, d)), rng.normal(size=n))
    return getattr(oracles, kind)(*make_data(sizes, d, kind=kind), l2)


def reference_of(kind, oracle, i):
    """The node's gradient(x, rows) and objective(x) by the NumPy definitions."""
    A, b, offsets, parameters = oracle.data
    part = slice(offsets[i], offsets[i + 1])
    if kind == "quadratic":
        return (
            lambda x, rows=(): reference.quadratic_gradient(x, A[part], b[part]),
            lambda x: reference.quadratic_objective(x, A[part], b[part], parameters[i]),
        )
    gradient = getattr(reference, f"{kind}_gradient")
    objective = getattr(reference, f"{kind}_objective")
    return (
        lambda x, rows=(): gradient(x, A[part], b[part], parameters[0], rows),
        lambda x: objective(x, A[part], b[part], parameters[0]),
    )


KINDS = ["quadratic", "least_squares", "logistic"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("sizes", "d"), SHAPES)
def test_kernels_equal_definitions(kind, sizes, d):
    oracle = make_oracle(kind, sizes, d)
    X = np.random.default_rng(2).normal(size=(len(sizes), d))
    G = oracles.gradients(oracle, X)
    scale = d * max(sizes) + 10
    for i in range(len(sizes)):
        gradient, objective = reference_of(kind, oracle, i)
        expected = gradient(X[i])
        tolerance = scale * EPS * (1 + np.abs(expected).max())
        np.testing.assert_allclose(oracles.gradient(oracle, i, X[i]), expected, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(G[i], oracles.gradient(oracle, i, X[i]))
        value = objective(X[i])
        assert oracles.objective(oracle, i, X[i]) == pytest.approx(value, rel=scale * EPS, abs=scale * EPS)
    x = X[0]
    means = [reference_of(kind, oracle, i) for i in range(len(sizes))]
    np.testing.assert_allclose(
        oracles.mean_gradient(oracle, x),
        np.mean([g(x) for g, _ in means], axis=0),
        rtol=0,
        atol=1e-12 * scale,
    )
    np.testing.assert_allclose(oracles.objectives(oracle, x), [f(x) for _, f in means], rtol=1e-12)
    assert oracles.mean_objective(oracle, x) == pytest.approx(np.mean([f(x) for _, f in means]), rel=1e-12)
    value, slope = oracles.mean_value_and_gradient(oracle, x)
    assert value == oracles.mean_objective(oracle, x)
    np.testing.assert_array_equal(slope, oracles.mean_gradient(oracle, x))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("sizes", "d"), SHAPES)
def test_gradient_is_the_derivative_of_the_objective(kind, sizes, d):
    oracle = make_oracle(kind, sizes, d)
    rng = np.random.default_rng(3)
    for i in range(len(sizes)):
        x, v = rng.normal(size=(2, d))
        h = 1e-3
        # fourth-order central difference along v
        f = [oracles.objective(oracle, i, x + k * h * v) for k in (-2, -1, 1, 2)]
        slope = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
        scale = np.abs(f).max() + np.linalg.norm(v) ** 2
        assert oracles.gradient(oracle, i, x) @ v == pytest.approx(slope, abs=1e-9 * scale)


@pytest.mark.parametrize("kind", ["least_squares", "logistic"])
def test_batches(kind):
    sizes, d = [6, 1, 9], 7
    oracle = make_oracle(kind, sizes, d)
    rng = np.random.default_rng(4)
    x = rng.normal(size=d)
    for i, m in enumerate(sizes):
        gradient, _ = reference_of(kind, oracle, i)
        full = oracles.gradient(oracle, i, x)
        np.testing.assert_array_equal(oracles.gradient(oracle, i, x, rows=np.arange(m)), full)
        np.testing.assert_allclose(oracles.gradient(oracle, i, x, rows=rng.permutation(m)), full, atol=1e-14)
        for size in range(1, 12):  # with repetitions, through the blocks of four and the remainder
            rows = rng.integers(m, size=size)
            np.testing.assert_allclose(oracles.gradient(oracle, i, x, rows), gradient(x, rows), atol=1e-14)


@pytest.mark.parametrize("kind", ["least_squares", "logistic"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_batch_gradients_are_unbiased(kind, size):
    """The mean over all subsets, and over all draws with replacement, is the full gradient."""
    oracle = make_oracle(kind, [6], 3)
    x = np.array([0.5, -1.0, 2.0])
    full = oracles.gradient(oracle, 0, x)
    subsets = [oracles.gradient(oracle, 0, x, rows) for rows in itertools.combinations(range(6), size)]
    draws = [oracles.gradient(oracle, 0, x, rows) for rows in itertools.product(range(6), repeat=size)]
    np.testing.assert_allclose(np.mean(subsets, axis=0), full, atol=1e-14)
    np.testing.assert_allclose(np.mean(draws, axis=0), full, atol=1e-14)
    assert np.ptp(subsets, axis=0).max() > 0.1  # single batches do differ


@pytest.mark.parametrize("margin", [1e-300, 0.5, 40.0, 700.0, 710.0, 1e3, 1e100, 1e307])
@pytest.mark.parametrize("m", [1, 4, 5])
def test_logistic_extreme_margins(margin, m):
    """Closed forms of one repeated sample a = 1 at x = +-margin, without overflow, warning or NaN."""
    oracle = oracles.logistic(np.ones((m, 1)), np.ones(m), [0, m])
    odds = math.exp(-margin)
    right, wrong = oracles.gradient(oracle, 0, [margin]), oracles.gradient(oracle, 0, [-margin])
    assert right[0] == pytest.approx(-odds / (1 + odds), rel=1e-13, abs=1e-307)
    assert wrong[0] == pytest.approx(-1 / (1 + odds), rel=1e-13)
    assert oracles.objective(oracle, 0, [margin]) == pytest.approx(math.log1p(odds), rel=1e-14)
    assert oracles.objective(oracle, 0, [-margin]) == pytest.approx(margin + math.log1p(odds), rel=1e-14)


@pytest.mark.parametrize("kind", ["least_squares", "logistic"])
@pytest.mark.parametrize("m", [1, 4, 6])
def test_nan_and_infinity_survive(kind, m):
    """Compiled with reassociation: a diverged iterate must still be seen as one."""
    oracle = getattr(oracles, kind)(np.ones((m, 9)), np.ones(m), [0, m], 0.1)
    x = np.ones(9)
    x[5] = np.nan
    assert np.isnan(oracles.gradient(oracle, 0, x)).all()
    assert np.isnan(oracles.objective(oracle, 0, x))
    x[5] = -np.inf
    assert oracles.gradient(oracle, 0, x)[5] == -np.inf
    assert oracles.objective(oracle, 0, x) == np.inf
    assert oracles.mean_objective(oracle, np.full(9, 1e308)) == np.inf


def test_overflowing_objective_without_ridge_is_not_nan():
    oracle = oracles.logistic([[1e-300]], [1.0], [0, 1])
    assert oracles.objective(oracle, 0, [1e200]) == pytest.approx(np.log(2))
    oracle = oracles.least_squares([[0.0]], [2.0], [0, 1])
    assert oracles.objective(oracle, 0, [1e200]) == 2.0


@pytest.mark.parametrize("kind", KINDS)
def test_any_array_of_numbers_is_a_point(kind):
    d = 6
    oracle = make_oracle(kind, [3, 5, 4], d)
    x = np.arange(d, dtype=np.float64)
    expected = oracles.mean_gradient(oracle, x)
    read_only = x.copy()
    read_only.flags.writeable = False
    unaligned = np.frombuffer(b"0" + x.tobytes(), dtype=np.float64, offset=1)
    variants = [
        x.astype(np.float32), x.astype(int), x.tolist(), read_only, np.repeat(x, 2)[::2],
        x[::-1].copy()[::-1], x.astype(">f8"), unaligned, [np.float64(v) for v in x],
    ]  # fmt: skip
    for variant in variants:
        np.testing.assert_array_equal(oracles.mean_gradient(oracle, variant), expected)
        assert oracles.objective(oracle, 1, variant) == oracles.objective(oracle, 1, x)
    X = np.tile(x, (3, 1))
    for variant in (np.asfortranarray(X), X.astype(np.float32), X.tolist(), np.repeat(X, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(oracles.gradients(oracle, variant), oracles.gradients(oracle, X))
    np.testing.assert_array_equal(x, np.arange(d))


def test_data_are_copied_unless_the_package_froze_them():
    A, b, offsets = make_data([3, 2], 4)
    oracle = oracles.least_squares(A, b, offsets)
    A[:] = 0.0
    assert np.abs(oracle.data.features).min() > 0
    A.flags.writeable = False
    assert oracles.least_squares(A, b, offsets).data.features is not A  # a view may have been made before
    features = oracle.data.features
    assert oracles.least_squares(features, b, offsets).data.features is features
    for array in oracle.data:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    for variant in (np.asfortranarray(b[:, None] * np.ones(4)), (b[:, None] * np.ones(4)).astype(np.float32)):
        other = oracles.least_squares(variant, b, offsets)
        np.testing.assert_array_equal(other.data.features, variant)
        assert other.data.features.dtype == np.float64
        assert other.data.features.flags.c_contiguous


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda o: oracles.gradient(o, 0, np.ones(4)),
            ValueError,
            r"x must have shape \(3,\), got shape \(4,\)",
        ),
        (lambda o: oracles.gradient(o, 0, np.ones((3, 1))), ValueError, r"x must have shape \(3,\)"),
        (lambda o: oracles.gradient(o, 0, [1j, 0, 0]), TypeError, "real numbers"),
        (lambda o: oracles.gradient(o, 0, ["a", "b", "c"]), TypeError, "real numbers"),
        (lambda o: oracles.gradient(o, 2, np.ones(3)), IndexError, r"node must be in 0\.\.1, got 2"),
        (lambda o: oracles.gradient(o, -1, np.ones(3)), IndexError, r"node must be in 0\.\.1, got -1"),
        (lambda o: oracles.gradient(o, 0.0, np.ones(3)), TypeError, "node must be an integer"),
        (lambda o: oracles.gradient(o, True, np.ones(3)), TypeError, "node must be an integer"),
        (lambda o: oracles.gradient(o, -5, np.ones(3)), IndexError, "got -5"),
        (lambda o: oracles.gradient(o, 0, np.ones(3), []), ValueError, "rows must be a non-empty"),
        (lambda o: oracles.gradient(o, 0, np.ones(3), [0.0]), ValueError, "rows must be a non-empty"),
        (lambda o: oracles.gradient(o, 0, np.ones(3), [2]), IndexError, r"rows of node 0 must be in 0\.\.1"),
        (lambda o: oracles.gradient(o, 0, np.ones(3), [-1]), IndexError, r"-1\.\.-1"),
        (
            lambda o: oracles.gradients(o, np.ones((3, 3))),
            ValueError,
            r"X must have shape \(2, 3\), got shape \(3, 3\)",
        ),
        (lambda o: oracles.mean_gradient(o, []), ValueError, "x must have shape"),
        (lambda o: oracles.objective(o, 5, np.ones(3)), IndexError, "node must be"),
        (lambda o: oracles.mean_value_and_gradient(o, np.ones(2)), ValueError, "x must have shape"),
        (lambda o: oracles.objectives(o, np.ones(2)), ValueError, "x must have shape"),
    ],
)
def test_bad_points_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(oracles.least_squares(np.ones((5, 3)), np.ones(5), [0, 2, 5]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.ones(5), np.ones(5), [0, 5]), ValueError, "features must have 2 dimension"),
        ((np.ones((5, 0)), np.ones(5), [0, 5]), ValueError, "at least one column"),
        ((np.ones((5, 2)), np.ones(4), [0, 5]), ValueError, "5 rows but there are 4"),
        ((np.ones((5, 2)), np.ones(5), [0, 4]), ValueError, "from 0 to the 5 rows"),
        ((np.ones((5, 2)), np.ones(5), [1, 5]), ValueError, "from 0 to the 5 rows"),
        ((np.ones((5, 2)), np.ones(5), [5]), ValueError, "from 0 to the 5 rows"),
        ((np.ones((5, 2)), np.ones(5), [0.0, 5.0]), TypeError, "integers"),
        ((np.ones((5, 2)), np.ones(5), [0, 3, 3, 5]), ValueError, r"offsets\[1:3\]"),
        ((np.ones((5, 2)), np.ones(5), [0, 4, 2, 5]), ValueError, r"offsets\[1:3\]"),
        (
            (np.ones((5, 2)), np.ones(5), np.array([0, 4, 2, 5], dtype=np.uint8)),
            ValueError,
            r"offsets\[1:3\]",
        ),
        ((np.ones((0, 2)), np.ones(0), [0, 0]), ValueError, "at least one row"),
        ((np.ones((5, 2)), np.ones(5), [0, 5], -1.0), ValueError, "l2 must be"),
        ((np.ones((5, 2)), np.ones(5), [0, 5], np.nan), ValueError, "l2 must be"),
    ],
)
@pytest.mark.parametrize("constructor", [oracles.least_squares, oracles.logistic])
def test_bad_samples_are_refused(constructor, arguments, error, message):
    with pytest.raises(error, match=message):
        constructor(*arguments)


def test_bad_constructions_are_refused():
    with pytest.raises(ValueError, match=r"labels\[1\] = 0.0"):
        oracles.logistic(np.ones((2, 1)), [1.0, 0.0], [0, 2])
    with pytest.raises(ValueError, match=r"H must be \(n, d, d\)"):
        oracles.quadratic(np.ones((2, 3, 2)), np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"b must have shape \(2, 3\)"):
        oracles.quadratic(np.ones((2, 3, 3)), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"constants must have shape \(2,\)"):
        oracles.quadratic(np.ones((2, 3, 3)), np.ones((2, 3)), np.ones(3))
    with pytest.raises(ValueError, match="no samples"):
        oracles.gradient(oracles.quadratic(np.ones((1, 1, 1)), np.ones((1, 1))), 0, [1.0], rows=[0])


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    d=st.integers(1, 20),
    l2=st.sampled_from([0.0, 1e-3, 10.0]),
    kind=st.sampled_from(["least_squares", "logistic"]),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_any_shape(sizes, d, l2, kind, data):
    oracle = make_oracle(kind, sizes, d, l2)
    i = data.draw(st.integers(0, len(sizes) - 1))
    rows = data.draw(st.lists(st.integers(0, sizes[i] - 1), min_size=1, max_size=12))
    x = np.random.default_rng(d).normal(size=d)
    gradient, objective = reference_of(kind, oracle, i)
    np.testing.assert_allclose(
        oracles.gradient(oracle, i, x, rows), gradient(x, rows), rtol=1e-11, atol=1e-12
    )
    np.testing.assert_allclose(oracles.objective(oracle, i, x), objective(x), rtol=1e-12)


# -- custom ----------------------------------------------------------------------------------------------


def double_well(node, x, out):
    for k in range(x.size):
        out[k] = (1 + node) * x[k] + np.sin(x[k])


def double_well_value(node, x):
    total = 0.0
    for k in range(x.size):
        total += 0.5 * (1 + node) * x[k] ** 2 + 1 - np.cos(x[k])
    return total


def slow(*args, **kwargs):
    with pytest.warns(oracles.PerformanceWarning):
        return oracles.custom(*args, **kwargs)


def test_custom_compiled_and_python_agree():
    fast = oracles.custom(double_well, double_well_value, n_nodes=3, dim=5)
    python = slow(double_well, double_well_value, n_nodes=3, dim=5, compiled=False)
    jitted = oracles.custom(numba.njit(double_well), numba.njit(double_well_value), n_nodes=3, dim=5)
    X = np.random.default_rng(0).normal(size=(3, 5))
    expected = (1 + np.arange(3))[:, None] * X + np.sin(X)
    values = [double_well_value(i, X[0]) for i in range(3)]
    for oracle in (fast, python, jitted):
        np.testing.assert_allclose(oracles.gradients(oracle, X), expected, rtol=1e-14)
        np.testing.assert_allclose(oracles.gradient(oracle, 2, X[2]), expected[2], rtol=1e-14)
        np.testing.assert_allclose(oracles.mean_gradient(oracle, X[0]), 2 * X[0] + np.sin(X[0]), rtol=1e-14)
        np.testing.assert_allclose(oracles.objectives(oracle, X[0]), values, rtol=1e-14)
        assert oracle.n_samples.tolist() == [0, 0, 0]
        with pytest.raises(ValueError, match="no samples"):
            oracles.gradient(oracle, 0, X[0], rows=[0])


def test_custom_without_objective_is_nan():
    for oracle in (
        oracles.custom(double_well, n_nodes=2, dim=2),
        slow(double_well, n_nodes=2, dim=2, compiled=False),
    ):
        assert np.isnan(oracles.objectives(oracle, np.ones(2))).all()
        assert np.isnan(oracles.mean_objective(oracle, np.ones(2)))
        value, gradient = oracles.mean_value_and_gradient(oracle, np.ones(2))
        assert np.isnan(value)
        np.testing.assert_array_equal(gradient, oracles.mean_gradient(oracle, np.ones(2)))


def test_what_numba_cannot_compile_runs_in_python_with_a_warning():
    table = {"rows": [np.ones(3), object()]}

    def gradient(node, x, out):
        out[:] = x - table["rows"][0]

    with pytest.warns(oracles.PerformanceWarning, match=r"numba cannot compile them \(.+\)") as caught:
        oracle = oracles.custom(gradient, n_nodes=2, dim=3)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    np.testing.assert_array_equal(oracles.gradient(oracle, 1, np.zeros(3)), -np.ones(3))

    def imports(node, x, out):
        import math

        out[:] = math.tau * x

    np.testing.assert_allclose(
        oracles.gradient(slow(imports, n_nodes=1, dim=2), 0, [1.0, 2.0]), [2 * np.pi, 4 * np.pi]
    )


def explode(node, x, out):
    out[:] = x
    if node == 1 and x[0] > 0:
        raise ZeroDivisionError("node 1")


def explode_value(node, x):
    if node == 1:
        raise ZeroDivisionError("value 1")
    return 0.0


@pytest.mark.parametrize("compiled", [True, False])
def test_exceptions_reach_the_caller(compiled):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", oracles.PerformanceWarning)
        oracle = oracles.custom(explode, explode_value, n_nodes=3, dim=2, compiled=compiled)
    x = np.ones(2)
    np.testing.assert_array_equal(oracles.gradient(oracle, 0, x), x)
    for call in (
        lambda: oracles.gradient(oracle, 1, x),
        lambda: oracles.mean_gradient(oracle, x),
        lambda: oracles.gradients(oracle, np.ones((3, 2))),
    ):
        with pytest.raises(ZeroDivisionError, match="node 1"):
            call()
    for evaluate in (oracles.objectives, oracles.mean_objective, oracles.mean_value_and_gradient):
        with pytest.raises(ZeroDivisionError, match="value 1"):
            evaluate(oracle, x)
    np.testing.assert_array_equal(oracles.gradient(oracle, 1, -x), -x)  # and it works again afterwards


def test_python_functions_cannot_write_to_x_or_return_nonsense():
    def writes(node, x, out):
        out[:] = x
        if x[0] == 1:
            x[0] = 2.0

    x = np.ones(2)
    oracle = slow(writes, lambda node, x: "much", n_nodes=1, dim=2, compiled=False)
    with pytest.raises(ValueError, match="read-only"):
        oracles.gradient(oracle, 0, x)
    with pytest.raises(ValueError, match="could not convert"):
        oracles.objective(oracle, 0, x)
    np.testing.assert_array_equal(x, 1.0)


@pytest.mark.parametrize("compiled", [True, False])
def test_unwritten_entries_are_found(compiled):
    def forgets(node, x, out):
        for k in range(1, x.size):
            out[k] = x[k]

    def adds(node, x, out):
        out += x

    def is_nan_at_zero(node, x, out):
        out[:] = x - np.log(np.abs(x) - 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", oracles.PerformanceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # log(-1) in plain NumPy
        with pytest.raises(ValueError, match=r"out\[0\] \(1 of 3 entries\)"):
            oracles.custom(forgets, n_nodes=1, dim=3, compiled=compiled)
        with pytest.raises(ValueError, match=r"\(3 of 3 entries\)"):
            oracles.custom(adds, n_nodes=1, dim=3, compiled=compiled)
        oracle = oracles.custom(is_nan_at_zero, n_nodes=1, dim=3, compiled=compiled)
    np.testing.assert_allclose(oracles.gradient(oracle, 0, [2.0, 2.0, 2.0]), 2.0)


@pytest.mark.parametrize("compiled", [True, False])
def test_nodes_that_write_nothing_are_found(compiled):
    def only_node_0(node, x, out):
        if node == 0:
            out[:] = x

    def not_the_last(node, x, out):
        if node < 1000:
            out[:] = x

    def not_far_away(node, x, out):
        if x[0] < 10:
            out[:] = x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", oracles.PerformanceWarning)
        for function, node, n in ((only_node_0, 1, 3), (not_the_last, 1000, 1001)):
            with pytest.raises(ValueError, match=rf"at node {node} it left or added to out\[0\] \(2 of 2"):
                oracles.custom(function, n_nodes=n, dim=2, compiled=compiled)
        oracle = oracles.custom(not_far_away, n_nodes=3, dim=2, compiled=compiled)
    # what no construction can find is NaN, not what stood in the memory before
    assert np.isnan(oracles.gradients(oracle, np.full((3, 2), 11.0))).all()
    np.testing.assert_array_equal(oracles.gradients(oracle, np.ones((3, 2))), 1.0)


@pytest.mark.parametrize("compiled", [True, False])
def test_custom_oracles_of_module_functions_can_be_pickled(compiled):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", oracles.PerformanceWarning)
        oracle = oracles.custom(double_well, double_well_value, n_nodes=3, dim=2, compiled=compiled)
        twins = [pickle.loads(pickle.dumps(oracle)), copy.deepcopy(oracle)]
    x = np.array([0.3, -0.7])
    for twin in twins:
        assert (twin.n_nodes, twin.dim) == (3, 2)
        np.testing.assert_array_equal(oracles.mean_gradient(twin, x), oracles.mean_gradient(oracle, x))
        np.testing.assert_array_equal(oracles.objectives(twin, x), oracles.objectives(oracle, x))
    local = oracles.custom(lambda node, x, out: np.add(x, node, out), n_nodes=1, dim=2)
    with pytest.raises((AttributeError, pickle.PicklingError), match=r"local object .*<lambda>"):
        pickle.dumps(local)  # the message names the function that stands in the way


def test_the_warning_points_at_the_line_of_the_user():
    from gossamer import problems

    options = {"n_nodes": 1, "dim": 1, "compiled": False}
    with pytest.warns(oracles.PerformanceWarning) as direct:
        oracles.custom(double_well, **options)
    with pytest.warns(oracles.PerformanceWarning) as deeper:
        problems.Custom(double_well, smoothness=1.0, strong_convexity=0.0, **options)
    assert [warning.filename for warning in (*direct, *deeper)] == [__file__, __file__]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"gradient": 3}, TypeError, "gradient must be a function"),
        ({"gradient": None}, TypeError, "gradient must be a function"),
        ({"objective": 3}, TypeError, "objective must be a function"),
        ({"n_nodes": 0}, ValueError, "n_nodes must be at least 1"),
        ({"dim": 2.0}, TypeError, "dim must be an integer"),
        ({"dim": True}, TypeError, "dim must be an integer"),
    ],
)
def test_bad_custom_arguments_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        oracles.custom(**{"gradient": double_well, "n_nodes": 2, "dim": 2} | changes)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda oracle: pickle.loads(pickle.dumps(oracle))])
def test_pickles_and_copies_work(duplicate):
    oracle = make_oracle("logistic", [2, 3], 2)
    other = duplicate(oracle)
    assert other.gradient is oracle.gradient
    x = np.array([0.3, -0.7])
    np.testing.assert_array_equal(oracles.mean_gradient(other, x), oracles.mean_gradient(oracle, x))
    assert not any(array.flags.writeable for array in (*other.data, other.n_samples))


@pytest.mark.parametrize("size", [0, 3, 5, 50])
@pytest.mark.parametrize("same", [False, True])
def test_batch_gradients_of_some_nodes(size, same):
    rng = np.random.default_rng(2)
    offsets = np.array([0, 4, 10, 18, 30])
    oracle = oracles.least_squares(rng.normal(size=(30, 6)), rng.normal(size=30), offsets, 0.1)
    X = rng.normal(size=(1 if same else 4, 6))
    out = np.full((4, 6), np.nan)
    batches = oracles.Batches(size, oracle.n_samples, np.uint64(77))
    for turn in (0, 9):
        oracles.batch_gradients(oracle, batches, turn, [3, 1], X, out)
        for i in (1, 3):
            m = int(oracle.n_samples[i])
            rows = None
            if 0 < size < m:
                rows = random.distinct_integers(size, m, 77, random.streams.BATCH, turn * 4 + i)
            expected = oracles.gradient(oracle, i, X[0 if same else i], rows)
            assert np.array_equal(out[i], expected)
        assert np.isnan(out[[0, 2]]).all()
    for wrong in ([4], [-1], [[0]]):
        with pytest.raises(ValueError, match="nodes must be"):
            oracles.batch_gradients(oracle, batches, 0, wrong, X, out)
    with pytest.raises(ValueError, match="X and out"):
        oracles.batch_gradients(oracle, batches, 0, [0], X[:, :5], out)
