"""Gradients and constants against differences: right ones pass, and each kind of mistake is found."""

import numpy as np
import pytest
from problem_cases import regression

from gossamer import problems

pytestmark = pytest.mark.filterwarnings("ignore::gossamer.problems.PerformanceWarning")

D = 5
OFFSETS = np.array([0, 20, 25, 60])
SIZES = {"n_nodes": 3, "dim": D, "compiled": False}
CENTRES = np.arange(3.0 * D).reshape(3, D)


def value(i, x):
    return float(np.log(np.cosh(x - CENTRES[i])).sum() + 0.05 * x @ x)


def gradient(i, x, out):
    out[:] = np.tanh(x - CENTRES[i]) + 0.1 * x


def custom(gradient=gradient, value=value, *, smoothness=1.1, strong_convexity=0.1):
    return problems.Custom(gradient, value, smoothness=smoothness, strong_convexity=strong_convexity, **SIZES)


def test_right_gradients_pass():
    X, y = regression()
    for problem in (
        custom(),
        problems.LeastSquares(X, y, OFFSETS, 0.1),
        problems.LogisticRegression(X, np.sign(y), OFFSETS, 0.1),
        problems.Quadratic.random(3, 4, condition_number=1e4),
        problems.Averaging(1e6 + np.eye(3)),
    ):
        for i in range(problem.n_nodes):
            for rng in range(3):
                found = problems.check_gradient(problem, i, rng=rng)
                assert found.ok, f"{problem}: {found}"
                assert found.n_coordinates == problem.dim
                assert "fits" in str(found)


@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e8, 1e150])
def test_any_unit(scale):
    def scaled(i, x, out):
        gradient(i, x, out)
        out *= scale

    constants = {"smoothness": 1.1 * scale, "strong_convexity": 0.1 * scale}
    assert problems.check_gradient(custom(scaled, lambda i, x: scale * value(i, x), **constants), 1).ok
    assert not problems.check_gradient(
        custom(scaled, lambda i, x: 1.01 * scale * value(i, x), **constants), 1
    ).ok


def test_a_wrong_coordinate_of_one_node():
    def wrong(i, x, out):
        gradient(i, x, out)
        if i == 2:
            out[3] *= 1.0 + 1e-5

    problem = custom(wrong)
    assert problems.check_gradient(problem, 0).ok
    assert problems.check_gradient(problem, 1).ok
    found = problems.check_gradient(problem, 2)
    assert not found.ok
    assert (found.node, found.coordinate) == (2, 3)
    assert found.error == pytest.approx(1e-5 * abs(found.gradient), rel=1e-2)
    assert "does not fit" in str(found)
    assert "coordinate 3" in str(found)


def test_a_mistake_that_is_small_in_each_coordinate_shows_along_directions(monkeypatch):
    monkeypatch.setattr(problems.gradient_check, "_MOST_COORDINATES", 1)

    def wrong(i, x, out):
        gradient(i, x, out)
        out[1:] += 1e-3

    found = problems.check_gradient(custom(wrong), 0, rng=4)
    assert found.n_coordinates == 1
    assert found.direction_error > found.direction_tolerance
    assert not found.ok


def test_noise_of_single_precision_is_no_mistake():
    def rough(i, x):
        return float(np.float32(value(i, x)))

    found = problems.check_gradient(custom(value=rough), 1)
    assert found.ok
    assert 1e-5 < found.tolerance < 1e-1
    assert problems.check_gradient(custom(), 1).tolerance < 1e-6


def test_refusals():
    problem = custom()
    with pytest.raises(IndexError, match=r"i must be in 0\.\.2, got 3"):
        problems.check_gradient(problem, 3)
    with pytest.raises(ValueError, match=r"x must have shape \(5,\)"):
        problems.check_gradient(problem, 0, np.zeros(4))
    with pytest.raises(ValueError, match="pass objective="):
        problems.check_gradient(custom(value=None), 0)
    with pytest.raises(TypeError, match="problem must be a Problem, got an int"):
        problems.check_gradient(5, 0)
    with pytest.raises(TypeError, match="variational inequality"):
        problems.check_gradient(problems.BilinearSaddle.random(2, 2), 0)

    def broken(i, x, out):
        gradient(i, x, out)
        out[1] = np.inf if x.any() else 0.0

    with pytest.raises(ValueError, match="inf in coordinate 1"):
        problems.check_gradient(custom(broken), 0)


def test_curvatures_are_between_the_constants_and_reach_them():
    H = np.stack([np.diag([1.0, 3.0, 10.0]), np.diag([2.0, 4.0, 5.0])])
    problem = problems.Quadratic(H, np.ones((2, 3)))
    for i, (mu, L) in enumerate([(1.0, 10.0), (2.0, 5.0)]):
        least, largest = problems.check_curvature(problem, i)
        assert mu <= least == pytest.approx(mu, rel=1e-3)
        assert L >= largest == pytest.approx(L, rel=1e-3)
    least, largest = problems.check_curvature(custom(), 1, CENTRES[1])
    assert least >= 0.1
    assert 1.09 < largest <= 1.1


def test_constants_that_are_wrong_show():
    _, largest = problems.check_curvature(custom(smoothness=0.9), 0, CENTRES[0])
    assert largest > 1.0
    least, _ = problems.check_curvature(custom(strong_convexity=0.5), 0, CENTRES[0] + 4.0)
    assert least < 0.2
