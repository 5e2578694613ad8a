"""Gradient tracking with compressed differences."""

from __future__ import annotations

import numpy as np

from .._jit import NO_ALIAS, inner_njit, lazy_njit
from ..ledger import COMMUNICATIONS, GRADIENTS
from ..oracles.batches import new_stamps
from .choco import collect, is_due, new_outbox, publish, pull
from .setting import ROUNDS, gradients, move, node_gradient


@inner_njit(forceinline=True, **NO_ALIAS)
def _track(v, gamma, s, h, new, old):
    """Move v by gamma (s - h) + new - old, and set old to new."""
    for c in range(v.shape[0]):
        v[c] += gamma * (s[c] - h[c]) + (new[c] - old[c])
        old[c] = new[c]


@lazy_njit(ROUNDS)
def beer(setting, start, count, steps, rows, shared, ledger):
    """BEER; steps: gamma, step; rows: X, H, W H, V, G, W G, gradients.

    X <- X + gamma (W H - H) - step V, H <- H + C(X - H), V <- V + gamma (W G - G) + grad(X) - grad(X before),
    G <- G + C(V - G), with V = grad(X) at first. Batch t + 1 is that of round t.
    """
    gamma, step = steps[0], steps[1]
    X, H, SH, V, G, SG, last = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6]
    n, d = X.shape
    sent_x, sent_v = new_outbox(n, d), new_outbox(n, d)
    g = np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    if start == 0 and count > 0:
        gradients(setting, 0, X, stamps, picked, last, ledger)
        V[:, :] = last
    for t in range(start, start + count):
        for i in range(n):
            pull(X[i], gamma, SH[i], H[i])
            move(X[i], step, V[i])
            node_gradient(setting, t + 1, i, X[i], stamps, picked, g)
            _track(V[i], gamma, SG[i], G[i], g, last[i])
        ledger[GRADIENTS] += n
        stale_x = stale_v = is_due(t)
        for i in range(n):
            stale_x = publish(setting, 2 * t, i, X[i], H[i], stale_x, sent_x, ledger)
            stale_v = publish(setting, 2 * t + 1, i, V[i], G[i], stale_v, sent_v, ledger)
        for i in range(n):
            collect(setting, i, stale_x, H, sent_x, SH[i])
            collect(setting, i, stale_v, G, sent_v, SG[i])
        ledger[COMMUNICATIONS] += setting.n_links
