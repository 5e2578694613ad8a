"""Compressors made of compressors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .. import checks, random
from .._jit import LazyKernel
from ..random import streams
from . import rows
from .base import Compressor, Payload
from .coding import BitReader, BitWriter
from .row_function import is_compiled, row_function, row_parameters
from .sparsifier import SparsePayload, Sparsifier


def _part_key(key: np.uint64, part: int) -> np.uint64:
    """Return the key of one part: parts must not share draws."""
    words = random.words(int(key), streams.PART, part, 1)[0]
    return np.uint64(int(words[0]) << 32 | int(words[1]))


@dataclass(frozen=True, eq=False)
class ComposedPayload(Payload):
    """Coordinates, and the compressed message of the values there.

    Attributes
    ----------
    sparse : SparsePayload
        Which coordinates; its values are not sent.
    values : Payload or None
        The message of the values; None where there are none.
    """

    sparse: SparsePayload
    values: Payload | None

    @property
    def d(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Coordinates of the vector."""
        return self.sparse.d

    @property
    def dtype(self) -> np.dtype:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the vector."""
        return self.sparse.dtype

    @property
    def nbits(self) -> int:
        """Exact length of the message in bits."""
        return self.sparse.index_bits + (self.values.nbits if self.values else 0)

    def dense(self) -> np.ndarray:
        """Return the vector, (d,)."""
        out = np.zeros(self.d, self.dtype)
        if self.values:
            out[self.sparse.indices] = self.values.dense()
        return out

    def _write(self, writer: BitWriter) -> None:
        self.sparse.write_indices(writer)
        if self.values:
            self.values._write(writer)


@dataclass(frozen=True)
class Composed(Compressor):
    """A sparsifier, and then another compressor for the values that it keeps.

    Attributes
    ----------
    sparsifier : Sparsifier
        Chooses coordinates (and scales the values): RandK, BlockRandK, PermK, Bernoulli, TopK, Identity.
    quantiser : Compressor
        Compresses the vector of the values kept.

    Notes
    -----
    Both unbiased: unbiased, with 1 + omega = (1 + omega_1)(1 + omega_2). A sparsifier that leaves values as
    they are, of contraction alpha_1, then anything of contraction alpha_2: alpha = alpha_1 alpha_2, since
    |C(x) - x|^2 = |x|^2 - |x_S|^2 + |Q(x_S) - x_S|^2 for the set S kept (derived). omega_2 and alpha_2 are
    the worst for the numbers of values that may be kept. These bounds are attained where a flat vector is the
    worst of both, and may be larger than needed elsewhere: not every set kept can be the worst of the
    quantiser. For `Bernoulli`, which may keep any number, constants and preparing for compiled loops take
    time O(d).

    Examples
    --------
    >>> from gossamer.kernels import compression
    >>> message = Composed(compression.TopK(10), compression.QSGD(15)).compress([1.0] * 1000, key=1)
    >>> message.sparse.index_bits, message.nbits  # 10 gaps of 0; a norm; 5 bits a value
    (17, 131)
    """

    sparsifier: Sparsifier
    quantiser: Compressor

    def __post_init__(self) -> None:
        if not isinstance(self.sparsifier, Sparsifier):
            raise TypeError(f"sparsifier must be one, such as TopK(10), got {self.sparsifier!r}")
        if not isinstance(self.quantiser, Compressor):
            raise TypeError(f"quantiser must be a compressor, such as QSGD(15), got {self.quantiser!r}")

    @property
    def random(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether one of the two is."""
        return self.sparsifier.random or self.quantiser.random

    @property
    def receiver_draws(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the receiver repeats the draws of one of the two."""
        return self.sparsifier.receiver_draws or self.quantiser.receiver_draws

    @property
    def unbiased(self) -> bool:
        """Whether both are."""
        return self.sparsifier.unbiased and self.quantiser.unbiased

    def _compress(self, x: np.ndarray, key: np.uint64, index: np.uint64) -> ComposedPayload:
        sparse = self.sparsifier._compress(x, _part_key(key, 0), index)
        if sparse.values.size == 0:
            return ComposedPayload(sparse, None)
        return ComposedPayload(sparse, self.quantiser._compress(sparse.values, _part_key(key, 1), index))

    def _read(
        self, reader: BitReader, d: int, dtype: np.dtype, key: np.uint64, index: np.uint64
    ) -> ComposedPayload:
        indices = self.sparsifier._read_indices(reader, d, _part_key(key, 0), index)
        values = None
        if indices.size:
            values = self.quantiser._read(reader, indices.size, dtype, _part_key(key, 1), index)
        dense = values.dense() if values else np.empty(0, dtype)
        return ComposedPayload(self.sparsifier._payload(d, indices, dense), values)

    def _counts(self, d: int) -> range:
        """Return how many values may be kept, but for none."""
        most = self.sparsifier.most_kept(d)
        return range(min(max(1, self.sparsifier.least_kept(d)), most), most + 1)

    def _of_each_count(self, d: int, constant: Callable[[int], float]) -> Iterator[float]:
        counts = self._counts(d)
        yield constant(counts[-1])  # raises where not even so many are enough
        for count in counts[:-1]:
            with contextlib.suppress(ValueError):  # too few; raised where so few are kept
                yield constant(count)

    def _omega(self, d: int) -> float:
        inner = max(self._of_each_count(d, self.quantiser.omega))
        return (1.0 + self.sparsifier.omega(d)) * (1.0 + inner) - 1.0

    def _contraction(self, d: int) -> float:
        if self.sparsifier.scales(d):
            return 0.0
        return self.sparsifier.contraction(d) * min(self._of_each_count(d, self.quantiser.contraction))

    @property
    def row_kernel(self) -> LazyKernel | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Compiled where the sparsifier has a `pick_kernel`."""
        is_compilable = is_compiled(self.sparsifier) and hasattr(self.sparsifier, "pick_kernel")
        return rows.composed if is_compilable else None

    def parameters(self, d: int) -> np.ndarray:
        """Return what `rows.composed` reads: of the sparsifier, and of the quantiser for each number kept."""
        own = self.sparsifier.parameters(d)
        counts = self._counts(d)
        least, quantiser = counts[0], row_function(self.quantiser, counts[-1])
        places = np.zeros((len(counts), 2))
        first = 1 + own.size + 2 + places.size
        tail: list[np.ndarray] = []
        begins: dict[bytes, int] = {}  # most quantisers have the same parameters for all numbers
        for count in counts:
            try:
                parameters = row_parameters(self.quantiser, count)
            except ValueError:  # too few values; raised where so few are kept, which may never happen
                continue
            begin = begins.setdefault(parameters.tobytes(), first)
            if begin == first:
                tail.append(parameters)
                first += parameters.size
            places[count - least] = begin, begin + parameters.size
        return np.concatenate([[own.size], own, [quantiser.address, least], places.reshape(-1), *tail])


@dataclass(frozen=True, eq=False)
class BlocksPayload(Payload):
    """Messages of consecutive blocks, one after the other.

    Attributes
    ----------
    blocks : tuple of Payload
        Of the blocks, in order.
    """

    blocks: tuple[Payload, ...]

    @property
    def d(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Coordinates of all blocks."""
        return sum(block.d for block in self.blocks)

    @property
    def dtype(self) -> np.dtype:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the vector."""
        return self.blocks[0].dtype

    @property
    def nbits(self) -> int:
        """Exact length of the message in bits: the sum over the blocks, filled up to bytes once."""
        return sum(block.nbits for block in self.blocks)

    def dense(self) -> np.ndarray:
        """Return the vector, (d,)."""
        return np.concatenate([block.dense() for block in self.blocks])

    def _write(self, writer: BitWriter) -> None:
        for block in self.blocks:
            block._write(writer)


@dataclass(frozen=True)
class PerBlock(Compressor):
    """A compressor applied to consecutive blocks, each with draws of its own.

    Attributes
    ----------
    compressor : Compressor
        For each block; with a fixed k it needs blocks of at least k coordinates, the last one included.
    size : int
        Coordinates of a block; the last one has what is left.

    Notes
    -----
    Unbiased or contractive with the worst constant of the two lengths of blocks.
    """

    compressor: Compressor
    size: int
    row_kernel = rows.per_block

    def __post_init__(self) -> None:
        if not isinstance(self.compressor, Compressor):
            raise TypeError(f"compressor must be one, such as QSGD(15), got {self.compressor!r}")
        object.__setattr__(self, "size", checks.count("size", self.size, least=1))

    @property
    def random(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the compressor of the blocks is."""
        return self.compressor.random

    @property
    def receiver_draws(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the receiver repeats draws of the blocks."""
        return self.compressor.receiver_draws

    @property
    def unbiased(self) -> bool:
        """Whether the compressor of the blocks is."""
        return self.compressor.unbiased

    def _compress(self, x: np.ndarray, key: np.uint64, index: np.uint64) -> BlocksPayload:
        starts = range(0, x.size, self.size)
        return BlocksPayload(
            tuple(
                self.compressor._compress(x[start : start + self.size], _part_key(key, b), index)
                for b, start in enumerate(starts)
            )
        )

    def _read(
        self, reader: BitReader, d: int, dtype: np.dtype, key: np.uint64, index: np.uint64
    ) -> BlocksPayload:
        starts = range(0, d, self.size)
        return BlocksPayload(
            tuple(
                self.compressor._read(reader, min(self.size, d - start), dtype, _part_key(key, b), index)
                for b, start in enumerate(starts)
            )
        )

    def _lengths(self, d: int) -> set[int]:
        return {min(self.size, d), d % self.size or self.size} if d > self.size else {d}

    def _omega(self, d: int) -> float:
        return max(self.compressor.omega(length) for length in self._lengths(d))

    def _contraction(self, d: int) -> float:
        return min(self.compressor.contraction(length) for length in self._lengths(d))

    def parameters(self, d: int) -> np.ndarray:
        """Return what `rows.per_block` reads: of the compressor for the blocks, and for the last one."""
        size = min(self.size, d)
        first = row_function(self.compressor, size)
        last = row_parameters(self.compressor, d % size or size)
        middle = 3 + first.parameters.size
        return np.concatenate([[size, first.address, middle], first.parameters, last])
