"""The shim runs CUDA kernels as a GPU would, and says what is wrong with them."""

from pathlib import Path

import numpy as np
import pytest
from cuda_shim import ShimBackend, ShimError, kernel_names, unavailable

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
EXAMPLE = Path(__file__).with_name("block_sum.cu")
RNG = np.random.default_rng(0)

# each kernel has one defect
BROKEN = """
extern "C" __global__ void divergent(int* x) { if (threadIdx.x < 5) __syncthreads(); x[threadIdx.x] = 1; }
extern "C" __global__ void split(int* x) { if (threadIdx.x < 32) __syncthreads(); else __syncthreads_or(1); }
extern "C" __global__ void wrong_mask(int* x) {
  x[threadIdx.x] = __shfl_xor_sync(threadIdx.x ? ~0u : 1u, 1, 1);
}
extern "C" __global__ void stuck(int* x) { if (threadIdx.x) __syncwarp(); else __syncthreads(); }
extern "C" __global__ void past_end(int* x) { x[64] = 1; }
extern "C" __global__ void before_start(int* x) { x[-1024] = 1; }
extern "C" __global__ void past_dynamic(int* x) { DYN_SHARED(int, s); s[threadIdx.x] = 1; x[0] = s[0]; }
extern "C" __global__ void unset_shared(int* x) { __shared__ int s[32]; x[threadIdx.x] = s[threadIdx.x]; }
extern "C" __global__ void endless(int* x) { volatile int go = 1; while (go) ; x[0] = 1; }
__device__ __noinline__ int deep(volatile int* x, int n) {
  volatile int a[64];
  a[n % 64] = n;
  return n ? deep(x, n - 1) + a[n % 64] : x[0];
}
extern "C" __global__ void stack_overflow(int* x) { x[0] = deep(x, 100000); }
extern "C" __global__ void __launch_bounds__(64) small_block(int* x) { x[0] = 1; }
"""

