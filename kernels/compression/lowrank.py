"""Low-rank approximation of a vector seen as a matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .. import checks, random
from ..random import streams
from .base import Compressor, Payload
from .callback import in_python, in_python_parameters
from .coding import BitReader, BitWriter

METHODS = ("svd", "power")


@dataclass(frozen=True, eq=False)
class FactorPayload(Payload):
    """Factors of a matrix of low rank, whose rows in turn are the vector.

    Attributes
    ----------
    left : (m, r) array
        Left factor.
    right : (n, r) array
        Right factor.
    """

    left: np.ndarray
    right: np.ndarray

    @property
    def d(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Coordinates of the vector, m n."""
        return self.left.shape[0] * self.right.shape[0]

    @property
    def dtype(self) -> np.dtype:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the factors."""
        return self.left.dtype

    @property
    def nbits(self) -> int:
        """Exact length of the message in bits: 32 or 64 each for (m + n) r numbers."""
        return 8 * (self.left.nbytes + self.right.nbytes)

    def dense(self) -> np.ndarray:
        """Return the vector, (m n,)."""
        left, right = self.left, self.right
        with np.errstate(over="ignore", invalid="ignore"):
            powers = [_exponent(factor) for factor in (left, right)]
            if sum(powers) + left.shape[1].bit_length() < np.finfo(self.dtype).maxexp:
                return (left @ right.T).reshape(-1)
            # sums on the way would overflow
            left, right = (np.ldexp(f, -power) for f, power in zip((left, right), powers, strict=True))
            return np.ldexp((left @ right.T).reshape(-1), sum(powers))

    def _write(self, writer: BitWriter) -> None:
        writer.floats(self.left)
        writer.floats(self.right)


def _exponent(factor: np.ndarray) -> int:
    """Return e with |entries| < 2^e; 0 where they are not finite."""
    return int(np.frexp(np.abs(factor).max())[1])


def _scaled(large: np.ndarray, power: int, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `large` times 2^power, and `other`; what `large` has no room for is in `other`."""
    excess = max(_exponent(large) + power - int(np.finfo(large.dtype).maxexp), 0)
    return np.ldexp(large, power - excess), np.ldexp(other, excess)


@dataclass(frozen=True)
class LowRank(Compressor):
    """Best approximation of rank r, or one step of the power method towards it (PowerSGD).

    Attributes
    ----------
    rank : int
        The rank r; where it exceeds min(m, n), that is taken.
    shape : (int, int), optional
        The vector is the m by n matrix of this shape, row by row. By default the squarest shape with m <= n.
    method : str
        "svd": the best approximation; deterministic, contractive with alpha = r / min(m, n), attained where
        all singular values are equal. "power": Q random, P an orthonormal basis of X Q, C = P P'X, which
        costs two thin products; contractive with alpha = r / n, n the number of columns, and 1 where r =
        min(m, n).

    Notes
    -----
    alpha of "power" (derived): with A = X'X and an orthonormal basis U of the columns of Q, |C|^2 =
    tr((U'AU)^-1 U'A^2 U) >= tr(U'AU), since U'A^2 U >= (U'AU)^2; and E UU' = (r/n) I, because the entries of
    Q are drawn alike, symmetric about 0. |C - X|^2 = |X|^2 - |C|^2. It is attained where the singular values
    are equal and n <= m; for m < n these have r / m, and the true constant lies between the two.

    Bits: 32 or 64 times r (m + n). The factors come from LAPACK, so the last bits depend on the library. In
    compiled loops it is called in Python (`row_function`): the LAPACK of compiled code may be another one.
    Source: Vogels, Karimireddy, Jaggi, "PowerSGD" (2019), without its warm start.
    """

    rank: int
    shape: tuple[int, int] | None = None
    method: str = "svd"
    row_kernel = in_python

    @property
    def unbiased(self) -> bool:
        """False."""
        return False

    def __post_init__(self) -> None:
        object.__setattr__(self, "rank", checks.count("rank", self.rank, least=1))
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        if self.shape is not None:
            if not isinstance(self.shape, tuple) or len(self.shape) != 2:
                raise TypeError(f"shape must be a pair of integers, got {self.shape!r}")
            object.__setattr__(self, "shape", tuple(checks.count("shape", n, least=1) for n in self.shape))

    @property
    def random(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the start is drawn."""
        return self.method == "power"

    def _shape(self, d: int) -> tuple[int, int]:
        if self.shape is None:
            m = next(m for m in range(math.isqrt(d), 0, -1) if d % m == 0)
            return m, d // m
        if self.shape[0] * self.shape[1] != d:
            raise ValueError(f"shape {self.shape} does not fit a vector of {d} coordinates")
        return self.shape

    def _rank(self, d: int) -> int:
        return min(self.rank, *self._shape(d))

    def _compress(self, x: np.ndarray, key: np.uint64, index: np.uint64) -> FactorPayload:
        (m, n), r = self._shape(x.size), self._rank(x.size)
        if not np.isfinite(x).all():
            return FactorPayload(np.full((m, r), np.nan, x.dtype), np.full((n, r), np.nan, x.dtype))
        X = x.reshape(m, n)
        power = _exponent(X) - 1
        X = np.ldexp(X, -power)  # products cannot overflow
        if self.method == "svd":
            left, singular, right = np.linalg.svd(X, full_matrices=False)
            left, right = _scaled(left[:, :r] * singular[:r], power, right[:r].T)
            return FactorPayload(np.ascontiguousarray(left), np.ascontiguousarray(right))
        words = random.words(int(key), streams.LOW_RANK, int(index), 1)[0]
        start_key = int(words[0]) << 32 | int(words[1])
        start = random.uniform(start_key, streams.LOW_RANK, 0, n * r).reshape(n, r) - 0.5
        basis = np.ascontiguousarray(np.linalg.qr(X @ start.astype(x.dtype))[0])
        right, left = _scaled(np.ascontiguousarray(X.T @ basis), power, basis)
        return FactorPayload(left, right)

    def _read(
        self, reader: BitReader, d: int, dtype: np.dtype, key: np.uint64, index: np.uint64
    ) -> FactorPayload:
        (m, n), r = self._shape(d), self._rank(d)
        return FactorPayload(
            reader.floats(m * r, dtype).reshape(m, r), reader.floats(n * r, dtype).reshape(n, r)
        )

    def _contraction(self, d: int) -> float:
        shape, r = self._shape(d), self._rank(d)
        return r / shape[1] if self.method == "power" and r < min(shape) else r / min(shape)

    def parameters(self, d: int) -> np.ndarray:
        """Check that the shape fits, and return what calls this object in Python."""
        self._shape(d)
        return in_python_parameters(self)
