"""Linear rates from the constants of a proof: the factor of the distance a round, rounded up."""

from __future__ import annotations

import math


def gradient_descent_rate(kappa: float, step: float) -> float:
    """Return the rate of x <- x - step grad f(x), rounded up; infinite if not below 1.

    Parameters
    ----------
    kappa, step : float
        Condition number L / mu, and the step in units of 1/L.
    """
    rate = math.nextafter(max(1.0 - step / kappa, step - 1.0), math.inf)
    return rate if rate < 1.0 else math.inf


def distance_rate(squared: float) -> float:
    """Return the rate of distances, rounded up, from that of their squares; infinite if not below 1.

    Parameters
    ----------
    squared : float
        Of a Lyapunov function that bounds the squared distance, or of a mean over draws.
    """
    rate = math.nextafter(math.sqrt(max(squared, 0.0)), math.inf)
    return rate if rate < 1.0 else math.inf
