"""Quantisers: messages that hold all coordinates with few bits each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import checks
from ..backend import array_module, device_of
from . import rows
from .base import Compressor, Payload
from .coding import BitReader, BitWriter
from .devices import room, rounding

TRITS = 5  # digits in base 3 that share a byte
PLACES = 3 ** np.arange(TRITS)
SEARCHED = 4096  # levels, at most, for which the worst plane vector of QSGD is searched


@dataclass(frozen=True, eq=False)
class LevelPayload(Payload):
    """Integers that stand for norm * level / steps * factor.

    Attributes
    ----------
    d : int
        Coordinates of the vector.
    dtype : numpy dtype
        Of the vector.
    norm : float
        What the largest level stands for; sent with 32 or 64 bits.
    levels : (d,) int32 array
        In [-steps, steps].
    steps : int
        Levels above zero.
    factor : float
        Known to the receiver.
    """

    code: ClassVar[str]
    d: int
    dtype: np.dtype
    norm: float
    levels: Any
    steps: int
    factor: float

    @property
    def device(self) -> int | None:
        """Number of the CUDA device that the levels are on; None: the CPU."""
        return device_of(levels=self.levels)

    def dense(self) -> Any:
        """Return the vector, (d,)."""
        with array_module(self.device), np.errstate(all="ignore"):
            return (self.norm * (self.levels / self.steps) * self.factor).astype(self.dtype)

    @property
    def nbits(self) -> int:
        """Exact length of the message in bits: the norm and the levels."""
        return 8 * self.dtype.itemsize + self.level_bits(self.d, self.steps)

    @staticmethod
    def level_bits(d: int, steps: int) -> int:
        """Bits of d levels: a sign and a magnitude each.

        Parameters
        ----------
        d, steps : int
            Number of coordinates; levels above zero.

        Returns
        -------
        int
            d (1 + ceil log2(steps + 1)).
        """
        return d * (1 + steps.bit_length())

    def _write(self, writer: BitWriter) -> None:
        writer.floats(np.array([self.norm], self.dtype))
        self.write_levels(writer)

    def write_levels(self, writer: BitWriter) -> None:
        """Append the levels."""
        width = self.steps.bit_length()
        signs = (self.levels < 0).astype(np.int64)
        writer.integers(signs << width | np.abs(self.levels.astype(np.int64)), width + 1)

    @staticmethod
    def read_levels(reader: BitReader, d: int, steps: int) -> np.ndarray:
        """Read d levels."""
        width = steps.bit_length()
        fields = reader.integers(d, width + 1)
        magnitudes = fields & ((1 << width) - 1)
        if (magnitudes > steps).any():
            raise ValueError(f"data is no message of this compressor: a level above {steps}")
        return np.where(fields >> width, -magnitudes, magnitudes).astype(np.int32)


class TernaryPayload(LevelPayload):
    """Levels -1, 0, 1, five in a byte."""

    @staticmethod
    def level_bits(d: int, steps: int) -> int:
        """Bits of d levels: a byte for five.

        Parameters
        ----------
        d, steps : int
            Number of coordinates; 1.

        Returns
        -------
        int
            8 ceil(d / 5): 1.6 a coordinate, of the log2(3) = 1.585 that are needed.
        """
        return 8 * -(-d // TRITS)

    def write_levels(self, writer: BitWriter) -> None:
        """Append the levels as digits in base 3, lowest first."""
        digits = np.zeros((-(-self.d // TRITS), TRITS), np.int64)
        digits.reshape(-1)[: self.d] = self.levels + 1
        writer.integers(digits @ PLACES, 8)

    @staticmethod
    def read_levels(reader: BitReader, d: int, steps: int) -> np.ndarray:
        """Read d levels."""
        fields = reader.integers(-(-d // TRITS), 8)
        digits = (fields[:, None] // PLACES % 3).reshape(-1)
        if (fields >= 3**TRITS).any() or digits[d:].any():
            raise ValueError("data is no message of this compressor: not five digits in base 3")
        return (digits[:d] - 1).astype(np.int32)


class SignPayload(LevelPayload):
    """Levels -1 and 1, a bit each."""

    @staticmethod
    def level_bits(d: int, steps: int) -> int:
        """Bits of d levels: one each.

        Parameters
        ----------
        d, steps : int
            Number of coordinates; 1.

        Returns
        -------
        int
            d.
        """
        return d

    def write_levels(self, writer: BitWriter) -> None:
        """Append the signs."""
        writer.integers((self.levels < 0).astype(np.int64), 1)

    @staticmethod
    def read_levels(reader: BitReader, d: int, steps: int) -> np.ndarray:
        """Read d signs."""
        return (1 - 2 * reader.integers(d, 1)).astype(np.int32)


class _Levels(Compressor):
    """Compressor whose messages are a norm and integers."""

    payload: ClassVar[type[LevelPayload]] = LevelPayload
    levels: ClassVar[int] | int = 1
    on_gpu = True

    def _factor(self, d: int) -> float:
        return 1.0 if self.unbiased else 1.0 / (1.0 + self._omega(d))

    def _rounded(self, x: Any, norm: float, key: np.uint64, index: np.uint64) -> LevelPayload:
        device = device_of(x=x)
        levels = room(x.size, device, np.int32)
        rounding(device).levels(x, norm, float(self.levels), key, index, levels)
        return self.payload(x.size, x.dtype, norm, levels, self.levels, self._factor(x.size))

    def _read(
        self, reader: BitReader, d: int, dtype: np.dtype, key: np.uint64, index: np.uint64
    ) -> LevelPayload:
        norm = float(reader.floats(1, dtype)[0])
        levels = self.payload.read_levels(reader, d, self.levels)
        return self.payload(d, dtype, norm, levels, self.levels, self._factor(d))


@dataclass(frozen=True)
class QSGD(_Levels):
    """QSGD: s |x_j| / |x| rounded up or down to an integer at random, without bias.

    Attributes
    ----------
    levels : int
        The s levels above zero.
    scaled : bool
        Unbiased, with the omega of the notes: sqrt(d)/s - 1 for d >= 4 s^2 and for s = 1, and never above
        d / (4 s^2). Without, divided by 1 + omega: contractive with alpha = 1 / (1 + omega).

    Notes
    -----
    The probability to round up is met exactly, as the floating-point number it is. Bits: the norm, and 1 +
    ceil(log2(s + 1)) a coordinate. Source: Alistarh, Grubic, Li, Tomioka, Vojnovic, "QSGD" (2017), where
    omega = min(d/s^2, sqrt(d)/s).

    omega is the exact worst case (derived). With a = s |x| / |x|_2, on the sphere of radius s, E|C(x) - x|^2
    = |x|^2 / s^2 sum_j frac(a_j) (1 - frac(a_j)), and frac (1 - frac) = 1/4 - (distance of a_j to the nearest
    half of an odd integer)^2. So s^2 omega = d/4 - min (|h| - s)^2 over the vectors h of halves of odd
    integers, the points of the sphere nearest to them being the worst vectors. |h|^2 = d/4 + 2 k, where k is
    a sum of d triangular numbers: any integer k >= 0 for d >= 3 (Gauss). For d = 1 omega = 0; for d = 2 it is
    found by search, and above 4096 levels 1 / (2 s^2) stands for it, too large by less than one part in 8000:
    beside 2 s - 1 there is an odd integer within 1 of sqrt(4 s - 1).
    """

    levels: int
    scaled: bool = True
    row_kernel = rows.qsgd

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", checks.count("levels", self.levels, least=1, most=2**31 - 2))

    @property
    def unbiased(self) -> bool:
        """Whether the result is not divided by 1 + omega."""
        return self.scaled

    def _compress(self, x: Any, key: np.uint64, index: np.uint64) -> LevelPayload:
        return self._rounded(x, rounding(device_of(x=x)).euclidean(x), key, index)

    def _omega(self, d: int) -> float:
        if d >= 4 * self.levels**2 or self.levels == 1:
            return math.sqrt(d) / self.levels - 1.0
        if d == 1:
            return 0.0
        return (d / 4 - _gap_to_halves(d, self.levels) ** 2) / self.levels**2

    def parameters(self, d: int) -> np.ndarray:
        """Return the levels, the factor, and the bits of a coordinate."""
        return np.array([self.levels, self._factor(d), LevelPayload.level_bits(1, self.levels)], float)


def _gap_to_halves(d: int, s: int) -> float:
    """Return min ||h| - s| over the vectors h of d > 1 halves of odd integers; 0 for d = 2 and large s."""
    if d == 2:
        if s > SEARCHED:
            return 0.0
        p = np.arange(1, 2 * s + 2, 2)
        q = np.sqrt(np.maximum(4 * s * s - p * p, 1)).astype(np.int64)
        q -= 1 - q % 2  # the last odd integer up to it; the next one is the other candidate
        return float(np.abs(np.hypot(p, [q, q + 2]) / 2 - s).min())
    below = max((4 * s * s - d) // 8, 0)
    return min(
        abs(d + 8 * k - 4 * s * s) / 4 / (math.sqrt(d / 4 + 2 * k) + s)  # |h|^2 - s^2 is exact
        for k in (below, below + 1)
    )


@dataclass(frozen=True)
class TernGrad(_Levels):
    """TernGrad: -1, 0 or 1 times max |x_j|, without bias and without clipping.

    Attributes
    ----------
    scaled : bool
        Unbiased, omega = (sqrt(d) - 1)/2, tight. Without, divided by 1 + omega.

    Notes
    -----
    QSGD with one level and the maximum norm. Bits: the norm, and 8 for each five coordinates. Clipping, as in
    some implementations, makes it biased and is not offered. Source: Wen et al., "TernGrad" (2017).
    """

    scaled: bool = True
    payload = TernaryPayload
    row_kernel = rows.terngrad

    @property
    def unbiased(self) -> bool:
        """Whether the result is not divided by 1 + omega."""
        return self.scaled

    def _compress(self, x: Any, key: np.uint64, index: np.uint64) -> LevelPayload:
        return self._rounded(x, rounding(device_of(x=x)).largest(x), key, index)

    def _omega(self, d: int) -> float:
        return (math.sqrt(d) - 1.0) / 2.0

    def parameters(self, d: int) -> np.ndarray:
        """Return the factor."""
        return np.array([self._factor(d)])


@dataclass(frozen=True)
class ScaledSign(_Levels):
    """Scaled sign: mean |x_j| times the signs; the sign of 0 is +.

    Notes
    -----
    Deterministic, contractive: |C(x) - x|^2 = (1 - |x|_1^2 / (d |x|^2)) |x|^2, at worst alpha = 1/d (one
    entry not zero). Bits: the mean, and 1 a coordinate. Source: Karimireddy et al., "Error feedback fixes
    SignSGD and other gradient compression schemes" (2019).
    """

    random = False
    payload = SignPayload
    row_kernel = rows.scaled_sign

    @property
    def unbiased(self) -> bool:
        """False."""
        return False

    def _factor(self, d: int) -> float:
        return 1.0

    def _compress(self, x: Any, key: np.uint64, index: np.uint64) -> SignPayload:
        device = device_of(x=x)
        levels = room(x.size, device, np.int32)
        with array_module(device):
            levels[:] = 1
            levels[x < 0] = -1
        return SignPayload(x.size, x.dtype, rounding(device).mean_magnitude(x), levels, 1, 1.0)

    def _contraction(self, d: int) -> float:
        return 1.0 / d


@dataclass(frozen=True, eq=False)
class NaturalPayload(Payload):
    """Signs and exponents of powers of two.

    Attributes
    ----------
    d : int
        Coordinates of the vector.
    dtype : numpy dtype
        Of the vector.
    codes : (d,) int32 array
        Sign bit above the exponent field of `dtype`.
    factor : float
        Known to the receiver.
    """

    d: int
    dtype: np.dtype
    codes: Any
    factor: float

    @property
    def device(self) -> int | None:
        """Number of the CUDA device that the codes are on; None: the CPU."""
        return device_of(codes=self.codes)

    @property
    def nbits(self) -> int:
        """Exact length of the message in bits: 9 a coordinate in float32, 12 in float64."""
        return self.d * (1 + _fields(self.dtype)[1])

    def dense(self) -> Any:
        """Return the vector, (d,)."""
        mantissa_bits, exponent_bits = _fields(self.dtype)
        with array_module(self.device):
            codes = self.codes.astype(np.uint64)
            fields = codes & np.uint64((1 << exponent_bits) - 1)
            bits = fields << np.uint64(mantissa_bits) | (codes >> np.uint64(exponent_bits)) << np.uint64(
                mantissa_bits + exponent_bits
            )
            powers = bits.astype(f"u{self.dtype.itemsize}").view(self.dtype)
            return powers * self.dtype.type(self.factor)

    def _write(self, writer: BitWriter) -> None:
        writer.integers(self.codes, 1 + _fields(self.dtype)[1])


def _fields(dtype: np.dtype) -> tuple[int, int]:
    """Bits of mantissa and exponent."""
    return (23, 8) if dtype == np.float32 else (52, 11)


@dataclass(frozen=True)
class Natural(Compressor):
    """Natural compression: each coordinate to a power of two below or above it, at random, without bias.

    Attributes
    ----------
    scaled : bool
        Unbiased, omega = 1/8, attained at mantissa 4/3. Without, times 8/9: contractive with alpha = 8/9.

    Notes
    -----
    The probability to round up is the fraction of the mantissa, exactly. Bits: 9 a coordinate in float32, 12
    in float64. Below the smallest normal number (1.2e-38, 2.2e-308) an entry becomes 0 or that number,
    without bias; but omega holds for normal numbers only. Above the largest power of two an entry may become
    infinite. Source: Horvath et al., "Natural compression for distributed deep learning" (2019).
    """

    scaled: bool = True
    row_kernel = rows.natural
    on_gpu = True

    @property
    def unbiased(self) -> bool:
        """Whether the result is not multiplied by 8/9."""
        return self.scaled

    def _factor(self) -> float:
        return 1.0 if self.scaled else 8 / 9

    def _compress(self, x: Any, key: np.uint64, index: np.uint64) -> NaturalPayload:
        device = device_of(x=x)
        codes = room(x.size, device, np.int32)
        rounding(device).natural(x.view(f"i{x.itemsize}"), *_fields(x.dtype), key, index, codes)
        return NaturalPayload(x.size, x.dtype, codes, self._factor())

    def _read(
        self, reader: BitReader, d: int, dtype: np.dtype, key: np.uint64, index: np.uint64
    ) -> NaturalPayload:
        codes = reader.integers(d, 1 + _fields(dtype)[1]).astype(np.int32)
        return NaturalPayload(d, dtype, codes, self._factor())

    def _omega(self, d: int) -> float:
        return 0.125

    def parameters(self, d: int) -> np.ndarray:
        """Return the factor."""
        return np.array([self._factor()])
