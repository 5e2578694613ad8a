"""The counts behind the floors against what an event really reads and changes."""

import numpy as np
import pytest

from gossamer.bench import floors, setups
from gossamer.kernels import events

DIM, SAMPLES = 3, 5
KINDS = {
    events.COMMUNICATION_EVENT: floors.communication(DIM),
    events.GRADIENT_EVENT: floors.gradient(DIM, SAMPLES),
}


def after_one_event(kind: int, poisoned: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """State (flat) before and after one event at time 1, with NaN in one place."""
    work = setups.Workload(setups.Setup(6, DIM, SAMPLES, gradients=0.5), 1)
    work.rows[:] = np.random.default_rng(0).normal(size=work.rows.shape)
    if poisoned is not None:
        work.rows.flat[poisoned] = np.nan
    before = work.rows.ravel().copy()
    work.events = events.Events(np.ones(1), np.array([kind], np.uint8), np.zeros(1, np.int32))
    work.compiled()
    return before, work.rows.ravel()


@pytest.mark.parametrize("kind", KINDS)
def test_counts_of_an_event(kind):
    before, after = after_one_event(kind)
    changed = before != after
    # read: changed, or NaN there spreads
    is_read = [np.isnan(after_one_event(kind, place)[1]).sum() > 1 for place in range(before.size)]
    cost = KINDS[kind]
    data = SAMPLES * (DIM + 1) if kind == events.GRADIENT_EVENT else 0
    assert cost.updated == changed.sum()
    assert cost.updated + cost.read == (changed | is_read).sum() + data


def test_costs_add_up():
    setup = setups.Setup(10, DIM, SAMPLES, gradients=0.25)
    both = floors.communication(DIM), floors.gradient(DIM, SAMPLES)
    expected = np.array([0.75, 0.25]) @ [[c.updated, c.read, c.flops] for c in both]
    assert [setup.cost.updated, setup.cost.read, setup.cost.flops] == expected.tolist()
    assert setup.cost.copied_bytes == 8 * (2 * expected[0] + expected[1])
    assert setup.working_set == 10 * 6 * DIM + 10 * SAMPLES * (DIM + 1)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 20])
def test_movers_move_the_count(count):
    array = np.arange(1.0, 9.0)
    assert floors.read(array, count) == sum(array[k % 8] for k in range(count))
    target = np.zeros(8)
    floors.copy(array, target, count)
    assert np.array_equal(target, np.where(np.arange(8) < count, array, 0.0))
    floors.update(array, 2.0, count)
    times = [sum(k % 8 == place for k in range(count)) for place in range(8)]
    assert np.array_equal(array, np.arange(1.0, 9.0) * 2.0 ** np.array(times))


@pytest.mark.parametrize("count", [16, 1000])
def test_arrays_begin_on_a_cache_line(count):
    array = floors.aligned_ones(count)
    assert array.ctypes.data % 64 == 0
    assert array.shape == (count,)


def test_the_network_is_four_regular():
    edges = setups.network(7)
    assert np.array_equal(np.bincount(edges.ravel()), np.full(7, 4))
    assert len({tuple(edge) for edge in edges.tolist()}) == 14
    assert (edges[:, 0] < edges[:, 1]).all()


def test_the_loops_agree():
    """The rival in NumPy does the work that it is timed for."""
    for model in setups.MODELS:
        work = setups.Workload(setups.Setup(6, DIM, SAMPLES, gradients=0.5, model=model), 200)
        work.compiled()
        compiled = work.rows.copy()
        work.reset()
        work.numpy_loop(200)()
        np.testing.assert_allclose(compiled, work.rows, rtol=1e-9, atol=1e-12)
