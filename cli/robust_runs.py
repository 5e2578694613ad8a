"""The runs of `gossamer robustness`: in processes, each with a file for its result, so that they resume."""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__
from ..files import read_bytes, write_text
from ..solvers.base.result import STATUSES
from .data import load_data
from .robust_experiment import LABEL_FLIP, build_attack, build_rule
from .seeds import runs_bar

_LARGEST = 2**16  # bytes of a file of a run
_WATCH = """
import os, signal, sys
for worker in map(int, sys.stdin.read().split()):
    try:
        os.kill(worker, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""

Job = dict[str, Any]
Outcome = dict[str, Any]


def run_all(
    common: dict[str, Any], jobs: Sequence[Job], folder: Path, *, n_processes: int, progress: bool
) -> list[Outcome]:
    """Do all runs that have no result yet, and return the results of all.

    Parameters
    ----------
    common : dict
        What they share.
    jobs : sequence of dict
        From `RobustExperiment.jobs`.
    folder : Path
        For the results, a file a run; files that are there are taken as they are.
    n_processes : int
        At most so many at once; 1 runs here.
    progress : bool
        Show a bar.

    Returns
    -------
    list of dict
        `validation` and `test` accuracy and `status` of each job, in their order.
    """
    paths = [folder / f"{digest(common, job)}.json" for job in jobs]
    found = {path: outcome for path in paths if (outcome := read_outcome(path)) is not None}
    todo = [(job, path) for job, path in zip(jobs, paths, strict=True) if path not in found]
    with runs_bar(len(jobs), progress) as advance:
        for _ in found:
            advance()
        if n_processes == 1 or len(todo) <= 1:
            for job, path in todo:
                found[path] = run_one(common, job, path)
                advance()
        else:
            size = min(n_processes, len(todo))
            spawn = multiprocessing.get_context("spawn")
            with _watched() as watch, ProcessPoolExecutor(size, spawn, _ignore_interrupts) as pool:
                for _ in range(size):
                    pool.submit(os.getpid)  # starts a worker
                watch(worker.pid for worker in multiprocessing.active_children())
                futures = {pool.submit(run_one, common, job, path): path for job, path in todo}
                try:
                    for future in as_completed(futures):
                        found[futures[future]] = future.result()
                        advance()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for worker in multiprocessing.active_children():
                        worker.terminate()  # its run is done again; files are whole or absent
                    raise
    return [found[path] for path in paths]


def n_finished(common: dict[str, Any], jobs: Sequence[Job], folder: Path) -> int:
    """Return how many of the runs have a result in the folder."""
    return sum(read_outcome(folder / f"{digest(common, job)}.json") is not None for job in jobs)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the process that waits for the runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _watched() -> Iterator[Callable[[Iterable[int | None]], None]]:
    """Yield a function that takes processes, to be killed where this one ends before the block does.

    A small process waits for a pipe to close, as it does at any end, `kill -9` too. Workers that are still
    importing, or in code that does not return, could not watch by themselves.
    """
    command = [sys.executable, "-I", "-S", "-c", _WATCH]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, text=True) as watchman:
        assert watchman.stdin is not None
        try:
            yield lambda processes: print(*processes, file=watchman.stdin, flush=True)
        finally:
            watchman.kill()


def digest(common: dict[str, Any], job: Job) -> str:
    """Return the name of a run's file: the same for the same run, data and version of gossamer."""
    labels = {"pre", "rule", "attack"}  # names, that may change
    described = {
        "version": __version__,
        "common": {key: value for key, value in common.items() if key != "folder"},
        "job": {key: value for key, value in job.items() if key not in labels},
    }
    return hashlib.blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=12).hexdigest()


def read_outcome(path: Path) -> Outcome | None:
    """Return what a run left; None if it never finished, or left something else, so that it is done again."""
    try:
        found = json.loads(read_bytes(path, most=_LARGEST))
        accuracies = [found["validation"], found["test"]]
        whole = all(type(value) is float and 0.0 <= value <= 1.0 for value in accuracies)
        return found if whole and found["status"] in STATUSES else None
    except (FileNotFoundError, ValueError, RecursionError, LookupError, TypeError):
        return None


def run_one(common: dict[str, Any], job: Job, path: Path) -> Outcome:
    """Do one run, and write its result.

    Parameters
    ----------
    common, job : dict
        As of `run_all`.
    path : Path
        File, written whole or not at all.
    """
    from .. import graphs, solvers

    n, f = common["n_nodes"], job["f"]
    problem, (X, y) = build_classifier(json.dumps(common), job["split"])
    rule = build_rule(job["pre_table"], job["rule_table"], f, job["seed"])
    if job["attack_table"]["name"] == LABEL_FLIP:
        problem = problem.flipped(range(n - f, n))
    solver = solvers.RobustSGD(
        rule,
        f=f,
        attack=build_attack(job["attack_table"], rule, job["seed"]),
        step=job["step"],
        momentum=job["momentum"],
        server_momentum=job["server_momentum"],
        batch_size=common["batch_size"],
    )
    x0 = problem.start(job["seed"]) if common["problem"]["kind"] == "perceptron" else None
    rounds = common["rounds"]
    result = solver.solve(
        problem, graphs.star(n), x0, tol=0.0, max_events=rounds, record_every=rounds, rng=job["seed"]
    )
    diverged = result.status == "diverged"  # the last finite iterate is not what one would be left with
    outcome = {
        "validation": 0.0 if diverged else problem.accuracy(result.x),
        "test": 0.0 if diverged else float(np.mean(problem.predict(result.x, X) == y)),
        "status": result.status,
    }
    write_text(path, json.dumps(outcome))
    return outcome


@functools.lru_cache(maxsize=8)
def build_classifier(common: str, split: str) -> tuple[Any, tuple[np.ndarray, np.ndarray]]:
    """Return the problem, whose `accuracy` is that on the validation samples, and the test samples.

    Parameters
    ----------
    common : str
        JSON of what runs share.
    split : str
        How samples are dealt out to the workers.
    """
    from .. import problems

    shared = json.loads(common)
    table = shared["problem"]
    X, y = load_data(table, Path(shared["folder"]))
    order = np.random.default_rng(table["seed"]).permutation(len(X))
    n_test, n_validation = (max(round(table[name] * len(X)), 1) for name in ("test", "validation"))
    test, validation, rest = np.split(order, [n_test, n_test + n_validation])
    kinds = {"perceptron": problems.Perceptron, "softmax": problems.SoftmaxRegression}
    options = {"hidden": tuple(table["hidden"])} if table["kind"] == "perceptron" else {}
    problem = kinds[table["kind"]].from_data(
        X[rest],
        y[rest],
        shared["n_nodes"],
        split=split,
        alpha=shared["alpha"] if split == "dirichlet" else None,
        rng=table["seed"],
        l2=table["l2"],
        test=(X[validation], y[validation]),
        **options,
    )
    return problem, (X[test], y[test])
