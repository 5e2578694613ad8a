"""Quadratic objectives given by their Hessians."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles
from ...kernels.blas import one_blas_thread
from ...kernels.checks import count, frozen, own_array, real
from ...kernels.random import Rng, make_key
from ..base.problem import Problem
from ..base.samples import above_rounding
from ..base.stacks import groups

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
            eigenvalues = np.concatenate([np.linalg.eigvalsh(H[part]) for part in groups(H)])
        low, high = eigenvalues[:, 0], np.maximum(eigenvalues[:, -1], 0.0)
        wrong = np.flatnonzero(low < -_ROUNDING * high)
        if wrong.size:
            i = wrong[0]
            raise ValueError(f"H[{i}] must be positive semidefinite, but has the eigenvalue {low[i]:.6g}")
        mu = min(above_rounding(float(a), float(b), H.shape[1]) for a, b in zip(low, high, strict=True))
        self._bounds = mu, float(high.max())

    @classmethod
    def random(
        cls,
        n_nodes: int,
        dim: int,
        *,
        condition_number: float = 100.0,
        heterogeneity: float = 1.0,
        rng: Rng = 0,
    ) -> Quadratic:
        """Draw heterogeneous quadratics: other Hessians and other minimisers at each node.

        H_i has the eigenvalues condition_number^(j / (dim - 1)), j = 0, ..., dim - 1, along orthonormal axes
        drawn uniformly. So every node has mu = 1 and L = condition_number; the mean of the Hessians is better
        conditioned. The minimiser of f_i is c + heterogeneity u_i with c and u_i standard normal.

        Parameters
        ----------
        n_nodes, dim : int
            Number of nodes n and of coordinates d, at least 1.
        condition_number : float
            L/mu of each node, from 1 to 1e10; 1 where dim is 1.
        heterogeneity : float
            How far apart the nodes' minimisers are, at least 0. At 0 all share one.
        rng : None, int, SeedSequence or Generator
            Source of randomness.

        Returns
        -------
        Quadratic
            n (d, d) Hessians, 8 n d^2 bytes.

        Raises
        ------
        TypeError, ValueError
            A parameter out of range.

        Notes
        -----
        Axes are the Q of the QR decomposition of a Gaussian matrix, with R's diagonal made positive, which is
        uniform over the orthogonal matrices (Mezzadri, "How to generate random matrices from the classical
        compact groups", 2007).

        Examples
        --------
        >>> problem = Quadratic.random(8, 20, condition_number=50.0)
        >>> problem
        Quadratic(n_nodes=8, dim=20)
        >>> round(problem.strong_convexity, 9), round(problem.smoothness, 9)
        (1.0, 50.0)
        """
        n = count("n_nodes", n_nodes, least=1)
        d = count("dim", dim, least=1)
        kappa = real("condition_number", condition_number, least=1.0, most=1e10)
        spread = real("heterogeneity", heterogeneity, least=0.0)
        if d == 1 and kappa > 1:
            raise ValueError(f"condition_number must be 1 where dim is 1, got {kappa:g}; take dim >= 2")
        generator = np.random.default_rng(make_key(rng))
        gaussian = generator.standard_normal((n, d, d))
        minimisers = generator.standard_normal(d) + spread * generator.standard_normal((n, d))
        with one_blas_thread():
            H = np.empty((n, d, d))
            for part in groups(H):
                axes, R = np.linalg.qr(gaussian[part])
                axes *= np.where(np.diagonal(R, axis1=1, axis2=2) < 0, -1.0, 1.0)[:, None, :]
                H[part] = (axes * np.geomspace(1.0, kappa, d)) @ axes.transpose(0, 2, 1)
            H = (H + H.transpose(0, 2, 1)) / 2
            return cls(frozen(H), frozen((H @ minimisers[:, :, None])[:, :, 0].copy()))

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
