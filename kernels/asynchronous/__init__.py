"""Loops over events: what nodes and edges do at the times of a stream, one kernel a method.

All have the signature `EVENTS`: a stretch of events is one call. `Setting` holds what a loop reads (edges,
oracle), `run_events` calls one; `reference` has the methods in NumPy, an event a function.

To add a method: its kernel in a file here, its event in `reference.py`, its solver in `gossamer.solvers`.
"""

from __future__ import annotations

import numpy as np

from .. import checks
from .._jit import LazyKernel
from ..events import Events
from ..ledger import new_ledger
from .setting import EVENTS, SETTING, Setting, check_events

__all__ = ["EVENTS", "SETTING", "Setting", "run_events"]

_NO_AREA = np.empty((0, 0))


def run_events(
    method: LazyKernel,
    setting: Setting,
    events: Events,
    start: int,
    numbers: np.ndarray,
    rows: np.ndarray,
    last: np.ndarray,
    *,
    area: np.ndarray | None = None,
) -> np.ndarray:
    """Apply some events of a method, in place.

    Parameters
    ----------
    method : LazyKernel
        Of signature `EVENTS`, such as `asynchronous.pairwise.pairwise`.
    setting : Setting
        What it reads.
    events : kernels.events.Events
        In the order of their times; kind 0 is a gradient at a node, kind 1 a communication along an edge.
    start : int
        Number of the first of them in the whole stream.
    numbers : (any,) float64 array
        Constants of the method.
    rows : (n, v, d) float64 array
        Its variables: `rows[i]` are those of node i.
    last : (n,) float64 array
        Times that the nodes' variables belong to.
    area : (n, d) float64 array, optional
        Adds up integrals over time, of methods that have them.

    Returns
    -------
    (len(ledger.NAMES),) int64 array
        What these events count, as `kernels.ledger` has it.

    Raises
    ------
    TypeError, ValueError, IndexError
        Arrays that do not fit the setting; events that name a node or edge that is not there, or whose times
        are not finite and in order. The state is then as before.

    Examples
    --------
    >>> import numpy as np
    >>> from gossamer import problems
    >>> from gossamer.kernels import asynchronous, events
    >>> from gossamer.kernels.asynchronous import pairwise
    >>> edges, rows = np.array([[0, 1], [1, 2]], np.int32), np.array([[[0.0]], [[4.0]], [[8.0]]])
    >>> setting = asynchronous.Setting.of(edges, problems.Averaging(rows[:, 0]).oracle)
    >>> met = events.check_events(([0.5, 0.7], [1, 1], [0, 1]), 3, 2)
    >>> counts = asynchronous.run_events(
    ...     pairwise.pairwise, setting, met, 0, np.empty(0), rows, np.zeros(3)
    ... )
    >>> rows.ravel().tolist(), counts.tolist()
    ([2.0, 5.0, 5.0], [0, 2, 256, 0])
    """
    checks.instance("method", method, LazyKernel)
    checks.instance("setting", setting, Setting)
    checks.instance("events", events, Events, "kernels.events.check_events(events, n_nodes, n_edges)")
    for name, array in (("numbers", numbers), ("rows", rows), ("last", last)):
        checks.instance(name, array, np.ndarray)
    checks.count("start", start, most=2**62)
    n = setting.batches.n_samples.shape[0]
    if rows.ndim != 3 or rows.shape[0] != n or last.shape != (n,):
        raise ValueError(f"rows and last must be ({n}, v, d) and ({n},), got {rows.shape}, {last.shape}")
    if area is not None and np.shape(area) != (n, rows.shape[2]):
        raise ValueError(f"area must be ({n}, {rows.shape[2]}), got {np.shape(area)}")
    if len({len(part) for part in events}) != 1:
        raise ValueError("the three vectors of events must have one length")
    check_events(*events, setting.edges, last)
    ledger = new_ledger()
    method(setting, *events, start, numbers, rows, last, _NO_AREA if area is None else area, ledger)
    return ledger
