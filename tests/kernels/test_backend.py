"""Who owns an array, what is refused, and how CUDA kernels reach CuPy; no GPU needed."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from gossamer.kernels import backend, random
from gossamer.kernels.random import gpu


class Foreign:
    """An array of another library: in the memory of the CPU, or (in name only) on a device."""

    def __init__(self, data, kind=1, number=0):
        self.data, self.device = data, (kind, number)

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **options):
        return self.data.__dlpack__(**options)


class OldForeign(Foreign):
    """By a DLPack older than 1.0, which cannot say whether an array may be written."""

    def __dlpack__(self, **options):
        options.pop("max_version")
        return super().__dlpack__(**options)


class FakeCupyArray(Foreign):
    __module__ = "cupy"

    def __init__(self, data, number=0):
        super().__init__(data, 2, number)
        self.dtype, self.shape, self.flags = data.dtype, data.shape, data.flags


def test_arrays_of_the_cpu():
    array = np.zeros(3)
    assert backend.device_of(W=array, X=[1.0, 2.0], k=3, out=None, Y=Foreign(array)) is None
    assert backend.device_of() is None


def test_arrays_of_a_device():
    array = np.zeros(3)
    assert backend.device_of(W=FakeCupyArray(array, 1), X=FakeCupyArray(array, 1), out=None) == 1


@pytest.mark.parametrize(
    "other", [np.zeros(3), [0.0], Foreign(np.zeros(3)), FakeCupyArray(np.zeros(3), 1)], ids=type
)
def test_arrays_of_two_devices_are_refused(other):
    with pytest.raises(TypeError, match=r"W on CUDA device 0, X on (the CPU|CUDA device 1); use cupy"):
        backend.device_of(W=FakeCupyArray(np.zeros(3)), X=other)


@pytest.mark.parametrize(
    ("kind", "remedy"), [(2, r"pass cupy.from_dlpack\(X\)"), (8, "copy it to the CPU")], ids=["cuda", "metal"]
)
def test_devices_of_other_libraries_are_refused(kind, remedy):
    with pytest.raises(TypeError, match=f"X is an array of .* on a device .*; {remedy}"):
        backend.device_of(X=Foreign(np.zeros(3), kind))


def test_cpu_arrays_are_viewed_without_a_copy():
    array = np.zeros(3)
    view = backend.cpu_view(Foreign(array))
    assert np.shares_memory(view, array)
    assert backend.cpu_view(array) is array
    numbers = [1.0, 2.0]
    assert backend.cpu_view(numbers) is numbers


DRAWS = {
    "words": (random.words, (5, 4), np.uint32),
    "uniform": (random.uniform, (5,), np.float64),
    "exponential": (random.exponential, (5,), np.float64),
    "integers": (lambda *a, **k: random.integers(10, *a, **k), (5,), np.int64),
}


@pytest.mark.parametrize("name", DRAWS)
def test_out_is_filled_where_it_is(name):
    draw, shape, dtype = DRAWS[name]
    expected = draw(7, 1, 3, 5, step=2)
    assert expected.shape == shape
    assert expected.dtype == dtype
    out = np.zeros(shape, dtype)
    assert draw(7, 1, 3, 5, step=2, out=out) is out
    assert np.array_equal(out, expected)
    memory = np.zeros(shape, dtype)
    foreign = Foreign(memory)
    assert draw(7, 1, 3, 5, step=2, out=foreign) is foreign
    assert np.array_equal(memory, expected)


def read_only():
    array = np.zeros(5)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("out", "error", "match"),
    [
        ([0.0] * 5, TypeError, "out must be an array that can be written, got list"),
        (np.zeros(4), ValueError, r"array of float64 of shape \(5,\), got float64 of \(4,\)"),
        (np.zeros(5, np.float32), ValueError, "got float32"),
        (np.zeros(5, ">f8"), ValueError, "got >f8"),
        (np.zeros(10)[::2], ValueError, "C-contiguous"),
        (np.frombuffer(bytearray(41), np.float64, 5, 1), ValueError, "aligned"),
        (read_only(), ValueError, "writable"),
        (OldForeign(np.zeros(5)), ValueError, "writable"),
        (Foreign(np.zeros(5), 2), TypeError, "cupy.from_dlpack"),
        (FakeCupyArray(np.zeros(4)), ValueError, r"of \(4,\)"),
        (FakeCupyArray(np.zeros(10)[::2]), ValueError, "C-contiguous"),
    ],
)
def test_out_that_does_not_fit_is_refused(out, error, match):
    with pytest.raises(error, match=match):
        random.uniform(7, 1, 3, 5, out=out)


def test_an_array_of_cupy_without_cupy_is_an_error(monkeypatch):
    backend.gpu_backend.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ModuleNotFoundError, match=r"gossamer\[gpu\]"):
        random.uniform(7, 1, 3, 5, out=FakeCupyArray(np.zeros(5)))


def test_no_device_is_an_error():
    cupy = pytest.importorskip("cupy")
    backend.gpu_backend.cache_clear()
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        n_devices, match = 0, "CuPy finds no CUDA device"
    else:
        match = f"there is no CUDA device {n_devices}"
    with pytest.raises(RuntimeError, match=match):
        random.uniform(7, 1, 3, 5, out=FakeCupyArray(np.zeros(5), n_devices))


class FakeDevice:
    """A device of CuPy, and which of them were made current."""

    entered = []  # noqa: RUF012

    def __init__(self, number):
        self.number = number

    def __enter__(self):
        self.entered.append(self.number)

    def __exit__(self, *error):
        pass


class FakeCupy:
    """What `GpuBackend` uses of CuPy, with notes of what it did."""

    class ndarray(np.ndarray):
        device = SimpleNamespace(id=1)

    def __init__(self):
        self.modules, self.launches = [], []
        runtime = SimpleNamespace(getDeviceCount=lambda: 2, CUDARuntimeError=RuntimeError)
        self.cuda = SimpleNamespace(runtime=runtime, Device=FakeDevice)

    def array(self, array, dtype, order):
        return np.array(array, dtype, order=order).view(self.ndarray)

    def empty(self, shape, dtype):
        return np.empty(shape, dtype).view(self.ndarray)

    def copyto(self, target, source):
        target[...] = source

    def RawModule(self, code, options):
        self.modules.append((code, options))

        def kernel(name):
            return lambda *args, shared_mem: self.launches.append((name, *args, shared_mem))

        return SimpleNamespace(get_function=kernel)


@pytest.fixture
def cupy(monkeypatch):
    fake = FakeCupy()
    FakeDevice.entered.clear()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    backend.gpu_backend.cache_clear()
    yield fake
    backend.gpu_backend.cache_clear()


def test_launches_reach_cupy(cupy):
    opened = backend.gpu_backend(gpu.SOURCE, 1, ("-DX=1",))
    array = np.zeros(4).view(cupy.ndarray)
    opened.launch("fill_uniform", (2,), (64,), (np.int64(4), array), 16)
    ((code, options),) = cupy.modules
    assert code == backend.inline_headers(gpu.SOURCE)
    assert options == (*backend.OPTIONS, "-DX=1")
    ((name, grid, block, args, shared),) = cupy.launches
    assert (name, grid, block, shared) == ("fill_uniform", (2,), (64,), 16)
    assert args[1] is array
    assert FakeDevice.entered == [1]


def test_arrays_are_made_on_the_device(cupy):
    opened = backend.gpu_backend(gpu.SOURCE, 1)
    source = opened.asarray(np.eye(3)[:, ::2], np.float32)
    assert source.flags.c_contiguous
    assert (type(source), source.dtype) == (cupy.ndarray, np.float32)
    target = opened.empty((3, 2), np.float32)
    opened.copyto(target, source)
    assert np.array_equal(target, np.eye(3)[:, ::2])
    assert FakeDevice.entered == [1, 1, 1]


def test_arguments_that_cupy_would_pass_wrongly_are_refused(cupy):
    opened = backend.gpu_backend(gpu.SOURCE, 1)
    elsewhere = np.zeros(4).view(cupy.ndarray)
    elsewhere.device = SimpleNamespace(id=0)
    for argument in (4, 4.0, np.zeros(4), np.zeros(8).view(cupy.ndarray)[::2], elsewhere):
        with pytest.raises(TypeError, match="argument 1 of fill_uniform must be a NumPy scalar or"):
            opened.launch("fill_uniform", (2,), (64,), (np.int64(4), argument))
    assert not cupy.launches


def test_modules_are_made_once(cupy):
    for device in (0, 1, 0, 1):
        backend.gpu_backend(gpu.SOURCE, device)
    assert len(cupy.modules) == 2
    with pytest.raises(RuntimeError, match="no CUDA device 2: CuPy finds 2"):
        backend.gpu_backend(gpu.SOURCE, 2)


def test_public_functions_launch_on_the_device_of_out(cupy):
    out = np.zeros(1000).view(cupy.ndarray)
    gpu.on_device(1).fill_uniform(7, 1, 3, 2, out)
    ((name, grid, block, args, _),) = cupy.launches
    assert (name, grid, block) == ("fill_uniform", (4,), (256,))
    assert [type(a) for a in args[:5]] == [np.uint64, np.uint32, np.uint64, np.uint32, np.int64]
    assert args[:5] == (7, 1, 3, 2, 1000)


def test_headers_are_put_in_once(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.cuh").write_text("#pragma once\nint a;\n")
    (tmp_path / "b.cuh").write_text('#pragma once\n#include "a.cuh"\nint b;\n')
    path = tmp_path / "deep" / "main.cu"
    path.write_text('#include "../b.cuh"\n#include "../a.cuh"\nint main_line_3;\n')
    text = backend.inline_headers(path)
    assert text.count("int a;") == text.count("int b;") == 1
    assert "#include" not in text
    assert "#pragma" not in text
    assert '#line 3 "main.cu"\nint main_line_3;' in text
    assert text.index("int a;") < text.index("int b;")


def test_a_missing_header_is_an_error(tmp_path):
    path = tmp_path / "main.cu"
    path.write_text('#include "nothing.cuh"\n')
    with pytest.raises(FileNotFoundError, match=r"nothing\.cuh"):
        backend.inline_headers(path)
