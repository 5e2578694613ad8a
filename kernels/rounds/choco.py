"""Gossip with compressed differences: CHOCO-Gossip, CHOCO-SGD, and what all methods of this kind share.

A node publishes a vector x as h, which all its neighbours know: each round it sends q = C(x - h), and h moves
by q. Of its neighbours' h, node i needs s_i, the mean weighted by row i of the mixing matrix. Where messages
are sparse, s = W h is brought up to date by the coordinates that arrived; else by mixing afresh, and so it is
every `_AFRESH` rounds, lest rounding errors add up.
"""

from __future__ import annotations

import numpy as np

from .._jit import NO_ALIAS, inner_njit, lazy_njit
from ..ledger import COMMUNICATIONS, GRADIENTS
from ..oracles.batches import new_stamps
from .setting import ROUNDS, mixed, move, node_gradient, send

_SPARSE = 8  # a message is sparse if it keeps at most one coordinate of so many
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
def _pick(q, coordinates, values):
    """Write what is not zero in q to the beginning of the others; return how much, or -1 if too much."""
    count = 0
    for c in range(q.shape[0]):
        if q[c] != 0.0:
            if count == coordinates.shape[0]:
                return -1
            coordinates[count] = c
            values[count] = q[c]
            count += 1
    return count


@inner_njit(**NO_ALIAS)
def _add_at(coordinates, weight, values, out):
    for k in range(coordinates.shape[0]):
        out[coordinates[k]] += weight * values[k]


@inner_njit()
def new_outbox(n, d):
    """Make room for the messages of a round: a difference, a message; of sparse ones counts and content."""
    most = d // _SPARSE
    return (
        np.empty(d),
        np.empty(d),
        np.empty(n, np.int64),
        np.empty((n, most), np.uint32),
        np.empty((n, most)),
    )


@inner_njit()
def publish(setting, turn, i, x, h, is_stale, outbox, ledger):
    """Move h by C(x - h) and keep the message for `collect`; return whether S is to be made afresh."""
    difference, message, counts, coordinates, values = outbox
    _subtract(x, h, difference)
    send(setting, turn, i, difference, message, ledger)
    count = -1 if is_stale else _pick(message, coordinates[i], values[i])
    if count < 0:
        _add(message, h)
        return True
    counts[i] = count
    _add_at(coordinates[i, :count], 1.0, values[i, :count], h)
    return False


@inner_njit()
def collect(setting, i, is_stale, H, outbox, s):
    """Bring s, row i of W H, up to date with the messages of this round."""
    if is_stale:
        mixed(setting, i, H, s)
        return
    counts, coordinates, values = outbox[2:]
    for t in range(setting.indptr[i], setting.indptr[i + 1]):
        j = setting.indices[t]
        count = counts[j]
        _add_at(coordinates[j, :count], setting.weights[t], values[j, :count], s)


@inner_njit()
def is_due(t):
    """Whether S = W H is to be made afresh in round t."""
    return t % _AFRESH == 0


@lazy_njit(ROUNDS)
def choco_gossip(setting, start, count, steps, rows, shared, ledger):
    """H <- H + C(X - H), X <- X + gamma (W H - H), gamma = steps[0]; rows: X, H, W H."""
    gamma = steps[0]
    X, H, S = rows[0], rows[1], rows[2]
    n, d = X.shape
    outbox = new_outbox(n, d)
    for t in range(start, start + count):
        is_stale = is_due(t)
        for i in range(n):
            is_stale = publish(setting, t, i, X[i], H[i], is_stale, outbox, ledger)
        for i in range(n):
            collect(setting, i, is_stale, H, outbox, S[i])
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
    outbox = new_outbox(n, d)
    g = np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    for t in range(start, start + count):
        step = steps[1] / (1.0 + steps[2] * t)
        is_stale = is_due(t)
        for i in range(n):
            node_gradient(setting, t, i, X[i], stamps, picked, g)
            move(X[i], step, g)
            is_stale = publish(setting, t, i, X[i], H[i], is_stale, outbox, ledger)
        for i in range(n):
            collect(setting, i, is_stale, H, outbox, S[i])
            pull(X[i], gamma, S[i], H[i])
        ledger[GRADIENTS] += n
        ledger[COMMUNICATIONS] += setting.n_links
