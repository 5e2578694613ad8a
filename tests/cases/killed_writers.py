"""Processes that write all kinds of outputs over and over, and are killed: what do they leave?

`python killed_writers.py FOLDER KILLS [plain]` prints, as JSON, how often outputs were absent, old or new, or
torn, and what else was left. `plain` writes without `gossamer.files`, to show that torn files are seen.
"""

import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from gossamer import graphs, problems, solvers
from gossamer.cli import comparison, rates, robustness
from gossamer.cli.compare import Runs, write_rows, write_traces
from gossamer.cli.figures import network_figure, save_figure
from gossamer.cli.robust_selection import Row
from gossamer.files import write_text, writing

SLOWEST = 0.2  # s before the kill


def versions():
    """Two functions for each output, by its name: they write one of two contents to a path."""
    graph = graphs.grid_2d(6, 6)
    problem = problems.Averaging(np.ones((36, 2000)))
    goal = comparison.CompareTable(target=1e-3, column="optimality")
    found = {}
    for k in range(2):
        result = solvers.DGD(step=0.1 + 0.1 * k).solve(problem, graph, tol=0, max_events=300, record_every=1)
        result.state.wall_time = 0.0
        runs = [Runs("DGD", "DGD", [0], [result])]
        optimal = graphs.gossip_rates(graph, "uniform" if k else "algebraic_connectivity")
        figure = network_figure(optimal)
        row = Row(
            "iid",
            1,
            "none",
            "Mean",
            {"step": 0.1, "server_momentum": 0.9, "momentum": 0.0},
            0.5 + k / 4,
            {"worst": 0.5},
        )
        found[k] = {
            "state.npz": result.state.save,
            "result.npz": result.save,
            "trace.csv": result.trace.to_csv,
            "comparison.csv": lambda path, runs=runs: write_rows(path, runs, goal, 1e9),
            "traces.csv": lambda path, runs=runs: write_traces(path, runs),
            "rates.csv": lambda path, optimal=optimal: rates.write_rates(optimal, path),
            "robustness.csv": lambda path, row=row: robustness.write_rows(path, [row] * 500),
            "run.json": lambda path, k=k: write_text(
                path, json.dumps({"validation": k, "test": k} | {str(i): k for i in range(9999)})
            ),
            "template.toml": lambda path, k=k: write_text(path, comparison.TEMPLATE + "#" * k),
            "network.graphml": lambda path, k=k: graphs.write_graph(graphs.cycle(200 + k), path),
            "network.edges": lambda path, k=k: graphs.write_graph(graphs.cycle(5000 + k), path),
            "figure.png": lambda path, figure=figure: save_figure(figure, path),
        }
    return found


@contextlib.contextmanager
def plain_file(path, *, binary=False):
    """Open a file as most programs do."""
    with open(path, "wb" if binary else "w") as file:
        yield file


def write_forever(folder, writers, seed):
    """Write the outputs in some order, in turns of their two contents."""
    order = random.Random(seed).sample(sorted(writers[0]), len(writers[0]))
    for turn in range(10**9):
        for name in order:
            writers[(turn + seed) % 2][name](folder / name)


def main(folder, n_kills, plain):
    """Kill a process that writes so many times, and say what it leaves."""
    writers = versions()
    contents = {}
    for k, by_name in writers.items():
        for name, write in by_name.items():
            write(folder / name)
            contents[name, k] = (folder / name).read_bytes()
            (folder / name).unlink()
    if plain:
        replace_everywhere()
    counts = {"kills": 0, "absent": 0, "whole": 0, "torn": 0, "drafts": 0, "others": 0}
    delays = random.Random(0)
    for k in range(n_kills):
        child = os.fork()
        if child == 0:
            try:
                write_forever(folder, writers, k)
            finally:
                os._exit(1)
        time.sleep(delays.uniform(0.0, SLOWEST))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        counts["kills"] += os.WIFSIGNALED(status)
        left = {path.name: path for path in folder.iterdir()}
        for name in writers[0]:
            path = left.pop(name, None)
            if path is None:
                counts["absent"] += 1
            else:
                whole = path.read_bytes() in (contents[name, 0], contents[name, 1])
                counts["whole" if whole else "torn"] += 1
                if not whole or delays.random() < 0.2:  # some begin without an old file
                    path.unlink()
        for name, path in left.items():
            counts["drafts" if name.startswith(".gossamer-") and name.endswith(".part") else "others"] += 1
            path.unlink()
    sys.stdout.write(json.dumps(counts))


def replace_everywhere():
    """Have all writers open their files plainly."""
    whole_file = writing.whole_file
    for module in list(sys.modules.values()):
        if getattr(module, "whole_file", None) is whole_file:
            vars(module)["whole_file"] = plain_file


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "plain" in sys.argv[3:])
