"""Linear regression, ridge included."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles
from ...kernels.blas import one_blas_thread
from ...kernels.checks import frozen, own_array
from ..base.samples import SampleProblem, check_lengths, gram_extremes, squared_lengths


class LeastSquares(SampleProblem):
    """Linear regression: f_i(x) = |A_i x - b_i|^2 / (2 m_i) + l2/2 |x|^2.

    Parameters
    ----------
    features : (M, d) array_like
        The A_i stacked.
    targets : (M,) array_like
        The b_i stacked.
    offsets : (n + 1,) array_like of int
        Rows `offsets[i]:offsets[i + 1]` belong to node i; each has at least one.
    l2 : float
        Ridge weight, >= 0.

    Attributes
    ----------
    features, targets, offsets, l2
        As given, float64 (offsets int64), read-only.

    Raises
    ------
    TypeError, ValueError
        Data that are not finite numbers, shapes or offsets that do not fit, l2 < 0.

    Notes
    -----
    `smoothness` is max_i lambda_max(A_i'A_i / m_i) + l2 and `strong_convexity` the same with the minima, so
    it is l2 as soon as one node has fewer samples than coordinates, or dependent columns (a lambda_min of at
    most 4 m_i eps lambda_max, eps = 2.2e-16, is rounding and counts as 0).
    Where d <= M/n, `oracle` works on the stored Hessians A_i'A_i / m_i + l2 I, which take no more memory than
    the data and half the operations or fewer; `sample_oracle` works on the data.
    `solution` comes from a QR decomposition of all rows and is refined in extended precision; where l2 = 0
    and the rows do not span R^d, it is the minimiser of least norm.

    Examples
    --------
    >>> problem = LeastSquares([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], offsets=[0, 1, 3])
    >>> round(float(problem.solution()[0]), 12)
    1.0
    """

    _dirichlet_bins = 10

    def __init__(self, features: ArrayLike, targets: ArrayLike, offsets: ArrayLike, l2: float = 0.0):
        features = own_array("features", features, 2)
        targets = own_array("targets", targets, 1)
        check_lengths("features", features, "targets", targets)
        sample_oracle = oracles.least_squares(features, targets, offsets, l2)
        rows, d = features.shape
        # Hessians save operations as soon as d < 2 M/n, but lost up to fourfold where they left the cache in
        # which the data still fit; no larger than the data, they never lost
        stores_hessians = d * sample_oracle.n_nodes <= rows
        super().__init__(_hessian_oracle(sample_oracle) if stores_hessians else sample_oracle, sample_oracle)

    @property
    def targets(self) -> np.ndarray:
        """Targets of all nodes, stacked, (M,)."""
        return self._targets

    @cached_property
    def _node_bounds(self) -> np.ndarray:
        """mu_i and L_i of each node, (n, 2)."""
        return np.array([gram_extremes(A) for A, _ in self._node_rows()]) + self.l2

    def _curvature_bounds(self) -> tuple[float, float]:
        return float(self._node_bounds[:, 0].min()), float(self._node_bounds[:, 1].max())

    def _row_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return self._node_bounds[:, 1], squared_lengths(self.features) + self.l2

    def _minimizer(self) -> np.ndarray:
        # f is |Wx - t|^2 / 2 + constant with the rows weighted, and sqrt(l2) I below them
        weights = np.sqrt(self._row_weights()).astype(np.float64)
        W, t = weights[:, None] * self.features, weights * self._targets
        if self.l2 > 0:
            W = np.concatenate([W, np.sqrt(self.l2) * np.eye(self.dim)])
            t = np.concatenate([t, np.zeros(self.dim)])
        Q, R = np.linalg.qr(W)
        solve, solve_normal = _solvers(R)
        x = solve(Q.T @ t)
        A = self.features.astype(np.longdouble)
        for _ in range(2):  # Newton steps on the gradient in extended precision
            gradient = A.T @ (self._row_weights() * (A @ x - self._targets)) + self.l2 * x
            x = x - solve_normal(gradient.astype(np.float64))
        return x


_Map = Callable[[np.ndarray], np.ndarray]


def _solvers(R: np.ndarray) -> tuple[_Map, _Map]:
    """Return the maps b -> R^+ b and g -> (R'R)^+ g; the + is an inverse unless R is nearly singular."""
    from scipy.linalg import solve_triangular
    from scipy.linalg.lapack import dtrcon  # pyright: ignore[reportAttributeAccessIssue]

    if R.shape[0] == R.shape[1] and dtrcon(R)[0] > 1e-10:  # reciprocal condition number
        return (
            lambda b: solve_triangular(R, b),
            lambda g: solve_triangular(R, solve_triangular(R, g, trans=1)),
        )
    U, s, Vt = np.linalg.svd(R, full_matrices=False)
    keep = s > max(R.shape) * np.finfo(float).eps * s[0]
    U, s, Vt = U[:, keep], s[keep], Vt[keep]
    return lambda b: Vt.T @ ((U.T @ b) / s), lambda g: Vt.T @ ((Vt @ g) / s**2)


@one_blas_thread()
def _hessian_oracle(sample_oracle: oracles.Oracle) -> oracles.Oracle:
    """Quadratic oracle of the same objectives."""
    features, targets, offsets, parameters = sample_oracle.data
    n, d = sample_oracle.n_nodes, sample_oracle.dim
    H, b, constants = np.empty((n, d, d)), np.empty((n, d)), np.empty(n)
    for i in range(n):
        A, t = features[offsets[i] : offsets[i + 1]], targets[offsets[i] : offsets[i + 1]]
        H[i] = A.T @ A / len(A)
        H[i][np.diag_indices(d)] += parameters[0]
        b[i] = A.T @ t / len(A)
        constants[i] = t @ t / (2 * len(A))
    return oracles.quadratic(frozen(H), frozen(b), frozen(constants))
