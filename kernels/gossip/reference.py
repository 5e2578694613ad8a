"""Gossip in NumPy: the definition."""

from __future__ import annotations

import numpy as np
from numpy.polynomial.chebyshev import chebval


def mix(W: np.ndarray, X: np.ndarray, steps: int) -> np.ndarray:
    """Return ``W^steps X`` for a dense W."""
    Y = X.copy()
    for _ in range(steps):
        Y = W.astype(X.dtype) @ Y
    return Y


def chebyshev_mix(W: np.ndarray, X: np.ndarray, steps: int, spectrum: tuple[float, float]) -> np.ndarray:
    """Return ``P(W) X``, where P is smallest on the spectrum [a, b] among the P(1) = 1.

    ``P(x) = T_K(s(x)) / T_K(s(1))`` with ``s(x) = (2 x - a - b) / (b - a)``, eigenvalue by eigenvalue.
    """
    a, b = spectrum
    values, vectors = np.linalg.eigh(W)
    if a == b:  # the limit
        scaled = ((values - a) / (1 - a)) ** steps
    else:
        T = np.eye(steps + 1)[steps]
        scaled = chebval((2 * values - a - b) / (b - a), T) / chebval((2 - a - b) / (b - a), T)
    return vectors @ (scaled[:, None] * (vectors.T @ X))


def pairwise_average(X: np.ndarray, edges: np.ndarray, alpha: float) -> np.ndarray:
    """Return X after its rows met in pairs, one edge after the other."""
    Y = X.copy()
    keep, take = X.dtype.type(1 - alpha), X.dtype.type(alpha)
    for i, j in edges.tolist():
        Y[i], Y[j] = keep * Y[i] + take * Y[j], keep * Y[j] + take * Y[i]
    return Y
