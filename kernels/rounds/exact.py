"""Gradient methods that send whole vectors to the neighbours, and reach the minimiser with a constant step.

Each is written with what makes one pass over the nodes enough for each exchange, and a node's rows are worked
on while they are in cache; `reference` has the textbook recursions.
"""

from __future__ import annotations

import numpy as np

from .._jit import INLINED, NO_ALIAS, inner_njit, lazy_njit
from ..ledger import GRADIENTS
from ..oracles.batches import new_stamps
from ..oracles.types import gradient_at
from .setting import ROUNDS, batch_gradient, gradients, mix_at, move, send_whole


@lazy_njit(ROUNDS)
def extra(setting, start, count, steps, rows, shared, ledger):
    """EXTRA; rows: X, D = half the sum of X - W X over all rounds before.

    X <- W X - step G(X) - D, D <- D + (X - W X) / 2: the recursion of two rounds, summed up.
    """
    X, D, Y = rows[0], rows[1], np.empty(rows[0].shape)
    n, d = X.shape
    g = np.empty(d)
    indptr, indices, weights = setting.indptr, setting.indices, setting.weights
    gradient, data, batches = gradient_at(setting.gradient), setting.data, setting.batches
    stamps, picked = new_stamps(batches), np.empty(batches.size, np.int64)
    for t in range(start, start + count):
        for i in range(n):
            batch_gradient(gradient, data, batches, t * n + i, i, X[i], stamps, picked, g)
            mix_at(indptr, indices, weights, i, X, Y[i])
            _extra_row(X[i], Y[i], D[i], g, steps[0])
        X, Y = Y, X
        ledger[GRADIENTS] += n
        send_whole(setting, d, ledger)
    if count & 1:
        rows[0, :, :] = X


@inner_njit(forceinline=True, **NO_ALIAS)
def _extra_row(x, y, s, g, step):
    """With y = (W X)_i: y <- y - step g - s, s <- s + (x - y) / 2."""
    for c in range(x.shape[0]):
        mean = y[c]
        y[c] = mean - step * g[c] - s[c]
        s[c] += 0.5 * (x[c] - mean)


@lazy_njit(ROUNDS)
def nids(setting, start, count, steps, rows, shared, ledger):
    """NIDS; rows: X, P = the iterates before, a gradient step further.

    Z = 2 X - P - step G(X), P <- X - step G(X), X <- (Z + W Z) / 2; in round 0 X and P <- X - step G(X), and
    nothing is sent. A round's exchange waits for the next round, which works on the same rows, or the end.
    """
    X, P = rows[0], rows[1]
    n, d = X.shape
    g = np.empty(d)
    indptr, indices, weights = setting.indptr, setting.indices, setting.weights
    gradient, data, batches = gradient_at(setting.gradient), setting.data, setting.batches
    stamps, picked = new_stamps(batches), np.empty(batches.size, np.int64)
    first, last = start, start + count
    if start == 0 and count > 0:
        for i in range(n):
            batch_gradient(gradient, data, batches, i, i, X[i], stamps, picked, g)
            move(X[i], steps[0], g)
            P[i] = X[i]
        ledger[GRADIENTS] += n
        first = 1
    if first >= last:
        return
    Z, Y = np.empty(X.shape), np.empty(X.shape)
    for t in range(first, last):
        for i in range(n):
            if t > first:
                _half_mixed(indptr, indices, weights, i, Z, X[i])
            batch_gradient(gradient, data, batches, t * n + i, i, X[i], stamps, picked, g)
            _nids_row(X[i], P[i], Y[i], g, steps[0])
        Z, Y = Y, Z
        ledger[GRADIENTS] += n
        send_whole(setting, d, ledger)
    for i in range(n):
        _half_mixed(indptr, indices, weights, i, Z, X[i])


@inner_njit(**INLINED)
def _half_mixed(indptr, indices, weights, i, Z, x):
    """Set x to row i of (Z + W Z) / 2."""
    mix_at(indptr, indices, weights, i, Z, x)
    _halfway(x, Z[i])


