"""CUDA kernels on the shim under ThreadSanitizer and AddressSanitizer."""

from pathlib import Path

import pytest
from barriers import deleted_in_turn
from cuda_shim import unavailable
from sanitizers import summaries

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(unavailable() is not None, reason=str(unavailable())),
]
EXAMPLE = Path(__file__).with_name("block_sum.cu")


def example(path, columns=200):
    """Code that runs the example's kernels; with more than 200 columns they read past the end."""
    return f"""
import numpy as np
backend = open_source({str(path)!r}, options=("-DBLOCK=32",))
x, out, found = np.ones((2, 200)), np.zeros(2), np.zeros(1, np.int32)
backend.launch("warp_sum", (2,), (64,), (x, out, np.int32(200)), shared_mem=16)
backend.launch("count_positive", (2,), (64,), (x, found, np.int64(x.size)))
backend.launch("block_sum", (2,), (32,), (x, out, np.int32({columns})))
if {columns} == 200:
    assert found[0] == 400 and (out == 200).all(), (found, out)
"""


RANDOM = """
import numpy as np
from gossamer.kernels.random import gpu
kernels = gpu.RandomKernels(open_source(gpu.SOURCE))
kernels.fill_words(3, 1, 2**32 - 100, 0, np.zeros((300, 4), np.uint32))
kernels.fill_uniform(3, 1, 0, 0, np.zeros(300))
kernels.fill_exponential(3, 1, 0, 0, np.zeros(300))
kernels.fill_integers(3 * 2**30, 3, 1, 0, 0, np.zeros(300, np.int64))
"""

EVENTS = """
import numpy as np
from gossamer.kernels.events import gpu
table = np.full(4, 2**60, np.uint64), np.arange(4, dtype=np.int32), 2
made = np.zeros(3000), np.zeros(3000, np.uint8), np.zeros(3000, np.int32)
gpu.EventKernels(open_source(gpu.SOURCE)).fill_events(3, 0, 0.0, 4.0, 3, *table, *made)
"""

GOSSIP = """
import numpy as np
from gossamer.kernels import gossip
from gossamer.kernels.gossip import gpu
kernels = gpu.GossipKernels(open_source(gpu.SOURCE))
mixer = gossip.Mixer(np.full((5, 5), 0.2))
for dtype in (np.float64, np.float32):
    X, Y = np.ones((5, 7), dtype), np.zeros((5, 7), dtype)
    kernels.repeat_mix(mixer, X, 2, Y)
    kernels.semi_iterate(mixer, X, [(1.0, 0.0, 0.0), (1.5, 0.0, -0.5), (1.5, 0.0, -0.5)], Y)
    kernels.pairwise_average(Y, np.array([[0, 1], [2, 3], [4, 0]], np.uint32), 0.5, 0.5)
    np.testing.assert_allclose(Y, 1.0, rtol=1e-6)
"""

SELECT = """
import numpy as np
from gossamer.kernels.compression import gpu_select as gpu
kernels = gpu.SelectKernels(open_source(gpu.SOURCE))
x, y = np.arange(9000, dtype=np.float32) % 50, np.ones(300)
kernels.top_k_with_memory(y, np.ones(300), 0.5, y, np.zeros(9, np.int64))
for array, k in ((x, 800), (y, 200)):
    kernels.top_k(array, np.zeros(k, np.int64))
kernels.rand_k(9000, 3, 1, np.zeros(500, np.int64))
kernels.block_rand_k(9000, 3, 1, np.zeros(501, np.int64))
kernels.bernoulli(301, 0.5, 3, 1, np.zeros(301, np.int64))
kernels.perm_k(1001, 3, 3, 1, np.zeros(334, np.int64))
"""

ROUNDING = """
import numpy as np
from gossamer.kernels.compression import gpu_rounding as gpu
kernels = gpu.RoundingKernels(open_source(gpu.SOURCE))
for x in (np.ones(301), np.ones(301, np.float32)):
    assert kernels.largest(x) == kernels.mean_magnitude(x) == 1.0 < kernels.euclidean(x)
    kernels.levels(x, 3.0, 2.0, 3, 1, np.zeros(301, np.int32))
    kernels.natural(x.view(f"i{x.itemsize}"), 0, 0, 3, 1, np.zeros(301, np.int32))
"""

AGGREGATION = """
import numpy as np
from gossamer.kernels.aggregation import gpu
for dtype in map(np.dtype, ("float32", "float64")):
    kernels = gpu.AggregationKernels(open_source(gpu.SOURCE, options=gpu.OPTIONS[dtype]), dtype)
    G, chosen, out = np.ones((9, 300), dtype), np.arange(9), np.zeros(300, dtype)
    kernels.gram(G, chosen)
    kernels.gram(G, chosen, G[:1].copy())
    kernels.squared_norms(G, chosen)
    kernels.combine(G, chosen, np.ones(9), out)
    kernels.order_statistics(G, chosen, None, (4, 5), 3, out)
    kernels.order_statistics(G, chosen, np.ones((5, 9)), (1, 4), 0, out)
    G[2, 5:] = np.inf
    kernels.bad_rows(G)
    kernels.combine(G, chosen, np.ones(9), out)
    kernels.order_statistics(G, chosen, None, (4, 5), 3, out)
"""

# every CUDA source, with small arrays
CASES = {
    "block_sum": example(EXAMPLE),
    "random": RANDOM,
    "events": EVENTS,
    "gossip": GOSSIP,
    "select": SELECT,
    "rounding": ROUNDING,
    "aggregation": AGGREGATION,
}


@pytest.mark.parametrize("sanitizer", ["thread", "address"])
@pytest.mark.parametrize("case", CASES)
def test_kernels_are_clean(case, sanitizer):
    assert summaries(sanitizer, CASES[case]) == []


def test_thread_sanitizer_names_a_race(tmp_path):
    _, mutant = next(deleted_in_turn(EXAMPLE, tmp_path))
    report = summaries("thread", example(mutant))
    assert any("data race" in line and "block_sum.cu" in line for line in report), report


def test_address_sanitizer_names_an_access_past_the_end():
    report = summaries("address", example(EXAMPLE, columns=10_000))
    assert any("heap-buffer-overflow" in line and "block_sum.cu" in line for line in report), report
