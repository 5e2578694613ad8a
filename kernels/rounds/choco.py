"""Gossip with compressed differences: CHOCO-Gossip, CHOCO-SGD, and what all methods of this kind share.

A node publishes a vector x as h, which all its neighbours know: each round it sends q = C(x - h), and h moves
by q. Of its neighbours' h, node i needs s_i, the mean weighted by row i of the mixing matrix. Where messages
are sparse, s = W h is brought up to date by the coordinates that arrived; else by mixing afresh, and so it is
every `_AFRESH` rounds, lest rounding errors add up.
"""

from __future__ import annotations

import numpy as np

from .._jit import NO_ALIAS, inner_njit, lazy_njit
from ..oracles.batches import new_stamps
from .setting import COMMUNICATIONS, GRADIENTS, ROUNDS, mixed, move, node_gradient, send

_SPARSE = 8  # one coordinate of so many, at most, in a message that is delivered by coordinates
_AFRESH = 64


@inner_njit(forceinline=True, **NO_ALIAS)
def _subtract(x, h, out):
    for c in range(out.shape[0]):
        out[c] = x[c] - h[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _add(q, h):
    for c in range(h.shape[0]):
        h[c] += q[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def pull(x, step, s, h):
    """Move x by step (s - h)."""
    for c in range(x.shape[0]):
        x[c] += step * (s[c] - h[c])


@inner_njit(**NO_ALIAS)
def _find(q, kept):
    """Write the coordinates where q is not zero to `kept`; return how many, or -1 where there is no room."""
    count = 0
    for c in range(q.shape[0]):
        if q[c] != 0.0:
            if count == kept.shape[0]:
                return -1
            kept[count] = c
            count += 1
    return count


@inner_njit(**NO_ALIAS)
def _add_at(kept, weight, q, out):
    for k in range(kept.shape[0]):
        c = kept[k]
        out[c] += weight * q[c]


@inner_njit()
def room(setting, d):
    """Space that `publish` needs: a difference, a message, and the coordinates that a sparse one keeps."""
    return np.empty(d), np.empty(d), np.empty(d // _SPARSE, np.uint32)


@inner_njit()
def publish(setting, turn, i, x, H, S, is_stale, space, ledger):
    """Move H[i] by C(x - H[i]), and S = W H with it; return whether S lags behind, for `catch_up`."""
    difference, message, kept = space
    _subtract(x, H[i], difference)
    send(setting, turn, i, difference, message, ledger)
    count = -1 if is_stale else _find(message, kept)
    if count < 0:
        _add(message, H[i])
        return True
    _add_at(kept[:count], 1.0, message, H[i])
    for t in range(setting.indptr[i], setting.indptr[i + 1]):
        _add_at(kept[:count], setting.weights[t], message, S[setting.indices[t]])
    return False


@inner_njit()
def is_due(t):
    """Whether S = W H is to be made afresh in round t."""
    return t % _AFRESH == 0


@inner_njit()
def catch_up(setting, is_stale, H, S):
    """Set S to W H, where it lags behind."""
    if is_stale:
        for i in range(H.shape[0]):
            mixed(setting, i, H, S[i])


@lazy_njit(ROUNDS)
def choco_gossip(setting, start, count, steps, rows, shared, ledger):
    """H <- H + C(X - H), X <- X + gamma (W H - H), gamma = steps[0]; rows: X, H, W H."""
    gamma = steps[0]
    X, H, S = rows[0], rows[1], rows[2]
    n, d = X.shape
    space = room(setting, d)
    for t in range(start, start + count):
        is_stale = is_due(t)
        for i in range(n):
            is_stale = publish(setting, t, i, X[i], H, S, is_stale, space, ledger)
        catch_up(setting, is_stale, H, S)
        for i in range(n):
            pull(X[i], gamma, S[i], H[i])
        ledger[COMMUNICATIONS] += setting.n_links


@lazy_njit(ROUNDS)
def choco_sgd(setting, start, count, steps, rows, shared, ledger):
    """X <- X - step_t G(X), then as CHOCO-Gossip; steps: gamma, step, step_decay; rows: X, H, W H.

    step_t = step / (1 + step_decay t).
    """
    gamma = steps[0]
    X, H, S = rows[0], rows[1], rows[2]
    n, d = X.shape
    space = room(setting, d)
    g = np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    for t in range(start, start + count):
        step = steps[1] / (1.0 + steps[2] * t)
        is_stale = is_due(t)
        for i in range(n):
            node_gradient(setting, t, i, X[i], stamps, picked, g)
            move(X[i], step, g)
            is_stale = publish(setting, t, i, X[i], H, S, is_stale, space, ledger)
        catch_up(setting, is_stale, H, S)
        for i in range(n):
            pull(X[i], gamma, S[i], H[i])
        ledger[GRADIENTS] += n
        ledger[COMMUNICATIONS] += setting.n_links
