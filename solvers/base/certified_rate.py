"""Certified linear rates of methods, without a problem or a graph."""

from __future__ import annotations

import math
from typing import Any

from ...kernels.checks import real
from .rounds import RoundSolver
from .solver import Solver


def certified_rate(
    method: type[Solver] | Solver,
    kappa: float,
    spectrum: tuple[float, float] | None = None,
    *,
    step: float | None = None,
    changing: bool = False,
) -> float:
    """Return an upper bound on a method's worst linear rate of the distance to the solution, a round.

    The worst case is over all L-smooth and mu-strongly convex objectives with L / mu = kappa and all
    symmetric mixing matrices W with eigenvalues in an interval: sqrt(mean |x_i - x*|^2) <= C rate^t after t
    rounds with full gradients, for some C. In most cases quadratics attain it. It includes the mean of the
    nodes, which does gradient descent: rate >= max(1 - step mu, step L - 1).

    Parameters
    ----------
    method : class or solver
        Such as `EXTRA`, `GradientTracking(form="atc")`, or `DIANA(Identity())`; its step is left at None.
    kappa : float
        Condition number L / mu, at least 1.
    spectrum : (lambda_min, lambda_2), optional
        Extreme eigenvalues of W on the vectors of zero sum, in (-1, 1). Methods over a server need none.
    step : float, optional
        In units of 1/L; by default the method's own, for this kappa and spectrum.
    changing : bool
        Let W change every round, known only by |W_k - J| <= max(|lambda_min|, |lambda_2|), J that of the
        complete graph.

    Returns
    -------
    float
        Rounded up; below 1, or infinite: no linear rate is certified.

    Raises
    ------
    NotImplementedError
        The method has no such certificate, or an assumption is missing; the message names it.

    Notes
    -----
    In the eigenbasis of W a method is one loop with the gradients for each eigenvalue, and the circle
    criterion certifies them (`solvers.certified.loops` has the derivation); a changing W takes a
    semidefinite programme (`solvers.certified.changing`). The gradients' sector bound is between a point and
    the minimiser; for `DGD`, whose rate is that towards its own fixed point, between any two points.

    Examples
    --------
    >>> from gossamer import solvers
    >>> round(solvers.certified_rate(solvers.NIDS, 10.0, (-0.5, 0.5), step=1.0), 6)
    0.9
    >>> solvers.certified_rate(solvers.NIDS, 10.0, (-0.5, 0.5), step=2.0)
    inf
    """
    solver = _instance(method) if isinstance(method, type) else method
    if not isinstance(solver, Solver):
        raise TypeError(f"method must be a solver, or the class of one, got {method!r}")
    kappa = real("kappa", kappa, least=1.0)
    if not isinstance(solver, RoundSolver):
        raise solver._uncertifiable(solver._uncertified)
    solver._determined()
    interval = _checked(spectrum) if solver._mixes else None
    values = solver._numbers(kappa, interval, step)
    return (
        solver._certificate(kappa, interval, values, changing) if math.isfinite(values["step"]) else math.inf
    )


def _instance(method: type) -> Any:
    try:
        return method()
    except TypeError as error:
        raise TypeError(
            f"{method.__name__} has no default for all of its parameters ({error}): pass a solver, such as "
            f"{method.__name__}(...), instead of its class"
        ) from None


def _checked(spectrum: Any) -> tuple[float, float]:
    try:
        low, high = spectrum
    except (TypeError, ValueError):
        raise TypeError(
            f"spectrum must be (lambda_min, lambda_2) of the mixing matrix, got {spectrum!r}"
        ) from None
    low = real("spectrum[0]", low, above=-1.0, below=1.0)
    high = real("spectrum[1]", high, above=-1.0, below=1.0)
    if low > high:
        raise ValueError(f"spectrum must be (smallest, largest), got ({low:g}, {high:g})")
    return low, high
