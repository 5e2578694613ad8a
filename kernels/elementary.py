"""Elementary functions by polynomials, free of branches and calls, so that loops over arrays vectorise.

libm's are calls, which keep LLVM from vectorising the loop around them. These use IEEE additions,
multiplications and one division only, hence give the same bits on every machine, in a vectorised loop as one
at a time. Errors are below 1.5 units in the last place of 1 (sin, cos)
or of the result (exp, log) [measured against long double].

Arguments are reduced as usual (Cody and Waite 1980): a multiple of log 2 or pi/2 is subtracted in parts of
few enough bits for exact products. What is left is a Taylor series, in Estrin's order.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np

from ._jit import inner_njit

I = np.int64  # noqa: E741
ROUND = 1.5 * 2.0**52  # adding it rounds to an integer, which then stands in the low bits
ROUND_BITS = I(np.float64(ROUND).view(I))


def _parts(value: Decimal, bits: int, count: int) -> tuple[float, ...]:
    """Cut a number into `count` - 1 floats of so many bits and a last one."""
    parts = []
    for _ in range(count - 1):
        mantissa, exponent = math.frexp(float(value))
        parts.append(math.ldexp(math.floor(mantissa * 2**bits), exponent - bits))
        value -= Decimal(parts[-1])
    return *parts, float(value)


with localcontext() as context:
    context.prec = 60
    LN2_HIGH, LN2_LOW = _parts(Decimal(2).ln(), 32, 2)
    _HALF_PI = Decimal("1.57079632679489661923132169163975144209858469968755291048747")
    PI2_HIGH, PI2_MIDDLE, PI2_LOW = _parts(_HALF_PI, 33, 3)
PER_LN2 = 1 / math.log(2)
PER_PI2 = 2 / math.pi
E3, E4, E5, E6, E7, E8, E9, E10, E11, E12, E13 = (1 / math.factorial(k) for k in range(3, 14))
S1, S2, S3, S4, S5, S6, S7, S8 = ((-1) ** k / math.factorial(2 * k + 1) for k in range(1, 9))
C2, C3, C4, C5, C6, C7, C8 = ((-1) ** k / math.factorial(2 * k) for k in range(2, 9))
L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11 = (2 / (2 * k + 1) for k in range(1, 12))
ROOT_HALF_BITS = I(np.float64(math.sqrt(0.5)).view(I))

# no fastmath here: reassociation cancels `+ ROUND - ROUND`
_inline = inner_njit(forceinline=True)


@_inline
def exp_minus(x):
    """Return exp(-x) for x >= 0, infinity included; NaN stays NaN."""
    x = 750.0 if x > 750.0 else x
    shifted = ROUND - x * PER_LN2
    k = shifted - ROUND
    f = -x - k * LN2_HIGH - k * LN2_LOW
    f2 = f * f
    f4 = f2 * f2
    low = f2 * (0.5 + f * E3) + f4 * ((E4 + f * E5) + f2 * (E6 + f * E7))
    high = (E8 + f * E9) + f2 * (E10 + f * E11) + f4 * (E12 + f * E13)
    exponent = np.float64(shifted).view(I) - ROUND_BITS
    half = exponent >> I(1)  # two factors, since 2^exponent may be too small for a normal number
    power = I((half + I(1023)) << I(52)).view(np.float64)
    rest = I((exponent - half + I(1023)) << I(52)).view(np.float64)
    return (1.0 + (f + (low + f4 * f4 * high))) * power * rest


@_inline
def sin_cos(x):
    """Return sin x, cos x for x >= 0; like any function of a rounded x, meaningless where x is huge."""
    x = 1e15 if x > 1e15 else x
    shifted = x * PER_PI2 + ROUND
    k = shifted - ROUND
    quadrant = np.float64(shifted).view(I)
    f = ((x - k * PI2_HIGH) - k * PI2_MIDDLE) - k * PI2_LOW
    z = f * f
    z2 = z * z
    s_low = (S1 + z * S2) + z2 * (S3 + z * S4)
    s_high = (S5 + z * S6) + z2 * (S7 + z * S8)
    c_low = (C2 + z * C3) + z2 * (C4 + z * C5)
    c_high = (C6 + z * C7) + z2 * C8
    sine = f + f * z * (s_low + z2 * z2 * s_high)
    cosine = 1.0 - 0.5 * z + z2 * (c_low + z2 * z2 * c_high)
    odd = quadrant & I(1)
    sn = cosine if odd else sine
    cs = sine if odd else cosine
    return (
        -sn if quadrant & I(2) else sn,
        -cs if (quadrant + I(1)) & I(2) else cs,
    )


@_inline
def minus_log(x):
    """Return -log x for a positive normal x."""
    bits = np.float64(x).view(I)
    k = (bits - ROOT_HALF_BITS) >> I(52)
    f = I(bits - (k << I(52))).view(np.float64) - 1.0  # 1 + f in [sqrt(1/2), sqrt(2))
    s = f / (2.0 + f)
    z = s * s
    z2 = z * z
    z4 = z2 * z2
    # log(1 + f) = 2 artanh(s) = f - s (f - p), p = 2 artanh(s)/s - 2
    p = (L1 * z + z2 * (L2 + z * L3)) + z4 * ((L4 + z * L5) + z2 * (L6 + z * L7))
    p += z4 * z4 * ((L8 + z * L9) + z2 * (L10 + z * L11))
    exponent = np.float64(k)
    return (s * (f - p) - exponent * LN2_LOW) - f - exponent * LN2_HIGH
