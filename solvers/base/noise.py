"""What the noise of mini-batches leaves: how near to the solution a constant step can come."""

from __future__ import annotations

import math

import numpy as np

from .trace import Trace

_FAR = 10.0  # times the distance that the tolerance stands for: a floor there is far above it


def noise_floor(step: float, L: float, mu: float, noise: float) -> float:
    """Return a bound on the mean squared distance that gradient steps over mini-batches end at.

    Parameters
    ----------
    step : float
        Step size.
    L, mu : float
        Expected smoothness L(b) of the batches, and strong convexity.
    noise : float
        Mean over the nodes of E|g_i(x*) - grad f_i(x*)|^2.

    Returns
    -------
    float
        step noise / (2 mu (1 - sqrt(step L / 2))^2), below 6 step noise / mu for step = 1/L; infinite for
        mu = 0 and from step = 2/L on.

    Notes
    -----
    Derived: for any t > 1 a step from x and one from x* bring E|x - x*|^2 down by step (2 - t step L)
    <grad f(x) - grad f(x*), x - x*>, and up by t / (t - 1) step^2 noise; t = sqrt(2 / (step L)) is best.
    """
    if noise == 0.0:
        return 0.0
    left = 1.0 - math.sqrt(step * L / 2.0)
    return step * noise / (2.0 * mu * left**2) if mu > 0.0 and left > 0.0 else math.inf


def words_of_noise(
    floor: float, mu: float, first_optimality: float, trace: Trace, tol: float, x: np.ndarray
) -> str:
    """Return what a run that ended at a limit says of its noise floor; nothing if that is not far above tol.

    Parameters
    ----------
    floor : float
        Bound on the mean squared distance that noise leaves; 0 without noise.
    mu : float
        Strong convexity.
    first_optimality : float
        |grad f| at the start.
    trace : Trace
        Of the run.
    tol : float
        Of the stopping rule.
    x : (d,) array
        Mean of the iterates at the end.
    """
    farthest = first_optimality / mu if mu > 0.0 else math.inf  # from the solution to the start, at most
    aimed_at = tol * math.hypot(farthest, 1.0 + float(np.linalg.norm(x))) if tol > 0.0 else 0.0
    if not math.sqrt(floor) > _FAR * aimed_at:
        return ""
    distance = float(trace["distance"][0]) if trace["n_gradients"][0] == 0 else math.nan
    start = farthest**2 if math.isnan(distance) else distance
    most = f"mean squared distance up to {floor:.3g}" if math.isfinite(floor) else "theory has no bound"
    above = ", which exceeds the start's" if start < floor < math.inf else ""
    last = float(trace["optimality"][-math.ceil(len(trace) / 10) :].mean())
    return (
        f"; noise floor: {most}{above} (|grad f| ends at {last:.3g}, from {first_optimality:.3g}); smaller "
        "step or batches of more rows, averaging, or variance reduction"
    )
