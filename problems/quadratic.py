"""Quadratic objectives given by their Hessians."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..kernels import oracles
from ..kernels.blas import one_blas_thread
from ..kernels.checks import frozen, own_array
from .base import Problem
from .samples import above_rounding

# relative to the largest entry or eigenvalue: what rounding may do to a symmetric or semidefinite matrix
_ROUNDING = 1e-12


class Quadratic(Problem):
    """Quadratic objectives f_i(x) = x'H_i x/2 - b_i'x.

    Parameters
    ----------
    H : (n, d, d) array_like
        Hessians: symmetric, positive semidefinite, both up to rounding.
    b : (n, d) array_like
        Linear terms.

    Attributes
    ----------
    H, b
        As given, float64, read-only; H made exactly symmetric.

    Raises
    ------
    TypeError, ValueError
        Entries that are not finite numbers, shapes that do not fit, an H_i that is not symmetric or has a
        negative eigenvalue.

    Notes
    -----
    `smoothness` and `strong_convexity` are the extreme eigenvalues over all H_i; an H_i whose smallest one is
    at most 4 d eps times its largest (eps = 2.2e-16) is singular to rounding and counts as 0.
    `solution` solves mean(H) x = mean(b) by Cholesky and refines with residuals in extended precision. Where
    mean(H) is singular, it is the solution of least norm, and a ValueError where f is unbounded below.

    Examples
    --------
    >>> problem = Quadratic([[[2.0]], [[4.0]]], [[3.0], [3.0]])
    >>> problem.solution(), problem.smoothness, problem.strong_convexity
    (array([1.]), 4.0, 2.0)
    """

    def __init__(self, H: ArrayLike, b: ArrayLike):
        H = _symmetric(own_array("H", H, 3))
        b = own_array("b", b, 2)
        super().__init__(oracles.quadratic(H, b))
        self.H = H
        self.b = b
        with one_blas_thread():
            eigenvalues = np.linalg.eigvalsh(H)
        low, high = eigenvalues[:, 0], np.maximum(eigenvalues[:, -1], 0.0)
        wrong = np.flatnonzero(low < -_ROUNDING * high)
        if wrong.size:
            i = wrong[0]
            raise ValueError(f"H[{i}] must be positive semidefinite, but has the eigenvalue {low[i]:.6g}")
        mu = min(above_rounding(float(a), float(b), H.shape[1]) for a, b in zip(low, high, strict=True))
        self._bounds = mu, float(high.max())

    def _curvature_bounds(self) -> tuple[float, float]:
        return self._bounds

    def _minimizer(self) -> np.ndarray:
        from scipy.linalg import cho_factor, cho_solve

        H, b = self.H.mean(axis=0), self.b.mean(axis=0)
        eigenvalues, V = np.linalg.eigh(H)
        keep = eigenvalues > self.dim * np.finfo(float).eps * eigenvalues[-1]
        if keep.all():
            factor = cho_factor(H)
            x = cho_solve(factor, b)
            H_long, b_long = H.astype(np.longdouble), b.astype(np.longdouble)
            for _ in range(3):
                x = x + cho_solve(factor, (b_long - H_long @ x).astype(np.float64))
            return x
        V, eigenvalues = V[:, keep], eigenvalues[keep]
        x = V @ ((V.T @ b) / eigenvalues)
        if np.linalg.norm(H @ x - b) > 1e-9 * np.linalg.norm(b):
            raise ValueError("mean(H) is singular and mean(b) is not in its range: f is unbounded below")
        return x


def _symmetric(H: np.ndarray) -> np.ndarray:
    if H.shape[1] != H.shape[2] or H.size == 0:
        raise ValueError(f"H must be (n, d, d) with n, d >= 1, got shape {H.shape}")
    transposed = H.transpose(0, 2, 1)
    gaps = np.abs(H - transposed).max(axis=(1, 2))
    wrong = np.flatnonzero(gaps > _ROUNDING * np.abs(H).max(axis=(1, 2)))
    if wrong.size:
        raise ValueError(
            f"H[{wrong[0]}] must be symmetric, but H - H' has an entry of {gaps[wrong[0]]:.3g}; "
            "(H + H') / 2 gives the same objective"
        )
    return H if not gaps.any() else frozen((H + transposed) / 2)
