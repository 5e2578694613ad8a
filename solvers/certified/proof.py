"""The circle criterion of `loops` proven for all eigenvalues of an interval at once, in exact arithmetic.

Floats are fractions with denominators 2^k, and with them as coefficients the conditions are polynomials in
the eigenvalue, computed here without a rounding error. Their Bernstein coefficients on an interval are
bounds; where these do not decide, the interval is halved.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

_FINEST = 2.0**-45  # of the interval: what is not decided there counts as violated
_MOST = 2000  # intervals


Coefficients = tuple[float, ...]


class Loop(NamedTuple):
    """Loop of a method: polynomials in the Laplacian eigenvalue lam = 1 - w, coefficients from lam^0 on."""

    gain: Coefficients
    damping: Coefficients
    stiffness: Coefficients


class _Poly:
    """Polynomial in s with integer coefficients (from s^0 on), times 2^-shift."""

    def __init__(self, coefficients: list[int], shift: int = 0):
        self.coefficients, self.shift = coefficients, shift

    @classmethod
    def of(cls, *values: float) -> _Poly:
        ratios = [value.as_integer_ratio() for value in values]
        shift = max(below.bit_length() - 1 for _, below in ratios)
        return cls([above << shift - below.bit_length() + 1 for above, below in ratios], shift)

    def __add__(self, other: _Poly) -> _Poly:
        shift = max(self.shift, other.shift)
        a, b = ([c << shift - poly.shift for c in poly.coefficients] for poly in (self, other))
        if len(a) < len(b):
            a, b = b, a
        return _Poly([c + d for c, d in zip(a, b + [0] * (len(a) - len(b)), strict=True)], shift)

    def __mul__(self, other: _Poly) -> _Poly:
        product = [0] * (len(self.coefficients) + len(other.coefficients) - 1)
        for i, c in enumerate(self.coefficients):
            for j, d in enumerate(other.coefficients):
                product[i + j] += c * d
        return _Poly(product, self.shift + other.shift)

    def __sub__(self, other: _Poly) -> _Poly:
        return self + _Poly([-c for c in other.coefficients], other.shift)

    def bernstein(self) -> list[int]:
        """Return the Bernstein coefficients on [0, 1], times a positive number."""
        n = len(self.coefficients) - 1
        common = math.lcm(*(math.comb(n, i) for i in range(n + 1)))
        scaled = [c * (common // math.comb(n, i)) for i, c in enumerate(self.coefficients)]
        return [sum(math.comb(j, i) * scaled[i] for i in range(j + 1)) for j in range(n + 1)]


def violation(loop: Loop, step: float, kappa: float, gap: float, least: float, most: float) -> float | None:
    """Return None if the criterion holds at rho = 1 - gap for all lam in [least, most], else a lam where not.

    Parameters
    ----------
    loop : Loop
        Of the method.
    step : float
        In units of 1/L.
    kappa : float
        Condition number.
    gap : float
        1 - rho.
    least, most : float
        Interval of the eigenvalues lam = 1 - w.
    """
    todo = [([poly.bernstein() for poly in _conditions(loop, step, kappa, gap, least, most)], 0.0, 1.0)]
    done = 0
    while todo:
        polys, begin, end = todo.pop()
        done += 1
        *firm, f1, slack = polys
        if all(min(c) >= 0 for c in firm) and (min(f1) >= 0 or min(slack) >= 0):
            continue
        for side, at in ((0, begin), (-1, end)):  # the ends of a polynomial are its coefficients
            if min(c[side] for c in firm) < 0 or (f1[side] < 0 and slack[side] < 0):
                return least + (most - least) * at
        centre = 0.5 * (begin + end)
        if end - begin < _FINEST or done > _MOST:
            return least + (most - least) * centre
        halves = [_halved(c) for c in polys]
        todo += [
            ([left for left, _ in halves], begin, centre),
            ([right for _, right in halves], centre, end),
        ]
    return None


def _conditions(loop: Loop, step: float, kappa: float, gap: float, least: float, most: float) -> list[_Poly]:
    """Return what has to be >= 0 (five), then f1, and f0 f2 - f1^2, which has to be where f1 is not.

    In s in [0, 1], with lam = least + s (most - least). They are those of `loops._conditions` times powers of
    kappa, so that there is no division.
    """
    lam = (
        _Poly.of(least)
        if most == least
        else _Poly.of(least, 0.0) + _Poly([0, 1]) * (_Poly.of(most) - _Poly.of(least))
    )
    g, p, q = (_horner(poly, lam) for poly in loop)
    e, kap, two = _Poly.of(gap), _Poly.of(kappa), _Poly([2])
    b = _Poly.of(step) * g
    h = two - e
    k = e * h
    one, other = p + b, kap * p + b  # the second times kappa, like all that comes of it
    total = kap * one + other
    near = e * e - e * one + q, kap * (e * e + q) - e * other
    away = h * h - h * one + q, kap * (h * h + q) - h * other
    inside = total - two * kap * (q + k)
    middle = (
        kap * (k * k + q * q + two * q * (_Poly([3]) * k - two)) - (k + q) * total + one * other * (two - k)
    )
    # f0 f2 times kappa^2 is near[0] near[1] away[0] away[1]
    return [*near, *away, inside, middle, near[0] * near[1] * away[0] * away[1] - middle * middle]


def _horner(coefficients: tuple[float, ...], lam: _Poly) -> _Poly:
    found = _Poly([0])
    for c in reversed(coefficients):
        found = found * lam + _Poly.of(c)
    return found


def _halved(c: list[int]) -> tuple[list[int], list[int]]:
    """Return the Bernstein coefficients on the two halves, times 2^(n - 1): de Casteljau's sums."""
    n = len(c)
    left, right = [0] * n, [0] * n
    for i in range(n):
        left[i], right[n - 1 - i] = c[0] << n - 1 - i, c[-1] << n - 1 - i
        c = [a + b for a, b in itertools.pairwise(c)]
    return left, right
