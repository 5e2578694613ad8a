"""Measurements as the report reads them, and its tables."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gossamer.bench.setups import Setup

Target = tuple[
    str, str, str, bool | None
]  # of what, wanted, measured, whether it is met; None: nothing wanted


class Measured:
    """The fastest rounds of a pytest-benchmark file, in ns an event, by group and member."""

    def __init__(self, file: Path):
        content = json.loads(file.read_text())
        self.machine = content["machine_info"]
        self.commit = content["commit_info"]
        self.date = content["datetime"][:10]
        self.peak_flops = 0.0
        self.startup: dict[str, dict[str, float]] = {}
        self.setups: dict[str, Setup] = {}
        self.numbers: dict[str, dict[str, float]] = {}  # of what is not time, by group
        self.rivals: dict[str, str | None] = {}
        self._fastest: dict[tuple[str, str], list[float]] = {}
        self._median: dict[tuple[str, str], list[float]] = {}
        for benchmark in content["benchmarks"]:
            info = benchmark["extra_info"]
            if info["what"] == "startup":
                self.startup[info["cache"]] = info["seconds"]
                continue
            if "numbers" in info:
                self.numbers[benchmark["group"]] = info["numbers"]
                continue
            key = benchmark["group"], info["what"]
            scale = 1e9 / info["events"]
            self._fastest.setdefault(key, []).append(benchmark["stats"]["min"] * scale)
            self._median.setdefault(key, []).append(benchmark["stats"]["median"] * scale)
            if "setup" in info:
                self.setups[benchmark["group"]] = Setup(**info["setup"])
            self.rivals.update(info.get("rivals", {}))
            self.peak_flops = max(self.peak_flops, info.get("peak_flops", 0.0))

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(group for group, _ in self._fastest))

    def has(self, group: str, what: str) -> bool:
        return (group, what) in self._fastest

    def ns(self, group: str, what: str) -> float:
        return min(self._fastest[group, what])

    def floor(self, group: str, what: str) -> float:
        """Bytes or flops, whichever takes longer."""
        return max(self.ns(group, what), self.setups[group].cost.flops / self.peak_flops * 1e9)

    def spread(self, group: str, what: str = "compiled") -> float:
        return statistics.median(self._median[group, what]) / self.ns(group, what)

    def beginning(self, kind: str, *members: str) -> list[str]:
        """Return the groups of a kind in which all these members were measured."""
        groups = [group for group in self.groups if group.startswith(f"{kind}, ")]
        return [group for group in groups if all(self.has(group, what) for what in members)]


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    lines.insert(1, ["---", *["---:"] * (len(lines[0]) - 1)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float) -> str:
    """Three digits, no exponent."""
    return np.format_float_positional(value, precision=3, unique=False, fractional=False, trim="-")


def at_least(what: str, wanted: float | None, value: float) -> Target:
    """Return the target that a ratio be at least so large; None: it is shown only."""
    if wanted is None:
        return what, "-", number(value), None
    return what, f"at least {wanted:g}", number(value), value >= wanted
