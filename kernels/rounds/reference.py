"""Rounds in NumPy, dense: the definitions of the methods, one round a function.

W is the mixing matrix, `gradients(X)` the nodes' gradients (n, d), `compress(number, X)` what receivers make
of the rows of X as messages of that number.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Gradients = Callable[[np.ndarray], np.ndarray]
Compress = Callable[[int, np.ndarray], np.ndarray]


def dgd(W: np.ndarray, gradients: Gradients, X: np.ndarray, step: float) -> np.ndarray:
    """Decentralised gradient descent: X+ = W X - step G(X)."""
    return W @ X - step * gradients(X)
