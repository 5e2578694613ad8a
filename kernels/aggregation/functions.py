"""The rules as functions: ``krum(G, f)`` is ``Krum(f)(G)``."""

from __future__ import annotations

from typing import Any

from .coordinate import Bulyan, CoordinateMedian, MeaMed, Phocas, TrimmedMean
from .iterative import CAF, CenteredClipping, DnC, FoolsGold, GeometricMedian
from .linear import MDA, SMEA, Krum, Mean, MoNNA, MultiKrum, NormalizedMean
from .preaggregation import ARC, NNM, Bucketing, Clipping
from .subspace import Flag


def mean(G: Any, *, full: bool = False) -> Any:
    """Return the mean of the rows; see `Mean`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `Mean`.
    """
    return Mean()(G, full=full)


def normalized_mean(G: Any, *, full: bool = False) -> Any:
    """Return the mean of the unit vectors; see `NormalizedMean`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `NormalizedMean`.
    """
    return NormalizedMean()(G, full=full)


def coordinate_median(G: Any, *, full: bool = False) -> Any:
    """Return the median of each coordinate; see `CoordinateMedian`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `CoordinateMedian`.
    """
    return CoordinateMedian()(G, full=full)


def trimmed_mean(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of each coordinate without the f lowest and highest; see `TrimmedMean`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f
        As of `TrimmedMean`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `TrimmedMean`.
    """
    return TrimmedMean(f)(G, full=full)


def meamed(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f values nearest to each coordinate's median; see `MeaMed`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f
        As of `MeaMed`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `MeaMed`.
    """
    return MeaMed(f)(G, full=full)


def phocas(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f values nearest to each coordinate's trimmed mean; see `Phocas`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f
        As of `Phocas`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `Phocas`.
    """
    return Phocas(f)(G, full=full)


def krum(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the row with the nearest neighbours; see `Krum`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f
        As of `Krum`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `Krum`.
    """
    return Krum(f)(G, full=full)


def multi_krum(G: Any, f: int, m: int | None = None, *, full: bool = False) -> Any:
    """Return the mean of the m best rows by Krum's score; see `MultiKrum`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f, m
        As of `MultiKrum`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `MultiKrum`.
    """
    return MultiKrum(f, m)(G, full=full)


def bulyan(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean around the median of rows that Krum has chosen; see `Bulyan`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f
        As of `Bulyan`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `Bulyan`.
    """
    return Bulyan(f)(G, full=full)


def geometric_median(
    G: Any, *, smoothing: float = 1e-6, tol: float = 1e-10, max_iter: int = 1000, full: bool = False
) -> Any:
    """Return the point with the least sum of distances to the rows; see `GeometricMedian`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    smoothing, tol, max_iter
        As of `GeometricMedian`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `GeometricMedian`.
    """
    return GeometricMedian(smoothing, tol, max_iter)(G, full=full)


def centered_clipping(
    G: Any, radius: float | None = None, n_steps: int = 1, *, start: Any = None, full: bool = False
) -> Any:
    """Return a start moved by clipped differences; see `CenteredClipping`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    radius, n_steps, start
        As of `CenteredClipping`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `CenteredClipping`.
    """
    return CenteredClipping(radius, n_steps)(G, start=start, full=full)


def mda(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f rows of least diameter; see `MDA`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f
        As of `MDA`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `MDA`.
    """
    return MDA(f)(G, full=full)


def smea(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f rows of least spread in any direction; see `SMEA`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f
        As of `SMEA`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `SMEA`.
    """
    return SMEA(f)(G, full=full)


def monna(G: Any, f: int, pivot: int = 0, *, full: bool = False) -> Any:
    """Return the mean of the p - f rows nearest to one; see `MoNNA`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f, pivot
        As of `MoNNA`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `MoNNA`.
    """
    return MoNNA(f, pivot)(G, full=full)


def caf(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean after filtering along main directions; see `CAF`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f
        As of `CAF`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `CAF`.
    """
    return CAF(f)(G, full=full)


def dnc(
    G: Any, f: int, *, n_iter: int = 1, n_coordinates: int = 10_000, key: int = 0, full: bool = False
) -> Any:
    """Return the mean of rows that do not stand out along main directions; see `DnC`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f, n_iter, n_coordinates, key
        As of `DnC`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `DnC`.
    """
    return DnC(f, n_iter, n_coordinates, key=key)(G, full=full)


def foolsgold(G: Any, history: Any = None, *, full: bool = False) -> Any:
    """Return the mean without copies, by the cosines of the rows or of their histories; see `FoolsGold`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    history
        As of `FoolsGold`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `FoolsGold`.
    """
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
    """Return the sum of the unit vectors projected on the subspace nearest to most of them; see `Flag`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    m, lam, scale, pair, radius, max_iter, tol
        As of `Flag`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    array, or Aggregate
        As of `Flag`.
    """
    return Flag(m, lam, scale, pair, radius, max_iter, tol)(G, full=full)


def nnm(G: Any, f: int | None = None, *, full: bool = False) -> Any:
    """Return the rows mixed with their nearest ones; see `NNM`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f
        As of `NNM`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    (q, d) array, or Aggregate
        As of `NNM`.
    """
    return NNM(f)(G, full=full)


def bucketing(G: Any, s: int, key: int = 0, *, full: bool = False) -> Any:
    """Return the means of random groups of s rows; see `Bucketing`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    s, key
        As of `Bucketing`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    (q, d) array, or Aggregate
        As of `Bucketing`.
    """
    return Bucketing(s, key)(G, full=full)


def clipping(G: Any, radius: float | None = None, *, full: bool = False) -> Any:
    """Return the rows scaled down to a largest norm; see `Clipping`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    radius
        As of `Clipping`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    (q, d) array, or Aggregate
        As of `Clipping`.
    """
    return Clipping(radius)(G, full=full)


def arc(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the rows with the largest scaled down to the next one's norm; see `ARC`.

    Parameters
    ----------
    G : (p, d) array_like, or as `Aggregator` takes it
        One row a worker.
    f
        As of `ARC`.
    full : bool
        Return an `Aggregate`.

    Returns
    -------
    (q, d) array, or Aggregate
        As of `ARC`.
    """
    return ARC(f)(G, full=full)
