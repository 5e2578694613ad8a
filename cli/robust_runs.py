"""The runs of `gossamer robustness`: in processes, each with a file for its result, so that they resume."""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__
from ..files import read_bytes, write_text
from ..solvers.result import STATUSES
from .robust_experiment import LABEL_FLIP, build_attack, build_rule
from .seeds import runs_bar

_LARGEST = 2**16  # bytes of a file of a run

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
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(min(n_processes, len(todo)), spawn, _follow_parent) as pool:
                futures = {pool.submit(run_one, common, job, path): path for job, path in todo}
                try:
                    for future in as_completed(futures):
                        found[futures[future]] = future.result()
                        advance()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
    return [found[path] for path in paths]


def _follow_parent() -> None:
    """Leave Ctrl-C to the process that waits for the runs: those under way are finished, and kept.

    Where that process ends without a word, by `kill -9` for instance, end as well: nobody waits any more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])  # a pipe, which closes when the parent ends
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
    is_file = bool(Path(table["data"]).suffix)
    source = Path(shared["folder"]) / table["data"] if is_file else table["data"]
    X, y = problems.load(source, target=table["target"])
    if table["standardize"]:
        X = problems.standardize(X)
    if table["intercept"]:
        X = problems.add_intercept(X)
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
