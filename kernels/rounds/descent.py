"""Gradient methods that send whole vectors to the neighbours; with a constant step they stop short."""

from __future__ import annotations

import numpy as np

from .._jit import lazy_njit
from ..oracles.batches import new_stamps
from .setting import GRADIENTS, ROUNDS, mixed, move, node_gradient, send_whole


@lazy_njit(ROUNDS)
def dgd(setting, start, count, steps, rows, shared, ledger):
    """X <- W X - step_t G(X), step_t = steps[0] / (1 + steps[1] t); rows: X."""
    X, Y = rows[0], np.empty(rows[0].shape)
    n, d = X.shape
    g = np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    for t in range(start, start + count):
        step = steps[0] / (1.0 + steps[1] * t)
        for i in range(n):
            node_gradient(setting, t, i, X[i], stamps, picked, g)
            mixed(setting, i, X, Y[i])
            move(Y[i], step, g)
        X, Y = Y, X
        ledger[GRADIENTS] += n
        send_whole(setting, d, ledger)
    if count & 1:
        rows[0, :, :] = X
