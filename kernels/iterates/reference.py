"""Mean and sizes of rows in NumPy: the definitions."""

from __future__ import annotations

from typing import Any

import numpy as np


def spread(X: np.ndarray, members: np.ndarray | None, x_star: np.ndarray | None) -> tuple[Any, ...]:
    """Return mean, consensus, norm of the mean, Frobenius norm and mean squared distance to x_star."""
    X = X if members is None else X[members]
    mean = X.mean(axis=0)
    consensus = np.sqrt(((X - mean) ** 2).sum() / len(X))
    distance = np.nan if x_star is None else ((X - x_star) ** 2).sum() / len(X)
    return mean, consensus, np.linalg.norm(mean), np.linalg.norm(X), distance
