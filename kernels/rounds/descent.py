"""Gradient methods that send whole vectors to the neighbours; with a constant step they stop short."""

from __future__ import annotations

import numpy as np

from .._jit import lazy_njit
from ..ledger import GRADIENTS
from ..oracles.batches import new_stamps
from ..oracles.types import gradient_at
from .setting import ROUNDS, batch_gradient, mix_at, move, send_whole


@lazy_njit(ROUNDS)
def dgd(setting, start, count, steps, rows, shared, ledger):
    """X <- W X - step_t G(X), step_t = steps[0] / (1 + steps[1] t); rows: X."""
    X, Y = rows[0], np.empty(rows[0].shape)
    n, d = X.shape
    g = np.empty(d)
    indptr, indices, weights = setting.indptr, setting.indices, setting.weights
    gradient, data, batches = gradient_at(setting.gradient), setting.data, setting.batches
    stamps, picked = new_stamps(batches), np.empty(batches.size, np.int64)
    for t in range(start, start + count):
        step = steps[0] / (1.0 + steps[1] * t)
        for i in range(n):
            batch_gradient(gradient, data, batches, t * n + i, i, X[i], stamps, picked, g)
            mix_at(indptr, indices, weights, i, X, Y[i])
            move(Y[i], step, g)
        X, Y = Y, X
        ledger[GRADIENTS] += n
        send_whole(setting, d, ledger)
    if count & 1:
        rows[0, :, :] = X
