"""Every public callable has a good call, and no bent one crashes, hangs or raises what nobody has named."""

import inspect
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import sweep
import sweep_calls

HERE = Path(__file__).parent
QUICK = (
    "graphs.Graph.from_edges", "graphs.mixing_matrix", "kernels.gossip.Mixer", "kernels.random.alias_sample",
    "kernels.oracles.gradient", "kernels.text.cell_text", "problems.Problem.mean_over", "problems.split_rows",
    "solvers.Trace", "solvers.State.load", "solvers.NIDS.theory", "files.open_file",
)  # fmt: skip
# need a GPU, or an open archive
NO_CALL_OF_THEIR_OWN = {
    "files.Npz.require_seal",
    "kernels.gossip.Mixer.copied_to",
}


def run(*arguments):
    """Sweep in a process of its own: forks of this one would take what all tests have compiled along."""
    command = [sys.executable, HERE / "sweep.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    rows = re.findall(r"^\| (\S+) \| (.*) \|$", done.stdout, re.MULTILINE)
    assert rows, done.stderr
    return done, {
        name: [int(cell.replace(",", "")) for cell in cells.split(" | ")] for name, cells in rows[2:]
    }


def test_every_public_callable_has_a_good_call():
    public = dict(sweep_calls.public())
    assert sorted(set(public) - set(sweep_calls.CALLS) - sweep_calls.NOT_CALLED) == []
    assert sorted(sweep_calls.NOT_CALLED - set(public)) == []
    assert not sweep_calls.NOT_CALLED & set(sweep_calls.CALLS)


def test_every_public_method_has_a_good_call():
    kinds = {name: kind for name, kind in sweep_calls.public() if inspect.isclass(kind)}
    missing = []
    for name, kind in kinds.items():
        family = [
            other for other, value in kinds.items() if issubclass(value, kind) or issubclass(kind, value)
        ]
        for method in sweep_calls.methods(kind):
            called = any(f"{other}.{method}" in sweep_calls.CALLS for other in family)
            if name == "kernels.compression.Payload":
                called = f"kernels.compression.TopK.payload.{method}" in sweep_calls.CALLS
            if not called:
                missing.append(f"{name}.{method}")
    assert set(missing) == NO_CALL_OF_THEIR_OWN


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda value: 1 / value, "ZeroDivisionError"),
        (lambda value: [1.0][value], "IndexError"),
        (
            lambda value: os.kill(os.getpid(), signal.SIGSEGV) if value == 0 else 0,
            "SIGSEGV",
        ),
        (lambda value: time.sleep(60) if value == 0 else 0, "no answer in 1 s"),
    ],
)
def test_what_counts_as_a_failure(wrong, words, monkeypatch):
    monkeypatch.setattr(sweep, "SECONDS", 1)
    monkeypatch.setattr(sweep, "scalars", lambda: iter([("0", 0), ("text", "a"), ("5", 5), ("-1", -1)]))
    outcome = sweep.sweep_one("wrong", lambda: (wrong, (1,), {}), 60)
    assert outcome.bent == 4
    assert outcome.answered + outcome.refused + len(outcome.failures) == 4
    assert any(words in failure for failure in outcome.failures)


def test_arrays_at_the_end_of_a_page():
    outcome = sweep.sweep_one("beyond", lambda: (read_beyond, (np.arange(5.0),), {}), 200)
    assert any("guarded: process died: SIGSEGV" in failure for failure in outcome.failures)


def read_beyond(values):
    import ctypes

    ctypes.string_at(values.ctypes.data, values.nbytes + 1)


def test_a_few_callables(tried):
    done, rows = run("--bends", 10, "--only", *QUICK)
    assert done.returncode == 0, done.stdout
    tried("bent calls", rows["all"][1])
    assert rows["all"][0] >= len(QUICK)
    assert rows["all"][1] > 100
    assert rows["all"][-1] == 0


@pytest.mark.slow
def test_all_callables(tried):
    done, rows = run("--bends", 60)
    assert done.returncode == 0, done.stdout
    tried("bent calls", rows["all"][1])
    assert rows["all"][0] == len(sweep_calls.CALLS)
    assert rows["all"][-1] == 0
