"""Certified rates on graphs that change every round: a small semidefinite programme.

Where W changes, there is no common eigenbasis; known is |W_k - J| <= sigma for each of them. A method is
then a linear system with the gradients u and the Laplacian's products v = (I - W) z as inputs (`Plant`), and
falls by rho a round if one quadratic form of its state does against both sector bounds: (u - mu y)(L y - u)
>= 0 for the gradients, and sigma^2 z'Lambda z >= (z - v)'Lambda (z - v) with any Lambda >= 0 for vectors z
of zero sum:

    x+'P x+ - rho^2 x'P x + 2 t (u - m y)(y - u) + sigma^2 z'Lambda z - (z - v)'Lambda (z - v) < 0

(L = 1, m = 1/kappa) for all x, u, v that are not all zero, with P > 0, Lambda >= 0, t >= 0: Sundararajan, Van
Scoy & Lessard, "Analysis and design of first-order distributed optimization algorithms over time-varying
graphs" (IEEE Transactions on Control of Network Systems 2020). The mean of the nodes does gradient descent.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

_TOLERANCE = 1e-6  # of the rate
_SETTINGS = {
    "verbose": False,
    "max_iter": 60,
    "tol_gap_abs": 1e-10,
    "tol_gap_rel": 1e-10,
    "tol_feas": 1e-10,
}


class Plant(NamedTuple):
    """x+ = A x + B (u, v), y = Cy x + Dy (u, v), z = Cz x + Dz (u, v): a method with L = 1."""

    A: tuple
    B: tuple
    Cy: tuple
    Dy: tuple
    Cz: tuple
    Dz: tuple


@functools.lru_cache(maxsize=4096)
def rate(plant: Plant, kappa: float, sigma: float, mean: float) -> float:
    """Return the certified rate, rounded up; infinite where there is none below 1.

    Parameters
    ----------
    plant : Plant
        The method.
    kappa : float
        Condition number L / mu.
    sigma : float
        Bound of |W_k - J|, in [0, 1).
    mean : float
        Factor of the mean of the nodes, the smallest rate that is of interest.
    """
    proof = Proof(plant, kappa, sigma)
    if not mean < 1.0 or not proof.holds(1.0 - 1e-9):
        return math.inf
    low, high = mean, 1.0 - 1e-9
    if proof.holds(min(mean + _TOLERANCE, high)):
        return min(mean + _TOLERANCE, high)
    while high - low > _TOLERANCE * min(1.0, 1e3 * (1.0 - high)):
        mid = 0.5 * (low + high)
        low, high = (low, mid) if proof.holds(mid) else (mid, high)
    return high


class Proof:
    """The inequality of one plant, for any rho."""

    def __init__(self, plant: Plant, kappa: float, sigma: float):
        A, B, Cy, Dy, Cz, Dz = (np.array(part, float) for part in plant)
        n, nz, m = len(A), len(Cz), 1.0 / kappa
        size = n + 1 + nz
        state, ahead = np.eye(n, size), np.hstack([A, B])
        y, z = np.hstack([Cy, Dy])[0], np.hstack([Cz, Dz])
        u, v = np.eye(size)[n], np.eye(size)[n + 1 :]
        sector = np.outer(u - m * y, y - u)
        self._order, self._n, self._nz = size, n, nz
        # each unknown's matrix in the inequality, and the part that rho^2 multiplies
        self._fixed, self._moving = [], []
        for i, j in _pairs(n):
            P = _unit(n, i, j)
            self._fixed.append(ahead.T @ P @ ahead)
            self._moving.append(state.T @ P @ state)
        for i, j in _pairs(nz):
            Lam = _unit(nz, i, j)
            self._fixed.append(sigma**2 * z.T @ Lam @ z - (z - v).T @ Lam @ (z - v))
        self._fixed.append(sector + sector.T)

    def holds(self, rho: float) -> bool:
        """Whether P, Lambda and t are found, and, looked at again, prove this rho."""
        found = self._solve(rho)
        if found is None:
            return False
        P, Lam, t, M = found
        return bool(
            t >= 0.0
            and np.linalg.eigvalsh(P)[0] > 0.0
            and np.linalg.eigvalsh(Lam)[0] >= 0.0
            and np.linalg.eigvalsh(M)[-1] < 0.0
        )

    def _matrices(self, rho: float) -> list[np.ndarray]:
        moving = self._moving + [np.zeros((self._order, self._order))] * (
            len(self._fixed) - len(self._moving)
        )
        return [fixed - rho**2 * part for fixed, part in zip(self._fixed, moving, strict=True)]

    def _solve(self, rho: float) -> tuple[np.ndarray, np.ndarray, float, np.ndarray] | None:
        """Minimise the largest eigenvalue of the inequality over trace(P) + trace(Lambda) + t = 1."""
        import clarabel
        from scipy.sparse import csc_matrix

        api: Any = clarabel  # a compiled module without type information
        matrices = self._matrices(rho)
        n, nz, k = self._n, self._nz, len(matrices)
        trace = [float(i == j) for i, j in (*_pairs(n), *_pairs(nz))] + [1.0, 0.0]
        rows = [np.array([trace])]
        lmi = np.column_stack([_svec(M) for M in matrices] + [-_svec(np.eye(self._order))])
        rows.append(lmi)
        for first, order in ((0, n), (len(_pairs(n)), nz)):
            block = np.zeros((len(_pairs(order)), k + 1))
            for column, (i, j) in enumerate(_pairs(order)):
                block[:, first + column] = -_svec(_unit(order, i, j))
            rows.append(block)
        rows.append(-np.eye(1, k + 1, k - 1))
        A = np.vstack(rows)
        right = np.zeros(len(A))
        right[0] = 1.0
        cones = [
            api.ZeroConeT(1),
            api.PSDTriangleConeT(self._order),
            api.PSDTriangleConeT(n),
            api.PSDTriangleConeT(nz),
            api.NonnegativeConeT(1),
        ]
        options = api.DefaultSettings()
        for key, value in _SETTINGS.items():
            setattr(options, key, value)
        cost = np.eye(1, k + 1, k)[0]
        solution = api.DefaultSolver(
            csc_matrix((k + 1, k + 1)), cost, csc_matrix(A), right, cones, options
        ).solve()
        x = np.array(solution.x)
        if not np.isfinite(x).all():
            return None
        P = sum(value * _unit(n, i, j) for value, (i, j) in zip(x, _pairs(n), strict=False))
        begin = len(_pairs(n))
        Lam = sum(value * _unit(nz, i, j) for value, (i, j) in zip(x[begin:], _pairs(nz), strict=False))
        M = sum(value * matrix for value, matrix in zip(x, matrices, strict=False))
        return np.asarray(P), np.asarray(Lam), float(x[k - 1]), np.asarray(M)


def _pairs(order: int) -> list[tuple[int, int]]:
    """Return the places of the upper triangle, column by column."""
    return [(i, j) for j in range(order) for i in range(j + 1)]


def _unit(order: int, i: int, j: int) -> np.ndarray:
    E = np.zeros((order, order))
    E[i, j] = E[j, i] = 1.0
    return E


def _svec(M: np.ndarray) -> np.ndarray:
    """Return the upper triangle column by column, what is off the diagonal times sqrt(2)."""
    return np.array([M[i, j] * (1.0 if i == j else math.sqrt(2.0)) for i, j in _pairs(len(M))])
