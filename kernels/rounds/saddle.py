"""Methods for variational inequalities over a server: operators F_i in place of gradients.

A step is `prox.cpu.step`: from a centre, by minus a shift, into the sets of `setting.blocks`.
"""

from __future__ import annotations

import numpy as np

from .._jit import NO_ALIAS, inner_njit, lazy_njit
from ..oracles.batches import draw_batch, new_stamps
from ..oracles.types import gradient_at
from ..prox.cpu import step as prox_step
from ..random.cpu import distinct
from ..random.streams import PARTICIPANTS
from .server import coin
from .setting import (
    COMMUNICATIONS,
    GRADIENTS,
    ROUNDS,
    answer,
    node_gradient,
    send,
    send_down,
    send_whole,
)

_PARTICIPANTS = np.uint64(PARTICIPANTS)


@inner_njit(forceinline=True, **NO_ALIAS)
def _add(total, x):
    """Add x to the total."""
    for c in range(total.shape[0]):
        total[c] += x[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _scaled(factor, x, out):
    """Set out to factor x."""
    for c in range(out.shape[0]):
        out[c] = factor * x[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _between(tau, z, w, out):
    """Set out to tau z + (1 - tau) w."""
    for c in range(out.shape[0]):
        out[c] = tau * z[c] + (1.0 - tau) * w[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _subtract(x, y):
    """Subtract y from x."""
    for c in range(x.shape[0]):
        x[c] -= y[c]


@inner_njit()
def _mean_operator(setting, turn, z, stamps, picked, g, out, ledger):
    """Set out to the mean of the F_i at z, sent as they are; the server sends it on."""
    n = setting.copies.shape[0]
    out[:] = 0.0
    for i in range(n):
        node_gradient(setting, turn, i, z, stamps, picked, g)
        _add(out, g)
    out /= n
    ledger[GRADIENTS] += n
    send_whole(setting, z.size, ledger)
    send_down(setting, z.size, ledger)


@lazy_njit(ROUNDS)
def extragradient(setting, start, count, steps, rows, shared, ledger):
    """Extragradient; steps: step; shared: z. Two exchanges a round."""
    z = shared[0]
    d = z.size
    g, mean, shift, half, following = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    for t in range(start, start + count):
        _mean_operator(setting, 2 * t, z, stamps, picked, g, mean, ledger)
        _scaled(steps[0], mean, shift)
        prox_step(z, shift, setting.blocks, half)
        _mean_operator(setting, 2 * t + 1, half, stamps, picked, g, mean, ledger)
        _scaled(steps[0], mean, shift)
        prox_step(z, shift, setting.blocks, following)
        z[:] = following


@lazy_njit(ROUNDS)
def optimistic(setting, start, count, steps, rows, shared, ledger):
    """Optimistic gradient; steps: step; shared: z, F at the last z. One exchange a round."""
    z, last = shared[0], shared[1]
    d = z.size
    g, mean, shift, following = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    for t in range(start, start + count):
        _mean_operator(setting, t, z, stamps, picked, g, mean, ledger)
        if t == 0:
            last[:] = mean
        for c in range(d):
            shift[c] = steps[0] * (2.0 * mean[c] - last[c])
        prox_step(z, shift, setting.blocks, following)
        z[:] = following
        last[:] = mean


@lazy_njit(ROUNDS)
def compressed_extragradient(setting, start, count, steps, rows, shared, ledger):
    """Extragradient with compressed operators; steps: step, whether errors are fed back; rows: memories."""
    E, z = rows[0], shared[0]
    n, d = E.shape
    g, message, total, half, following = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    for t in range(start, start + count):
        for turn in range(2 * t, 2 * t + 2):
            total[:] = 0.0
            for i in range(n):
                node_gradient(setting, turn, i, z if turn == 2 * t else half, stamps, picked, g)
                for c in range(d):
                    g[c] = steps[0] * g[c] + E[i, c]
                send(setting, turn, i, g, message, ledger)
                _add(total, message)
                if steps[1] > 0.0:
                    E[i, :] = g
                    _subtract(E[i], message)
            total /= n
            prox_step(z, total, setting.blocks, half if turn == 2 * t else following)
            ledger[GRADIENTS] += n
            ledger[COMMUNICATIONS] += setting.n_links
            send_down(setting, d, ledger)
        z[:] = following


@inner_njit()
def _refresh(setting, w, F, mean, ledger):
    """Set F[i] to all of F_i at the anchor w and `mean` to their mean, exchanged as they are."""
    n, d = F.shape
    operator = gradient_at(setting.gradient)
    everything = np.empty(0, np.int64)
    mean[:] = 0.0
    for i in range(n):
        operator(i, w, everything, setting.data, F[i])
        _add(mean, F[i])
    mean /= n
    ledger[GRADIENTS] += n
    send_whole(setting, d, ledger)
    send_down(setting, d, ledger)


@inner_njit()
def _difference(setting, turn, i, z, w, Fw, stamps, picked, out, spare, ledger):
    """Set out to F_i(z) - F_i(w); over one mini-batch at both points, if there are batches."""
    operator = gradient_at(setting.gradient)
    number = turn * setting.copies.shape[0] + i
    use = draw_batch(setting.batches, i, np.uint64(number), stamps, number, picked)
    operator(i, z, picked[:use], setting.data, out)
    ledger[GRADIENTS] += 1
    if setting.batches.size > 0:
        operator(i, w, picked[:use], setting.data, spare)
        ledger[GRADIENTS] += 1
        _subtract(out, spare)
    else:
        _subtract(out, Fw)


@lazy_njit(ROUNDS)
def masha1(setting, start, count, steps, rows, shared, ledger):
    """MASHA1; steps: step, tau, new anchor, participants; rows: F_i at the anchor; shared: z, anchor, F there."""
    F, z, w, Fw = rows[0], shared[0], shared[1], shared[2]
    n, d = F.shape
    step, tau, participants = steps[0], steps[1], np.int64(steps[3])
    g, spare, message, total = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    centre, half, shift, following = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    members, marks = np.arange(n), np.full(n, -1, np.int64)
    for t in range(start, start + count):
        if t == 0:
            w[:] = z
            _refresh(setting, w, F, Fw, ledger)
        _between(tau, z, w, centre)
        _scaled(step, Fw, shift)
        prox_step(centre, shift, setting.blocks, half)
        if participants < n:
            distinct(participants, n, setting.key, _PARTICIPANTS, np.uint64(t), marks, t, members)
        total[:] = 0.0
        for m in range(participants):
            i = members[m]
            _difference(setting, t, i, half, w, F[i], stamps, picked, g, spare, ledger)
            send(setting, t, i, g, message, ledger)
            _add(total, message)
        total /= participants
        ledger[COMMUNICATIONS] += setting.n_links
        answer(setting, t, total, message, ledger)
        for c in range(d):
            shift[c] = step * (Fw[c] + message[c])
        prox_step(centre, shift, setting.blocks, following)
        if coin(setting, t, 1.0 - tau):
            w[:] = following if steps[2] > 0.0 else z
            _refresh(setting, w, F, Fw, ledger)
        z[:] = following


@lazy_njit(ROUNDS)
def masha2(setting, start, count, steps, rows, shared, ledger):
    """MASHA2; steps and shared as `masha1`, and the server's memory; rows: F_i at the anchor, memories."""
    F, E, z, w, Fw, e = rows[0], rows[1], shared[0], shared[1], shared[2], shared[3]
    n, d = F.shape
    step, tau, participants = steps[0], steps[1], np.int64(steps[3])
    g, spare, message, total = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    centre, half, shift, following = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    members, marks = np.arange(n), np.full(n, -1, np.int64)
    for t in range(start, start + count):
        if t == 0:
            w[:] = z
            _refresh(setting, w, F, Fw, ledger)
        _between(tau, z, w, centre)
        _scaled(step, Fw, shift)
        _subtract_into(centre, shift, half)
        if participants < n:
            distinct(participants, n, setting.key, _PARTICIPANTS, np.uint64(t), marks, t, members)
        total[:] = 0.0
        for m in range(participants):
            i = members[m]
            _difference(setting, t, i, half, w, F[i], stamps, picked, g, spare, ledger)
            _absorb(step, g, E[i])
            send(setting, t, i, E[i], message, ledger)
            _subtract(E[i], message)
            _add(total, message)
        ledger[COMMUNICATIONS] += setting.n_links
        _absorb(1.0 / participants, total, e)
        answer(setting, t, e, message, ledger)
        _subtract(e, message)
        _subtract_into(half, message, following)
        if coin(setting, t, 1.0 - tau):
            w[:] = following if steps[2] > 0.0 else z
            _refresh(setting, w, F, Fw, ledger)
        z[:] = following


@inner_njit(forceinline=True, **NO_ALIAS)
def _subtract_into(x, y, out):
    """Set out to x - y."""
    for c in range(out.shape[0]):
        out[c] = x[c] - y[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _absorb(factor, x, memory):
    """Add factor x to the memory."""
    for c in range(memory.shape[0]):
        memory[c] += factor * x[c]