# what CUDA defines, on one warp or block of 64
LANGUAGE = """
extern "C" __global__ void warp_words(int* out) {
  int t = threadIdx.x;
  out[t] = __shfl_sync(~0u, t, 5);
  out[64 + t] = __shfl_up_sync(~0u, t, 1);
  out[128 + t] = __shfl_down_sync(~0u, t, 2, 16);
  out[192 + t] = __shfl_xor_sync(~0u, t, 3);
  out[256 + t] = __popc(__ballot_sync(~0u, t % 3 == 0));
  out[320 + t] = 2 * __any_sync(~0u, t == 40) + __all_sync(~0u, t >= 32);
}
extern "C" __global__ void block_words(int* out) {
  int t = threadIdx.x;
  out[t] = __syncthreads_count(t % 7 == 0);
  out[64 + t] = __syncthreads_or(t == 63);
  out[128 + t] = __syncthreads_and(t < 63);
  out[192 + t] = (int)(threadIdx.x + blockDim.x * (blockIdx.x + gridDim.x * blockIdx.y));
}
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    def write(name, text):
        path = tmp_path_factory.mktemp("sources") / name
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="module")
def broken(source):
    return ShimBackend(source("broken.cu", BROKEN), options=("-DSHIM_TIMEOUT_S=1",))


@pytest.mark.parametrize(
    ("name", "threads", "message"),
    [
        ("divergent", 32, "divergent code: 5 of 32 threads arrived"),
        ("split", 64, "different kinds of __syncthreads"),
        ("wrong_mask", 32, "lanes disagree|deadlock"),
        ("stuck", 32, "deadlock: 1 threads at __syncthreads, 31 in warp operations"),
        ("past_end", 1, "invalid memory access in thread 0,0,0, block 0,0,0"),
        ("before_start", 1, "invalid memory access"),
        ("past_dynamic", 64, "invalid memory access"),
        ("stack_overflow", 1, "invalid memory access"),
        ("endless", 1, "time limit"),
        ("small_block", 96, "launch_bounds"),
        ("past_end", 2000, "invalid block size"),
        ("no_such_kernel", 1, "no kernel 'no_such_kernel'"),
    ],
)
def test_defects_are_reported(broken, name, threads, message):
    with pytest.raises(ShimError, match=message):
        broken.launch(name, (1,), (threads,), (np.zeros(64, np.int32),), shared_mem=128)
    x = np.zeros(64, np.int32)  # and the library goes on working
    broken.launch("unset_shared", (1,), (32,), (x,))
    assert (x[:32].view(np.uint32) == 0xA7A7A7A7).all()
    assert not x[32:].any()


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((np.zeros(4), np.zeros(1), np.int64(4)), ShimError, "argument 2: the kernel wants 4 bytes, got 8"),
        ((np.zeros(4), np.zeros(1)), ShimError, "takes 3 arguments, got 2"),
        ((np.zeros(4), np.zeros(1), 4), TypeError, "argument 2 of block_sum must be a NumPy scalar"),
        ((np.zeros((4, 4))[:, 0], np.zeros(1), np.int32(4)), TypeError, "C-contiguous"),
    ],
)
def test_arguments_are_checked(args, error, message):
    with pytest.raises(error, match=message):
        ShimBackend(EXAMPLE).launch("block_sum", (1,), (128,), args)


def test_writing_to_overlapping_arrays_is_refused():
    x = np.ones(10)
    with pytest.raises(ShimError, match="overlaps"):
        ShimBackend(EXAMPLE).launch("block_sum", (1,), (128,), (x, x[3:4], np.int32(10)))
    assert np.array_equal(x, np.ones(10))


def test_compiler_errors_are_reported(source):
    with pytest.raises(ShimError, match=r"wrong\.cu.*not_declared"):
        ShimBackend(source("wrong.cu", 'extern "C" __global__ void f(int* x) { x[0] = not_declared; }'))


def test_kernel_names():
    assert kernel_names(EXAMPLE) == {"block_sum": "BLOCK", "warp_sum": "1024", "count_positive": "1024"}


@pytest.mark.parametrize("order", range(4))
def test_warp_and_block_operations(source, order):
    shim = ShimBackend(source("language.cu", LANGUAGE), order=order)
    t = np.arange(64)
    lane, warp = t % 32, t // 32
    out = np.zeros((6, 64), np.int32)
    shim.launch("warp_words", (1,), (64,), (out,))
    assert np.array_equal(out[0], 32 * warp + 5)
    assert np.array_equal(out[1], np.where(lane > 0, t - 1, t))
    assert np.array_equal(out[2], np.where(lane % 16 < 14, t + 2, t))
    assert np.array_equal(out[3], t ^ 3)
    assert np.array_equal(out[4], np.array([11, 11])[warp])  # 0, 3, ..., 30 and 33, 36, ..., 63
    assert np.array_equal(out[5], np.where(warp, 3, 0))
    out = np.zeros((4, 64), np.int32)
    shim.launch("block_words", (1,), (64,), (out,))
    assert (out[:3] == [[10], [1], [0]]).all()
    assert np.array_equal(out[3], t)


@pytest.mark.parametrize("d", [1, 127, 128, 1000])
def test_example_kernels(cuda, d):
    backend = cuda(EXAMPLE)
    x = RNG.integers(-50, 50, (5, d)).astype(float)  # integers add up exactly in any order
    for name, block, shared in (("block_sum", 128, 0), ("warp_sum", 96, 24)):
        out = backend.asarray(np.zeros(5))
        backend.launch(name, (5,), (block,), (backend.asarray(x), out, np.int32(d)), shared_mem=shared)
        assert np.array_equal(backend.asnumpy(out), x.sum(1)), name
    found = backend.asarray(np.zeros(1, np.int32))
    backend.launch("count_positive", (3,), (64,), (backend.asarray(x), found, np.int64(x.size)))
    assert backend.asnumpy(found)[0] == np.count_nonzero(x > 0)


def test_arrays_are_made_and_copied(cuda):
    backend = cuda(EXAMPLE)
    x = np.arange(12.0).reshape(3, 4)
    there = backend.asarray(x.T)
    assert there.flags.c_contiguous
    assert np.array_equal(backend.asnumpy(there), x.T)
    halves = backend.asarray(there[:, ::2], np.float32)
    assert halves.dtype == np.float32
    assert np.array_equal(backend.asnumpy(halves), x.T[:, ::2])
    new = backend.empty((4, 3), np.float64)
    assert (new.shape, new.dtype, new.flags.c_contiguous) == ((4, 3), np.float64, True)
    backend.copyto(new, there)
    assert np.array_equal(backend.asnumpy(new), x.T)
    assert backend.empty((0, 3), np.float32).shape == (0, 3)
