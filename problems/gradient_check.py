"""Whether gradients and constants fit an objective that a user wrote."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..kernels.checks import count, instance, real, real_array
from .base.problem import Problem
from .saddle.variational import VariationalInequality

_EPS = float(np.finfo(float).eps)
_MOST_COORDINATES = 1000  # differences along more would take minutes where d is large
_NOISE_POINTS = 8
_DEVIATIONS = 8.0  # of the noise, which no rounding error is taken to exceed
_TURNS = 30  # of the power method


@dataclass(frozen=True)
class GradientCheck:
    """How far the gradient of one node is from differences of its objective, at one point.

    Attributes
    ----------
    node : int
        Which f_i.
    coordinate : int
        The worst one: whose error is the largest beside its tolerance.
    gradient, difference : float
        What the gradient says there, and what the differences say.
    error, tolerance : float
        |gradient - difference|, and how much of it curvature and rounding explain.
    direction_error, direction_tolerance : float
        The same of <gradient, v>, for the worst of three random unit vectors v: all coordinates at once.
    n_coordinates : int
        How many were compared.
    """

    node: int
    coordinate: int
    gradient: float
    difference: float
    error: float
    tolerance: float
    direction_error: float
    direction_tolerance: float
    n_coordinates: int

    @property
    def ok(self) -> bool:
        """Whether the errors are within the tolerances."""
        return self.error <= self.tolerance and self.direction_error <= self.direction_tolerance

    def __str__(self) -> str:
        if self.error <= self.tolerance and not self.ok:
            return (
                f"node {self.node}: the gradient differs from differences of the objective along a random "
                f"direction, by {self.direction_error:.3g} (tolerance {self.direction_tolerance:.1g})"
            )
        verb = "fits" if self.ok else "does not fit"
        return (
            f"node {self.node}: the gradient {verb} the objective; worst coordinate {self.coordinate}: "
            f"gradient {self.gradient:.9g}, difference {self.difference:.9g}, error {self.error:.2g} "
            f"(tolerance {self.tolerance:.1g})"
        )


def check_gradient(problem: Problem, i: int, x: ArrayLike | None = None, *, rng: int = 0) -> GradientCheck:
    """Compare the gradient of f_i with central differences of f_i, along coordinates and random directions.

    Parameters
    ----------
    problem : Problem
        Such as a `Custom` with `objective=`.
    i : int
        Node.
    x : (d,) array_like, optional
        Where; by default a standard normal point. Some mistakes do not show at special points such as 0.
    rng : int
        Seed of the default point, of the directions, and of the thousand coordinates that are compared where
        there are more.

    Returns
    -------
    GradientCheck
        `ok` says whether all fits; printed, it says what does not.

    Raises
    ------
    TypeError
        Not a Problem that minimises.
    ValueError
        An x of another shape, a problem without objective, an objective or a gradient that is not finite at
        x, a smoothness that is none.
    IndexError
        There is no node i.

    Notes
    -----
    With v a unit vector, D = (f_i(x + h v) - f_i(x - h v)) / (2 h). For an L-smooth f_i, |f_i(x + h v) -
    f_i(x) - h <grad f_i(x), v>| <= L h^2 / 2, so that |D - <grad f_i(x), v>| <= L h / 2 + delta / h, where
    the two values are each off by delta at most. That is the tolerance, with twice the problem's L, and least
    at the step taken, h = sqrt(delta / L). A wrong gradient is found if it is off by more than some
    sqrt(8 L delta), which is 1e-7 for L and f near 1. A wrong L shows in `check_curvature`.

    delta is eight standard deviations of the noise of f_i near x, estimated from a table of differences of
    eight values (Moré and Wild, "Estimating computational noise", SIAM Journal on Scientific Computing 2011),
    but at least eight roundings of f_i and of the terms <grad f_i(x), x> that cancel in it.

    Examples
    --------
    >>> from gossamer import problems
    >>> def gradient(node, x, out):
    ...     for k in range(x.size):
    ...         out[k] = x[k] - node
    >>> def objective(node, x):
    ...     return 0.5 * ((x - node) ** 2).sum() + x[0]
    >>> options = {"n_nodes": 2, "dim": 3, "smoothness": 1, "strong_convexity": 1}
    >>> found = problems.check_gradient(problems.Custom(gradient, objective, **options), 1)
    >>> found.ok, found.coordinate, round(found.error, 6)
    (False, 0, 1.0)
    """
    i = _checked_node(problem, i)
    draws = np.random.default_rng(count("rng", rng))
    x = _checked_point(problem, x, draws)
    L = real("problem.smoothness", problem.smoothness, above=0.0)
    value, gradient = problem.node_objective(i, x), problem.gradient(i, x)
    if not math.isfinite(value):
        raise ValueError(
            f"f_{i}(x) is {value}, so there is nothing to compare the gradient with: pass objective= to the "
            "problem, or another x"
        )
    if not np.isfinite(gradient).all():
        k = int(np.argmin(np.isfinite(gradient)))
        raise ValueError(f"the gradient of f_{i} is {gradient[k]} in coordinate {k} at x: pass another x")

    chosen = np.arange(problem.dim)
    if problem.dim > _MOST_COORDINATES:
        chosen = np.sort(draws.choice(problem.dim, _MOST_COORDINATES, replace=False))
    directions = draws.standard_normal((3, problem.dim))
    directions /= np.linalg.norm(directions, axis=1)[:, None]

    def along(v: np.ndarray) -> float:
        return problem.node_objective(i, x + v)

    rounding = _EPS * (abs(value) + float(np.abs(gradient) @ np.abs(x)))
    delta = _DEVIATIONS * max(_noise(along, directions[0], float(np.abs(x).max(initial=1.0))), rounding)
    # no shorter than what x can be moved by to eight digits
    step = max(math.sqrt(delta / L), 1e8 * _EPS * float(np.abs(x).max()), 1e-150)
    tolerance = L * step + delta / step

    axis = np.zeros(problem.dim)
    differences = np.empty(len(chosen))
    for place, k in enumerate(chosen):
        axis[k] = step
        differences[place] = _difference(along, axis, step)
        axis[k] = 0.0
    errors = np.abs(gradient[chosen] - differences)
    worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    slopes = np.array([_difference(along, step * v, step) for v in directions])
    return GradientCheck(
        node=i,
        coordinate=int(chosen[worst]),
        gradient=float(gradient[chosen[worst]]),
        difference=float(differences[worst]),
        error=float(errors[worst]),
        tolerance=tolerance + 4.0 * _EPS * abs(float(gradient[chosen[worst]])),
        direction_error=float(np.abs(directions @ gradient - slopes).max()),
        direction_tolerance=tolerance + 4.0 * _EPS * float(np.abs(gradient).sum()),
        n_coordinates=len(chosen),
    )


def check_curvature(
    problem: Problem, i: int, x: ArrayLike | None = None, *, rng: int = 0
) -> tuple[float, float]:
    """Return the least and the largest curvature found at node i: they belong between mu and L.

    Parameters
    ----------
    problem : Problem
        One that minimises.
    i : int
        Node.
    x : (d,) array_like, optional
        Where; by default a standard normal point.
    rng : int
        Seed of the default point and of the directions.

    Returns
    -------
    least : float
        Above `problem.strong_convexity` where that is right, but for rounding, which is allowed for.
    largest : float
        Likewise at most `problem.smoothness`.

    Raises
    ------
    TypeError, ValueError, IndexError
        As `check_gradient`; an objective is not needed.

    Notes
    -----
    Curvatures are c = <grad f_i(x + h v) - grad f_i(x - h v), v> / (2 h) for unit vectors v: mu <= c <= L for
    each h. Thirty steps of the power method seek those v whose c is largest, and then least. Rounding moves
    c by at most eps (|g_+| + |g_-|) d / h (g the two gradients), by which c is moved towards what is claimed.
    """
    i = _checked_node(problem, i)
    draws = np.random.default_rng(count("rng", rng))
    x = _checked_point(problem, x, draws)
    h = 1e-3 * max(1.0, float(np.abs(x).max()))

    def product(v: np.ndarray) -> tuple[np.ndarray, float]:
        above, below = problem.gradient(i, x + h * v), problem.gradient(i, x - h * v)
        rounding = _EPS * float(np.linalg.norm(above) + np.linalg.norm(below)) * problem.dim / h
        return (above - below) / (2.0 * h), rounding

    largest, least = -math.inf, math.inf
    for shift in (0.0, None):
        v = draws.standard_normal(problem.dim)
        v /= np.linalg.norm(v)
        shift = 1.01 * abs(largest) if shift is None else shift  # the least of H is the largest of shift - H
        for _ in range(_TURNS):
            Hv, rounding = product(v)
            c = float(v @ Hv)
            if not math.isfinite(c):
                raise ValueError(f"the gradient of f_{i} is not finite near x: pass another x")
            largest, least = max(largest, c - rounding), min(least, c + rounding)
            following = Hv if shift == 0.0 else shift * v - Hv
            norm = float(np.linalg.norm(following))
            if norm == 0.0:
                break
            v = following / norm
    return least, largest


def _checked_node(problem: Problem, i: int) -> int:
    instance("problem", problem, Problem)
    if isinstance(problem, VariationalInequality):
        raise TypeError(f"problem must minimise, and {type(problem).__name__} is a variational inequality")
    i = count("i", i, least=None)
    if not 0 <= i < problem.n_nodes:
        raise IndexError(f"i must be in 0..{problem.n_nodes - 1}, got {i}")
    return i


def _checked_point(problem: Problem, x: ArrayLike | None, draws: np.random.Generator) -> np.ndarray:
    if x is None:
        return draws.standard_normal(problem.dim)
    return real_array("x", x, (problem.dim,))


def _difference(along: Callable[[np.ndarray], float], move: np.ndarray, step: float) -> float:
    return (along(move) - along(-move)) / (2.0 * step)


def _noise(along: Callable[[np.ndarray], float], v: np.ndarray, scale: float) -> float:
    """Return the standard deviation of the noise of a function along v: of differences of high order.

    Those of a smooth function vanish at so short distances, those of independent noise of variance s^2 have
    the mean square s^2 (2 k)! / (k!)^2 in order k. Values that are mostly equal were rounded more coarsely
    than the distances show, which then grow.
    """
    table = np.empty(0)
    for exponent in range(-30, -8, 4):
        table = np.array([along(2.0**exponent * scale * k * v) for k in range(_NOISE_POINTS)])
        if len(np.unique(table)) > _NOISE_POINTS // 2:
            break
    found = []
    for order in range(1, _NOISE_POINTS - 1):
        table = np.diff(table)
        if order >= 3:
            found.append(math.sqrt(float(np.mean(table**2)) / math.comb(2 * order, order)))
    return max(found)