@inner_njit(forceinline=True, **NO_ALIAS)
def _halfway(x, z):
    for c in range(x.shape[0]):
        x[c] = 0.5 * (x[c] + z[c])


@inner_njit(forceinline=True, **NO_ALIAS)
def _nids_row(x, p, z, g, step):
    """Set z to 2 x - p - step g, and p to x - step g."""
    for c in range(x.shape[0]):
        ahead = x[c] - step * g[c]
        z[c] = ahead + (x[c] - p[c])
        p[c] = ahead


@lazy_njit(ROUNDS)
def tracking(setting, start, count, steps, rows, shared, ledger):
    """Gradient tracking, combining first; rows: X, Y, G(X).

    X <- W X - step Y, Y <- W Y + G(X) - G(X before), in one exchange of two vectors; at first Y = G(X).
    """
    X, Y, G = rows[0], rows[1], rows[2]
    n, d = X.shape
    X2, Y2 = np.empty(X.shape), np.empty(X.shape)
    g = np.empty(d)
    indptr, indices, weights = setting.indptr, setting.indices, setting.weights
    gradient, data, batches = gradient_at(setting.gradient), setting.data, setting.batches
    stamps, picked = new_stamps(batches), np.empty(batches.size, np.int64)
    if start == 0 and count > 0:
        gradients(setting, 0, X, stamps, picked, G, ledger)
        Y[:, :] = G
    for t in range(start, start + count):
        for i in range(n):
            mix_at(indptr, indices, weights, i, X, X2[i])
            move(X2[i], steps[0], Y[i])
            batch_gradient(gradient, data, batches, (t + 1) * n + i, i, X2[i], stamps, picked, g)
            mix_at(indptr, indices, weights, i, Y, Y2[i])
            _track(Y2[i], G[i], g)
        X, X2 = X2, X
        Y, Y2 = Y2, Y
        ledger[GRADIENTS] += n
        send_whole(setting, 2 * d, ledger)
    if count & 1:
        rows[0, :, :] = X
        rows[1, :, :] = Y


@inner_njit(forceinline=True, **NO_ALIAS)
def _track(y, old, g):
    """Move y by g - old, and keep g as old."""
    for c in range(y.shape[0]):
        y[c] += g[c] - old[c]
        old[c] = g[c]


@lazy_njit(ROUNDS)
def tracking_semi_atc(setting, start, count, steps, rows, shared, ledger):
    """Gradient tracking, adapting X alone before it is mixed; rows: X, Y, G(X).

    X <- W (X - step Y), Y <- W Y + G(X) - G(X before), in one exchange of two vectors; at first Y = G(X).
    """
    X, Y, G = rows[0], rows[1], rows[2]
    n, d = X.shape
    P, P2, Y2 = np.empty(X.shape), np.empty(X.shape), np.empty(X.shape)  # P and Y are what is sent
    g = np.empty(d)
    indptr, indices, weights = setting.indptr, setting.indices, setting.weights
    gradient, data, batches = gradient_at(setting.gradient), setting.data, setting.batches
    stamps, picked = new_stamps(batches), np.empty(batches.size, np.int64)
    if start == 0 and count > 0:
        gradients(setting, 0, X, stamps, picked, G, ledger)
        Y[:, :] = G
    if count > 0:
        for i in range(n):
            _ahead(P[i], X[i], steps[0], Y[i])
    for t in range(start, start + count):
        for i in range(n):
            mix_at(indptr, indices, weights, i, P, X[i])
            batch_gradient(gradient, data, batches, (t + 1) * n + i, i, X[i], stamps, picked, g)
            mix_at(indptr, indices, weights, i, Y, Y2[i])
            _track(Y2[i], G[i], g)
            _ahead(P2[i], X[i], steps[0], Y2[i])
        P, P2 = P2, P
        Y, Y2 = Y2, Y
        ledger[GRADIENTS] += n
        send_whole(setting, 2 * d, ledger)
    if count & 1:
        rows[1, :, :] = Y


