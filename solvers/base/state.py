"""What a run has reached, complete enough to go on from: `State`; and the files that hold it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...files import json_of, open_npz, save_npz
from ...kernels.checks import count, real
from .ledger import NAMES, Count, Ledger

SCHEMA = 3
COUNTS = ("n_events", *NAMES)
_UNNAMED = {"arrays", "ledger", "prepared"}  # fields that are no scalars


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
    n_events : int
        Events so far: rounds, or gradients and communications.
    ledger : Ledger
        Counts so far, by name; attributes too: `n_gradients`, `n_communications`, `bits` and `bits_down`,
        those of the bits that a server sent.
    wall_time : float
        Seconds spent in the solver's loop.
    first_optimality : float
        |grad f(x_mean)| at the start; NaN until it is known.
    most : float
        Frobenius norm beyond which the iterates have diverged, a function of the start; NaN until it is
        known.
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
    wall_time: float = 0.0
    first_optimality: float = float("nan")
    most: float = float("nan")
    ledger: Ledger = field(default_factory=Ledger)
    prepared: Any = field(default=None, repr=False, compare=False)

    n_gradients = Count("Node gradients, full or over mini-batches.")
    n_communications = Count("Edge activations.")
    bits = Count("Bits sent, all payloads in both directions.")
    bits_down = Count("Those of the bits that a server sent.")

    def copy(self) -> State:
        """Return an independent copy, which shares arrays that nobody can write to."""
        copied = object.__new__(State)
        copied.__dict__.update(self.__dict__)
        copied.ledger = self.ledger.copy()
        copied.arrays = {
            name: array.copy() if array.flags.writeable else array for name, array in self.arrays.items()
        }
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be prepared again: it holds the problem and the graph."""
        return self.__dict__ | {"prepared": None}

    @property
    def is_finite(self) -> bool:
        """Whether all of the solver's variables are finite."""
        return all(
            math.isfinite(np.add.reduce(array, axis=None)) or bool(np.isfinite(array).all())
            for array in self.arrays.values()
            if array.flags.writeable  # others have been looked at
        )

    def check(self) -> None:
        """Refuse what no run can have reached.

        Raises
        ------
        ValueError
            A key beyond 64 bits, a negative count or time, a time before the clock, more bits from the server
            than in all, arrays of other things than numbers or with NaN or infinity; the message names it.
        """
        try:
            count("state.key", self.key, most=2**64 - 1)
            for name in COUNTS:
                count(f"state.{name}", getattr(self, name), most=2**63 - 1)
            real("state.clock", self.clock, least=0.0)
            real("state.time", self.time, least=self.clock)
            real("state.wall_time", self.wall_time, least=0.0)
            for name in ("first_optimality", "most"):  # NaN until they are known
                value = getattr(self, name)
                if not (isinstance(value, float) and np.isnan(value)):
                    real(f"state.{name}", value, least=0.0, allow_inf=name == "most")
        except TypeError as error:
            raise ValueError(str(error)) from error
        if self.bits_down > self.bits:
            raise ValueError(f"state.bits_down is {self.bits_down}, more than state.bits, {self.bits}")
        for name, array in self.arrays.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
                raise ValueError(f"state.arrays[{name!r}] must be an array of real numbers")
            if not np.isfinite(array).all():
                raise ValueError(
                    f"state.arrays[{name!r}] holds NaN or infinity: the run was spoilt; go on from an "
                    "earlier state"
                )

    def pack(self) -> dict[str, np.ndarray]:
        """Return the state as named arrays, ready for `files.save_npz`."""
        scalars = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in _UNNAMED}
        scalars |= self.ledger
        packed = {f"state/{name}": array for name, array in self.arrays.items()}
        return packed | {"state": np.array(json.dumps({"schema": SCHEMA} | scalars))}

    @classmethod
    def unpack(cls, packed: Mapping[str, np.ndarray]) -> State:
        """Build a state from what `pack` returned, and check it.

        Parameters
        ----------
        packed : mapping of str to array
            What does not belong to a state is left alone.
        """
        if "state" not in packed:
            raise ValueError("it holds no solver state; State.save and Result.save write one")
        scalars = json_of(packed, "state")
        schema = scalars.pop("schema", None)
        if schema != SCHEMA:
            raise ValueError(f"state of schema {schema}; this version of gossamer reads schema {SCHEMA}")
        expected = set(cls.__dataclass_fields__) - _UNNAMED | set(NAMES)
        if set(scalars) != expected:
            raise ValueError(f"the state lacks, or has too many of, {sorted(expected ^ set(scalars))}")
        for name in ("solver", "fingerprint"):
            if not isinstance(scalars[name], str):
                raise ValueError(f"state.{name} must be a text, got {scalars[name]!r}")
        prefix = "state/"
        arrays = {
            name[len(prefix) :]: np.asarray(packed[name], order="C")
            for name in packed
            if name.startswith(prefix)
        }
        ledger = Ledger(**{name: scalars.pop(name) for name in NAMES})
        state = cls(arrays=arrays, ledger=ledger, **scalars)
        state.check()
        return state

    def save(self, path: str | Path) -> None:
        """Write the state as an npz file (no pickle), whole or not at all.

        Parameters
        ----------
        path : str or Path
            File to write, exactly under this name.

        Raises
        ------
        OSError
            The file cannot be written; what stood under its name stays.
        """
        save_npz(path, self.pack())

    @classmethod
    def load(cls, path: str | Path) -> State:
        """Read a state that `save` or `Result.save` wrote.

        Parameters
        ----------
        path : str or Path
            File to read.

        Raises
        ------
        ValueError
            It is no such file, was changed since it was saved, or holds what no run can have reached.
        FileNotFoundError, IsADirectoryError
            There is no file.
        """
        with open_npz(path) as packed:
            state = cls.unpack(packed)
            packed.require_seal()
            return state
