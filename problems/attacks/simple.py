"""Attacks that know nothing, or no more than the own gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels import checks, random
from ...kernels.random import streams
from .base import Attack


def _uniform(key: int, shape: tuple[int, ...], step: int) -> NDArray[np.float64]:
    count = int(np.prod(shape))
    return random.uniform(key, streams.ATTACK, 0, count, step=step).reshape(shape)


@dataclass(frozen=True)
class UniformNoise(Attack):
    """Independent coordinates, uniform on [0, scale).

    Attributes
    ----------
    scale : float
        Positive.
    key : int
        64-bit key, from `kernels.random.make_key`; draws depend on it, on `step` and on the place alone.
    """

    scale: float = 1.0
    key: int = 0

    def __post_init__(self) -> None:
        checks.real("scale", self.scale, above=0.0)
        checks.count("key", self.key, most=2**64 - 1)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return self.scale * _uniform(self.key, own.shape, step)


@dataclass(frozen=True)
class GaussianNoise(Attack):
    """Independent normal coordinates of mean 0.

    Attributes
    ----------
    scale : float
        Standard deviation, positive.
    key : int
        As of `UniformNoise`.
    """

    scale: float = 200.0
    key: int = 0

    def __post_init__(self) -> None:
        checks.real("scale", self.scale, above=0.0)
        checks.count("key", self.key, most=2**64 - 1)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        from scipy.special import ndtri

        share = _uniform(self.key, own.shape, step) + 2.0**-54  # never 0; of the largest, 1 to rounding
        return self.scale * ndtri(np.minimum(share, 1.0 - 2.0**-53))


@dataclass(frozen=True)
class Zero(Attack):
    """Zeros."""

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return 0.0


@dataclass(frozen=True)
class NonFinite(Attack):
    """NaN or infinity in every coordinate.

    Attributes
    ----------
    value : float
        NaN, or an infinity.
    """

    value: float = float("nan")

    def __post_init__(self) -> None:
        if np.isfinite(self.value):
            raise ValueError(f"value must be NaN or infinite, got {self.value!r}")

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return self.value


@dataclass(frozen=True)
class SignFlip(Attack):
    """The own gradient with the opposite sign."""

    needs_own = True

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return -own


@dataclass(frozen=True)
class ReversedGradient(Attack):
    """``-factor g`` of the own gradient g.

    Attributes
    ----------
    factor : float
        Positive.
    """

    factor: float = 10.0
    needs_own = True

    def __post_init__(self) -> None:
        checks.real("factor", self.factor, above=0.0)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return -self.factor * own


@dataclass(frozen=True)
class Drop(Attack):
    """The own gradient, with each coordinate lost with some probability, as on a bad line.

    Attributes
    ----------
    keep : float
        Probability that a coordinate is kept, in [0, 1].
    key : int
        As of `UniformNoise`.
    """

    keep: float = 0.9
    key: int = 0
    needs_own = True

    def __post_init__(self) -> None:
        checks.real("keep", self.keep, least=0.0, most=1.0)
        checks.count("key", self.key, most=2**64 - 1)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return np.where(_uniform(self.key, own.shape, step) < self.keep, own, 0.0)
