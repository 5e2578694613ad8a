"""Messages as bits: a writer, a reader, and the cheapest code of a set of coordinates.

Bit i of a message is bit i mod 8 of byte i div 8; a field's lowest bit comes first; the last byte is filled
up with zeros.
"""

from __future__ import annotations

import numpy as np

from . import cpu_bits
from .cpu_bits import BITMAP, CODE_BITS, RAW, RICE, RICE_BITS


class BitWriter:
    """Message of a known number of bits, written field by field.

    Parameters
    ----------
    nbits : int
        Its length.
    """

    def __init__(self, nbits: int):
        self._nbits = nbits
        self._buffer = np.zeros((nbits + 7) // 8, np.uint8)
        self._position = 0

    def integers(self, values: np.ndarray | list[int], width: int) -> None:
        """Append non-negative integers below 2^width."""
        self._position = cpu_bits.write_fields(
            self._buffer, self._position, np.asarray(values).astype(np.uint64), width
        )

    def floats(self, values: np.ndarray) -> None:
        """Append the bits of float32 or float64 numbers."""
        width = 8 * values.dtype.itemsize
        self.integers(np.ascontiguousarray(values).view(f"u{width // 8}").reshape(-1), width)

    def rice(self, indices: np.ndarray, parameter: int) -> None:
        """Append ascending indices as the Golomb-Rice code of their gaps."""
        self._position = cpu_bits.write_rice(self._buffer, self._position, indices, parameter)

    def to_bytes(self) -> bytes:
        """Return the message."""
        assert self._position == self._nbits, "a message and its account of bits differ"
        return self._buffer.tobytes()


class BitReader:
    """Message read field by field.

    Parameters
    ----------
    data : bytes
        What `BitWriter.to_bytes` returned.
    """

    def __init__(self, data: bytes):
        self._buffer = np.frombuffer(data, np.uint8)
        self._position = 0

    def integers(self, count: int, width: int) -> np.ndarray:
        """Read fields of `width` bits as int64 (uint64 where they are 64 bits wide)."""
        if self._position + count * width > 8 * self._buffer.size:
            raise ValueError(f"data ends early: {self._buffer.size} bytes do not hold the message")
        out = np.empty(count, np.uint64)
        self._position = cpu_bits.read_fields(self._buffer, self._position, width, out)
        return out if width == 64 else out.astype(np.int64)

    def floats(self, count: int, dtype: np.dtype) -> np.ndarray:
        """Read numbers."""
        width = 8 * dtype.itemsize
        return self.integers(count, width).astype(f"u{dtype.itemsize}").view(dtype)

    def rice(self, count: int, parameter: int, d: int) -> np.ndarray:
        """Read ascending indices in [0, d)."""
        out = np.empty(count, np.int64)
        self._position = cpu_bits.read_rice(self._buffer, self._position, parameter, d, out)
        if self._position < 0:
            raise ValueError("data is no message of this compressor: indices leave the vector")
        return out

    def finish(self) -> None:
        """Check that the message ends here.

        Raises
        ------
        ValueError
            Bytes are left, or the bits that fill the last byte are not zero.
        """
        size, rest = (self._position + 7) // 8, self._position % 8
        if self._buffer.size != size:
            raise ValueError(f"data must be {size} bytes, got {self._buffer.size}")
        if rest and self._buffer[-1] >> rest:
            raise ValueError("data is no message of this compressor: it does not end in zeros")


def write_indices(writer: BitWriter, indices: np.ndarray, d: int) -> None:
    """Append ascending indices in their cheapest code."""
    if indices.size in (0, d):
        return
    code, parameter, _ = cpu_bits.index_code(indices, d)
    writer.integers([code], CODE_BITS)
    if code == RAW:
        writer.integers(indices, (d - 1).bit_length())
    elif code == BITMAP:
        bitmap = np.zeros(d, np.uint64)
        bitmap[indices] = 1
        writer.integers(bitmap, 1)
    else:
        writer.integers([parameter], RICE_BITS)
        writer.rice(indices, parameter)


def read_indices(reader: BitReader, count: int, d: int) -> np.ndarray:
    """Read `count` ascending indices in [0, d)."""
    if count in (0, d):
        return np.arange(count, dtype=np.int64)
    code = int(reader.integers(1, CODE_BITS)[0])
    if code == RICE:
        return reader.rice(count, int(reader.integers(1, RICE_BITS)[0]), d)
    if code == BITMAP:
        indices = np.flatnonzero(reader.integers(d, 1)).astype(np.int64)
    else:
        indices = reader.integers(count, (d - 1).bit_length())
    if code > RICE or indices.size != count or (np.diff(indices) <= 0).any() or indices[-1] >= d:
        raise ValueError("data is no message of this compressor: its indices are not an ascending set")
    return indices
