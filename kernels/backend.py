"""Who owns an array, and how CUDA kernels are launched on it.

A public function asks `device_of` which device its arrays are on, then calls the family's `cpu` or `gpu`
module: NumPy in, NumPy out; CuPy in, CuPy out. There is no fallback from one to the other.

A family's CUDA source is compiled by CuPy (NVRTC) when a kernel of it is first launched. `Backend` is all
that a family's `gpu` module needs of what runs its kernels; the tests have a second one, without a GPU.
That is where the kernels have run so far: on no device yet.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

# No fused multiply-adds, so that sums and products have the bits of the CPU's.
OPTIONS = ("--std=c++17", "--fmad=false")

BLOCK = 256  # threads a block of a kernel that fills arrays; its source declares it as the largest
MAX_GRID = 1 << 16  # blocks; of a longer array each thread fills several entries

_DLPACK_CPU, _DLPACK_CUDA = 1, 2


class Backend(Protocol):
    """What runs the kernels of one CUDA source file."""

    def asarray(self, array: Any, dtype: DTypeLike | None = None) -> Any:
        """Copy an array of NumPy, or one from there, to where the kernels run: C-contiguous, of the dtype."""
        ...

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """Return a new array there, C-contiguous; its entries are whatever is in the memory."""
        ...

    def copyto(self, target: Any, source: Any) -> None:
        """Overwrite an array there with another one of its shape and dtype."""
        ...

    def asnumpy(self, array: Any) -> np.ndarray:
        """Copy it back."""
        ...

    def launch(
        self,
        name: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: tuple[Any, ...],
        shared_mem: int = 0,
    ) -> None:
        """Launch a kernel on arrays and NumPy scalars; `shared_mem` is in bytes."""
        ...


def grid_for(count: int) -> tuple[int]:
    """Return the blocks of `BLOCK` threads that share `count` >= 1 entries out (FOR_EACH in cuda.cuh)."""
    return (min(-(-count // BLOCK), MAX_GRID),)


def device_of(**arrays: Any) -> int | None:
    """Return the number of the CUDA device that holds the arrays, None for the CPU.

    Parameters
    ----------
    **arrays
        By the names of the caller's arguments: NumPy and CuPy arrays, arrays of other libraries in the memory
        of the CPU (`cpu_view` views them), and what NumPy converts (lists, numbers). None is passed over.

    Returns
    -------
    int or None
        None also for no array at all.

    Raises
    ------
    TypeError
        Arrays of two devices; an array on a device that is not CuPy's.

    Examples
    --------
    >>> device_of(W=np.eye(3), X=[[1.0], [2.0], [3.0]]) is None
    True
    """
    for array in arrays.values():
        if type(array) is not np.ndarray:
            break
    else:
        return None
    found = {name: _device(name, array) for name, array in arrays.items() if array is not None}
    if len(set(found.values())) > 1:
        places = ", ".join(
            f"{name} on {'the CPU' if device is None else f'CUDA device {device}'}"
            for name, device in found.items()
        )
        raise TypeError(f"arrays must be on one device, got {places}; use cupy.asarray or cupy.asnumpy")
    return next(iter(found.values()), None)


def _device(name: str, array: Any) -> int | None:
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack_device__"):
        return None
    kind, number = (int(part) for part in array.__dlpack_device__())
    if kind == _DLPACK_CPU:
        return None
    library = type(array).__module__.partition(".")[0]
    if kind == _DLPACK_CUDA and library == "cupy":
        return number
    remedy = f"pass cupy.from_dlpack({name})" if kind == _DLPACK_CUDA else "copy it to the CPU"
    raise TypeError(f"{name} is an array of {library} on a device (DLPack type {kind}); {remedy}")


def cpu_view(array: Any) -> Any:
    """View another library's CPU array as NumPy's without a copy; return anything else as it is.

    Parameters
    ----------
    array : object
        As `device_of` takes them, on the CPU.

    Returns
    -------
    ndarray or object
        A NumPy array where `array` speaks DLPack, on the same memory; `array` itself otherwise.
    """
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack__"):
        return array
    return np.from_dlpack(array)


def destination(
    out: Any, shape: tuple[int, ...], dtype: DTypeLike, *, name: str = "out"
) -> tuple[Any, int | None]:
    """Return the array that a function shall fill, and its device.

    Parameters
    ----------
    out : None or array
        What the caller was given as `out`: None for a new NumPy array, or a NumPy array, a CuPy array, or
        another library's array in the memory of the CPU.
    shape, dtype
        What it must have: entries are written as they are, never converted.
    name : str
        Of the argument, for messages.

    Returns
    -------
    array : ndarray or cupy.ndarray
        On the memory of `out`.
    device : int or None
        As from `device_of`.

    Raises
    ------
    TypeError, ValueError
        Not an array, or an array that does not fit, or is read-only (as NumPy takes what comes by a DLPack
        older than 1.0); nothing is written then.
    """
    if out is None:
        return np.empty(shape, dtype), None
    device = device_of(**{name: out})
    array = cpu_view(out) if device is None else out
    if not hasattr(array, "__dlpack__"):
        raise TypeError(f"{name} must be an array that can be written, got {type(out).__name__}")
    if array.dtype != dtype or array.shape != shape:
        wanted, found = f"{np.dtype(dtype)} of shape {shape}", f"{array.dtype} of {array.shape}"
        raise ValueError(f"{name} must be an array of {wanted}, got {found}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} must be C-contiguous; give a new array, and copy from it")
    if device is None and not (array.flags.writeable and array.flags.aligned):
        raise ValueError(f"{name} must be writable and aligned; give a new array, and copy from it")
    return array, device


def array_module(device: int | None) -> contextlib.AbstractContextManager[Any]:
    """Return a context of NumPy, or of CuPy with a device made the current one.

    CuPy makes arrays, and works on them, on the current device only.

    Parameters
    ----------
    device : int or None
        As from `device_of`.

    Returns
    -------
    context manager
        ``with array_module(device) as xp`` gives the module.

    Raises
    ------
    ModuleNotFoundError, RuntimeError
        On entry: CuPy is not installed; there is no such device.

    Examples
    --------
    >>> with array_module(None) as xp:
    ...     xp.zeros(2)
    array([0., 0.])
    """
    return contextlib.nullcontext(np) if device is None else _current(device)


@contextlib.contextmanager
def _current(device: int) -> Iterator[Any]:
    cupy = _cupy(device)
    with cupy.cuda.Device(device):
        yield cupy


_INCLUDE = re.compile(r'\s*#include "([^"]+)"')


def inline_headers(path: Path) -> str:
    """Return a CUDA source with its own headers (`#include "..."`) put in, each once, as one text.

    CuPy's disk cache of compiled kernels knows the text, not the files that it includes: a kernel would go on
    with the old version of an edited header. `#line` keeps the places in compilers' messages right.

    Parameters
    ----------
    path : Path
        The `.cu` file; headers are looked for relative to the file that includes them.

    Returns
    -------
    str
        Source for NVRTC.
    """
    included: set[Path] = set()

    def lines(file: Path) -> Iterator[str]:
        included.add(file)
        yield f'#line 1 "{file.name}"'
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            include = _INCLUDE.match(line)
            if include is None:
                yield "" if line.startswith("#pragma once") else line
                continue
            header = (file.parent / include[1]).resolve()
            if header not in included:
                yield from lines(header)
            yield f'#line {number + 1} "{file.name}"'

    return "\n".join(lines(path.resolve())) + "\n"


class GpuBackend:
    """The kernels of one CUDA source file on one device, by CuPy.

    Parameters
    ----------
    path : Path
        The `.cu` file.
    device : int
        Number of the CUDA device.
    options : tuple of str
        Of NVRTC, behind `OPTIONS`; for example "-DROWS=4".

    Raises
    ------
    ModuleNotFoundError, RuntimeError
        CuPy is not installed; there is no such device.
    """

    def __init__(self, path: Path, device: int = 0, options: tuple[str, ...] = ()):
        self._cupy = _cupy(device)
        self._device = device
        # CuPy compiles at the first launch
        self._module = self._cupy.RawModule(code=inline_headers(path), options=(*OPTIONS, *options))

    def asarray(self, array: Any, dtype: DTypeLike | None = None) -> Any:
        """Copy an array of NumPy or of the device to the device: C-contiguous, of the dtype."""
        with self._cupy.cuda.Device(self._device):
            return self._cupy.array(array, dtype=dtype, order="C")

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """Return a new array of the device, C-contiguous; its entries are whatever is in the memory."""
        with self._cupy.cuda.Device(self._device):
            return self._cupy.empty(shape, dtype)

    def copyto(self, target: Any, source: Any) -> None:
        """Overwrite an array of the device with another one of its shape and dtype."""
        with self._cupy.cuda.Device(self._device):
            self._cupy.copyto(target, source)

    def asnumpy(self, array: Any) -> np.ndarray:
        """Copy an array of the device to the CPU."""
        return self._cupy.asnumpy(array)

    def launch(
        self,
        name: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: tuple[Any, ...],
        shared_mem: int = 0,
    ) -> None:
        """Launch a kernel on the device's current stream.

        Parameters
        ----------
        name : str
            Of the kernel.
        grid, block : tuple of int
            Numbers of blocks, and of threads a block.
        args : tuple
            C-contiguous arrays of this device, and NumPy scalars of the types that the kernel declares: CuPy
            would pass a Python int as 64 bits, and the pointer of a strided view without a word.
        shared_mem : int
            Bytes of dynamic shared memory.

        Raises
        ------
        TypeError
            An argument that is neither.
        """
        for position, argument in enumerate(args):
            is_array = (
                isinstance(argument, self._cupy.ndarray)
                and argument.flags.c_contiguous
                and argument.device.id == self._device
            )
            if not is_array and not isinstance(argument, np.generic):
                raise TypeError(
                    f"argument {position} of {name} must be a NumPy scalar or a C-contiguous CuPy array on "
                    f"device {self._device}, got {type(argument).__name__}"
                )
        with self._cupy.cuda.Device(self._device):
            self._module.get_function(name)(grid, block, args, shared_mem=shared_mem)


gpu_backend = functools.cache(GpuBackend)  # one a file, device and options: it holds the compiled kernels


def _cupy(device: int) -> Any:
    """Return the module cupy, if it has such a device."""
    try:
        import cupy  # pyright: ignore[reportMissingImports]  (an extra)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "arrays on a GPU need CuPy: pip install 'gossamer[gpu]', or cupy for your version of CUDA"
        ) from error
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(f"CuPy finds no CUDA device: {error}") from error
    if device >= n_devices:
        raise RuntimeError(f"there is no CUDA device {device}: CuPy finds {n_devices}")
    return cupy
