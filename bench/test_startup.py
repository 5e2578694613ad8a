"""What a new process pays: imports, and a first solve with a warm and with an empty cache of kernels."""

import json
import os
import statistics
import subprocess
import sys

import pytest

SCRIPT = """
import json, time
begin = time.perf_counter()
import numpy, numba
numpy_and_numba = time.perf_counter()
import gossamer
face = time.perf_counter()
from gossamer import graphs, problems, solvers
rooms = time.perf_counter()
rng = numpy.random.default_rng(0)
X, y = rng.normal(size=(80, 5)), rng.choice([-1, 1], 80)
problem = problems.LogisticRegression(X, y, numpy.arange(9) * 10, l2=0.1)
graph = graphs.cycle(8)
ends = [time.perf_counter()]
for _ in range(2):
    result = solvers.DADAO().solve(problem, graph, max_events=1000)
    ends.append(time.perf_counter())
print(json.dumps({
    "numpy_and_numba": numpy_and_numba - begin,
    "gossamer": face - numpy_and_numba,
    "rooms": rooms - face,
    "first_solve": ends[1] - ends[0],
    "second_solve": ends[2] - ends[1],
}))
"""


@pytest.mark.parametrize(("cache", "rounds"), [("warm", 5), ("empty", 2)])
def test_new_process(benchmark, tmp_path, cache, rounds):
    measured = []

    def start() -> None:
        where = tmp_path / ("cache" if cache == "warm" else f"cache {len(measured)}")
        environment = os.environ | {"NUMBA_CACHE_DIR": str(where), "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users have bytecode files
        # in an empty folder: `python -c` finds modules in the current one first
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, check=True, capture_output=True
        )
        measured.append(json.loads(run.stdout))

    benchmark.group = "new process"
    benchmark.pedantic(start, rounds=rounds, warmup_rounds=1 if cache == "warm" else 0)
    rounds_measured = measured[-rounds:]
    benchmark.extra_info.update(
        what="startup",
        cache=cache,
        seconds={name: statistics.median(run[name] for run in rounds_measured) for name in measured[0]},
    )
