"""Top-k and Rand-k of a Gaussian float32 vector, against NumPy, PyTorch where it is installed, and one read.

The floor of Top-k is the sum of squares of the vector: all entries read once. Rand-k needs not read them.
What users call is `compress`, which reads the values, too; Generator.choice draws the coordinates alone.
"""

import itertools
import time as clock

import numpy as np
import pytest
from numba import njit

from gossamer.kernels import compression, random
from gossamer.kernels.compression import cpu_masks, cpu_topk

RIVALS = ("argpartition", "partition", "torch", "choice")
OURS = ("floor", "top_k", "top_k zeros", "RandK", "BlockRandK")
CASES = [
    pytest.param(dim, share, what, id=f"{what} {dim} coordinates {share} {turn}")
    for turn in range(2)
    for dim in (1_000_000, 10_000_000)
    for share in (0.001, 0.01, 0.1)
    for what in (*OURS, *RIVALS)
]
KEY = random.make_key(0)


@njit(nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def sum_of_squares(x):
    total = np.float32(0)
    for j in range(x.size):
        total += x[j] * x[j]
    return total


def partition(x, k):
    """Return the places of the k largest, found by their threshold (more of them where there are ties)."""
    magnitudes = np.abs(x)
    return np.flatnonzero(magnitudes >= np.partition(magnitudes, x.size - k)[x.size - k])


def torch_top_k(x, k):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    tensor = torch.from_numpy(x)
    return lambda: torch.topk(tensor.abs(), k, sorted=False).indices.numpy()


@pytest.mark.parametrize(("dim", "share", "what"), CASES)
def test_sparsifiers(benchmark, dim, share, what):
    rng = np.random.default_rng(0)
    k = round(share * dim)
    x = np.zeros(dim, np.float32) if what.endswith("zeros") else rng.standard_normal(dim, np.float32)
    message = itertools.count()

    def compress(compressor):
        return lambda: compressor.compress(x, KEY, index=next(message)).indices

    work = {
        "floor": lambda: sum_of_squares(x),
        "top_k": lambda: compression.top_k(x, k)[0],
        "top_k zeros": lambda: compression.top_k(x, k)[0],
        "argpartition": lambda: np.argpartition(-np.abs(x), k)[:k],
        "partition": lambda: partition(x, k),
        # a new message each time, else branches are learnt by heart
        "RandK": compress(compression.RandK(k)),
        "BlockRandK": compress(compression.BlockRandK(k)),
        "choice": lambda: rng.choice(dim, k, replace=False),
    }
    run = torch_top_k(x, k) if what == "torch" else work[what]

    benchmark.group = f"sparsifiers, {dim} coordinates, {100 * share:g} %"
    benchmark.extra_info.update(what=what, events=1)
    slow = what in RIVALS and dim > 10**6
    chosen = benchmark.pedantic(run, rounds=5 if slow else 20, warmup_rounds=1)
    if what == "top_k":
        assert np.array_equal(np.sort(np.argpartition(-np.abs(x), k)[:k]), chosen)  # no ties at the border
    elif what not in ("floor", "partition"):
        assert np.unique(chosen).size == k


def chooses(name, x):
    """Return the compiled choice of coordinates of a compressor: of the message's number, into an array."""
    if name == "TopK":
        integers = x.view(f"i{x.itemsize}")
        mask = integers.dtype.type(np.iinfo(integers.dtype).max)
        return lambda number, out: cpu_topk.top_k(integers, mask, 8 * x.itemsize - 1, out)
    draw = cpu_masks.rand_k if name == "RandK" else cpu_masks.block_rand_k
    return lambda number, out: draw(x.size, np.uint64(KEY), np.uint64(number), out)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["RandK", "BlockRandK", "TopK"])
def test_beyond_the_kernel(benchmark, name, dtype):
    """What `compress` takes beyond its compiled part: coordinates and values into new arrays. In turns."""
    dim, k = 1_000_000, 10_000
    x = np.random.default_rng(0).standard_normal(dim).astype(dtype)
    compressor, choose = getattr(compression, name)(k), chooses(name, x)

    def kernel(number):
        indices, values = np.empty(k, np.int64), np.empty(k, dtype)
        choose(number, indices)
        cpu_masks.gather(x, indices, 1.0, values)
        return indices, values

    def user(number):
        return compressor.compress(x, KEY, index=number)

    def turns():
        seconds, kept = np.empty((400, 2)), None
        for number in range(len(seconds)):
            for column, run in enumerate((kernel, user)):
                begin = clock.perf_counter()
                message = run(2 * number + column)
                seconds[number, column] = clock.perf_counter() - begin
                kept = message  # the one before is freed here, off the clock
        assert kept is not None
        return np.median(seconds, axis=0) * 1e6

    assert np.array_equal(user(3).indices, kernel(3)[0])
    turns()
    benchmark.group = f"beyond the kernel, {name}, {dtype}"
    inside, whole = benchmark.pedantic(turns, rounds=1).tolist()
    numbers = {"kernel": inside, "compress": whole, "beyond": whole - inside}
    benchmark.extra_info.update(what="beyond", events=1, numbers=numbers)
