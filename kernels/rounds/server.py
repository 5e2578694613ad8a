"""Methods in which a server takes the mean of the workers' compressed messages.

A round: every worker takes its gradient at x, sends a message, and gets the next x. The mean is summed in the
order of the workers, so that a star and a complete graph give the same bits.
"""

from __future__ import annotations

import numpy as np

from .._jit import NO_ALIAS, inner_njit, lazy_njit
from ..compression.cpu_masks import happens
from ..ledger import COMMUNICATIONS, GRADIENTS
from ..oracles.batches import draw_batch, new_stamps
from ..oracles.types import gradient_at
from ..prox.cpu import step as prox_step
from ..random.cpu import words
from ..random.streams import COIN
from .setting import ROUNDS, move, node_gradient, send, send_down, send_whole

_COIN = np.uint64(COIN)
_ZERO = np.uint64(0)


@inner_njit(forceinline=True, **NO_ALIAS)
def _add(x, y):
    """Add y to x."""
    for c in range(x.shape[0]):
        x[c] += y[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _subtract(x, y):
    """Subtract y from x."""
    for c in range(x.shape[0]):
        x[c] -= y[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _renew(g, last):
    """Replace the last gradient by g, and g by its change."""
    for c in range(g.shape[0]):
        change = g[c] - last[c]
        last[c] = g[c]
        g[c] = change


@inner_njit(forceinline=True, **NO_ALIAS)
def _receive(message, part, kept, total):
    """Add part of a message to what its sender keeps, and all of it to the total."""
    for c in range(message.shape[0]):
        kept[c] += part * message[c]
        total[c] += message[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _remember(memory, step, g):
    """Add step g to the memory."""
    for c in range(memory.shape[0]):
        memory[c] += step * g[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _forget(message, memory, total):
    """Take what was sent out of the memory, and add it to the total."""
    for c in range(message.shape[0]):
        memory[c] -= message[c]
        total[c] += message[c]


@inner_njit(forceinline=True, **NO_ALIAS)
def _learn(g, total, share, part, step, shift):
    """Set the shift to step (g + share total), and move g by part of the share of the total."""
    for c in range(g.shape[0]):
        mean = share * total[c]
        shift[c] = step * (g[c] + mean)
        g[c] += part * mean


@lazy_njit(ROUNDS)
def error_feedback(setting, start, count, steps, rows, shared, ledger):
    """EF; steps: step; rows: memories; shared: x."""
    E, x = rows[0], shared[0]
    n, d = E.shape
    g, message, total = np.empty(d), np.empty(d), np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    for t in range(start, start + count):
        total[:] = 0.0
        for i in range(n):
            node_gradient(setting, t, i, x, stamps, picked, g)
            _remember(E[i], steps[0], g)
            send(setting, t, i, E[i], message, ledger)
            _forget(message, E[i], total)
        move(x, 1.0 / n, total)
        send_down(setting, d, ledger)
        ledger[GRADIENTS] += n
        ledger[COMMUNICATIONS] += setting.n_links


@lazy_njit(ROUNDS)
def shifted(setting, start, count, steps, rows, shared, ledger):
    """DIANA, and EF21 with shift step 1; steps: step, shift step; rows: shifts; shared: x, mean shift."""
    H, x, h = rows[0], shared[0], shared[1]
    n, d = H.shape
    g, message, total, shift, following = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    for t in range(start, start + count):
        total[:] = 0.0
        for i in range(n):
            node_gradient(setting, t, i, x, stamps, picked, g)
            _subtract(g, H[i])
            send(setting, t, i, g, message, ledger)
            _receive(message, steps[1], H[i], total)
        _learn(h, total, 1.0 / n, steps[1], steps[0], shift)
        prox_step(x, shift, setting.blocks, following)
        x[:] = following
        send_down(setting, d, ledger)
        ledger[GRADIENTS] += n
        ledger[COMMUNICATIONS] += setting.n_links


@inner_njit()
def coin(setting, turn, probability):
    """Toss the coin of a round, the same at all nodes: true with this probability, exactly."""
    word = words(setting.key, _COIN, np.uint64(turn), _ZERO, _ZERO)[0]
    return happens(probability, word, setting.key, _COIN, np.uint64(turn), 0)


@lazy_njit(ROUNDS)
def marina(setting, start, count, steps, rows, shared, ledger):
    """MARINA; steps: step, probability of a full round; rows: last gradients; shared: x, estimate, last x.

    With mini-batches the gradient at the last x is taken anew, over the batch of this round, and full rounds
    use all samples.
    """
    G, x, estimate, last = rows[0], shared[0], shared[1], shared[2]
    n, d = G.shape
    gradient = gradient_at(setting.gradient)
    g, message, total = np.empty(d), np.empty(d), np.empty(d)
    stamps, picked = new_stamps(setting.batches), np.empty(setting.batches.size, np.int64)
    for t in range(start, start + count):
        total[:] = 0.0
        if t == 0 or coin(setting, t, steps[1]):
            for i in range(n):
                gradient(i, x, picked[:0], setting.data, G[i])
                _add(total, G[i])
            estimate[:] = total
            estimate /= n
            ledger[GRADIENTS] += n
            send_whole(setting, d, ledger)
        else:
            for i in range(n):
                number = t * n + i
                use = draw_batch(setting.batches, i, np.uint64(number), stamps, number, picked)
                if setting.batches.size > 0:
                    gradient(i, last, picked[:use], setting.data, G[i])
                gradient(i, x, picked[:use], setting.data, g)
                _renew(g, G[i])
                send(setting, t, i, g, message, ledger)
                _add(total, message)
            _remember(estimate, 1.0 / n, total)
            ledger[GRADIENTS] += n if setting.batches.size == 0 else 2 * n
            ledger[COMMUNICATIONS] += setting.n_links
        last[:] = x
        move(x, steps[0], estimate)
        send_down(setting, d, ledger)
