"""Attacks computed from all honest gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ...kernels import checks
from .base import Attack


@dataclass(frozen=True)
class ALIE(Attack):
    """A little is enough: ``mu - z sd``, mean and standard deviation of the honest, coordinate by coordinate.

    ``z = Phi^-1((p - f - s) / (p - f))``, ``s = floor(p/2) + 1 - f``, Phi the normal distribution function
    and p the number of all workers: s honest workers lie farther out, a majority together with the faulty.
    The standard deviation has the divisor h. Baruch, Baruch & Goldberg, "A little is enough" (NeurIPS 2019).

    Attributes
    ----------
    z : float, optional
        In place of the formula, which needs f <= p/2 and some honest worker to spare.
    """

    z: float | None = None

    def __post_init__(self) -> None:
        if self.z is not None:
            checks.real("z", self.z)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        z = alie_z(len(honest), len(own)) if self.z is None else self.z
        return honest.mean(axis=0) - z * honest.std(axis=0)


def alie_z(h: int, f: int) -> float:
    """Return the z of `ALIE`, from the formula there.

    The mean of all p = h + f vectors is then ``mu - (f/p) z sd`` (derived).

    Parameters
    ----------
    h, f : int
        Honest and faulty workers.

    Raises
    ------
    ValueError
        Numbers for which there is none: f > p/2, or no honest worker to spare.

    Examples
    --------
    >>> round(alie_z(12, 3), 4)
    0.2104
    """
    from scipy.special import ndtri

    share = (h - ((h + f) // 2 + 1 - f)) / h if h else 0.0
    if not 0.0 < share < 1.0:
        raise ValueError(f"ALIE has no z for h = {h} honest and f = {f} faulty workers: give z")
    return float(ndtri(share))


@dataclass(frozen=True)
class IPM(Attack):
    """Inner-product manipulation, "fall of empires": ``-epsilon mu``, mu the mean of the honest.

    Xie, Koyejo & Gupta, "Fall of empires: breaking Byzantine-tolerant SGD by inner product manipulation" (UAI
    2019).

    Attributes
    ----------
    epsilon : float
        Positive: 0.1 hides among the honest, 5 and more pulls.
    """

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        checks.real("epsilon", self.epsilon, above=0.0)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        return -self.epsilon * honest.mean(axis=0)


@dataclass(frozen=True)
class Mimic(Attack):
    """What one honest worker sends, to give its data more weight than theirs.

    Karimireddy, He & Jaggi, "Byzantine-robust learning on heterogeneous datasets via bucketing" (ICLR 2022).

    Attributes
    ----------
    target : int
        Which, from 0 to h - 1.
    """

    target: int = 0

    def __post_init__(self) -> None:
        checks.count("target", self.target)

    def _send(self, honest: NDArray, own: NDArray, step: int) -> Any:
        checks.count("target", self.target, most=len(honest) - 1)
        return honest[self.target]
