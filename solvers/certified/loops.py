"""The circle criterion for loops of two states: certified linear rates of exact methods on fixed graphs.

An exact gossip method is linear but for the gradients u_i = grad f_i(y_i). In the eigenbasis of W it falls
apart into one scalar loop for each eigenvalue, with a Laplacian eigenvalue lam = 1 - w, and the loops of the
methods here have the form

    y = G(z) u,   G(z) = -a g(lam) (z - 1) / ((z - 1)^2 + p(lam) (z - 1) + q(lam))

with the step a and polynomials g, p and q (`Loop`). All gradients obey the same sector bound, mu <= "u / y"
<= L in the sense of (u - mu y)(L y - u) >= 0, so that the states of all loops fall by rho a round if, for
each, a quadratic form P_lam > 0 does for all (y, u) in the sector. By the Kalman-Yakubovich-Popov lemma that
is the circle criterion: with L = 1 and m = mu / L = 1 / kappa, on |z| = rho

    F = Re[P_1(z) conj(P_m(z))] >= 0,   P_k(z) = (z - 1)^2 + (p + k a g)(z - 1) + q,

and the zeros of P_(1 + m)/2 are inside that circle; P_k is the characteristic polynomial of the loop closed
with the gain k, so F >= 0 says that no gain in the sector puts a pole on the circle, and somewhat more,
which nonlinear gradients need.

In c = cos(theta), z = rho exp(i theta), F is a polynomial of degree 2: it is >= 0 for all of [-1, 1] if and
only if its Bernstein coefficients f0 = P_1(rho) P_m(rho), f1 and f2 = P_1(-rho) P_m(-rho) have f0, f2 >= 0
and f1 >= -sqrt(f0 f2). No frequency is sampled. Nor are eigenvalues: for fixed rho the conditions are
polynomials in lam, which `proof` proves for an interval, in exact arithmetic.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from .proof import Loop, violation

SMALLEST_GAP = 1e-10  # rates above 1 - this count as no rate
_HALVINGS = 42  # of the bracket of log(1 - rho): to a relative error of 1e-11
_MARGIN = 1e-9  # relative, of 1 - rho: the rate is rounded up by it, first
_MOST_MARGIN = 1e-2
_MOST_EIGENVALUES = 40
_GRID = 64  # steps tried at once
_SHORTEST = 1e-14  # of the longest step
SHARE_OF_EDGE = 0.95  # at most, of a default step


def edge(loop: Loop, low: float, high: float) -> float:
    """Return the largest step, in units of 1/L, that is stable on equal quadratics of curvature L.

    For W with the eigenvalues `low`, `high` and 1: the zeros of P_1 are in the unit disc if P_1(-1) >= 0 and
    P_1(0) <= 1, P_1(1) = q being >= 0 anyway.
    """
    longest = 2.0  # of the mean, which does gradient descent
    for lam in (1.0 - low, 1.0 - high):
        g, p, q = _values(loop, lam)
        if g > 0.0:
            longest = min(longest, (2.0 - p + q / 2.0) / g)
        elif g < 0.0:
            longest = min(longest, (q - p) / g)
    return longest


def bears(b: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Whether each row of loops (r, eigenvalues) is stable on equal quadratics of curvature L: see `edge`."""
    return np.all((b <= 2.0 - p + q / 2.0) & (b >= q - p), axis=1)


def rate(loop: Loop, kappa: float, low: float, high: float, step: float) -> float:
    """Return the certified rate, rounded up; infinite where there is none below 1.

    Parameters
    ----------
    loop : Loop
        Of the method.
    kappa : float
        Condition number L / mu.
    low, high : float
        Interval that holds the eigenvalues of W on the vectors of zero sum.
    step : float
        In units of 1/L.
    """
    gap, _ = _proven(loop, kappa, low, high, step)
    return math.nextafter(1.0 - gap, 2.0) if gap > 0.0 else math.inf


def worst_eigenvalues(loop: Loop, kappa: float, low: float, high: float, step: float) -> tuple[float, ...]:
    """Return eigenvalues 1 - w inside the interval that are worse than its ends; parameters as of `rate`."""
    return _proven(loop, kappa, low, high, step)[1]


@functools.lru_cache(maxsize=4096)
def _proven(
    loop: Loop, kappa: float, low: float, high: float, step: float
) -> tuple[float, tuple[float, ...]]:
    """Return 1 - rho, 0 for none, and the eigenvalues inside the interval that decided with its ends."""
    m, ends = 1.0 / kappa, _ends(low, high)
    top = np.array([min(step * m, 2.0 - step)])
    lams, margin = list(ends), _MARGIN
    while margin < _MOST_MARGIN and len(lams) < _MOST_EIGENVALUES:
        g, p, q = (value[None, :] for value in _values(loop, np.array(lams)))
        gap = float(gaps(step * g, p, q, m, top)[0]) * (1.0 - margin)
        if gap < SMALLEST_GAP:
            break
        found = violation(loop, step, kappa, gap, ends[0], ends[-1])
        if found is None:
            return gap, tuple(lams[len(ends) :])
        if any(abs(found - lam) <= 1e-9 * (ends[-1] - ends[0]) for lam in lams):
            margin *= 10.0  # what is left are rounding errors of the floats
        else:
            lams.append(found)
    return 0.0, tuple(lams[len(ends) :])


