"""What a compressor is, and what it sends."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from .. import checks
from .._jit import LazyKernel
from ..backend import array_module, device_of
from ..pointers import address
from .coding import BitReader, BitWriter

_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


def vector(name: str, value: Any, *, least: int = 1) -> Any:
    """View or convert to a contiguous vector of float64, or of float32 where it is that, on its device.

    On the CPU the view is read-only.
    """
    device, given = None, value
    if type(value) is not np.ndarray or value.dtype not in _FLOATS:  # something to check or to convert
        device = device_of(**{name: value})
        if device is None:
            given = checks.as_array(name, value)
            if given.dtype != np.float32:
                given = checks.real_array(name, value, 1, finite=False)
        if given.dtype.kind not in "fiub":
            raise TypeError(f"{name} must be an array of real numbers, got dtype {given.dtype}")
    if given.ndim != 1:
        raise ValueError(f"{name} must have 1 dimension(s), got shape {given.shape}")
    if not least <= given.size < 2**31:
        if given.size < least:
            raise ValueError(f"{name} must have at least {least} coordinate(s), got none")
        raise ValueError(f"{name} must have below 2^31 coordinates, got {given.size}; cut it into blocks")
    if device is not None:
        with array_module(device) as cupy:
            return cupy.ascontiguousarray(given, np.float32 if given.dtype == np.float32 else np.float64)
    if not (given.flags.c_contiguous and given.flags.aligned):
        given = np.require(given, requirements=["C_CONTIGUOUS", "ALIGNED"])
    view = given.view()
    view.setflags(write=False)
    return view


def on_cpu(array: Any) -> np.ndarray:
    """Return an array of NumPy as it is, and a copy there of an array of CuPy."""
    return array if isinstance(array, np.ndarray) else array.get()


def unsigned(name: str, value: Any) -> np.uint64:
    """Check a key or a counter."""
    if type(value) is int and 0 <= value < 2**64:
        return np.uint64(value)
    return np.uint64(checks.count(name, value, most=2**64 - 1))


# Addresses travel in arrays of float64, which hold integers up to 2^53. On the 64-bit systems that numba
# compiles for, memory of a process lies below 2^47 (2^56 where a program asks for it; Python does not).
def exact(number: int) -> int:
    """Check that float64 holds an address."""
    if number > 2**53:
        raise RuntimeError(f"the address {number} does not fit into float64 on this system")
    return number


def exact_address(kernel: LazyKernel) -> int:
    """Return the address of a kernel, checked to be exact as a float64."""
    return exact(address(kernel))


class Payload(ABC):
    """What one node sends: a compressed vector. Its arrays are where the vector was, on the CPU or a GPU.

    Attributes
    ----------
    d : int
        Coordinates of the vector.
    dtype : numpy dtype
        float64 or float32.
    """

    d: int
    dtype: np.dtype

    @property
    def device(self) -> int | None:
        """Number of the CUDA device that the arrays are on; None: the CPU."""
        return None

    @property
    @abstractmethod
    def nbits(self) -> int:
        """Exact length of the message in bits, indices and norms included."""

    @abstractmethod
    def dense(self) -> Any:
        """Return the vector that the receiver sees, (d,), on the payload's device."""

    @abstractmethod
    def _write(self, writer: BitWriter) -> None:
        """Append exactly `nbits` bits."""

    def add_to(self, out: Any, scale: float = 1.0) -> None:
        """Add scale times the vector to `out`.

        Parameters
        ----------
        out : (d,) float array
            Changed in place; on the payload's device.
        scale : float
            Factor.
        """
        self._check_out(out)
        with array_module(self.device):
            out += scale * self.dense()

    def on_cpu(self) -> Payload:
        """Return the same message with NumPy arrays; itself where it has them already."""
        if self.device is None:
            return self
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # pyright: ignore
        arrays = {name: on_cpu(part) for name, part in parts.items() if device_of(part=part) is not None}
        return dataclasses.replace(self, **arrays)  # pyright: ignore

    def to_bytes(self) -> bytes:
        """Return the message: ceil(nbits / 8) bytes, read back by the compressor's `from_bytes`."""
        message = self.on_cpu()
        writer = BitWriter(message.nbits)
        message._write(writer)
        return writer.to_bytes()

    def _check_out(self, out: Any) -> None:
        device = device_of(out=out)
        if device != self.device:
            here, there = ("the CPU" if d is None else f"CUDA device {d}" for d in (self.device, device))
            raise TypeError(
                f"out is on {there}, the payload on {here}; use cupy.asarray, cupy.asnumpy or on_cpu()"
            )
        if (device is None and not isinstance(out, np.ndarray)) or out.dtype.kind != "f":
            raise TypeError(f"out must be an array of floats, got {type(out).__name__}")
        if out.shape != (self.d,):
            raise ValueError(f"out must have shape ({self.d},), got {out.shape}")


