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


def extra(W: np.ndarray, X: np.ndarray, X_next: np.ndarray, change: np.ndarray, step: float) -> np.ndarray:
    """EXTRA: X_{k+2} = (I + W) X_{k+1} - (I + W)/2 X_k - step (G(X_{k+1}) - G(X_k)).

    `change` is the difference of the gradients. At first X_1 = W X_0 - step G(X_0), which is `dgd`.
    """
    return X_next + W @ X_next - (X + W @ X) / 2 - step * change


def nids(W: np.ndarray, X: np.ndarray, X_next: np.ndarray, change: np.ndarray, step: float) -> np.ndarray:
    """NIDS: X_{k+2} = (I + W)/2 (2 X_{k+1} - X_k - step (G(X_{k+1}) - G(X_k))).

    At first X_1 = X_0 - step G(X_0).
    """
    Z = 2 * X_next - X - step * change
    return (Z + W @ Z) / 2


def gradient_tracking(
    W: np.ndarray, gradients: Gradients, X: np.ndarray, Y: np.ndarray, G: np.ndarray, step: float, form: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient tracking, from X, Y, G(X) to the next ones; at first Y = G(X).

    "semi_atc": X+ = W (X - step Y), Y+ = W Y + G(X+) - G(X). "atc": Y+ = W (Y + G(X+) - G(X)) instead.
    "non_atc": X+ = W X - step Y instead.
    """
    X = W @ X - step * Y if form == "non_atc" else W @ (X - step * Y)
    change = gradients(X) - G
    Y = W @ (Y + change) if form == "atc" else W @ Y + change
    return X, Y, G + change


def svl(
    W: np.ndarray,
    gradients: Gradients,
    X: np.ndarray,
    S: np.ndarray,
    alpha: float,
    beta: float,
    gamma: float,
    delta: float,
) -> tuple[np.ndarray, np.ndarray]:
    """SVL, from X, S to the next ones; at first S = 0.

    With V = X - W X: X+ = X + beta S - alpha G(X - delta V) - gamma V, S+ = S - V.
    """
    V = X - W @ X
    return X + beta * S - alpha * gradients(X - delta * V) - gamma * V, S - V
