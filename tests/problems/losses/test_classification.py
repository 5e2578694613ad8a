"""Softmax regression and perceptrons: against their definitions, differences, and scikit-learn."""

import numpy as np
import pytest

from gossamer import problems
from gossamer.kernels import oracles
from gossamer.kernels.oracles import reference


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(90, 6))
    labels = np.array(["one", "three", "two"])[np.argmax(X[:, :3] + rng.normal(size=(90, 3)), axis=1)]
    return X, labels


def make(data, kind, **options):
    X, y = data
    return kind.from_data(X, y, 5, rng=0, l2=0.05, **options)


KINDS = [
    pytest.param(problems.SoftmaxRegression, {}, id="softmax"),
    pytest.param(problems.Perceptron, {"hidden": (7,)}, id="one hidden layer"),
    pytest.param(problems.Perceptron, {"hidden": (4, 5)}, id="two hidden layers"),
    pytest.param(problems.Perceptron, {"hidden": ()}, id="no hidden layer"),
]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_objectives_are_their_definition_and_gradients_their_derivatives(data, kind, options):
    problem = make(data, kind, **options)
    x = np.random.default_rng(2).normal(size=problem.dim)
    for i in range(problem.n_nodes):
        rows = slice(problem.offsets[i], problem.offsets[i + 1])
        A, labels = problem.features[rows], problem.labels[rows]

        def objective(x, A=A, labels=labels):
            return reference.layers_objective(x, A, labels, problem._sizes, problem._bias, 0.05)

        assert problem.node_objective(i, x) == pytest.approx(objective(x), rel=1e-13)
        step = 1e-6
        numeric = [(objective(x + step * e) - objective(x - step * e)) / (2 * step) for e in np.eye(x.size)]
        np.testing.assert_allclose(problem.gradient(i, x), numeric, rtol=0, atol=1e-8)


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_batches_are_means_over_their_rows(data, kind, options):
    problem = make(data, kind, **options)
    x = np.random.default_rng(3).normal(size=problem.dim)
    each = [oracles.gradient(problem.sample_oracle, 2, x, [j]) for j in (0, 3, 3)]
    batch = oracles.gradient(problem.sample_oracle, 2, x, [0, 3, 3])
    np.testing.assert_allclose(batch, np.mean(each, axis=0), rtol=1e-12, atol=1e-15)
    size = problem.sample_oracle.n_samples[2]
    whole = oracles.gradient(problem.sample_oracle, 2, x, np.arange(size))
    np.testing.assert_allclose(whole, problem.gradient(2, x), rtol=1e-12, atol=1e-15)


def test_layers_name_the_parts_of_x(data):
    problem = make(data, problems.Perceptron, hidden=(7,))
    x = problem.start(0)
    parts = {name: x[place].reshape(shape) for name, (place, shape) in problem.layers.items()}
    assert list(parts) == ["weights0", "biases0", "weights1", "biases1"]
    assert sum(part.size for part in parts.values()) == problem.dim
    A = problem.features[:4]
    hidden = np.maximum(A @ parts["weights0"].T + parts["biases0"], 0)
    expected = hidden @ parts["weights1"].T + parts["biases1"]
    np.testing.assert_allclose(problem.logits(x, A), expected)
    assert not parts["biases0"].any()
    assert np.std(parts["weights0"]) == pytest.approx(np.sqrt(2 / 6), rel=0.4)


def test_solution_of_softmax_regression_is_that_of_another_library(data):
    from sklearn.linear_model import LogisticRegression

    X, y = data
    problem = problems.SoftmaxRegression(X, y, [0, 90], l2=0.05)
    x = problem.solution()
    assert np.linalg.norm(problem.full_gradient(x)) < 1e-14
    peer = LogisticRegression(C=1 / (90 * 0.05), fit_intercept=False, tol=1e-12, max_iter=5000).fit(X, y)
    np.testing.assert_allclose(x.reshape(3, 6), peer.coef_, atol=1e-6)
    assert problem.predict(x, X).tolist() == peer.predict(X).tolist()
    assert problem.accuracy(x) == peer.score(X, y)


def test_two_classes_are_logistic_regression(data):
    X, y = data
    binary = y == "one"
    softmax = problems.SoftmaxRegression(X, binary, [0, 90], l2=0.1)
    logistic = problems.LogisticRegression(X, binary, [0, 90], l2=0.05)
    W = softmax.solution().reshape(2, 6)
    np.testing.assert_allclose(W[1] - W[0], logistic.solution(), rtol=1e-9)


