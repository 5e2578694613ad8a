"""Randomised pairwise gossip."""

from __future__ import annotations

from .._jit import lazy_njit
from ..events import GRADIENT_EVENT
from ..ledger import GRADIENTS
from .setting import EVENTS, count_exchange, meet


@lazy_njit(EVENTS)
def pairwise(setting, times, kinds, indices, start, numbers, rows, last, area, ledger):
    """Both ends of an edge take their mean; rows: X. Gradient events, of given streams, do nothing."""
    for e in range(times.shape[0]):
        if kinds[e] == GRADIENT_EVENT:
            last[indices[e]] = times[e]
            ledger[GRADIENTS] += 1
            continue
        i, j = setting.edges[indices[e], 0], setting.edges[indices[e], 1]
        meet(rows[i, 0], rows[j, 0])
        last[i] = last[j] = times[e]
        count_exchange(rows.shape[2], ledger)
