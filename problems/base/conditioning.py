"""A word about problems that no first-order method gets far with: badly scaled data, condition numbers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from ...kernels.performance import PerformanceWarning, level_of_the_user

if TYPE_CHECKING:
    from .problem import Problem

_KAPPA = 1e12  # what 1/L times the gradient adds along flat directions is then lost to rounding
_SCALES = 1e8  # curvatures go with the squares


def warn_if_ill_conditioned(problem: Problem) -> None:
    """Warn, once for each problem, of columns of different sizes, or else of a large L/mu, with the remedy.

    Parameters
    ----------
    problem : Problem
        What is to be solved.
    """
    if vars(problem).get("_conditioning_was_seen"):
        return
    vars(problem)["_conditioning_was_seen"] = True
    found = _scales(problem) or _kappa(problem)
    if found:
        warnings.warn(found, PerformanceWarning, stacklevel=level_of_the_user())


def _scales(problem: Problem) -> str:
    features = getattr(problem, "features", None)
    if features is None:
        return ""
    sizes = np.abs(features).max(axis=0, initial=0.0)
    there = np.flatnonzero(sizes)
    if not there.size:
        return ""
    large, small = there[np.argmax(sizes[there])], there[np.argmin(sizes[there])]
    ratio = float(sizes[large]) / float(sizes[small])
    if not ratio > _SCALES:
        return ""
    return (
        f"columns {large} and {small} of the data differ in size by a factor of {ratio:.1e}, and methods "
        "will hardly move along the small ones: bring all to one scale by problems.standardize (in the files "
        "of the command line, standardize = true)"
    )


def _kappa(problem: Problem) -> str:
    mu, L = problem.strong_convexity, problem.smoothness
    if not 0.0 < mu < L < np.inf or not L / mu > _KAPPA:
        return ""
    return (
        f"the condition number L/mu = {L:.2g}/{mu:.2g} = {L / mu:.1e} is above {_KAPPA:.0e}: methods will "
        "hardly move along flat directions, where rounding hides the minimiser; scale the data by "
        "problems.standardize, or raise l2"
    )