@functools.lru_cache(maxsize=4096)
def best_step(loop: Loop, kappa: float, low: float, high: float) -> float:
    """Return the step, in units of 1/L, with the smallest certified rate; NaN where no step has one.

    It stays below 0.95 of the edge of stability, `edge`: a certificate need not fall with the step up to
    there. Eigenvalues other than the ends are left to `rate`.
    """
    m, lams = 1.0 / kappa, np.array(_ends(low, high))
    g, p, q = (value[None, :] for value in _values(loop, lams))
    longest = SHARE_OF_EDGE * edge(loop, low, high)
    if not longest > 0.0:
        return math.nan
    # halving the bracket of log(1 - rho), with what is left of the steps that meet the last one that any met
    least, most = math.log(SMALLEST_GAP), 0.0
    steps, best = np.geomspace(_SHORTEST * longest, longest, _GRID), math.nan
    for mid in itertools.chain([least], itertools.repeat(None, _HALVINGS)):
        gap = 0.5 * (least + most) if mid is None else mid
        size = math.exp(gap)
        good = np.flatnonzero(
            met(steps[:, None] * g, p, q, m, size) & (np.minimum(steps * m, 2.0 - steps) >= size)
        )
        if not len(good):
            most = gap
            continue
        least = gap
        best = float(steps[good[len(good) // 2]])
        shortest, longest = steps[max(good[0] - 1, 0)], steps[min(good[-1] + 1, len(steps) - 1)]
        steps = np.geomspace(shortest, longest, _GRID)
    return best


def _ends(low: float, high: float) -> tuple[float, ...]:
    """Return the ends of the interval of Laplacian eigenvalues."""
    return (1.0 - high, 1.0 - low) if high > low else (1.0 - high,)


def _values(loop: Loop, lam: Any) -> tuple[Any, Any, Any]:
    """Return g, p and q at lam, a number or an array."""
    return tuple(functools.reduce(lambda acc, c: acc * lam + c, reversed(poly), 0.0 * lam) for poly in loop)


def _conditions(b: Any, p: Any, q: Any, m: float, gap: Any) -> tuple[Any, ...]:
    """Return what has to be >= 0 (five numbers), f1, and f0 f2, at rho = 1 - gap, with the gain b = a g.

    With k = 1 - rho^2, s_1 = p + b and s_m = p + m b, in powers of z - 1, for it is 1 - rho that is small.
    """
    far = 2.0 - gap
    k = gap * far
    one, other = p + b, p + m * b
    total, product = one + other, one * other
    near = gap * gap - gap * one + q, gap * gap - gap * other + q  # P_1(rho), P_m(rho)
    away = far * far - far * one + q, far * far - far * other + q  # P_1(-rho), P_m(-rho)
    inside = total / 2.0 - q - k  # rho^2 less the product of the zeros of P_(1 + m)/2
    middle = k * k - k * total + 2.0 * q * (3.0 * k - 2.0) + product * (2.0 - k) - q * total + q * q
    return (*near, *away, inside), middle, (near[0] * near[1]) * (away[0] * away[1])


def met(b: Any, p: Any, q: Any, m: float, gap: Any) -> np.ndarray:
    """Whether each row of loops (r, eigenvalues) meets the criterion at rho = 1 - gap."""
    signs, middle, square = _conditions(b, p, q, m, gap)
    good = middle + np.sqrt(np.maximum(square, 0.0)) >= 0.0
    for value in signs:
        good &= value >= 0.0
    return good.all(axis=1)


def gaps(b: np.ndarray, p: np.ndarray, q: np.ndarray, m: float, top: np.ndarray) -> np.ndarray:
    """Return the largest 1 - rho <= top, for each row of loops (r, eigenvalues) that all meet the criterion.

    Rows with none get 0. A larger rho is met wherever a smaller one is, so halving the bracket finds it.
    """
    low, high = np.full(top.shape, math.log(SMALLEST_GAP)), np.log(np.maximum(top, SMALLEST_GAP))
    some = met(b, p, q, m, np.exp(low)[:, None]) & (top > SMALLEST_GAP)
    low = np.where(met(b, p, q, m, np.exp(high)[:, None]), high, low)
    for _ in range(_HALVINGS):
        mid = 0.5 * (low + high)
        good = met(b, p, q, m, np.exp(mid)[:, None])
        low, high = np.where(good, mid, low), np.where(good, high, mid)
    return np.where(some, np.minimum(np.exp(low), top), 0.0)
