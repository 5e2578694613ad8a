"""Drawing Poisson events: compiled, two ways in NumPy, and the floor.

The NumPy loop draws a gap and a slot for each event from a Generator and finds the slot by bisection;
"arrays" does the same on whole arrays, which is the fastest that NumPy can. The floor is a copy of the 13
bytes of an event: no memory bound is near here, the cost is Philox, the logarithm and the alias table.
"""

from bisect import bisect_right

import numpy as np
import pytest

from gossamer.bench import floors, setups

COUNT = 1 << 16  # what solvers draw at a time
SIZES = [10, 100, 1000, 100_000]
CASES = [
    pytest.param(n, what, id=f"{n}-nodes-{what}-{turn}")
    for turn in range(2)
    for n in SIZES
    for what in ("compiled", "numpy", "arrays", "copy")
]


def numpy_loop(ends: np.ndarray, count: int) -> None:
    rng = np.random.default_rng(0)
    cumulative = ends.tolist()
    mean_gap, time, drawn = 1 / cumulative[-1], 0.0, []
    for _ in range(count):
        time += rng.exponential(mean_gap)
        drawn.append((time, bisect_right(cumulative, rng.random() * cumulative[-1])))


def numpy_arrays(ends: np.ndarray, count: int) -> None:
    rng = np.random.default_rng(0)
    np.cumsum(rng.exponential(1 / ends[-1], count))
    np.searchsorted(ends, rng.random(count) * ends[-1], side="right")


@pytest.mark.parametrize(("n_nodes", "what"), CASES)
def test_events(benchmark, n_nodes, what):
    rates = np.concatenate([np.full(n_nodes, 0.5), np.full(2 * n_nodes, 0.25)])
    count, ends = COUNT, rates.cumsum()
    if what == "compiled":
        stream = setups.stream(n_nodes, 0.5)
        work, options = (lambda: stream.take(0, 0.0, count)), {"rounds": 100}
    elif what == "copy":
        work = floors.Mover(floors.drawn_event() * count, count * 2).copy
        options = {"rounds": 100}
    elif what == "arrays":
        work, options = (lambda: numpy_arrays(ends, count)), {"rounds": 30}
    else:
        count = 2000
        work, options = (lambda: numpy_loop(ends, count)), {"rounds": 20}
    benchmark.group = f"events, {n_nodes} nodes"
    benchmark.extra_info.update(n_nodes=n_nodes, what=what, events=count)
    benchmark.pedantic(work, warmup_rounds=1, **options)
