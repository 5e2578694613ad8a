"""Synchronous rounds: the loops of the methods in which all nodes compute and communicate at once.

One kernel a method, all of the signature `ROUNDS`: whole runs of rounds are one call. `Setting` holds what a
loop reads (mixing matrix, oracle, compressor), `run_rounds` calls one. `reference` has the methods in NumPy.

To add a method: its kernel in a file here, its round in `reference.py`, its solver in `gossamer.solvers`.
"""

from __future__ import annotations

import numpy as np

from .. import checks
from .._jit import LazyKernel
from ..ledger import new_ledger
from .setting import ROUNDS, SETTING, Setting

__all__ = [
    "ROUNDS",
    "SETTING",
    "Setting",
    "run_rounds",
]


def run_rounds(
    method: LazyKernel,
    setting: Setting,
    start: int,
    count: int,
    steps: np.ndarray,
    rows: np.ndarray,
    shared: np.ndarray,
) -> np.ndarray:
    """Do some rounds of a method, in place.

    Parameters
    ----------
    method : LazyKernel
        Of signature `ROUNDS`, such as `rounds.descent.dgd`.
    setting : Setting
        What it reads.
    start, count : int
        Number of the first round, and how many.
    steps : (any,) float64 array
        Step sizes and other numbers of the method.
    rows : (v, n, d) float64 array
        The method's variables at the nodes.
    shared : (s, d) float64 array
        Its variables that all nodes have in common.

    Returns
    -------
    (len(ledger.NAMES),) int64 array
        What these rounds count, as `kernels.ledger` has it.

    Raises
    ------
    TypeError, ValueError
        Arrays that do not fit the setting.
    """
    checks.instance("method", method, LazyKernel)
    checks.instance("setting", setting, Setting)
    for name, array in (("steps", steps), ("rows", rows), ("shared", shared)):
        checks.instance(name, array, np.ndarray)
    checks.count("start", start, most=2**62)
    checks.count("count", count, most=2**62)
    n = setting.copies.shape[0]
    if rows.ndim != 3 or shared.ndim != 2 or rows.shape[1] != n or rows.shape[2:] != shared.shape[1:]:
        raise ValueError(f"rows and shared must be (v, {n}, d) and (s, d), got {rows.shape}, {shared.shape}")
    ledger = new_ledger()
    method(setting, start, count, steps, rows, shared, ledger)
    return ledger
