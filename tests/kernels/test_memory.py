"""What may still be allocated, read from false machines, and refusals under true limits."""

import math
import subprocess
import sys

import pytest

from gossamer.kernels import checks, memory

GB = 10**9


def machine(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 64000000 kB\nMemAvailable: 32000000 kB\nSwapFree: 1000 kB\n"}


def test_the_machine(tmp_path):
    assert memory.available_memory(machine(tmp_path, MEMINFO)) == 32001000 * 1024


def group(folder, limit, usage, cache, version):
    names = {
        2: ("memory.max", "memory.current", "inactive_file"),
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    }[version]
    return {
        f"{folder}/{names[0]}": f"{limit}\n",
        f"{folder}/{names[1]}": f"{usage}\n",
        f"{folder}/memory.stat": f"anon 5\n{names[2]} {cache}\nfile 7\n",
    }


@pytest.mark.parametrize("version", [1, 2])
def test_control_groups(tmp_path, version):
    line, top = {
        2: ("0::/a/b\n", "sys/fs/cgroup"),
        1: ("9:name=systemd:/\n4:cpu,memory:/a/b\n0::/\n", "sys/fs/cgroup/memory"),
    }[version]
    files = MEMINFO | {"proc/self/cgroup": line}
    files |= group(f"{top}/a/b", 8 * GB, 3 * GB, GB, version)
    assert memory.available_memory(machine(tmp_path, files)) == 6 * GB
    # the group above leaves less
    assert memory.available_memory(machine(tmp_path, group(f"{top}/a", 9 * GB, 5 * GB, 0, version))) == 4 * GB
    # what is used beyond the limit
    assert memory.available_memory(machine(tmp_path, group(f"{top}/a", 1 * GB, 5 * GB, 0, version))) == 0
    unlimited = "max" if version == 2 else 2**63 - 4096
    files = group(f"{top}/a", unlimited, 5 * GB, 0, version) | group(f"{top}/a/b", unlimited, 0, 0, version)
    assert memory.available_memory(machine(tmp_path, files)) == 32001000 * 1024


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_sees_the_top_alone(tmp_path, version):
    line, top = {
        2: ("0::/docker/deadbeef\n", "sys/fs/cgroup"),
        1: ("4:memory:/docker/deadbeef\n", "sys/fs/cgroup/memory"),
    }[version]
    files = MEMINFO | {"proc/self/cgroup": line} | group(top, 2 * GB, GB, 0, version)
    assert memory.available_memory(machine(tmp_path, files)) == GB


def test_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(memory.os, "sysconf_names", {}, raising=False)
    assert memory.available_memory(tmp_path) == math.inf


def test_this_machine():
    available = memory.available_memory()
    assert 0 < available < 2**60


def test_what_is_refused(monkeypatch):
    monkeypatch.setattr(checks, "available_memory", lambda: 3.2 * GB)
    checks.require_memory(3 * GB, "W", "give less")
    with pytest.raises(
        MemoryError, match=r"^W, 9 x 9, takes 80 GB, and only 3\.2 GB can be allocated: give less$"
    ):
        checks.require_memory(80 * GB, "W, 9 x 9,", "give less")
    with pytest.raises(MemoryError, match=r"takes 1e\+03 PB"):
        checks.require_memory(10**18, "W", "give less")
    monkeypatch.setattr(checks, "available_memory", lambda: pytest.fail("small requests ask nothing"))
    checks.require_memory(2**24, "W", "give less")


LIMITED = """
import resource, sys
import numpy as np
from gossamer.kernels import checks, memory
limit = getattr(resource, sys.argv[1])
used = int(open("/proc/self/statm").read().split()[0 if limit == resource.RLIMIT_AS else 5])
resource.setrlimit(limit, (used * resource.getpagesize() + 200 * 2**20, resource.RLIM_INFINITY))
assert 190 * 2**20 < memory.available_memory() <= 200 * 2**20
checks.require_memory(150 * 2**20, "an array", "take less")
array = np.ones(150 * 2**17)  # the limit leaves so much
try:
    checks.require_memory(150 * 2**20, "an array", "take less")
except MemoryError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_limits_of_the_process(limit):
    done = subprocess.run([sys.executable, "-c", LIMITED, limit], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("an array takes 157 MB, and only ")
