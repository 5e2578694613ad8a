"""Binary logistic regression, ridge included."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles
from ...kernels.checks import own_array
from ..base.samples import SampleProblem, check_lengths, gram_extremes, squared_lengths
from ..data.labels import label_array, sign_classes


class LogisticRegression(SampleProblem):
    """Binary logistic regression: f_i(x) = (1/m_i) sum_j log(1 + exp(-y_j a_j'x)) + l2/2 |x|^2.

    Parameters
    ----------
    features : (M, d) array_like
        The a_j of all nodes, stacked. There is no intercept: add a column of ones where one is wanted.
    labels : (M,) array_like
        -1/+1, 0/1, or any two distinct numbers or strings, of which the smaller stands for -1.
    offsets : (n + 1,) array_like of int
        Rows `offsets[i]:offsets[i + 1]` belong to node i; each has at least one.
    l2 : float
        Ridge weight, >= 0.

    Attributes
    ----------
    features, labels, offsets, l2
        As given, float64 (labels -1/+1, offsets int64), read-only.
    classes : (2,) array
        The labels that -1 and +1 stand for, ascending: strings by their characters' code points, whatever
        order a categorical column gives them.

    Raises
    ------
    TypeError, ValueError
        Data that are not finite numbers, more than two labels, shapes or offsets that do not fit, l2 < 0.

    Notes
    -----
    `smoothness` is max_i lambda_max(A_i'A_i) / (4 m_i) + l2, the largest curvature of f_i, attained at x = 0;
    `strong_convexity` is l2, the infimum, approached as |x| grows. `solution` is by a damped Newton method;
    with l2 = 0 on linearly separable data there is none.

    Examples
    --------
    >>> problem = LogisticRegression([[1.0], [1.0], [1.0]], [1, 1, 0], offsets=[0, 3])
    >>> round(float(problem.solution()[0]), 12)  # log(2/1)
    0.69314718056
    """

    def __init__(self, features: ArrayLike, labels: ArrayLike, offsets: ArrayLike, l2: float = 0.0):
        features = own_array("features", features, 2)
        self.classes, signs = sign_classes("labels", labels)
        check_lengths("features", features, "labels", signs)
        oracle = oracles.logistic(features, signs, offsets, l2)
        super().__init__(oracle, oracle)

    @staticmethod
    def _check_targets(name: str, values: ArrayLike) -> np.ndarray:
        labels = label_array(name, values)
        sign_classes(name, labels)
        return labels

    @property
    def labels(self) -> np.ndarray:
        """Labels of all nodes, stacked, (M,), -1 or +1."""
        return self._targets

    @cached_property
    def _node_bounds(self) -> np.ndarray:
        """L_i of each node, (n,)."""
        return np.array([gram_extremes(A, largest_only=True)[1] for A, _ in self._node_rows()]) / 4 + self.l2

    def _curvature_bounds(self) -> tuple[float, float]:
        return self.l2, float(self._node_bounds.max())

    def _row_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return self._node_bounds, squared_lengths(self.features) / 4 + self.l2

    def _minimizer(self) -> np.ndarray:
        return _newton(
            self._targets[:, None] * self.features, self._row_weights().astype(np.float64), self.l2
        )


def _newton(B: np.ndarray, weights: np.ndarray, l2: float) -> np.ndarray:
    """Minimise sum_j weights_j log(1 + exp(-B_j x)) + l2/2 |x|^2 until the gradient stops falling.

    Backtracking accepts a step that lowers the objective (Armijo) or, near the minimiser, where the
    objective no longer resolves it, the norm of the gradient. With l2 = 0 the steps stay in the span of the
    rows, so the result is the minimiser of least norm.
    """
    d = B.shape[1]
    eps = np.finfo(float).eps
    scale = float(weights @ np.linalg.norm(B, axis=1))  # bounds the norm of the loss's gradient

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        margins = B @ x
        slopes = np.exp(-np.logaddexp(0.0, margins))  # 1 / (1 + exp(margin)) without overflow
        value = weights @ np.logaddexp(0.0, -margins) + l2 / 2 * (x @ x)
        return float(value), l2 * x - B.T @ (weights * slopes), slopes

    x = np.zeros(d)
    value, gradient, slopes = evaluate(x)
    step = np.zeros(d)
    for _ in range(200):
        norm = float(np.linalg.norm(gradient))
        if norm == 0.0:
            break
        hessian = (B.T * (weights * slopes * (1 - slopes))) @ B
        hessian[np.diag_indices(d)] += l2
        if l2 > 0:
            step = np.linalg.solve(hessian, -gradient)
        else:
            step = np.linalg.lstsq(hessian, -gradient)[0]
        slope = float(gradient @ step)
        fraction = 1.0
        while fraction > 1e-12:
            trial = x + fraction * step
            new_value, new_gradient, new_slopes = evaluate(trial)
            new_norm = float(np.linalg.norm(new_gradient))
            if new_value < value + 1e-4 * fraction * slope or new_norm < norm:
                break
            fraction /= 2
        else:
            break
        if norm <= 1e-9 * scale and new_norm >= norm:
            break
        x, value, gradient, slopes = trial, new_value, new_gradient, new_slopes
    norm = float(np.linalg.norm(gradient))
    if l2 == 0 and np.abs(B @ step).max() > 1e-3:
        # Newton on separable data moves the margins by about 1 a step for ever while the gradient vanishes
        raise ValueError("the data are linearly separable and l2 = 0: f has no minimiser; set l2 > 0")
    if norm > 1e4 * eps * (scale + l2 * float(np.linalg.norm(x))):
        raise ValueError(f"Newton's method stopped at a gradient of norm {norm:.3g}; scale the features")
    return x