class Compressor(ABC):
    """Map C from vectors to shorter messages; a frozen dataclass of its parameters.

    Attributes
    ----------
    random : bool
        Whether it draws random numbers, and so needs a key.
    receiver_draws : bool
        Whether the receiver repeats draws, and so needs the same key.
    row_kernel : LazyKernel or None
        Compiled `kernel(x, key, index, parameters, out) -> bits` with the signature `rows.ROW`: writes C(x)
        to `out` and returns the message's bits, for compiled loops over many vectors. Where there is none,
        or a subclass redefines the map in Python alone, such loops call `compress` (`row_function`).
    on_gpu : bool
        Whether `compress` takes vectors on a GPU, too: it then draws, rounds and sums up as on the CPU, to
        messages of the same bytes (but for those of NaN).

    Notes
    -----
    A compressor is unbiased, E C(x) = x and E|C(x) - x|^2 <= omega |x|^2, or contractive, E|C(x) - x|^2 <=
    (1 - alpha) |x|^2, or both. The constants are those of exact arithmetic; rounding to float32 may add
    2^-48 |x|^2. Powers of two pass through where nothing is rounded to a subnormal number: C(2^k x) =
    2^k C(x) for the same key, also where squares overflow. Where a norm itself is beyond the largest number,
    it is infinite.

    NaN and infinity never raise and are never turned into numbers. Sparsifiers send the entries they choose
    as they are; Top-k ranks NaN above infinity above all numbers, and so sends them. Compressors that scale
    by a norm, and LowRank, return NaN everywhere where an entry is not finite (or the norm overflows).
    `Natural` keeps infinity, and turns NaN into infinity.
    """

    random: ClassVar[bool] = True
    receiver_draws: ClassVar[bool] = False
    row_kernel: ClassVar[LazyKernel | None] = None
    on_gpu: ClassVar[bool] = False

    # -- messages --------------------------------------------------------------------------------------

    def compress(self, x: Any, key: int | None = None, *, index: int = 0) -> Payload:
        """Compress a vector.

        Parameters
        ----------
        x : (d,) array_like or CuPy array
            Real numbers; float32 stays float32, anything else becomes float64. Not modified.
        key : int
            In [0, 2^64), from `kernels.random.make_key`. Not needed where nothing is drawn.
        index : int
            Number of the message, in [0, 2^64): each has draws of its own. The same key and index draw the
            same coordinates.

        Returns
        -------
        Payload
            The message, on the device of x.

        Raises
        ------
        TypeError, ValueError
            Not a vector of real numbers, or a key or parameter that does not fit; a vector on a GPU for a
            compressor that is not `on_gpu`.
        ModuleNotFoundError, RuntimeError
            x is CuPy's, but CuPy is not installed or finds no device.
        """
        if not self.on_gpu and device_of(x=x) is not None:
            raise TypeError(f"{type(self).__name__} compresses vectors on the CPU: pass cupy.asnumpy(x)")
        x = vector("x", x)
        return self._compress(x, self._key(key, self.random), unsigned("index", index))

    def decompress(self, payload: Payload) -> np.ndarray:
        """Return the vector that a payload stands for.

        Parameters
        ----------
        payload : Payload
            From `compress` or `from_bytes`.

        Returns
        -------
        (d,) array
            C(x), float64 or float32 as x was.

        Raises
        ------
        TypeError
            No payload.
        """
        checks.instance("payload", payload, Payload, "what compress returns")
        return payload.dense()

    def from_bytes(
        self, data: bytes, d: int, key: int | None = None, *, index: int = 0, dtype: DTypeLike = np.float64
    ) -> Payload:
        """Read a message: the inverse of `Payload.to_bytes`.

        Parameters
        ----------
        data : bytes
            The message.
        d : int
            Coordinates of the vector.
        key, index : int
            As in `compress`; needed where the receiver repeats the draws (`receiver_draws`).
        dtype : dtype
            float64 or float32, as x was.

        Returns
        -------
        Payload
            Equal to the one sent.

        Raises
        ------
        TypeError, ValueError
            The bytes are no such message.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data must be bytes, got {type(data).__name__}")
        d = checks.count("d", d, least=1, most=2**31 - 1)
        kind = np.dtype(dtype)
        if kind not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float64 or float32, got {kind}")
        reader = BitReader(bytes(data))
        payload = self._read(reader, d, kind, self._key(key, self.receiver_draws), unsigned("index", index))
        reader.finish()
        return payload

    def _key(self, key: int | None, is_needed: bool) -> np.uint64:
        if key is None:
            if is_needed:
                raise ValueError(
                    f"{type(self).__name__} draws random numbers: pass key, such as "
                    "gossamer.kernels.random.make_key(0)"
                )
            key = 0
        return unsigned("key", key)

    @abstractmethod
    def _compress(self, x: np.ndarray, key: np.uint64, index: np.uint64) -> Any:
        """Compress a checked vector."""

    @abstractmethod
    def _read(self, reader: BitReader, d: int, dtype: np.dtype, key: np.uint64, index: np.uint64) -> Payload:
        """Read a payload."""

    # -- constants -------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def unbiased(self) -> bool:
        """Whether E C(x) = x for every x."""

    def omega(self, d: int) -> float:
        """Return the smallest known omega with E|C(x) - x|^2 <= omega |x|^2 for all x in R^d.

        Parameters
        ----------
        d : int
            Dimension, at least 1.

        Returns
        -------
        float
            The variance constant of an unbiased compressor.

        Raises
        ------
        ValueError
            The compressor is biased.
        """
        d = checks.count("d", d, least=1, most=2**31 - 1)
        if not self.unbiased:
            raise ValueError(f"{self} is biased and has no omega; see contraction(d)")
        return self._omega(d)

    def contraction(self, d: int) -> float:
        """Return the largest known alpha in [0, 1] with E|C(x) - x|^2 <= (1 - alpha) |x|^2 for all x in R^d.

        Parameters
        ----------
        d : int
            Dimension, at least 1.

        Returns
        -------
        float
            0 where none is known: then C is not contractive. Of an unbiased compressor, 1 - omega where
            that is positive.
        """
        d = checks.count("d", d, least=1, most=2**31 - 1)
        return max(0.0, 1.0 - self._omega(d)) if self.unbiased else self._contraction(d)

    def _omega(self, d: int) -> float:
        """Return omega of the unbiased form."""
        raise NotImplementedError

    def _contraction(self, d: int) -> float:
        """Return alpha of a biased form; by default that of an unbiased compressor over 1 + omega."""
        return 1.0 / (1.0 + self._omega(d))

    def parameters(self, d: int) -> np.ndarray:
        """Return what `row_kernel` reads about vectors of d coordinates.

        Parameters
        ----------
        d : int
            Dimension.

        Returns
        -------
        float64 array
            Empty where the kernel needs nothing.
        """
        del d
        return np.empty(0)
