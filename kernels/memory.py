"""How much memory a call may still take: of the machine, of the container, of the process.

Linux says it in `/proc` and in the control groups (both versions); `resource` has the limits of the process.
Elsewhere the size of the machine's memory counts, or, where the system does not tell, there is no limit.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["available_memory"]

_MEMORY = {"2": ("memory.max", "memory.current", "inactive_file"),
           "1": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")}  # fmt: skip


def available_memory(root: str | Path = "/") -> float:
    """Bytes that this process can still allocate.

    The least of: what the machine has available (free swap included); what the limits of the process's
    control groups leave, where file caches that can be dropped count as free; what the soft limits RLIMIT_AS
    and RLIMIT_DATA leave. It takes a fraction of a millisecond.

    Parameters
    ----------
    root : path
        Where `proc` and `sys` are found; for tests.

    Returns
    -------
    float
        Zero at least; infinite where nothing is known.
    """
    root = Path(root)
    return max(0.0, min([_of_machine(root), *_of_groups(root), *_of_process(root)]))


def _of_machine(root: Path) -> float:
    fields = dict(line.split(":", 1) for line in _read(root / "proc/meminfo").splitlines() if ":" in line)
    if "MemAvailable" in fields:
        return 1024.0 * sum(int(fields.get(name, "0").split()[0]) for name in ("MemAvailable", "SwapFree"))
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" in names and "SC_PAGE_SIZE" in names:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    return math.inf


def _of_groups(root: Path) -> Iterator[float]:
    """What the group of the process and each one above it leaves."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, names = root / "sys/fs/cgroup", _MEMORY["2"]
        elif "memory" in controllers.split(","):
            top, names = root / "sys/fs/cgroup/memory", _MEMORY["1"]
        else:
            continue
        # inside a container the path may be the host's, of which only the top is seen
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            yield _of_group(folder, *names)
            if folder == top:
                break


def _of_group(folder: Path, limit: str, usage: str, cache: str) -> float:
    most, used = _read(folder / limit).strip(), _read(folder / usage).strip()
    if not (most.isdigit() and used.isdigit()):  # no such group, or "max"
        return math.inf
    stat = dict(line.split(maxsplit=1) for line in _read(folder / "memory.stat").splitlines())
    return float(int(most) - int(used) + int(stat.get(cache, "0")))


def _of_process(root: Path) -> Iterator[float]:
    pages = _read(root / "proc/self/statm").split()
    if os.name != "posix" or not pages:
        return
    import resource

    # the whole address space, and its data and stack
    for kind, used in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            yield float(soft - int(used) * resource.getpagesize())


def _read(path: Path) -> str:
    """Text of a small file of the system, empty where it does not exist or may not be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
