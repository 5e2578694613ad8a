"""What an attack on a server is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import checks


class Attack(ABC):
    """Map from honest gradients to those of faulty workers; a frozen dataclass of its parameters.

    Attributes
    ----------
    needs_own : bool
        Whether it starts from what the faulty workers would send if they were honest.
    """

    needs_own: ClassVar[bool] = False

    def __call__(
        self, honest: ArrayLike, f: int, *, own: ArrayLike | None = None, step: int = 0
    ) -> NDArray[Any]:
        """Return what the faulty workers send.

        Parameters
        ----------
        honest : (h, d) array_like
            Gradients of the honest workers, h >= 1. Never modified.
        f : int
            Faulty workers.
        own : (f, d) array_like, optional
            Gradients that the faulty workers computed on their own data.
        step : int
            Number of the call: random attacks draw others in each.

        Returns
        -------
        (f, d) array
            float32 if `honest` is, else float64.

        Raises
        ------
        TypeError, ValueError
            Arrays that do not fit; `own` missing where it is needed.
        """
        known = _rows("honest", honest, None)
        count = checks.count("f", f)
        number = checks.count("step", step, most=2**30 - 1)
        if own is None:
            if self.needs_own:
                raise ValueError(
                    f"{type(self).__name__} changes the workers' own gradients: pass own, (f, d)"
                )
            mine = np.empty((count, known.shape[1]), known.dtype)
        else:
            mine = _rows("own", own, (count, known.shape[1])).astype(known.dtype, copy=False)
        sent = np.empty((count, known.shape[1]), known.dtype)
        if count:
            sent[...] = self._send(known, mine, number)
        return sent

    @abstractmethod
    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        """Return rows like `own`, or one for all."""


def _rows(name: str, value: ArrayLike, shape: tuple[int, int] | None) -> NDArray[Any]:
    given = checks.as_array(name, value)
    if given.dtype != np.float32:
        given = checks.real_array(name, value, 2, finite=False)
    if given.ndim != 2 or (shape is not None and given.shape != shape):
        raise ValueError(f"{name} must have shape {shape or '(h, d)'}, got {given.shape}")
    if shape is None and given.shape[0] == 0:
        raise ValueError(f"{name} must have at least one row")
    return given
