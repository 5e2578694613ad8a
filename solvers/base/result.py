"""What `Solver.solve` returns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...files import json_of, open_npz, save_npz
from .ledger import Count, Ledger
from .state import State
from .trace import Trace

STATUSES = ("converged", "max_time", "max_events", "max_wall_time", "stopped", "diverged")
_COLUMN = "trace/"  # before the names of columns in a file
_WORDS = ("status", "message", "rate", "distance_bound")


@dataclass(frozen=True, eq=False)
class Result:
    """Outcome of a run.

    Attributes
    ----------
    X : (n, d) array
        The nodes' iterates at the final time.
    status : str
        "converged", "max_time", "max_events", "max_wall_time", "stopped" (a callback raised StopIteration, or
        `stop` was set) or "diverged": non-finite values, or iterates of more than
        1e12 (|X_0| + |G(X_0)| / mu), Frobenius norms of the start and of the gradients there (|G(X_0)| / L
        for mu = 0; 1 if both are 0). X and state are then those of the last record before.
    message : str
        The status in words; of a run with mini-batches that reached a limit also their noise floor, where
        that is far above the tolerance.
    trace : Trace
        Records along the way.
    state : State
        To save, or to go on from with `solve(..., state=result.state)`.
    x_average : (d,) array or None
        Time average of the mean iterate, where the solver was asked for it.
    members : (m,) int array or None
        Nodes that count where some are faulty: `x` is their mean. None for all.
    rate : float or None
        Factor by which the distance sqrt(mean |x_i - x*|^2) falls a round, certified for the worst problem of
        these constants (`Solver.certified_rate`); `Trace.rate` fits the run's own. None where there is no
        certificate, and for methods that stop short of x*.
    distance_bound : float or None
        sqrt(consensus^2 + (optimality / mu)^2) at the last record, which bounds sqrt(mean |x_i - x*|^2)
        there, to rounding: the mean iterate is within |grad f| / mu of the minimiser. (On the set of a
        variational inequality with twice the residual.) None for mu = 0.
    """

    X: np.ndarray
    status: str
    message: str
    trace: Trace
    state: State
    x_average: np.ndarray | None = None
    members: np.ndarray | None = None
    rate: float | None = None
    distance_bound: float | None = None

    @property
    def x(self) -> np.ndarray:
        """Mean of the members' iterates, (d,)."""
        return (self.X if self.members is None else self.X[self.members]).mean(axis=0)

    @property
    def success(self) -> bool:
        """Whether the run converged."""
        return self.status == "converged"

    @property
    def ledger(self) -> Ledger:
        """What the run has counted, by name."""
        return self.state.ledger

    n_gradients = Count("Node gradients, full or over mini-batches.")
    n_communications = Count("Edge activations.")
    bits = Count("Bits sent, all payloads in both directions.")
    bits_down = Count("Those of the bits that a server sent; 0 where there is none.")

    @property
    def time(self) -> float:
        """Simulated time."""
        return self.state.time

    @property
    def wall_time(self) -> float:
        """Seconds spent in the solver's loop."""
        return self.state.wall_time

    def __repr__(self) -> str:
        return (
            f"Result({self.status}: {self.message}; n_gradients={self.n_gradients:,}, "
            f"n_communications={self.n_communications:,}, bits={self.bits:,}, time={self.time:.6g}, "
            f"wall_time={self.wall_time:.3g} s)"
        )

    def save(self, path: str | Path) -> None:
        """Write everything as one npz file, whole or not at all; `State.load` reads the state out of it, too.

        Parameters
        ----------
        path : str or Path
            File to write, exactly under this name.

        Raises
        ------
        OSError
            The file cannot be written; what stood under its name stays.
        """
        packed = {_COLUMN + name: self.trace[name] for name in self.trace.columns} | self.state.pack()
        words = {name: getattr(self, name) for name in _WORDS} | {"labels": self.trace.labels}
        packed["result"] = np.array(json.dumps(words))
        packed["X"] = self.X
        optional = {"x_average": self.x_average, "members": self.members}
        packed |= {name: array for name, array in optional.items() if array is not None}
        save_npz(path, packed)

    @classmethod
    def load(cls, path: str | Path) -> Result:
        """Read what `save` wrote.

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
            if "result" not in packed:
                raise ValueError("it holds no result; Result.save writes one, State.load reads a state")
            state = State.unpack(packed)
            packed.require_seal()
            words = json_of(packed, "result")
            labels = words.pop("labels", {})
            if not {"status", "message"} <= set(words) <= set(_WORDS) or words["status"] not in STATUSES:
                raise ValueError(
                    f"the result needs a message and a status of {', '.join(STATUSES)}, got {words}"
                )
            for name in ("rate", "distance_bound"):
                value = words.get(name)
                if not (value is None or (isinstance(value, float) and value >= 0.0)):
                    raise ValueError(f"{name} must be a number >= 0 or null, got {value!r}")
            if not (isinstance(labels, dict) and all(isinstance(label, str) for label in labels.values())):
                raise ValueError(f"labels must be a table of texts, got {labels!r}")
            columns = {
                name.removeprefix(_COLUMN): packed[name] for name in packed if name.startswith(_COLUMN)
            }
            result = cls(
                X=packed["X"],
                trace=Trace(columns, labels=labels),
                state=state,
                x_average=packed.get("x_average"),
                members=packed.get("members"),
                **words,
            )
            result._check_shapes()
            return result

    def _check_shapes(self) -> None:
        for name, array, n_dims, kind in (
            ("X", self.X, 2, "f"),
            ("x_average", self.x_average, 1, "f"),
            ("members", self.members, 1, "i"),
        ):
            if array is not None and (array.ndim != n_dims or array.dtype.kind != kind):
                raise ValueError(f"{name} has shape {array.shape} of {array.dtype}, which no result has")
        n, dim = self.X.shape
        if self.x_average is not None and len(self.x_average) != dim:
            raise ValueError(f"x_average must have shape ({dim},), as X, got {self.x_average.shape}")
        if self.members is not None and not np.isin(self.members, np.arange(n)).all():
            raise ValueError(f"members must be nodes, from 0 to {n - 1}")
