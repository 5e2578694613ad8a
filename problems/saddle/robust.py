"""Least squares against an adversary that moves the features."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles, prox
from ...kernels.checks import frozen, own_array, real
from ...kernels.random import Rng
from ..base.samples import check_lengths
from ..data.splits import split_rows
from .variational import VariationalInequality


class RobustLeastSquares(VariationalInequality):
    """Linear regression, min over w, against one perturbation r of all samples, max over r.

    f_i(w, r) = mean of (w'(a_j + r) - b_j)^2 / 2 over the rows of node i + l2/2 |w|^2 - penalty/2 |r|^2, over
    |w| <= radius and |r| <= perturbation.

    Parameters
    ----------
    features : (M, d) array_like
        The a_j, stacked.
    targets : (M,) array_like
        The b_j.
    offsets : (n + 1,) array_like of int
        Rows `offsets[i]:offsets[i + 1]` belong to node i; each has at least one.
    l2 : float
        Ridge weight, >= 0.
    radius : float
        Bound on |w|, above 0.
    perturbation : float
        Bound on |r|, above 0.
    penalty : float, optional
        Weight of the adversary's cost, above radius^2, without which f is not concave in r; by default
        2 radius^2.

    Attributes
    ----------
    features, targets, offsets, l2, radius, perturbation, penalty
        As given, float64 (offsets int64), read-only.

    Raises
    ------
    TypeError, ValueError
        Data that are not finite numbers, shapes or offsets that do not fit, weights out of range.

    Notes
    -----
    The operators are F_i = (grad_w f_i, -grad_r f_i), z = (w, r) in R^(2 d); rows are the samples of
    mini-batches. All constants are derived, on the set, with R, D, beta for the two bounds and the penalty:

    * d^2 f / dw^2 = mean (a + r)(a + r)' + l2 I is at least l2 plus the least eigenvalue of the covariance of
      the a_j, for any r, and -d^2 f / dr^2 = beta I - w w' is at least beta - R^2: `strong_convexity` is the
      smaller of the two, with the mean of the nodes' covariances.
    * the symmetric part of F's Jacobian is at most max(s + 2 |a'| D + D^2 + l2, beta), s the largest
    eigenvalue
      of mean a a', a' and b' the means; its skew part is e' I + (a' + r) w' with |e'| <= (|a'| + D) R + |b'|.
      So L = max(s + 2 |a'| D + D^2 + l2, beta) + 2 (|a'| + D) R + |b'| is a Lipschitz constant, from the
      moments of the node, of all nodes, or of one sample.

    `solution` comes from the semismooth Newton method on z - P(z - S F(z)) = 0, S the steps 1 / (s + l2 +
    D^2) and 1 / beta of the two blocks. Where the two differ much, solvers with one step for both are slow:
    scale the targets so that |w| is of the order of 1.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(40, 3))
    >>> problem = RobustLeastSquares.from_data(X, X[:, 0], n_nodes=4, radius=2.0, perturbation=0.5)
    >>> problem
    RobustLeastSquares(n_nodes=4, dim=6, samples=40, l2=0, radius=2, perturbation=0.5, penalty=8)
    """

    def __init__(
        self,
        features: ArrayLike,
        targets: ArrayLike,
        offsets: ArrayLike,
        l2: float = 0.0,
        *,
        radius: float,
        perturbation: float,
        penalty: float | None = None,
    ):
        features = own_array("features", features, 2)
        targets = own_array("targets", targets, 1)
        check_lengths("features", features, "targets", targets)
        self.radius = real("radius", radius, above=0.0, below=1e150)
        self.perturbation = real("perturbation", perturbation, above=0.0)
        least = self.radius**2
        self.penalty = 2.0 * least if penalty is None else real("penalty", penalty)
        if not self.penalty > least:
            raise ValueError(
                f"penalty must be above radius^2 = {least:g}, or f is not concave in r; got {self.penalty:g}"
            )
        oracle = oracles.robust_least_squares(features, targets, offsets, l2, self.penalty)
        d = features.shape[1]
        super().__init__(oracle, [prox.ball(d, self.radius), prox.ball(d, self.perturbation)], oracle)
        self.features = features
        self.targets = targets
        self.offsets = oracle.data.offsets
        self.l2 = float(oracle.data.parameters[0])

    @classmethod
    def from_data(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        n_nodes: int,
        *,
        radius: float,
        perturbation: float,
        penalty: float | None = None,
        l2: float = 0.0,
        split: str = "iid",
        alpha: float | None = None,
        rng: Rng = 0,
    ) -> RobustLeastSquares:
        """Deal the rows of one data set out to the nodes.

        Parameters
        ----------
        X : (M, d) array_like
            Samples.
        y : (M,) array_like
            Targets.
        n_nodes : int
            Number of nodes, at most M.
        radius, perturbation, penalty, l2
            As of the class.
        split : {"iid", "contiguous", "sorted", "dirichlet"}
            How rows are dealt out; see `gossamer.problems.splits`.
        alpha : float, optional
            Concentration of the Dirichlet split.
        rng : None, int, SeedSequence or Generator
            Randomness of the split.

        Raises
        ------
        TypeError, ValueError
            As of the class, and more nodes than samples.
        """
        X, y = own_array("X", X, 2), own_array("y", y, 1)
        check_lengths("X", X, "y", y)
        order, offsets = split_rows(y, n_nodes, split, alpha=alpha, bins=10, rng=rng)
        sets = {"radius": radius, "perturbation": perturbation, "penalty": penalty}
        return cls(frozen(X[order]), frozen(y[order]), offsets, l2, **sets)  # pyright: ignore[reportArgumentType]

    def _node_rows(self) -> list[tuple[np.ndarray, np.ndarray]]:
        cuts = self.offsets[1:-1]
        return list(zip(np.split(self.features, cuts), np.split(self.targets, cuts), strict=True))

    def _bound(self, largest, centre, target):
        """Lipschitz bound from the largest eigenvalue of mean aa', and the sizes of mean a and mean b."""
        D, R = self.perturbation, self.radius
        symmetric = np.maximum(largest + 2.0 * centre * D + D**2 + self.l2, self.penalty)
        return symmetric + 2.0 * (centre + D) * R + target

    def _node_bounds(self) -> np.ndarray:
        moments = [
            (np.linalg.norm(A, 2) ** 2 / len(b), np.linalg.norm(A.mean(axis=0)), abs(b.mean()))
            for A, b in self._node_rows()
        ]
        return self._bound(*np.array(moments).T)

    def _curvature_bounds(self) -> tuple[float, float]:
        covariance = np.mean(
            [np.cov(A.T, ddof=0).reshape(A.shape[1], -1) for A, _ in self._node_rows()], axis=0
        )
        eigenvalues = np.linalg.eigvalsh(covariance)
        rounding = 4 * len(covariance) * np.finfo(float).eps * abs(eigenvalues[-1])
        low = float(eigenvalues[0]) if eigenvalues[0] > rounding else 0.0
        return min(self.l2 + low, self.penalty - self.radius**2), float(self._node_bounds().max())

    def _row_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        lengths = np.linalg.norm(self.features, axis=1)
        return self._node_bounds(), self._bound(lengths**2, lengths, np.abs(self.targets))

    def _lipschitz_bounds(self) -> tuple[float, float, float]:
        m = self._moments
        of_mean = self._bound(np.linalg.eigvalsh(m.gram)[-1], np.linalg.norm(m.centre), abs(m.target))
        squares = self._row_bounds()[1] ** 2
        nodes = np.add.reduceat(squares, self.offsets[:-1]) / np.diff(self.offsets)
        mean_square = math.sqrt(float((self._node_bounds() ** 2).mean()))
        return float(of_mean), mean_square, math.sqrt(float(nodes.mean()))

    @property
    def _moments(self) -> _Moments:
        weights = np.repeat(1.0 / (self.n_nodes * np.diff(self.offsets)), np.diff(self.offsets))
        A, b = self.features, self.targets
        return _Moments(A.T @ (weights[:, None] * A), weights @ A, A.T @ (weights * b), float(weights @ b))

    def _minimizer(self) -> np.ndarray:
        m, d = self._moments, self.features.shape[1]
        eye = np.eye(d)

        def operator(z: np.ndarray) -> np.ndarray:
            w, r = z[:d], z[d:]
            shift = w @ r
            e = m.centre @ w + shift - m.target
            return np.concatenate(
                [m.gram @ w + shift * m.centre - m.cross + e * r + self.l2 * w, self.penalty * r - e * w]
            )

        def jacobian(z: np.ndarray) -> np.ndarray:
            w, r = z[:d], z[d:]
            e = m.centre @ w + w @ r - m.target
            ww = m.gram + np.outer(m.centre, r) + np.outer(r, m.centre) + np.outer(r, r) + self.l2 * eye
            wr = np.outer(m.centre + r, w) + e * eye
            return np.block([[ww, wr], [-wr.T, self.penalty * eye - np.outer(w, w)]])

        largest = float(np.linalg.eigvalsh(m.gram)[-1])
        steps = np.repeat([1.0 / (largest + self.l2 + self.perturbation**2), 1.0 / self.penalty], d)

        def residual(z: np.ndarray) -> np.ndarray:
            return z - self.project(z - steps * operator(z))

        z = np.zeros(2 * d)
        left = residual(z)
        for _ in range(200):
            inner = np.eye(2 * d) - steps[:, None] * jacobian(z)
            derivative = np.eye(2 * d) - self._projected(z - steps * operator(z), inner)
            move = -np.linalg.lstsq(derivative, left, rcond=None)[0]
            fraction, norm = 1.0, np.linalg.norm(left)
            trial = residual(z + move)
            while not np.linalg.norm(trial) < (1.0 - 1e-4 * fraction) * norm and fraction > 1e-6:
                fraction /= 2.0
                trial = residual(z + fraction * move)
            if not np.linalg.norm(trial) < norm:
                break
            z, left = z + fraction * move, trial
        if np.linalg.norm(left) > 1e-12 * (1.0 + np.linalg.norm(z)):
            raise ValueError("Newton's method found no saddle point: raise l2 or the penalty")
        return self.project(z)

    def _projected(self, v: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Derivative of the projection at v, times a matrix."""
        d = len(v) // 2
        out = rows.copy()
        for part, radius in ((slice(0, d), self.radius), (slice(d, 2 * d), self.perturbation)):
            norm = np.linalg.norm(v[part])
            if norm > radius:
                u = v[part] / norm
                out[part] = radius / norm * (rows[part] - np.outer(u, u @ rows[part]))
        return out

    def _details(self) -> str:
        sets = f"radius={self.radius:g}, perturbation={self.perturbation:g}, penalty={self.penalty:g}"
        return f", samples={len(self.targets)}, l2={self.l2:g}, {sets}"


class _Moments:
    """Weighted means of aa', a, ab and b over all rows."""

    def __init__(self, gram: np.ndarray, centre: np.ndarray, cross: np.ndarray, target: float):
        self.gram, self.centre, self.cross, self.target = gram, centre, cross, target
