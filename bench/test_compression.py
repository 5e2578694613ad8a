"""Top-k and Rand-k of a Gaussian float32 vector, against NumPy, PyTorch where it is installed, and one read.

The floor of Top-k is the sum of squares of the vector: all entries read once. Rand-k needs not read them.
What users call is `compress`; "kernel" is the compiled part of it alone: which coordinates, and their values.
Generator.choice draws the coordinates alone.
"""

import itertools

import numpy as np
import pytest
from numba import njit

from gossamer.kernels import compression, random
from gossamer.kernels.compression import cpu_masks, cpu_topk

RIVALS = ("argpartition", "partition", "torch", "choice")
OURS = (
    "floor",
    "top_k",
    "top_k zeros",
    *(f"{what} {part}" for what in ("TopK", "RandK", "BlockRandK") for part in ("compress", "kernel")),
)
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
    indices, values = np.empty(k, np.int64), np.empty(k, np.float32)

    def kernel(choose, factor):
        choose()
        cpu_masks.gather(x, indices, factor, values)
        return indices

    def draw(sampler):
        return lambda: sampler(dim, np.uint64(KEY), np.uint64(next(message)), indices)

    def compress(compressor):
        return lambda: compressor.compress(x, KEY, index=next(message)).indices

    top = x.view(np.int32), np.int32(np.iinfo(np.int32).max), 31, indices
    work = {
        "floor": lambda: sum_of_squares(x),
        "top_k": lambda: compression.top_k(x, k)[0],
        "top_k zeros": lambda: compression.top_k(x, k)[0],
        "argpartition": lambda: np.argpartition(-np.abs(x), k)[:k],
        "partition": lambda: partition(x, k),
        "TopK compress": compress(compression.TopK(k)),
        "TopK kernel": lambda: kernel(lambda: cpu_topk.top_k(*top), 1.0),
        # a new message each time, else branches are learnt by heart
        "RandK compress": compress(compression.RandK(k)),
        "RandK kernel": lambda: kernel(draw(cpu_masks.rand_k), dim / k),
        "BlockRandK compress": compress(compression.BlockRandK(k)),
        "BlockRandK kernel": lambda: kernel(draw(cpu_masks.block_rand_k), dim / k),
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
