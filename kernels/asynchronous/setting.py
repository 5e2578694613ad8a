"""What all loops over events share: their one signature, what they read, the exchange along an edge.

A method is one kernel `method(setting, times, kinds, indices, start, numbers, rows, last, area, ledger)` with
the signature `EVENTS` that applies events number start, start + 1, ... `rows[i]` (v, d) are the variables of
node i at time `last[i]`, and `rows[i, 0]` is its iterate where nothing flows; `numbers` are the method's
constants. Events are sound: `run_events` has checked them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from .._jit import NO_ALIAS, array_type, inner_njit, lazy_njit
from ..checks import as_array, bound_to_this_process, frozen, instance
from ..events import GRADIENT_EVENT
from ..ledger import BITS, COMMUNICATIONS, LEDGER
from ..oracles.batches import BATCHES, Batches
from ..oracles.types import DATA, Oracle, OracleData

WIDTH = 64  # bits of a number sent as it is


class Setting(NamedTuple):
    """What a loop reads and never writes.

    Attributes
    ----------
    edges : (m, 2) int32
        Of the graph.
    gradient : int
        Address of the oracle's gradient.
    data : OracleData
        Of the oracle.
    batches : Batches
        Mini-batches; batch number e is that of event e.
    """

    edges: np.ndarray
    gradient: int
    data: OracleData
    batches: Batches

    __reduce__ = bound_to_this_process

    @classmethod
    def of(cls, edges: np.ndarray, oracle: Oracle, batches: Batches | None = None) -> Setting:
        """Return the setting of a graph and an oracle.

        Parameters
        ----------
        edges : (m, 2) int array
            Of the graph, between nodes of the oracle.
        oracle : Oracle
            It must live as long as the setting: its address is in there.
        batches : Batches, optional
            Mini-batches; full gradients without.

        Raises
        ------
        TypeError, ValueError
            Edges that do not join two nodes, or batches of another oracle.
        """
        instance("oracle", oracle, Oracle)
        if batches is not None:
            instance("batches", batches, Batches)
        edges = as_array("edges", edges)
        if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
            raise ValueError(f"edges must be integers of shape (m, 2), got {edges.dtype} of {edges.shape}")
        n, (i, j) = oracle.n_nodes, edges.T
        if edges.size and (edges.min() < 0 or edges.max() >= n or (i == j).any()):
            raise ValueError(f"edges must join two of the nodes 0 to {n - 1}")
        if batches is None:
            batches = Batches(0, oracle.n_samples, np.uint64(0))
        if not np.array_equal(batches.n_samples, oracle.n_samples):
            raise ValueError("batches.n_samples must be the oracle's")
        kept = frozen(np.array(edges, np.int32, order="C"))
        return cls(kept, oracle.gradient_address, oracle.data, batches)


_times = array_type(types.float64, 1, readonly=True)
_kinds = array_type(types.uint8, 1, readonly=True)
_indices = array_type(types.int32, 1, readonly=True)
_edges = array_type(types.int32, 2, readonly=True)

SETTING = types.NamedTuple([_edges, types.int64, DATA, BATCHES], Setting)

EVENTS = types.void(
    SETTING,
    _times,
    _kinds,
    _indices,
    types.int64,  # number of the first event
    array_type(types.float64, 1, readonly=True),  # numbers of the method
    array_type(types.float64, 3),  # rows (n, v, d)
    array_type(types.float64, 1),  # last (n,)
    array_type(types.float64, 2),  # area (n, d), or empty
    LEDGER,
)


@lazy_njit(types.void(_times, _kinds, _indices, _edges, array_type(types.float64, 1, readonly=True)))
def check_events(times, kinds, indices, edges, last):
    """Raise for events that a loop must not meet."""
    n, m, before = last.shape[0], edges.shape[0], -math.inf
    for e in range(times.shape[0]):
        if not math.isfinite(times[e]) or times[e] < before:
            raise ValueError("the times of events must be finite and in order")
        before = times[e]
        i = indices[e]
        if i < 0 or i >= (n if kinds[e] == GRADIENT_EVENT else m):
            raise IndexError("an event names a node or an edge that does not exist")
        latest = last[i] if kinds[e] == GRADIENT_EVENT else max(last[edges[i, 0]], last[edges[i, 1]])
        if times[e] < latest:
            raise ValueError("an event is earlier than what its node has seen")


@inner_njit(forceinline=True, **NO_ALIAS)
def meet(x, y):
    """Set both of two vectors to their mean."""
    for c in range(x.shape[0]):
        x[c] = y[c] = 0.5 * x[c] + 0.5 * y[c]


@inner_njit()
def count_exchange(dim, ledger):
    """Count a communication along an edge: a vector of all coordinates in each direction."""
    ledger[COMMUNICATIONS] += 1
    ledger[BITS] += 2 * WIDTH * dim
