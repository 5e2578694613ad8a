"""What a run has counted so far, by the names of `kernels.ledger`."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ...kernels.ledger import NAMES

__all__ = ["NAMES", "Count", "Ledger"]


class Ledger(dict[str, int]):
    """Counts by name, in the order of `NAMES`; zero where nothing is given.

    Parameters
    ----------
    **counts : int
        Where it begins.
    """

    def __init__(self, **counts: int):
        super().__init__(dict.fromkeys(NAMES, 0) | counts)

    def add(self, counts: np.ndarray) -> None:
        """Add what a loop has counted.

        Parameters
        ----------
        counts : (len(NAMES),) int64 array
            As `kernels.ledger.new_ledger` makes it.
        """
        for name, amount in zip(NAMES, counts.tolist(), strict=True):
            if amount:
                self[name] += amount

    def copy(self) -> Ledger:
        """Return an independent copy."""
        copied = Ledger.__new__(Ledger)
        copied.update(self)
        return copied


class _Counts(Protocol):
    @property
    def ledger(self) -> Ledger: ...


class Count:
    """An attribute that is one of the counts of its object's `ledger`.

    Parameters
    ----------
    meaning : str
        Its docstring.
    """

    def __init__(self, meaning: str):
        self.__doc__ = meaning

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: _Counts | None, owner: type) -> Any:
        return self if instance is None else instance.ledger[self._name]

    def __set__(self, instance: _Counts, value: int) -> None:
        instance.ledger[self._name] = value
