"""What the package uses of CuPy, in the memory of the CPU, with kernels on the shim.

Where a habit works with NumPy and breaks with CuPy, it breaks here: an array is not converted to NumPy's
unless asked, is not mixed with NumPy's, and is worked on where its device is the current one only.
"""

import functools
import hashlib
import types
from types import SimpleNamespace
from typing import Any

import cuda_shim
import numpy as np

N_DEVICES = 2


def make_module(folder, order):
    """A module to stand at sys.modules["cupy"]: sources go to a folder, threads take turns in an order."""
    module: Any = types.ModuleType("cupy")
    module.current = 0

    class Device:
        def __init__(self, number):
            self.id = number

        def __enter__(self):
            self._before, module.current = module.current, self.id
            return self

        def __exit__(self, *error):
            module.current = self._before

    def own(value):
        """The NumPy array of one of ours; anything else that CuPy takes as it is."""
        if isinstance(value, ndarray):
            if value.device.id != module.current:
                raise RuntimeError(f"array on device {value.device.id}, current device {module.current}")
            return value._data
        if isinstance(value, np.ndarray):
            raise TypeError(f"Unsupported type {type(value)}")
        return value

    class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
        def __init__(self, data, device=None):
            self._data, self.device = data, device or Device(module.current)

        def __array__(self, *args, **kwargs):
            raise TypeError("Implicit conversion to a NumPy array is not allowed.")

        def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
            assert method == "__call__"
            if out is not None:
                kwargs["out"] = tuple(map(own, out))
            result = ufunc(*map(own, inputs), **kwargs)
            return out[0] if out is not None else ndarray(np.asarray(result))

        def __dlpack_device__(self):
            return 2, self.device.id

        def __dlpack__(self, **options):
            raise BufferError("a device cannot give its memory to the CPU")

        def __getitem__(self, key):
            if isinstance(key, slice):  # a view, of which any device will do
                return ndarray(self._data[key], self.device)
            return ndarray(np.asarray(own(self)[own(key)]))

        def __setitem__(self, key, value):
            own(self)[own(key)] = own(value)

        def __len__(self):
            return len(self._data)

        def get(self):
            return self._data.copy()

        @property
        def flags(self):
            return SimpleNamespace(c_contiguous=self._data.flags.c_contiguous)

        def view(self, dtype):
            return ndarray(self._data.view(dtype), self.device)

        def reshape(self, *shape):
            return ndarray(self._data.reshape(*shape), self.device)

        def astype(self, dtype, copy=True):
            data = own(self).astype(dtype, copy=copy)
            return self if data is self._data else ndarray(data)

        def copy(self):
            return ndarray(own(self).copy())

    for name in ("dtype", "shape", "size", "ndim", "nbytes", "itemsize"):
        setattr(ndarray, name, property(lambda self, name=name: getattr(self._data, name)))

    class RawModule:
        def __init__(self, code, options):
            path = folder / f"{hashlib.sha256(code.encode()).hexdigest()[:16]}.cu"
            path.write_text(code)
            macros = tuple(option for option in options if option.startswith("-D"))
            self._open = functools.cache(
                lambda: cuda_shim.ShimBackend(path, order=order, preemption=0.3, options=macros)
            )

        def get_function(self, name):
            def launch(grid, block, args, shared_mem):
                self._open().launch(name, grid, block, tuple(map(own, args)), shared_mem)

            return launch

    def array(a, dtype=None, order: Any = "K"):
        return ndarray(np.array(a._data if isinstance(a, ndarray) else a, dtype, order=order))

    def ascontiguousarray(a, dtype=None):
        data = np.ascontiguousarray(own(a), dtype)
        return a if data is own(a) else ndarray(data)

    for name in ("empty", "zeros", "arange", "diff"):
        function = getattr(np, name)
        setattr(module, name, lambda *a, f=function, **k: ndarray(f(*map(own, a), **k)))
    module.asarray = array
    module.asnumpy = lambda a: a.get()
    module.may_share_memory = lambda a, b: np.may_share_memory(own(a), own(b))
    module.copyto = lambda a, b: np.copyto(own(a), own(b))
    runtime = SimpleNamespace(getDeviceCount=lambda: N_DEVICES, CUDARuntimeError=ChildProcessError)
    module.cuda = SimpleNamespace(runtime=runtime, Device=Device)
    for item in (ndarray, RawModule, array, ascontiguousarray):
        item.__module__ = "cupy"
        setattr(module, item.__name__, item)
    return module
