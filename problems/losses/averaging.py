"""The mean of vectors, as an optimisation problem."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles
from ..base.problem import Problem


class Averaging(Problem):
    """Objectives f_i(x) = |x - v_i|^2/2, whose mean is least at the mean of the v_i.

    What consensus methods solve; every other method runs on it, too.

    Parameters
    ----------
    values : (n, d) array_like
        Row i is the vector v_i of node i.

    Attributes
    ----------
    values : (n, d) array
        As given, float64, read-only.

    Raises
    ------
    TypeError, ValueError
        Entries that are not finite numbers, or no rows or columns.

    Notes
    -----
    `smoothness` and `strong_convexity` are 1. The gradient of f at x is x - mean(v), and the excess f(x) -
    min f is |x - mean(v)|^2/2.

    Examples
    --------
    >>> problem = Averaging([[0.0, 1.0], [4.0, 3.0]])
    >>> problem.solution(), problem.full_gradient([0.0, 0.0])
    (array([2., 2.]), array([-2., -2.]))
    """

    def __init__(self, values: ArrayLike):
        super().__init__(oracles.averaging(values))
        self.values = self.oracle.data.features

    def _curvature_bounds(self) -> tuple[float, float]:
        return 1.0, 1.0

    def _minimizer(self) -> np.ndarray:
        return self.values.mean(axis=0, dtype=np.longdouble).astype(np.float64)
