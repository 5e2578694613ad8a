"""Rounds of the methods over a server in NumPy: their definitions.

`gradients(x)` are the workers' gradients at x (n, d); `compress(V)` is what the server makes of their
messages, the rows of V.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rows = Callable[[np.ndarray], np.ndarray]


def error_feedback(
    gradients: Rows, compress: Rows, x: np.ndarray, E: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """EF: return the next x and memories."""
    P = E + step * gradients(x)
    C = compress(P)
    return x - C.mean(axis=0), P - C


def ef21(
    gradients: Rows, compress: Rows, x: np.ndarray, G: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """EF21: return the next x and gradient estimates."""
    G = G + compress(gradients(x) - G)
    return x - step * G.mean(axis=0), G


def diana(
    gradients: Rows, compress: Rows, x: np.ndarray, H: np.ndarray, step: float, shift_step: float
) -> tuple[np.ndarray, np.ndarray]:
    """DIANA: return the next x and shifts."""
    Q = compress(gradients(x) - H)
    return x - step * (H + Q).mean(axis=0), H + shift_step * Q


def marina(
    gradients: Rows,
    compress: Rows,
    x: np.ndarray,
    last: np.ndarray,
    estimate: np.ndarray,
    step: float,
    full: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """MARINA: return the next x and the estimate of the gradient at x; `last` is the x before."""
    if full:
        estimate = gradients(x).mean(axis=0)
    else:
        estimate = estimate + compress(gradients(x) - gradients(last)).mean(axis=0)
    return x - step * estimate, estimate
