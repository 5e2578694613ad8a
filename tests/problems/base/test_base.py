"""What all problems share: gradients, objectives and solutions that agree, copies, examples."""

import copy
import doctest
import importlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from problem_cases import quadratic, regression

from gossamer import problems

EPS = np.finfo(float).eps


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


ROOM = Path(problems.__file__).parent
MODULES = ["problems", "kernels.oracles.custom"]
MODULES += [".".join(path.relative_to(ROOM.parent).with_suffix("").parts) for path in ROOM.rglob("[!_]*.py")]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    pytest.importorskip("sklearn")
    module = importlib.import_module(f"gossamer.{name}")
    assert doctest.testmod(module).failed == 0
