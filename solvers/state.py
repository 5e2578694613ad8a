"""What a run has reached, complete enough to go on from: `State`; and the files that hold it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

SCHEMA = 3
_READ = (2, SCHEMA)  # of schema 2, states lack `most`


@dataclass(eq=False)
class State:
    """State of a run; `Solver.advance` changes it in place.

    Attributes
    ----------
    solver : str
        Name of the solver's class.
    key : int
        64-bit key of all random draws.
    fingerprint : str
        Digest of the problem's data and the graph: a run goes on with these only.
    arrays : dict of str to array
        The solver's variables, and what it computed from the problem and the graph at the start.
    clock : float
        Time of the last event applied.
    time : float
        Simulated time reached: `clock`, or the `max_time` that stopped the run between two events.
    n_events, n_gradients, n_communications, bits, bits_down : int
        Counts so far; `bits_down` are those of the bits that a server sent.
    wall_time : float
        Seconds spent in the solver's loop.
    first_optimality : float
        |grad f(x_mean)| at the start; NaN until it is known.
    most : float
        Frobenius norm beyond which the iterates have diverged, a function of the start; NaN until it is
        known. A file of an earlier version has none: it is then that of the iterates in the file.
    prepared : object
        What the solver derived from the problem and the graph, kept between calls; never saved.
    """

    solver: str
    key: int
    fingerprint: str
    arrays: dict[str, np.ndarray]
    clock: float = 0.0
    time: float = 0.0
    n_events: int = 0
    n_gradients: int = 0
    n_communications: int = 0
    bits: int = 0
    bits_down: int = 0
    wall_time: float = 0.0
    first_optimality: float = float("nan")
    most: float = float("nan")
    prepared: Any = field(default=None, repr=False, compare=False)

    def copy(self) -> State:
        """Return an independent copy."""
        return replace(self, arrays={name: array.copy() for name, array in self.arrays.items()})

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be prepared again: it holds the problem and the graph."""
        return self.__dict__ | {"prepared": None}

    @property
    def is_finite(self) -> bool:
        """Whether all of the solver's variables are finite."""
        return all(bool(np.isfinite(array).all()) for array in self.arrays.values())

    def pack(self) -> dict[str, np.ndarray]:
        """Return the state as named arrays, ready for `numpy.savez`."""
        scalars = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in ("arrays", "prepared")
        }
        packed = {f"state/{name}": array for name, array in self.arrays.items()}
        return packed | {"state": np.array(json.dumps({"schema": SCHEMA} | scalars))}

    @classmethod
    def unpack(cls, packed: Any) -> State:
        """Build a state from what `pack` returned.

        Parameters
        ----------
        packed : mapping of str to array
            Such as an open npz file.
        """
        if "state" not in packed:
            raise ValueError("the file holds no solver state; State.save and Result.save write one")
        scalars = json.loads(str(packed["state"]))
        schema = scalars.pop("schema", None)
        if schema not in _READ:
            raise ValueError(f"state of schema {schema}; this version of gossamer reads schemas {_READ}")
        if schema == 2:
            scalars.setdefault("most", float("nan"))
        expected = set(cls.__dataclass_fields__) - {"arrays", "prepared"}
        if set(scalars) != expected:
            raise ValueError(f"the state lacks, or has too many of, {sorted(expected ^ set(scalars))}")
        prefix = "state/"
        arrays = {name[len(prefix) :]: packed[name] for name in packed if name.startswith(prefix)}
        return cls(arrays=arrays, **scalars)

    def save(self, path: str | Path) -> None:
        """Write the state as an npz file (no pickle).

        Parameters
        ----------
        path : str or Path
            File to write, exactly under this name.
        """
        with open(path, "wb") as file:
            np.savez(file, allow_pickle=False, **self.pack())

    @classmethod
    def load(cls, path: str | Path) -> State:
        """Read a state that `save` or `Result.save` wrote.

        Parameters
        ----------
        path : str or Path
            File to read.
        """
        with open_npz(path) as packed:
            return cls.unpack(packed)


@contextmanager
def open_npz(path: str | Path) -> Iterator[Any]:
    """Open an npz file without pickle; whatever is wrong with it is a ValueError that names the file."""
    with open(path, "rb") as file:
        try:
            packed = np.load(file, allow_pickle=False)
            if not isinstance(packed, np.lib.npyio.NpzFile):
                raise ValueError("one array, not an archive of arrays")
            yield packed
        except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is not a file that gossamer saved: {error}") from error
