"""Methods for variational inequalities over a server: operators F_i in place of gradients.

A step is `prox.cpu.step`: from a centre, by minus a shift, into the sets of `setting.blocks`.
"""

from __future__ import annotations

import numpy as np

from .._jit import NO_ALIAS, inner_njit, lazy_njit
from ..ledger import COMMUNICATIONS, GRADIENTS
from ..oracles.batches import draw_batch, new_stamps
from ..oracles.types import gradient_at
from ..prox.cpu import between
from ..prox.cpu import step as prox_step
from ..random.cpu import distinct
from ..random.streams import PARTICIPANTS
from .server import coin
from .setting import ROUNDS, answer, node_gradient, send, send_down, send_whole

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
def _add_scaled(factor, x, total):
    """Add factor x to the total."""
    for c in range(total.shape[0]):
        total[c] += factor * x[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _extrapolated(step, now, last, out):
    """Set out to step (2 now - last)."""
    for c in range(out.shape[0]):
        out[c] = step * (2.0 * now[c] - last[c])


@inner_njit(forceinline=True, **NO_ALIAS)
def _scaled_sum(factor, x, y, out):
    """Set out to factor (x + y)."""
    for c in range(out.shape[0]):
        out[c] = factor * (x[c] + y[c])


@inner_njit(forceinline=True, **NO_ALIAS)
def _remembered(step, memory, g):
    """Set g to step g + memory."""
    for c in range(g.shape[0]):
        g[c] = step * g[c] + memory[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _difference_into(x, y, out):
    """Set out to x - y."""
    for c in range(out.shape[0]):
        out[c] = x[c] - y[c]


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
        _extrapolated(steps[0], mean, last, shift)
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
                _remembered(steps[0], E[i], g)
                send(setting, turn, i, g, message, ledger)
                _add(total, message)
                if steps[1] > 0.0:
                    _difference_into(g, message, E[i])
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
    if use > 0:
        operator(i, w, picked[:use], setting.data, spare)
        ledger[GRADIENTS] += 1
        _subtract(out, spare)
    else:
        _subtract(out, Fw)


@inner_njit()
def _links(setting, n_participants):
    """Return how many links a round uses; a server's answer goes over all of its links."""
    n = setting.copies.shape[0]
    if setting.copies_down > 0:
        return setting.n_links
    idle = n - n_participants
    return setting.n_links - idle * (idle - 1) // 2


@inner_njit()
def _choose(setting, turn, n_participants, marks, members):
    """Set the first entries of `members` to the participants of a round: all in their order, or some."""
    n = members.shape[0]
    if n_participants < n:
        chosen = members[:n_participants]
        distinct(n_participants, n, setting.key, _PARTICIPANTS, np.uint64(turn), marks, turn, chosen)


@lazy_njit(ROUNDS)
def masha1(setting, start, count, steps, rows, shared, ledger):
    """MASHA1; steps: step, tau, new anchor, participants; rows: F_i at the anchor; shared: z, anchor, F."""
    F, z, w, Fw = rows[0], shared[0], shared[1], shared[2]
    n, d = F.shape
    step, tau, n_participants = steps[0], steps[1], np.int64(steps[3])
    g, spare, message, total = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    centre, half, shift, following = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    members, marks = np.arange(n), np.full(n, -1, np.int64)
    for t in range(start, start + count):
        if t == 0:
            w[:] = z
            _refresh(setting, w, F, Fw, ledger)
        between(tau, z, w, setting.blocks, centre)
        _scaled(step, Fw, shift)
        prox_step(centre, shift, setting.blocks, half)
        _choose(setting, t, n_participants, marks, members)
        total[:] = 0.0
        for m in range(n_participants):
            i = members[m]
            _difference(setting, t, i, half, w, F[i], stamps, picked, g, spare, ledger)
            send(setting, t, i, g, message, ledger)
            _add(total, message)
        total /= n_participants
        ledger[COMMUNICATIONS] += _links(setting, n_participants)
        answer(setting, t, total, message, ledger)
        _scaled_sum(step, Fw, message, shift)
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
    step, tau, n_participants = steps[0], steps[1], np.int64(steps[3])
    g, spare, message = np.empty(d), np.empty(d), np.empty(d)
    half, following = np.empty(d), np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    members, marks = np.arange(n), np.full(n, -1, np.int64)
    for t in range(start, start + count):
        if t == 0:
            w[:] = z
            _refresh(setting, w, F, Fw, ledger)
        between(tau, z, w, setting.blocks, half)
        _add_scaled(-step, Fw, half)
        _choose(setting, t, n_participants, marks, members)
        for m in range(n_participants):
            i = members[m]
            _difference(setting, t, i, half, w, F[i], stamps, picked, g, spare, ledger)
            _add_scaled(step, g, E[i])
            send(setting, t, i, E[i], message, ledger)
            _subtract(E[i], message)
            _add_scaled(1.0 / n_participants, message, e)
        ledger[COMMUNICATIONS] += _links(setting, n_participants)
        answer(setting, t, e, message, ledger)
        _subtract(e, message)
        _difference_into(half, message, following)
        if coin(setting, t, 1.0 - tau):
            w[:] = following if steps[2] > 0.0 else z
            _refresh(setting, w, F, Fw, ledger)
        z[:] = following
