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
        return (self.left @ self.right.T).reshape(-1)

    def _write(self, writer: BitWriter) -> None:
        writer.floats(self.left)
        writer.floats(self.right)


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
        all singular values are equal. "power": Q random, P an orthonormal basis of X Q, C = P P'X: a
        projection, hence |C - X| <= |X|, but no alpha > 0 holds for all X; it costs two thin products.

    Notes
    -----
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
        exponent = int(np.frexp(np.abs(X).max())[1])  # products of the scaled matrix cannot overflow
        unit = np.ldexp(x.dtype.type(1), max(exponent - 1, int(np.finfo(x.dtype).minexp)))
        X = X / unit
        if self.method == "svd":
            left, singular, right = np.linalg.svd(X, full_matrices=False)
            left, right = left[:, :r] * singular[:r], right[:r].T
            return FactorPayload(np.ascontiguousarray(left * unit), np.ascontiguousarray(right))
        words = random.words(int(key), streams.LOW_RANK, int(index), 1)[0]
        start_key = int(words[0]) << 32 | int(words[1])
        start = random.uniform(start_key, streams.LOW_RANK, 0, n * r).reshape(n, r) - 0.5
        basis = np.ascontiguousarray(np.linalg.qr(X @ start.astype(x.dtype))[0])
        return FactorPayload(basis, np.ascontiguousarray(X.T @ basis) * unit)

    def _read(
        self, reader: BitReader, d: int, dtype: np.dtype, key: np.uint64, index: np.uint64
    ) -> FactorPayload:
        (m, n), r = self._shape(d), self._rank(d)
        return FactorPayload(
            reader.floats(m * r, dtype).reshape(m, r), reader.floats(n * r, dtype).reshape(n, r)
        )

    def _contraction(self, d: int) -> float:
        return self._rank(d) / min(self._shape(d)) if self.method == "svd" else 0.0

    def parameters(self, d: int) -> np.ndarray:
        """Check that the shape fits, and return what calls this object in Python."""
        self._shape(d)
        return in_python_parameters(self)
