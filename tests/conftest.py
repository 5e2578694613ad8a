"""How pytest collects, and the backends that tests of CUDA kernels run on."""

import functools
import os
import sys

import cuda_shim
import pretend_cupy
import pytest

from gossamer.kernels.backend import gpu_backend


class RootIsAFolder:
    """Collect the root as a plain folder.

    pytest would take it, for its `__init__.py`, as a package of tests, and import it a second time under the
    name of the checkout's folder. Only a plugin may say so: a conftest speaks for its own folder alone, and
    one in the root would itself be imported as a part of that second package.
    """

    def pytest_collect_directory(self, path, parent):
        return pytest.Dir.from_parent(parent, path=path) if path == parent.config.rootpath else None


def pytest_configure(config):
    config.pluginmanager.register(RootIsAFolder())


def device_missing():
    """Why no GPU can be used; None where one can."""
    try:
        import cupy
    except ModuleNotFoundError:
        return "CuPy is not installed"
    try:
        return None if cupy.cuda.runtime.getDeviceCount() else "CuPy finds no CUDA device"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy finds no CUDA device: {error}"


@pytest.hookimpl(trylast=True)  # when -m and -k have chosen
def pytest_collection_modifyitems(items):
    """Skip tests marked `gpu` where there is no GPU; with REQUIRE_GPU=1 that is an error."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    reason = device_missing() if marked else None
    if reason is None:
        return
    if os.environ.get("REQUIRE_GPU") == "1":
        raise pytest.UsageError(f"REQUIRE_GPU=1, but {reason}")
    for item in marked:
        item.add_marker(pytest.mark.skip(reason=reason))


on_shim_and_gpu = pytest.fixture(
    params=[0, 1, 2, 3, pytest.param("gpu", marks=pytest.mark.gpu)],
    ids=["shim-forward", "shim-reverse", "shim-shuffled-2", "shim-shuffled-3", "gpu"],
)


@on_shim_and_gpu
def cuda(request):
    """Function that opens a CUDA source file (and NVRTC's or g++'s options) as a `Backend`."""
    if request.param == "gpu":
        import cupy

        cupy.cuda.set_allocator(None)  # without the memory pool, compute-sanitizer sees where an array ends
        return lambda path, options=(): gpu_backend(path, 0, tuple(options))
    if reason := cuda_shim.unavailable():
        pytest.skip(reason)
    return functools.partial(cuda_shim.ShimBackend, order=request.param, preemption=0.3)


@on_shim_and_gpu
def cupy(request, monkeypatch, tmp_path_factory):
    """CuPy, and without a GPU a module that stands for it (`pretend_cupy`), for tests of public functions."""
    if request.param == "gpu":
        import cupy

        cupy.cuda.set_allocator(None)
        yield cupy
        return
    if reason := cuda_shim.unavailable():
        pytest.skip(reason)
    module = pretend_cupy.make_module(tmp_path_factory.getbasetemp(), request.param)
    monkeypatch.setitem(sys.modules, "cupy", module)
    gpu_backend.cache_clear()
    yield module
    gpu_backend.cache_clear()
