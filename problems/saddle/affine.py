"""Affine operators, alone or as means over samples."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import oracles, prox
from ...kernels.checks import own_array
from ..base.samples import above_rounding
from ..base.stacks import spectral_norms
from .bilinear import solve_affine
from .variational import VariationalInequality

_ROUNDING = 1e-12  # of a matrix that is monotone: relative to its norm


class AffineOperator(VariationalInequality):
    """Operators F_i(z) = mean of H_j z - b_j over the samples j of node i.

    Parameters
    ----------
    H : (M, d, d) array_like
        Matrices, of any kind; their mean F must be monotone.
    b : (M, d) array_like
        Constants.
    offsets : (n + 1,) array_like of int, optional
        Samples `offsets[i]:offsets[i + 1]` belong to node i; each has at least one. None: one a node, without
        mini-batches.
    blocks : sequence of kernels.prox.Block, optional
        The set Z, as sets of consecutive coordinates; none for all of R^d.

    Attributes
    ----------
    H, b : arrays
        As given, float64, read-only.
    offsets : (n + 1,) array or None
        As given.

    Raises
    ------
    TypeError, ValueError
        Entries that are not finite numbers, shapes or offsets that do not fit, a mean that is not monotone.

    Notes
    -----
    Lipschitz constants are spectral norms; `strong_convexity` is the least eigenvalue of the symmetric part
    of the mean of F's matrices. `solution` solves the linear system and is refined in extended precision;
    with sets it is found by extragradient steps in NumPy, to the residual's rounding.

    Examples
    --------
    >>> rotation = AffineOperator([[[1.0, 2.0], [-2.0, 1.0]]], [[5.0, 0.0]])
    >>> rotation.solution().round(12).tolist(), rotation.strong_convexity
    ([1.0, 2.0], 1.0)
    """

    def __init__(
        self,
        H: ArrayLike,
        b: ArrayLike,
        offsets: ArrayLike | None = None,
        blocks: tuple[prox.Block, ...] = (),
    ):
        H = own_array("H", H, 3)
        if offsets is None:
            oracle, samples = oracles.affine(H, b, np.arange(len(H) + 1)), None
            means, constants, self.offsets = oracle.data.features, oracle.data.targets, None
        else:
            samples = oracles.affine(H, b, offsets)
            self.offsets = samples.data.offsets
            weights = np.diff(self.offsets)
            means = np.add.reduceat(H, self.offsets[:-1], axis=0) / weights[:, None, None]
            constants = np.add.reduceat(own_array("b", b, 2), self.offsets[:-1], axis=0) / weights[:, None]
            oracle = oracles.affine(means, constants, np.arange(len(means) + 1))
        super().__init__(oracle, blocks, samples)
        n, d = self.n_nodes, self.dim
        self.H = H
        self.b = (samples or oracle).data.targets.reshape(len(H), d)
        self._matrices, self._constants = means.reshape(n, d, d), constants.reshape(n, d)
        mean = self._matrices.mean(axis=0)
        eigenvalues = np.linalg.eigvalsh((mean + mean.T) / 2)
        norm = float(np.linalg.norm(mean, 2))
        if eigenvalues[0] < -_ROUNDING * norm:
            raise ValueError(
                "the mean of the H must be monotone, but its symmetric part has the eigenvalue "
                f"{eigenvalues[0]:.6g}"
            )
        self._monotonicity = max(above_rounding(float(eigenvalues[0]), norm, d), 0.0)

    def _curvature_bounds(self) -> tuple[float, float]:
        return self._monotonicity, float(spectral_norms(self._matrices).max())

    def _row_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return tuple(np.linalg.norm(H, 2, axis=(1, 2)) for H in (self._matrices, self.H))

    def _lipschitz_bounds(self) -> tuple[float, float, float]:
        squares = spectral_norms(self._matrices) ** 2
        of_samples = math.nan
        if self.offsets is not None:
            each = spectral_norms(self.H) ** 2
            sizes = np.diff(self.offsets)
            of_samples = math.sqrt(float((np.add.reduceat(each, self.offsets[:-1]) / sizes).mean()))
        of_mean = float(np.linalg.norm(self._matrices.mean(axis=0), 2))
        return of_mean, math.sqrt(float(squares.mean())), of_samples

    def _minimizer(self) -> np.ndarray:
        H, b = self._matrices.mean(axis=0), self._constants.mean(axis=0, dtype=np.longdouble)
        if not self.blocks:
            return solve_affine(H, b)
        return extragradient(self, lambda z: H @ z - b.astype(float))


def extragradient(problem: VariationalInequality, operator, max_rounds: int = 200_000) -> np.ndarray:
    """Return a solution by extragradient steps in NumPy, until the steps are rounding errors.

    Parameters
    ----------
    problem : VariationalInequality
        Its set and Lipschitz constant are read.
    operator : callable
        F(z), by NumPy.
    max_rounds : int
        Limit.

    Raises
    ------
    ValueError
        No solution within the limit.
    """
    step = math.sqrt(0.5) / problem.lipschitz
    z = problem.project(np.zeros(problem.dim))
    least, stuck = math.inf, 0
    for _ in range(max_rounds):
        half = problem.project(z - step * operator(z))
        change = float(np.linalg.norm(half - z))
        small = 1e-10 * (1.0 + float(np.linalg.norm(z)))
        if change < 0.999 * least:
            least, stuck = change, 0
        else:
            stuck += 1
        if change == 0.0 or (change <= small and stuck > 200):
            return z
        z = problem.project(z - step * operator(half))
    raise ValueError(
        f"no solution within {max_rounds} extragradient steps, whose length is still {least:.3g}: raise the "
        "strong monotonicity, or pass solution= where the class takes it"
    )
