"""CUDA kernels on the CPU: the unmodified .cu file, compiled by g++ behind the headers in shim/.

`ShimBackend` stands where `gossamer.kernels.backend.GpuBackend` stands on a machine with a GPU. It needs
g++ 11 or newer on Linux on x86-64.
"""

import ctypes
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

SHIM = Path(__file__).resolve().parent / "shim"
KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\(\s*([^,)]+)[^)]*\)\s*)?(\w+)\s*\('
)
# no contraction to fused multiply-adds, as in a GPU build with --fmad=false
FLAGS = (
    *("-std=c++20", "-O2", "-g", "-fPIC", "-shared", "-pthread", "-w"),
    *("-ffp-contract=off", "-fno-strict-aliasing", "-fno-gnu-unique"),
)


class ShimError(RuntimeError):
    """What the shim found wrong with a source, a launch or a running kernel."""


class Launch(ctypes.Structure):
    """The struct Launch of cuda_shim.hpp."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_size_t),
        ("arguments", ctypes.POINTER(ctypes.c_void_p)),
        ("sizes", ctypes.POINTER(ctypes.c_size_t)),
        ("n_arguments", ctypes.c_int),
        ("order", ctypes.c_int),
        ("preemption", ctypes.c_double),
    )


def unavailable():
    """Why the shim cannot run here; None where it can."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "the CUDA shim runs on Linux on x86-64 only"
    return None if shutil.which("g++") else "the CUDA shim needs g++"


def kernel_names(path):
    """Names of the kernels of a .cu file, with their largest block size as C++ text."""
    return {name: bound or "1024" for bound, name in KERNEL.findall(path.read_text())}


@functools.cache
def compile_library(path, options):
    """Compile a .cu file to a shared library, or take it from the cache in the folder of temporary files.

    A file is looked at once a process.
    """
    unit = f'#include "{SHIM / "cuda_shim.hpp"}"\n#include "{path}"\n'
    unit += "".join(f"SHIM_EXPORT({name}, {bound})\n" for name, bound in kernel_names(path).items())
    command = ["g++", *FLAGS, *options, "-x", "c++", "-"]
    # the preprocessed text is all that the library depends on
    text = subprocess.run([*command, "-E", "-o", "-"], input=unit, capture_output=True, text=True)
    if text.returncode:
        raise ShimError(text.stderr)
    digest = hashlib.sha256(" ".join(command).encode() + text.stdout.encode()).hexdigest()[:20]
    cache = Path(tempfile.gettempdir()) / f"cuda_on_cpu_{os.getuid()}"
    library = cache / f"{path.stem}_{digest}.so"
    if not library.exists():
        cache.mkdir(mode=0o700, exist_ok=True)
        part = cache / f"{library.name}.{os.getpid()}"
        built = subprocess.run([*command, "-o", part], input=unit, capture_output=True, text=True)
        if built.returncode:
            raise ShimError(built.stderr)
        part.replace(library)  # at once, for whoever compiles the same beside us
    return library


class ShimBackend:
    """The kernels of one CUDA source file on the CPU, on NumPy arrays.

    Parameters
    ----------
    path : Path
        The `.cu` file.
    order : int
        In which the threads of a block take turns: 0 forward, 1 reverse (blocks too), from 2 on shuffled with
        this seed.
    preemption : float
        Probability that a thread gives way before an atomic.
    options : tuple of str
        Of g++, for example "-DBLOCK=32"; "-DSHIM_TIMEOUT_S=5", "-DSHIM_MAX_DYNAMIC_SHARED=232448".
    sanitizer : str, optional
        "thread" or "address": OS threads in place of fibers, under that sanitizer, whose library the process
        must have been started with (module `sanitizers`). Arrays are then used in place.
    """

    def __init__(self, path, *, order=0, preemption=0.0, options=(), sanitizer=None):
        path = Path(path).resolve()
        if sanitizer:
            options = (*options, "-DSHIM_THREADS", f"-fsanitize={sanitizer}")
        self._kernels = kernel_names(path)
        self._library = ctypes.CDLL(str(compile_library(path, options)))
        self._library.shim_error.restype = ctypes.c_char_p
        self._library.shim_alloc.restype = ctypes.c_void_p
        self._library.shim_alloc.argtypes = [ctypes.c_size_t]
        self._library.shim_free.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        self._order = order
        self._preemption = preemption
        self._in_place = sanitizer is not None

    def asarray(self, array, dtype=None):
        return np.array(array, dtype, order="C")

    def empty(self, shape, dtype):
        array = np.empty(shape, dtype)
        array.reshape(-1).view(np.uint8)[:] = 0xA7  # reading it unset gives visible nonsense
        return array

    def copyto(self, target, source):
        np.copyto(target, source)

    def asnumpy(self, array):
        return array.copy()

    def launch(self, name, grid, block, args, shared_mem=0):
        if name not in self._kernels:
            raise ShimError(f"no kernel {name!r} among {', '.join(self._kernels)}")
        guarded = {}  # address and size of each array -> its copy that ends at an unmapped page
        values = [self._value(name, position, argument, guarded) for position, argument in enumerate(args)]
        n = len(values)
        launch = Launch(
            _dim3(grid),
            _dim3(block),
            shared_mem,
            (ctypes.c_void_p * n)(*map(ctypes.addressof, values)),
            (ctypes.c_size_t * n)(*map(ctypes.sizeof, values)),
            n,
            self._order,
            self._preemption,
        )
        ok = getattr(self._library, f"shim_launch_{name}")(ctypes.byref(launch))
        spoilt = ok and any(
            ctypes.string_at(copy, size) != ctypes.string_at(address, size)
            for (address, size), copy in guarded.items()
            if any(address < a + s and a < address + size for a, s in guarded if (a, s) != (address, size))
        )
        for (address, size), copy in guarded.items():
            if ok and not spoilt:
                ctypes.memmove(address, copy, size)
            self._library.shim_free(copy, size)
        if not ok:
            raise ShimError(f"{name}: {self._library.shim_error().decode()}")
        if spoilt:  # overlap is fine where both are read only, as a matrix and one of its rows
            raise ShimError(f"{name}: writes to an array that overlaps another")

    def _value(self, name, position, argument, guarded):
        """The ctypes value that is passed for an argument."""
        if isinstance(argument, np.generic):
            return (ctypes.c_char * argument.itemsize).from_buffer_copy(argument.tobytes())
        if not isinstance(argument, np.ndarray) or not argument.flags.c_contiguous:
            raise TypeError(
                f"argument {position} of {name} must be a NumPy scalar or a C-contiguous array, "
                f"got {type(argument).__name__}"
            )
        if self._in_place:
            return ctypes.c_void_p(argument.ctypes.data)
        address, size = argument.ctypes.data, argument.nbytes
        if (address, size) not in guarded:
            copy = self._library.shim_alloc(size)
            ctypes.memmove(copy, address, size)
            guarded[address, size] = copy
        return ctypes.c_void_p(guarded[address, size])


def _dim3(size):
    return (ctypes.c_uint * 3)(*(*size, 1, 1, 1)[:3])
