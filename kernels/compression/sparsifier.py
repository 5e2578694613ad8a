"""What sparsifiers have in common: their payload, and how they send it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import checks
from .._jit import LazyKernel
from ..backend import array_module, device_of
from . import cpu_bits, cpu_masks, rows
from .base import Compressor, Payload, exact_address, on_cpu
from .coding import BitReader, BitWriter, read_indices, write_indices


@dataclass(frozen=True, eq=False)
class SparsePayload(Payload):
    """Values at some coordinates, zero elsewhere.

    Attributes
    ----------
    d : int
        Coordinates of the vector.
    indices : (k,) int64 array
        Which ones, ascending.
    values : (k,) array
        The values there.
    sends_indices : bool
        Whether the message holds the indices; without, the receiver draws them itself.
    sends_count : bool
        Whether it holds their number, too.
    """

    d: int
    indices: Any
    values: Any
    sends_indices: bool
    sends_count: bool

    @property
    def dtype(self) -> np.dtype:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the values."""
        return self.values.dtype

    @property
    def device(self) -> int | None:
        """Number of the CUDA device that the arrays are on; None: the CPU."""
        return device_of(values=self.values)

    @property
    def index_bits(self) -> int:
        """Bits that tell which coordinates, in the cheapest code."""
        if not self.sends_indices:
            return 0
        bits = int(cpu_bits.index_code(on_cpu(self.indices), self.d)[2])
        return bits + (self.d.bit_length() if self.sends_count else 0)

    @property
    def nbits(self) -> int:
        """Exact length of the message in bits: the indices, and 32 or 64 a value."""
        return self.index_bits + 8 * self.values.nbytes

    def dense(self) -> Any:
        """Return the vector, (d,)."""
        with array_module(self.device) as xp:
            out = xp.zeros(self.d, self.dtype)
            out[self.indices] = self.values
            return out

    def add_to(self, out: Any, scale: float = 1.0) -> None:
        """Add scale times the vector to `out`, in time O(k).

        Parameters
        ----------
        out : (d,) float array
            Changed in place; on the payload's device.
        scale : float
            Factor.
        """
        self._check_out(out)
        with array_module(self.device):
            out[self.indices] += scale * self.values

    def write_indices(self, writer: BitWriter) -> None:
        """Append the `index_bits`."""
        if self.sends_count:
            writer.integers([self.indices.size], self.d.bit_length())
        if self.sends_indices:
            write_indices(writer, self.indices, self.d)

    def _write(self, writer: BitWriter) -> None:
        self.write_indices(writer)
        writer.floats(self.values)


class Sparsifier(Compressor):
    """Compressor that keeps some coordinates, times known factors.

    Attributes
    ----------
    pick_kernel : LazyKernel
        Compiled `pick(x, key, index, parameters, indices, values) -> count` with the signature `rows.PICK`:
        writes the coordinates kept, ascending, and their values times the factors to the beginning of
        `indices` and `values`, which have room for `most_kept(d)`, and returns their number. `row_kernel`
        and `Composed` call it with `pick_parameters(d)`.
    """

    shared_seed: ClassVar[bool] | bool = True
    pick_kernel: ClassVar[LazyKernel]
    row_kernel = rows.sparsify

    @property
    def receiver_draws(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the receiver draws the coordinates itself."""
        return self.random and bool(self.shared_seed)

    def _choose(self, x: Any, key: np.uint64, index: np.uint64) -> Any:
        """Return the coordinates kept, ascending, where x is; by default those that are drawn."""
        return self._draw(x.size, key, index, device_of(x=x))

    def _draw(self, d: int, key: np.uint64, index: np.uint64, device: int | None = None) -> Any:
        """Return the coordinates kept, ascending, on a device, where they do not depend on x."""
        raise NotImplementedError

    def _factors(self, d: int, device: int | None = None) -> Any:
        """Return what the values kept are multiplied by: a number, or an array on a device."""
        del d, device
        return 1.0

    def _n_sent(self, d: int) -> int | None:
        """Return how many coordinates are kept, None where that is random."""
        return d

    def most_kept(self, d: int) -> int:
        """Return how many of d coordinates may be kept at most."""
        count = self._n_sent(d)
        return d if count is None else count

    def least_kept(self, d: int) -> int:
        """Return how many of d coordinates are kept at least."""
        count = self._n_sent(d)
        return 0 if count is None else count

    def scales(self, d: int) -> bool:
        """Whether the values kept are multiplied by anything but 1."""
        return self.unbiased and self.omega(d) > 0.0

    def _payload(self, d: int, indices: Any, values: Any) -> SparsePayload:
        explicit = not self.shared_seed
        return SparsePayload(d, indices, values, explicit, explicit and self._n_sent(d) is None)

    def _compress(self, x: Any, key: np.uint64, index: np.uint64) -> SparsePayload:
        device = device_of(x=x)
        indices = self._choose(x, key, index)
        factors = self._factors(x.size, device)
        if device is not None:
            with array_module(device) as xp, np.errstate(over="ignore", invalid="ignore"):
                values = x[indices]
                values *= xp.asarray(factors, x.dtype)
            return self._payload(x.size, indices, values)
        indices, values = np.asarray(indices, np.int64), np.empty(len(indices), x.dtype)
        is_number = isinstance(factors, float)
        if cpu_masks.gather(x, indices, factors if is_number else 1.0, values) < indices.size:
            raise IndexError(f"{self} chose coordinates beyond the {x.size} of x")
        if not is_number:
            with np.errstate(over="ignore", invalid="ignore"):
                values *= np.asarray(factors, x.dtype)
        return self._payload(x.size, indices, values)

    def _read(
        self, reader: BitReader, d: int, dtype: np.dtype, key: np.uint64, index: np.uint64
    ) -> SparsePayload:
        indices = self._read_indices(reader, d, key, index)
        return self._payload(d, indices, reader.floats(indices.size, dtype))

    def _read_indices(self, reader: BitReader, d: int, key: np.uint64, index: np.uint64) -> np.ndarray:
        if self.shared_seed:
            return self._draw(d, key, index)
        count = self._n_sent(d)
        if count is None:
            count = int(reader.integers(1, d.bit_length())[0])
        if count > d:
            raise ValueError(f"data is no message of this compressor: {count} of {d} coordinates")
        return read_indices(reader, count, d)

    def pick_parameters(self, d: int) -> list[float]:
        """Return what `pick_kernel` reads about vectors of d coordinates, beside their number."""
        del d
        return []

    def parameters(self, d: int) -> np.ndarray:
        """Return what `rows.sparsify` reads: `pick_kernel`, what it needs, and what is sent."""
        d = checks.count("d", d, least=1, most=2**31 - 1)
        explicit = not self.shared_seed
        return np.array(
            [
                exact_address(self.pick_kernel),
                self.most_kept(d),
                explicit,
                explicit and self._n_sent(d) is None,
                *self.pick_parameters(d),
            ],
            np.float64,
        )