def test_curvature_bounds_hold(data):
    problem = make(data, problems.SoftmaxRegression)
    rng = np.random.default_rng(4)
    for _ in range(30):
        x, v = 2 * rng.normal(size=(2, problem.dim))
        v *= 1e-4 / np.linalg.norm(v)
        for i in range(problem.n_nodes):
            curvature = v @ (problem.gradient(i, x + v) - problem.gradient(i, x)) / (v @ v)
            assert problem.strong_convexity - 1e-6 <= curvature <= problem.smoothness + 1e-6
    assert make(data, problems.Perceptron).smoothness == np.inf


def test_accuracy_is_of_the_test_samples(data):
    X, y = data
    problem = problems.SoftmaxRegression(X[:60], y[:60], [0, 60], l2=0.01, test=(X[60:], y[60:]))
    x = problem.solution()
    assert problem.accuracy(x) == np.mean(problem.predict(x, X[60:]) == y[60:]) > 0.5
    assert problem.accuracy(np.full(problem.dim, np.nan)) == 0.0


def test_no_solution_of_separable_classes_and_of_perceptrons(data):
    with pytest.raises(ValueError, match="set l2 > 0"):
        problems.SoftmaxRegression([[1.0], [-1.0]], [0, 1], [0, 2]).solution()
    with pytest.raises(ValueError, match="not convex"):
        make(data, problems.Perceptron).solution()


def test_bad_arguments_are_refused(data):
    X, y = data
    offsets = [0, 90]
    with pytest.raises(ValueError, match="at least two values"):
        problems.SoftmaxRegression(X, np.zeros(90), offsets)
    with pytest.raises(ValueError, match="labels must be finite"):
        problems.SoftmaxRegression(X, np.full(90, np.nan), offsets)
    with pytest.raises(ValueError, match="90 rows but labels has 89"):
        problems.SoftmaxRegression(X, y[:-1], offsets)
    with pytest.raises(ValueError, match="test labels must be classes"):
        problems.SoftmaxRegression(X, y, offsets, test=(X[:1], ["four"]))
    with pytest.raises(ValueError, match="test features must have 6 columns"):
        problems.SoftmaxRegression(X, y, offsets, test=(X[:1, :3], y[:1]))
    with pytest.raises(ValueError, match="hidden"):
        problems.Perceptron(X, y, offsets, hidden=(0,))
    with pytest.raises(ValueError, match="integers from 0 to 1"):
        oracles.layers(X, np.arange(90), offsets, (6, 2))
    with pytest.raises(ValueError, match=r"sizes\[0\] = 5"):
        oracles.layers(X, np.zeros(90), offsets, (5, 2))
    with pytest.raises(ValueError, match="sizes"):
        oracles.layers(X, np.zeros(90), offsets, (6,))


def test_nan_in_x_reaches_the_gradient(data):
    problem = make(data, problems.Perceptron, hidden=(3,))
    x = problem.start()
    x[0] = np.nan
    assert np.isnan(problem.full_gradient(x)).any()
    assert np.isnan(problem.objective(x))


def test_some_nodes_read_their_labels_wrongly(data):
    problem = make(data, problems.SoftmaxRegression, test=data)
    x_star = problem.solution()
    flipped = problem.flipped([1, 4])
    np.testing.assert_array_equal(problem.flipped([4, 1, 4]).labels, flipped.labels)  # each once
    x = np.random.default_rng(0).normal(size=problem.dim)
    for i in range(5):
        rows = slice(problem.offsets[i], problem.offsets[i + 1])
        expected = 2 - problem.labels[rows] if i in (1, 4) else problem.labels[rows]
        assert np.array_equal(flipped.labels[rows], expected)
        assert np.array_equal(flipped.gradient(i, x), problem.gradient(i, x)) == (i not in (1, 4))
    by_hand = problems.SoftmaxRegression(problem.features, flipped.labels, problem.offsets, 0.05)
    np.testing.assert_allclose(flipped.solution(), by_hand.solution(), atol=1e-9)
    assert np.abs(flipped.solution() - x_star).max() > 0.01
    assert flipped.accuracy(x) == problem.accuracy(x)
    with pytest.raises(ValueError, match="nodes"):
        problem.flipped([5])
