"""The rules as functions: ``krum(G, f)`` is ``Krum(f)(G)``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from .base import Aggregator, PreAggregator
from .coordinate import Bulyan, CoordinateMedian, MeaMed, Phocas, TrimmedMean
from .iterative import CAF, CenteredClipping, DnC, FoolsGold, GeometricMedian
from .linear import CGE, MDA, SMEA, Krum, Mean, MoNNA, MultiKrum, NormalizedMean
from .preaggregation import ARC, NNM, Bucketing, Clipping
from .subspace import Flag

_Function = TypeVar("_Function", bound=Callable[..., Any])

_SECTIONS = """

Parameters
----------
G : (p, d) array_like, or as `Aggregator` takes it
    One row a worker.
{parameters}full : bool
    Return an `Aggregate`.

Returns
-------
{returned}, or Aggregate
    As of `{rule}`.
"""


def _of(rule: type[Aggregator | PreAggregator]) -> Callable[[_Function], _Function]:
    """Complete the docstring of a rule's function: what is not its own is as of the rule."""

    def document(function: _Function) -> _Function:
        names = [name for name in inspect.signature(function).parameters if name not in ("G", "full")]
        own = [name for name in names if name != "weights"]
        parameters = f"{', '.join(own)}\n    As of `{rule.__name__}`.\n" if own else ""
        if "weights" in names:
            parameters += (
                "weights : (p,) array_like, optional\n    How often each row counts; see `Aggregator`.\n"
            )
        sections = _SECTIONS.format(
            parameters=parameters,
            returned="(q, d) array" if issubclass(rule, PreAggregator) else "array",
            rule=rule.__name__,
        )
        function.__doc__ = f"{function.__doc__}{sections}"
        return function

    return document


@_of(Mean)
def mean(G: Any, *, weights: Any = None, full: bool = False) -> Any:
    """Return the mean of the rows; see `Mean`."""
    return Mean()(G, weights=weights, full=full)


@_of(NormalizedMean)
def normalized_mean(G: Any, *, weights: Any = None, full: bool = False) -> Any:
    """Return the mean of the unit vectors; see `NormalizedMean`."""
    return NormalizedMean()(G, weights=weights, full=full)


@_of(CoordinateMedian)
def coordinate_median(G: Any, *, weights: Any = None, full: bool = False) -> Any:
    """Return the median of each coordinate; see `CoordinateMedian`."""
    return CoordinateMedian()(G, weights=weights, full=full)


@_of(TrimmedMean)
def trimmed_mean(G: Any, f: int, *, weights: Any = None, full: bool = False) -> Any:
    """Return the mean of each coordinate without the f lowest and highest; see `TrimmedMean`."""
    return TrimmedMean(f)(G, weights=weights, full=full)


@_of(MeaMed)
def meamed(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f values nearest to each coordinate's median; see `MeaMed`."""
    return MeaMed(f)(G, full=full)


@_of(Phocas)
def phocas(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f values nearest to each coordinate's trimmed mean; see `Phocas`."""
    return Phocas(f)(G, full=full)


@_of(CGE)
def cge(G: Any, f: int, *, weights: Any = None, full: bool = False) -> Any:
    """Return the mean of the p - f rows of least norm; see `CGE`."""
    return CGE(f)(G, weights=weights, full=full)


@_of(Krum)
def krum(G: Any, f: int, *, inclusive: bool = False, weights: Any = None, full: bool = False) -> Any:
    """Return the row with the nearest neighbours; see `Krum`."""
    return Krum(f, inclusive=inclusive)(G, weights=weights, full=full)


@_of(MultiKrum)
def multi_krum(
    G: Any,
    f: int,
    m: int | None = None,
    *,
    inclusive: bool = False,
    weights: Any = None,
    full: bool = False,
) -> Any:
    """Return the mean of the m best rows by Krum's score; see `MultiKrum`."""
    return MultiKrum(f, m, inclusive=inclusive)(G, weights=weights, full=full)


@_of(Bulyan)
def bulyan(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean around the median of rows that Krum has chosen; see `Bulyan`."""
    return Bulyan(f)(G, full=full)


@_of(GeometricMedian)
def geometric_median(
    G: Any,
    *,
    smoothing: float = 1e-6,
    tol: float = 1e-10,
    max_iter: int = 1000,
    weights: Any = None,
    full: bool = False,
) -> Any:
    """Return the point with the least sum of distances to the rows; see `GeometricMedian`."""
    return GeometricMedian(smoothing, tol, max_iter)(G, weights=weights, full=full)


@_of(CenteredClipping)
def centered_clipping(
    G: Any, radius: float | None = None, n_steps: int = 1, *, start: Any = None, full: bool = False
) -> Any:
    """Return a start moved by clipped differences; see `CenteredClipping`."""
    return CenteredClipping(radius, n_steps)(G, start=start, full=full)


@_of(MDA)
def mda(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f rows of least diameter; see `MDA`."""
    return MDA(f)(G, full=full)


@_of(SMEA)
def smea(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean of the p - f rows of least spread in any direction; see `SMEA`."""
    return SMEA(f)(G, full=full)


@_of(MoNNA)
def monna(G: Any, f: int, pivot: int = 0, *, full: bool = False) -> Any:
    """Return the mean of the p - f rows nearest to one; see `MoNNA`."""
    return MoNNA(f, pivot)(G, full=full)


@_of(CAF)
def caf(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the mean after filtering along main directions; see `CAF`."""
    return CAF(f)(G, full=full)


@_of(DnC)
def dnc(
    G: Any,
    f: int,
    *,
    n_iter: int = 1,
    n_coordinates: int = 10_000,
    share: float = 1.0,
    key: int = 0,
    full: bool = False,
) -> Any:
    """Return the mean of rows that do not stand out along main directions; see `DnC`."""
    return DnC(f, n_iter, n_coordinates, share, key)(G, full=full)


@_of(FoolsGold)
def foolsgold(G: Any, history: Any = None, *, full: bool = False) -> Any:
    """Return the mean without copies, by the cosines of the rows or of their histories; see `FoolsGold`."""
    return FoolsGold()(G, history=history, full=full)


@_of(Flag)
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
    restarts: int = 1,
    key: int = 0,
    weights: Any = None,
    full: bool = False,
) -> Any:
    """Return the sum of the unit vectors projected on the subspace nearest to most of them; see `Flag`."""
    return Flag(m, lam, scale, pair, radius, max_iter, tol, restarts, key)(G, weights=weights, full=full)


@_of(NNM)
def nnm(G: Any, f: int | None = None, *, full: bool = False) -> Any:
    """Return the rows mixed with their nearest ones; see `NNM`."""
    return NNM(f)(G, full=full)


@_of(Bucketing)
def bucketing(G: Any, s: int, key: int = 0, *, full: bool = False) -> Any:
    """Return the means of random groups of s rows; see `Bucketing`."""
    return Bucketing(s, key)(G, full=full)


@_of(Clipping)
def clipping(G: Any, radius: float | None = None, *, full: bool = False) -> Any:
    """Return the rows scaled down to a largest norm; see `Clipping`."""
    return Clipping(radius)(G, full=full)


@_of(ARC)
def arc(G: Any, f: int, *, full: bool = False) -> Any:
    """Return the rows with the largest scaled down to the next one's norm; see `ARC`."""
    return ARC(f)(G, full=full)
