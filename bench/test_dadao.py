"""DADAO's loop: compiled, event by event in NumPy, and the floors.

A group is one configuration (n, d, m) with its mix of events. Its members stand next to each other in time,
and the whole list runs twice, so that a slow minute of the machine meets all of them. They run different
numbers of events: the report divides by them. Drawing the events is not timed here; see test_events.
"""

import pytest

from gossamer.bench import floors
from gossamer.bench.setups import Setup, Workload

SIZES = [(10, 50, 50), (100, 50, 50), (1000, 50, 50), (1000, 1000, 50)]
SETUPS = [
    *(Setup(*sizes) for sizes in SIZES),
    *(Setup(*sizes, gradients=0.5) for sizes in SIZES),
    *(Setup(*sizes, gradients=0.5, model="least_squares") for sizes in SIZES[:2]),
]
GROWING = [Setup(n, 10) for n in (100, 1000, 10_000, 100_000)]  # cost against n
TURNS = range(2)

CASES = [
    pytest.param(setup, what, turn, id=f"{setup.id}-{what}-{turn}")
    for turn in TURNS
    for setup in SETUPS + GROWING
    for what in ("compiled", "numpy", "copy", "update")
    if what != "numpy" or setup in SETUPS
]


@pytest.fixture(scope="module")
def latest():
    """Cache of one workload: the largest holds 400 MB of data."""
    return {}


def plan(setup: Setup) -> tuple[int, int]:
    """Events of a round, and rounds.

    Short rounds, of which some are undisturbed even on a busy machine; long enough to meet all nodes.
    """
    seconds_per_event = 5e-8 + 2e-10 * (2 * setup.cost.updated + setup.cost.read)  # a guess
    count = max(int(0.003 / seconds_per_event), 3 * setup.n_nodes)
    return count, min(max(int(0.5 / (count * seconds_per_event)), 10), 100)


@pytest.mark.parametrize(("setup", "what", "turn"), CASES)
def test_dadao(benchmark, latest, setup, what, turn):
    count, rounds = plan(setup)
    benchmark.group = setup.name
    benchmark.extra_info.update(setup=setup._asdict(), what=what, events=count, flops=setup.cost.flops)
    if what in ("copy", "update"):
        benchmark.extra_info["peak_flops"] = floors.peak_flops()
        mover = floors.Mover(setup.cost * count, setup.working_set)
        benchmark.pedantic(getattr(mover, what), rounds=rounds, warmup_rounds=1)
        return
    if setup not in latest:
        latest.clear()
        latest[setup] = Workload(setup, count)
    work = latest[setup]
    if what == "compiled":
        benchmark.pedantic(work.compiled, setup=work.reset, rounds=rounds, warmup_rounds=1)
        assert abs(work.rows).max() < 1e6, (
            "the run diverged: infinities and denormal numbers have other costs"
        )
    else:
        count = min(count, 100)
        benchmark.extra_info["events"] = count
        benchmark.pedantic(work.numpy_loop(count), setup=work.reset, rounds=30, warmup_rounds=1)
