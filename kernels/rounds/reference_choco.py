"""Rounds of the methods that gossip compressed differences, in NumPy; see `reference` for the arguments."""

from __future__ import annotations

import numpy as np

from .reference import Compress, Gradients


def choco_gossip(
    W: np.ndarray, compress: Compress, t: int, X: np.ndarray, H: np.ndarray, gamma: float
) -> tuple[np.ndarray, np.ndarray]:
    """CHOCO-Gossip: H+ = H + C(X - H), X+ = X + gamma (W - I) H+. Return X+, H+."""
    H = H + compress(t, X - H)
    return X + gamma * (W @ H - H), H


def choco_sgd(
    W: np.ndarray,
    gradients: Gradients,
    compress: Compress,
    t: int,
    X: np.ndarray,
    H: np.ndarray,
    gamma: float,
    step: float,
) -> tuple[np.ndarray, np.ndarray]:
    """CHOCO-SGD: CHOCO-Gossip from X - step G(X). Return X+, H+."""
    return choco_gossip(W, compress, t, X - step * gradients(X), H, gamma)


def beer(
    W: np.ndarray,
    gradients: Gradients,
    compress: Compress,
    t: int,
    variables: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    gamma: float,
    step: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """BEER, from X, H, V, G and the gradients at X; return them after the round.

    X+ = X + gamma (W - I) H - step V, H+ = H + C(X+ - H), V+ = V + gamma (W - I) G + grad(X+) - grad(X),
    G+ = G + C(V+ - G). `gradients` gives those of the batch of this round.
    """
    X, H, V, G, last = variables
    X = X + gamma * (W @ H - H) - step * V
    H = H + compress(2 * t, X - H)
    new = gradients(X)
    V = V + gamma * (W @ G - G) + new - last
    G = G + compress(2 * t + 1, V - G)
    return X, H, V, G, new
