"""The rules as functions: ``krum(G, f)`` is ``Krum(f)(G)``."""

from __future__ import annotations

from typing import Any

from .coordinate import Bulyan, CoordinateMedian, MeaMed, Phocas, TrimmedMean
from .iterative import CAF, CenteredClipping, DnC, FoolsGold, GeometricMedian
from .linear import MDA, SMEA, Krum, Mean, MoNNA, MultiKrum, NormalizedMean
from .preaggregation import ARC, NNM, Bucketing, Clipping
from .subspace import Flag


def mean(G: Any, *, full: bool = False) -> Any:
    """Return the mean of the rows; see `Mean`."""
    return Mean()(G, full=full)


def normalized_mean(G: Any, *, full: bool = False) -> Any:
    """Return the mean of the unit vectors; see `NormalizedMean`."""
    return NormalizedMean()(G, full=full)


def coordinate_median(G: Any, *, full: bool = False) -> Any:
    """Return the median of each coordinate; see `CoordinateMedian`."""
    return CoordinateMedian()(G, full=full)


def trimmed_mean(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of each coordinate without the f lowest and highest; see `TrimmedMean`."""
    return TrimmedMean(f)(G, full=full)


def meamed(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f values nearest to each coordinate's median; see `MeaMed`."""
    return MeaMed(f)(G, full=full)


def phocas(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f values nearest to each coordinate's trimmed mean; see `Phocas`."""
    return Phocas(f)(G, full=full)


def krum(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the row with the nearest neighbours; see `Krum`."""
    return Krum(f)(G, full=full)


def multi_krum(G: Any, f: int, m: int | None = None, *, full: bool = False) -> Any:
    """Return the mean of the m best rows by Krum's score; see `MultiKrum`."""
    return MultiKrum(f, m)(G, full=full)


def bulyan(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean around the median of rows that Krum has chosen; see `Bulyan`."""
    return Bulyan(f)(G, full=full)


def geometric_median(
    G: Any, *, smoothing: float = 1e-6, tol: float = 1e-10, max_iter: int = 1000, full: bool = False
) -> Any:
    """Return the point with the least sum of distances to the rows; see `GeometricMedian`."""
    return GeometricMedian(smoothing, tol, max_iter)(G, full=full)


def centered_clipping(
    G: Any, radius: float | None = None, n_steps: int = 1, *, start: Any = None, full: bool = False
) -> Any:
    """Return a start moved by clipped differences; see `CenteredClipping`."""
    return CenteredClipping(radius, n_steps)(G, start=start, full=full)


def mda(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f rows of least diameter; see `MDA`."""
    return MDA(f)(G, full=full)


def smea(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f rows of least spread in any direction; see `SMEA`."""
    return SMEA(f)(G, full=full)


def monna(G: Any, f: int, pivot: int = 0, *, full: bool = False) -> Any:
    """Return the mean of the p - f rows nearest to one; see `MoNNA`."""
    return MoNNA(f, pivot)(G, full=full)


def caf(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean after filtering along main directions; see `CAF`."""
    return CAF(f)(G, full=full)


def dnc(
    G: Any, f: int, *, n_iter: int = 1, n_coordinates: int = 10_000, key: int = 0, full: bool = False
) -> Any:
    """Return the mean of rows that do not stand out along main directions; see `DnC`."""
    return DnC(f, n_iter, n_coordinates, key=key)(G, full=full)


def foolsgold(G: Any, history: Any = None, *, full: bool = False) -> Any:
    """Return the mean without copies, by the cosines of the rows or of their histories; see `FoolsGold`."""
    return FoolsGold()(G, history=history, full=full)


def flag(
    G: Any,
    m: int | None = None,
    *,
    lam: float = 0.0,
    scale: str = "unit",
    pair: str = "unit",
    radius: float | None = None,
    max_iter: int = 50,
    tol: float = 1e-10,
    full: bool = False,
) -> Any:
    """Return the sum of the unit vectors projected on the subspace nearest to most of them; see `Flag`."""
    return Flag(m, lam, scale, pair, radius, max_iter, tol)(G, full=full)


def nnm(G: Any, f: int | None = None, *, full: bool = False) -> Any:
    """Return the rows mixed with their nearest ones; see `NNM`."""
    return NNM(f)(G, full=full)


def bucketing(G: Any, s: int, key: int = 0, *, full: bool = False) -> Any:
    """Return the means of random groups of s rows; see `Bucketing`."""
    return Bucketing(s, key)(G, full=full)


def clipping(G: Any, radius: float | None = None, *, full: bool = False) -> Any:
    """Return the rows scaled down to a largest norm; see `Clipping`."""
    return Clipping(radius)(G, full=full)


def arc(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the rows with the largest scaled down to the next one's norm; see `ARC`."""
    return ARC(f)(G, full=full)
