"""`kill -9` at any moment: outputs are absent, old or whole, and no worker is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_writers
import mutations
import psutil
import pytest

from gossamer.cli.robust_experiment import TEMPLATE

OUTLIVES = 2.0  # s that a worker may


def kills(folder, number, *how):
    command = [sys.executable, killed_writers.__file__, str(folder), str(number), *how]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "number", [20, pytest.param(200 * mutations.TIMES, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_outputs_are_absent_old_or_whole(tmp_path, tried, number):
    counts = kills(tmp_path, number)
    tried("kills", counts["kills"])
    assert counts["kills"] == number
    assert counts["torn"] == counts["others"] == 0
    assert counts["whole"] > number


@pytest.mark.slow
def test_plain_writers_leave_torn_files(tmp_path):
    """Otherwise the test above would show nothing."""
    assert kills(tmp_path, 100, "plain")["torn"] > 0


def children(process):
    """Workers of a process; its resource tracker, which ends by itself, is none."""
    found = process.children(recursive=True)
    return [child for child in found if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
@pytest.mark.parametrize("at", ["run", "start"])
def test_no_worker_outlives_the_process_that_waits_for_it(tmp_path, tried, at):
    """Killed while workers compute, or while they are being started."""
    path = tmp_path / "robustness.toml"
    path.write_text(TEMPLATE.replace("rounds = 150", "rounds = 20000"))
    command = [str(Path(sys.executable).with_name("gossamer")), "robustness", str(path), "--processes", "2"]
    parent = psutil.Popen(
        [*command, "--output", str(tmp_path / "out")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    workers = []
    try:
        deadline = time.monotonic() + 120.0
        while len(workers) < 2 or (at == "run" and sum(w.cpu_times().user for w in workers) < 5.0):
            assert parent.poll() is None, "the command ended before its workers began"
            assert time.monotonic() < deadline
            time.sleep(0.05)
            workers = children(parent)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        _, alive = psutil.wait_procs(workers, timeout=OUTLIVES)
        tried("kills", 1)
        assert alive == []
    finally:
        for process in (parent, *workers):
            if process.is_running():
                process.kill()
