"""Objectives given by the user's own functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles
from ...kernels.checks import own_array, real
from ..base.problem import Problem


class Custom(Problem):
    """Objectives from functions: `gradient(node, x, out)` and, optionally, `objective(node, x)`.

    Parameters
    ----------
    gradient : callable
        `gradient(node, x, out)` writes grad f_node(x), (d,), to every entry of `out`; x is read-only.
        Compiled by numba where that is possible; arrays it closes over are copied at that moment.
    objective : callable, optional
        `objective(node, x)` returns f_node(x). Without it, objectives are NaN and everything else works.
    n_nodes, dim : int
        Number of nodes n and of coordinates d.
    smoothness : float
        L > 0 such that every f_i is L-smooth. Solvers take their steps from it: too small a value diverges.
    strong_convexity : float
        mu in [0, L] such that every f_i is mu-strongly convex.
    solution : (d,) array_like, optional
        The minimiser of f, where it is known; its gradient is checked. Otherwise `solution()` finds it.
    compiled : bool
        False calls the functions in Python, which is slow, for what numba cannot compile.

    Raises
    ------
    TypeError, ValueError
        Constants out of range, a `gradient` that leaves a part of `out` unwritten, a wrong `solution`.
        What the functions raise reaches the caller.

    Warns
    -----
    PerformanceWarning
        When the functions run in Python.

    Notes
    -----
    `solution` is by an inexact Newton method on the gradient alone, with Hessian-vector products from central
    differences and conjugate gradients; it needs f twice differentiable near its path.

    Examples
    --------
    >>> def gradient(node, x, out):
    ...     for k in range(x.size):
    ...         out[k] = x[k] - node
    >>> problem = Custom(gradient, n_nodes=3, dim=1, smoothness=1, strong_convexity=1)
    >>> round(float(problem.solution()[0]), 12)
    1.0
    """

    def __init__(
        self,
        gradient: Callable[[int, np.ndarray, np.ndarray], None],
        objective: Callable[[int, np.ndarray], float] | None = None,
        *,
        n_nodes: int,
        dim: int,
        smoothness: float,
        strong_convexity: float,
        solution: ArrayLike | None = None,
        compiled: bool = True,
    ):
        smoothness = real("smoothness", smoothness, above=0)
        strong_convexity = real("strong_convexity", strong_convexity, least=0)
        if strong_convexity > smoothness:
            raise ValueError(
                f"strong_convexity must be at most smoothness = {smoothness}, got {strong_convexity}"
            )
        super().__init__(oracles.custom(gradient, objective, n_nodes=n_nodes, dim=dim, compiled=compiled))
        self._bounds = strong_convexity, smoothness
        self._given = None
        if solution is not None:
            self._given = self._checked(own_array("solution", solution, (self.dim,)), 1e-6)

    def _curvature_bounds(self) -> tuple[float, float]:
        return self._bounds

    def _minimizer(self) -> np.ndarray:
        if self._given is not None:
            return self._given
        return self._checked(_inexact_newton(self.full_gradient, self.dim), 1e-10)

    def _checked(self, x: np.ndarray, tolerance: float) -> np.ndarray:
        """Return x if |grad f(x)| is small beside what rounding and the way from 0 to x explain."""
        norm = float(np.linalg.norm(self.full_gradient(x)))
        scale = float(np.linalg.norm(self.full_gradient(np.zeros(self.dim))))
        scale += self.smoothness * float(np.linalg.norm(x))
        if not norm <= tolerance * scale:
            raise ValueError(
                f"no minimiser: the gradient has norm {norm:.3g} at the best point known. Check the gradient "
                "against differences of the objective, or give solution="
            )
        return x


def _inexact_newton(gradient: Callable[[np.ndarray], np.ndarray], dim: int) -> np.ndarray:
    """Root of the gradient of a convex function, from 0, until its norm stops falling.

    Newton's direction for a positive definite Hessian lowers the norm of the gradient, so backtracking on
    that norm needs no objective.
    """
    x = np.zeros(dim)
    g = gradient(x)
    for _ in range(200):
        step = _newton_step(gradient, x, g)
        norm, fraction = np.linalg.norm(g), 1.0
        while True:
            trial = x + fraction * step
            trial_g = gradient(trial)
            if np.linalg.norm(trial_g) <= (1 - 1e-4 * fraction) * norm:
                break
            fraction /= 2
            if fraction < 1e-9:
                return x
        x, g = trial, trial_g
    return x


def _newton_step(gradient: Callable[[np.ndarray], np.ndarray], x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Solve Hessian(x) s = -g to one part in a thousand, by conjugate gradients on central differences."""
    width = np.cbrt(np.finfo(float).eps) * (1 + np.linalg.norm(x))
    step = np.zeros_like(x)
    residual = -g
    direction = residual
    squared = residual @ residual
    target = 1e-6 * squared
    for _ in range(2 * x.size + 10):
        if squared <= target:
            break
        h = width / np.linalg.norm(direction)
        product = (gradient(x + h * direction) - gradient(x - h * direction)) / (2 * h)
        curvature = direction @ product
        if not curvature > 0:
            break
        length = squared / curvature
        step = step + length * direction
        residual = residual - length * product
        previous, squared = squared, residual @ residual
        direction = residual + (squared / previous) * direction
    return step if step.any() else -g