@lazy_njit(ROUNDS)
def tracking_atc(setting, start, count, steps, rows, shared, ledger):
    """Gradient tracking, adapting first; rows: X, Y, G(X).

    X <- W (X - step Y), Y <- W (Y + G(X) - G(X before)), in two exchanges; at first Y = G(X).
    """
    X, Y, G = rows[0], rows[1], rows[2]
    n, d = X.shape
    P, S = np.empty(X.shape), np.empty(X.shape)  # what is sent
    g = np.empty(d)
    indptr, indices, weights = setting.indptr, setting.indices, setting.weights
    gradient, data, batches = gradient_at(setting.gradient), setting.data, setting.batches
    stamps, picked = new_stamps(batches), np.empty(batches.size, np.int64)
    if start == 0 and count > 0:
        gradients(setting, 0, X, stamps, picked, G, ledger)
        Y[:, :] = G
    if count > 0:
        for i in range(n):
            _ahead(P[i], X[i], steps[0], Y[i])
    for t in range(start, start + count):
        for i in range(n):
            mix_at(indptr, indices, weights, i, P, X[i])
            batch_gradient(gradient, data, batches, (t + 1) * n + i, i, X[i], stamps, picked, g)
            _tracked(S[i], Y[i], G[i], g)
        for i in range(n):
            mix_at(indptr, indices, weights, i, S, Y[i])
            _ahead(P[i], X[i], steps[0], Y[i])
        ledger[GRADIENTS] += n
        send_whole(setting, d, ledger)
        send_whole(setting, d, ledger)


@inner_njit(forceinline=True, **NO_ALIAS)
def _ahead(p, x, step, y):
    """Set p to x - step y."""
    for c in range(p.shape[0]):
        p[c] = x[c] - step * y[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _tracked(s, y, old, g):
    """Set s to y + g - old, and keep g as old."""
    for c in range(s.shape[0]):
        s[c] = y[c] + (g[c] - old[c])
        old[c] = g[c]


@lazy_njit(ROUNDS)
def svl(setting, start, count, steps, rows, shared, ledger):
    """SVL; rows: X, S = minus the sum of V over all rounds before; steps: alpha, beta, gamma, delta.

    V = X - W X, X <- X + beta S - alpha G(X - delta V) - gamma V, S <- S - V.
    """
    X, S, X2 = rows[0], rows[1], np.empty(rows[0].shape)
    n, d = X.shape
    g, v, y = np.empty(d), np.empty(d), np.empty(d)
    indptr, indices, weights = setting.indptr, setting.indices, setting.weights
    gradient, data, batches = gradient_at(setting.gradient), setting.data, setting.batches
    stamps, picked = new_stamps(batches), np.empty(batches.size, np.int64)
    for t in range(start, start + count):
        for i in range(n):
            mix_at(indptr, indices, weights, i, X, v)
            _svl_point(X[i], v, y, steps[3])
            batch_gradient(gradient, data, batches, t * n + i, i, y, stamps, picked, g)
            _svl_row(X[i], v, S[i], g, X2[i], steps[0], steps[1], steps[2])
        X, X2 = X2, X
        ledger[GRADIENTS] += n
        send_whole(setting, d, ledger)
    if count & 1:
        rows[0, :, :] = X


@inner_njit(forceinline=True, **NO_ALIAS)
def _svl_point(x, v, y, delta):
    """With v = (W X)_i: v <- x - v, and set y to x - delta v."""
    for c in range(x.shape[0]):
        v[c] = x[c] - v[c]
        y[c] = x[c] - delta * v[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _svl_row(x, v, s, g, out, alpha, beta, gamma):
    """Set `out` to x + beta s - alpha g - gamma v, and s to s - v."""
    for c in range(x.shape[0]):
        out[c] = x[c] + beta * s[c] - alpha * g[c] - gamma * v[c]
        s[c] -= v[c]
