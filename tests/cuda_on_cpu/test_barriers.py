"""Each barrier of a CUDA source is deleted in turn, and the tests of its kernels must notice."""

from pathlib import Path

import numpy as np
import pytest
from barriers import deleted_in_turn, noticed
from cuda_shim import unavailable

from gossamer.kernels.aggregation import gpu as aggregation
from gossamer.kernels.compression import gpu_select as select
from gossamer.kernels.compression import reference
from gossamer.kernels.events import EventStream
from gossamer.kernels.events import gpu as events

pytestmark = [
    pytest.mark.slow,  # it compiles a file for each barrier
    pytest.mark.skipif(unavailable() is not None, reason=str(unavailable())),
]
EXAMPLE = Path(__file__).with_name("block_sum.cu")


def sums_are_right(backend):
    x = np.random.default_rng(1).integers(-50, 50, (3, 500)).astype(float)
    for name, shared in (("block_sum", 0), ("warp_sum", 32)):
        out = np.zeros(3)
        backend.launch(name, (3,), (128,), (x, out, np.int32(500)), shared_mem=shared)
        if not np.array_equal(out, x.sum(1)):
            return False
    return True


def events_are_right(backend):
    stream = EventStream(np.ones(3), [0.5, 2.0], 11)
    expected = stream.take(0, 0.0, 5000)
    table = stream._table
    made = [np.zeros_like(part) for part in expected]
    events.EventKernels(backend).fill_events(
        11, 0, 0.0, stream.total_rate, 3, table.threshold, table.alias, table.bits, *made
    )
    return all(map(np.array_equal, made, expected))


def sets_are_right(backend):
    kernels = select.SelectKernels(backend)
    x = np.random.default_rng(1).integers(-50, 50, 20_000).astype(np.float32)  # three tiles
    top, drawn = np.zeros(5000, np.int64), np.zeros(300, np.int64)
    kernels.top_k(x, top)
    kernels.rand_k(20_000, 7, 1, drawn)
    return np.array_equal(top, reference.top_k(x, 5000)) and np.array_equal(
        drawn, reference.rand_k(20_000, 300, 7, 1)
    )


def gram_matrices_are_right(backend):
    G = np.random.default_rng(2).integers(-9, 9, (10, 3000)).astype(np.float32)
    kernels, chosen = aggregation.AggregationKernels(backend, np.float32), np.arange(10)
    K = G.astype(float) @ G.T.astype(float)
    norms = kernels.squared_norms(G, chosen)
    return np.array_equal(kernels.gram(G, chosen), K) and np.array_equal(norms, K.diagonal())


# every CUDA source with barriers, how many it has, and a check of its kernels
CASES = {
    "block_sum": (EXAMPLE, 3, sums_are_right),
    "events": (events.SOURCE, 2, events_are_right),
    "select": (select.SOURCE, 4, sets_are_right),
    "aggregation": (aggregation.SOURCE, 4, gram_matrices_are_right),
}


@pytest.mark.parametrize("case", CASES)
def test_every_deleted_barrier_is_noticed(tmp_path, case):
    path, n_barriers, is_right = CASES[case]
    assert not noticed(path, is_right)
    mutants = list(deleted_in_turn(path, tmp_path))
    assert len(mutants) == n_barriers
    caught = {line: noticed(mutant, is_right) for line, mutant in mutants}
    assert all(caught.values()), caught
    # no order alone is enough: in reverse, thread 0 of a block comes last and finds all done
    if case == "block_sum":
        assert any(1 not in orders for orders in caught.values()), caught
