"""Poisson events and the compiled DADAO loop that consumes them.

An event stream superposes the nodes' gradient clocks and the edges' communication clocks into one Poisson
process: the gap is exponential, the slot is drawn from an alias table, both from one Philox block that
belongs to the event's number. Streams of any length are made in chunks of any size, with the same bits.

`dadao_advance` applies a chunk of events to DADAO's state; `reference` holds the same dynamics in NumPy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import checks, random
from ..backend import destination, device_of
from ..checks import as_array, count, instance, real, real_array
from ..oracles.batches import Batches
from ..oracles.types import Oracle
from . import cpu, gpu
from .cpu import COMMUNICATION_EVENT, GRADIENT_EVENT, DadaoConstants

__all__ = [
    "CHUNK",
    "COMMUNICATION_EVENT",
    "GRADIENT_EVENT",
    "DadaoConstants",
    "EventStream",
    "Events",
    "check_events",
    "dadao_advance",
    "dadao_integrals",
    "dadao_iterates",
    "dadao_rows",
    "poisson_events",
]

CHUNK = 1 << 16  # events made at a time: about 1 MB, which stays in the cache
_PIECE = 1 << 23  # events drawn in one call, which Ctrl-C waits for: about 0.1 s


class Events(NamedTuple):
    """Events in the order of their times.

    Attributes
    ----------
    time : (count,) float64
        In units of the mean gap between two gradients of a node, where the node rates are 1.
    kind : (count,) uint8
        `GRADIENT_EVENT` (0) or `COMMUNICATION_EVENT` (1).
    index : (count,) int32
        The node of a gradient, the edge of a communication.
    """

    time: np.ndarray
    kind: np.ndarray
    index: np.ndarray  # pyright: ignore[reportIncompatibleMethodOverride]  (tuple.index is not missed)


class EventStream:
    """The superposed Poisson clocks of a network.

    Parameters
    ----------
    node_rates : (n,) array_like
        Gradient rate of each node.
    edge_rates : (m,) array_like
        Communication rate of each edge.
    key : int
        64-bit key, from `kernels.random.make_key`.

    Attributes
    ----------
    total_rate : float
        Sum of all rates: events per unit of time.
    """

    def __init__(self, node_rates: ArrayLike, edge_rates: ArrayLike, key: int):
        nodes = real_array("node_rates", node_rates, 1, least=0.0)
        edges = real_array("edge_rates", edge_rates, 1, least=0.0)
        self.n_nodes = nodes.size
        self.key = checks.count("key", key, most=2**64 - 1)
        rates = np.concatenate([nodes, edges])
        self.total_rate = float(rates.sum())
        if self.total_rate == 0:
            raise ValueError("all rates are zero: no event would ever happen; give one node or edge a rate")
        self._table = random.alias_table(rates)

    def take(self, start: int, time: float, count: int, *, out: Events | None = None) -> Events:
        """Return events number start, ..., start + count - 1, given the time of the event before them.

        Parameters
        ----------
        start : int
            Number of the first event.
        time : float
            Time of event start - 1 (0 for start = 0): it is the one thing that events pass on.
        count : int
            How many.
        out : Events, optional
            Three arrays to fill where they are, C-contiguous and of the types of `Events`: NumPy arrays, CuPy
            arrays of one device, or other libraries' arrays in the memory of the CPU.

        Returns
        -------
        Events
            The same for any way of cutting the stream, to the last bit: `out`, or new NumPy arrays.

        Raises
        ------
        TypeError, ValueError
            An `out` that does not fit, or whose arrays are on two devices.
        RuntimeError
            CuPy finds no device, though `out` holds arrays of it.
        """
        start = checks.count("start", start, most=2**62)
        if out is None:
            out = Events(np.empty(count), np.empty(count, np.uint8), np.empty(count, np.int32))
        elif not isinstance(out, Events) or any(part is None for part in out):
            raise TypeError("out must be an Events of three arrays: time, kind, index")
        device = device_of(**out._asdict())
        events = [
            destination(part, (count,), dtype, name=f"out.{name}")[0]
            for name, dtype, part in zip(Events._fields, (np.float64, np.uint8, np.int32), out, strict=True)
        ]
        table = self._table
        source = self.total_rate, self.n_nodes, table.threshold, table.alias, table.bits
        if device is not None:
            if count:
                gpu.on_device(device).fill_events(self.key, start, time, *source, *events)
            return out
        for begin in range(0, count, _PIECE):
            piece = [part[begin : begin + _PIECE] for part in events]
            time = cpu.fill_events(self.key, start + begin, time, *source, *piece)
        return out


def poisson_events(
    node_rates: ArrayLike,
    edge_rates: ArrayLike,
    *,
    n_events: int | None = None,
    horizon: float | None = None,
    key: int,
) -> Events:
    """Draw the gradient and communication events of a network.

    Parameters
    ----------
    node_rates : (n,) array_like
        Gradient rate of each node.
    edge_rates : (m,) array_like
        Communication rate of each edge.
    n_events : int, optional
        Number of events.
    horizon : float, optional
        Draw all events up to this time. Give one of `n_events` and `horizon`.
    key : int
        64-bit key, from `kernels.random.make_key`.

    Returns
    -------
    Events
        Times, kinds, indices. For streams that do not fit in memory see `EventStream.take`.
    """
    stream = EventStream(node_rates, edge_rates, key)
    if (n_events is None) == (horizon is None):
        raise ValueError("give either n_events or horizon")
    if n_events is not None:
        return stream.take(0, 0.0, count("n_events", n_events))
    horizon = real("horizon", horizon, least=0.0)
    chunks: list[Events] = []
    start, time = 0, 0.0
    while time <= horizon:
        chunks.append(stream.take(start, time, CHUNK))
        start += CHUNK
        time = float(chunks[-1].time[-1])
    joined = Events(*(np.concatenate(parts) for parts in zip(*chunks, strict=True)))
    keep = int(np.searchsorted(joined.time, horizon, side="right"))
    return Events(*(part[:keep] for part in joined))


def check_events(events: tuple[ArrayLike, ArrayLike, ArrayLike], n_nodes: int, n_edges: int) -> Events:
    """Return a user's event stream as contiguous arrays of the right types.

    Parameters
    ----------
    events : tuple of three (count,) array_like
        Times (finite, non-negative, non-decreasing), kinds (0 or 1), indices (of a node or an edge).
    n_nodes, n_edges : int
        Bounds of the indices.

    Returns
    -------
    Events
        Checked copies where a conversion was needed.
    """
    if len(events) != 3:
        raise ValueError("events must be (time, kind, index), three vectors of one length")
    time, kind, index = (as_array("event", part) for part in events)
    if time.dtype.kind not in "fiu":
        raise TypeError(f"event times must be real numbers, got dtype {time.dtype}")
    if time.size == kind.size == index.size == 0:  # empty lists have no type of their own
        kind, index = kind.astype(np.uint8), index.astype(np.int32)
    if time.ndim != 1 or time.shape != kind.shape or time.shape != index.shape:
        shapes = time.shape, kind.shape, index.shape
        raise ValueError(f"events must be three vectors of one length, got shapes {shapes}")
    if not (np.issubdtype(kind.dtype, np.integer) or kind.dtype == bool) or not np.issubdtype(
        index.dtype, np.integer
    ):
        raise ValueError(f"event kinds and indices must be integers, got {kind.dtype} and {index.dtype}")
    time = np.ascontiguousarray(time, np.float64)
    if time.size:
        if not np.isfinite(time).all() or time[0] < 0 or (np.diff(time) < 0).any():
            raise ValueError("event times must be finite, non-negative and sorted; sort the events by time")
        if not np.isin(kind, (GRADIENT_EVENT, COMMUNICATION_EVENT)).all():
            raise ValueError("event kinds must be 0 (gradient) or 1 (communication)")
        n_nodes = checks.count("n_nodes", n_nodes, most=2**31 - 1)
        n_edges = checks.count("n_edges", n_edges, most=2**62)
        limit = np.where(kind == GRADIENT_EVENT, n_nodes, n_edges)
        if (index < 0).any() or (index >= limit).any():
            bad = int(np.flatnonzero((index < 0) | (index >= limit))[0])
            what = "node" if kind[bad] == GRADIENT_EVENT else "edge"
            raise ValueError(f"event {bad} names {what} {index[bad]}, but there are {limit[bad]} {what}s")
    return Events(time, np.ascontiguousarray(kind, np.uint8), np.ascontiguousarray(index, np.int32))


def dadao_rows(X: np.ndarray, nu: float) -> np.ndarray:
    """Return DADAO's start in storage form: X given, X~ = Y = Y~ = Z = Z~ = 0.

    Parameters
    ----------
    X : (n, d) array
        Start of each node.
    nu : float
        mu / 2.

    Returns
    -------
    (n, 6, d) float64 array
        Rows s, D, hY, hT, zb, G of each node (module `cpu`).
    """
    X = real_array("X", X, 2, finite=False)
    nu = real("nu", nu)
    rows = np.zeros((X.shape[0], 6, X.shape[1]))
    rows[:, cpu.S] = X / 2
    rows[:, cpu.D] = X
    rows[:, cpu.HT] = nu * X / 2
    return rows


_NO_AREA = np.empty((0, 0))


def _check_state(
    rows: np.ndarray,
    last: np.ndarray,
    area: np.ndarray | None,
    constants: DadaoConstants,
    sizes: tuple[int, int] | None = None,
) -> None:
    """Refuse arrays that do not fit n nodes and d coordinates, those of `rows` itself by default."""
    instance("constants", constants, DadaoConstants)
    for name, array in (("rows", rows), ("last", last), ("area", area)):
        if array is not None:
            instance(name, array, np.ndarray)
    n, d = sizes or (len(rows) if rows.ndim else 0, rows.shape[-1] if rows.ndim else 0)
    if rows.shape != (n, 6, d) or last.shape != (n,) or (area is not None and area.shape != (n, d)):
        raise ValueError(
            f"rows, last and area must have shapes ({n}, 6, {d}), ({n},) and ({n}, {d}), got {rows.shape}, "
            f"{last.shape} and {None if area is None else area.shape}"
        )


def dadao_advance(
    events: Events,
    start: int,
    edges: np.ndarray,
    rows: np.ndarray,
    last: np.ndarray,
    constants: DadaoConstants,
    oracle: Oracle,
    *,
    batches: Batches | None = None,
    area: np.ndarray | None = None,
    average_from: float = 0.0,
) -> int:
    """Apply events to DADAO's state, in place.

    Parameters
    ----------
    events : Events
        As `check_events` or `EventStream.take` return them.
    start : int
        Number of the first of them in the whole stream: mini-batches are drawn by it.
    edges : (m, 2) int32 array
        The graph's edges.
    rows : (n, 6, d) float64 array
        State in storage form.
    last : (n,) float64 array
        Time to which each node has been flowed.
    constants : DadaoConstants
        Flow and jumps.
    oracle : Oracle
        Gradients of the nodes.
    batches : Batches, optional
        Mini-batches; full gradients without.
    area : (n, d) float64 array, optional
        Adds up the integrals of the nodes' X over time.
    average_from : float
        Time from which `area` counts.

    Returns
    -------
    int
        Number of gradients among the events.

    Raises
    ------
    TypeError, ValueError, IndexError
        Arrays of wrong types or shapes; events or edges that name a node or edge that does not exist; times
        that are not finite. The state is then as before. An event earlier than what its node has seen raises,
        too, and leaves the state spoilt. What an objective raises passes through, and the state is spoilt.
    """
    instance("oracle", oracle, Oracle)
    instance("events", events, Events, "check_events(events, n_nodes, n_edges)")
    _check_state(rows, last, area, constants, (oracle.n_nodes, oracle.dim))
    if len({len(part) for part in events}) != 1:
        raise ValueError("the three vectors of events must have one length")
    instance("edges", edges, np.ndarray)
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise ValueError(f"edges must have shape (m, 2), got {edges.shape}")
    if batches is None:
        batches = Batches(0, oracle.n_samples, np.uint64(0))
    instance("batches", batches, Batches)
    if not np.array_equal(batches.n_samples, oracle.n_samples):
        raise ValueError("batches.n_samples must be the oracle's")
    return cpu.advance(
        *events,
        start,
        edges,
        rows,
        last,
        constants,
        oracle.gradient_address,
        oracle.data,
        batches,
        _NO_AREA if area is None else area,
        average_from,
    )


def dadao_iterates(rows: np.ndarray, last: np.ndarray, time: float, constants: DadaoConstants) -> np.ndarray:
    """Return the nodes' X, (n, d), all flowed to one time; the state is left as it is.

    Parameters
    ----------
    rows, last
        State, as in `dadao_advance`.
    time : float
        No earlier than any of `last`.
    constants : DadaoConstants
        Only r is read.

    Returns
    -------
    (n, d) float64 array
        The iterates.
    """
    _check_state(rows, last, None, constants)
    out = np.empty((rows.shape[0], rows.shape[2]))
    cpu.flowed_iterates(rows, last, constants.r, time, out)
    return out


def dadao_integrals(
    area: np.ndarray,
    rows: np.ndarray,
    last: np.ndarray,
    time: float,
    constants: DadaoConstants,
    average_from: float,
) -> np.ndarray:
    """Return the integrals of the nodes' X from `average_from` to `time`, (n, d); the state is left as it is.

    Parameters
    ----------
    area : (n, d) array
        Integrals up to `last`, from `dadao_advance`.
    rows, last, time, constants
        As in `dadao_iterates`.
    average_from : float
        Lower end of the integrals.

    Returns
    -------
    (n, d) float64 array
        Divide by time - average_from for the time average.
    """
    _check_state(rows, last, area, constants)
    out = area.copy()
    cpu.integrated_iterates(rows, last, constants.r, time, average_from, out)
    return out
