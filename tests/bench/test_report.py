"""The report reads what pytest-benchmark writes, also of a part of the benchmarks."""

import json

import pytest

from gossamer.bench import report, report_rounds
from gossamer.bench.measured import Measured

RING = "ring, 10000 nodes, 1000 coordinates"
SPARSE = "sparsifiers, 1000000 coordinates, 1 %"
SERVER = "server, EF21, Top-k 1 %, 10 workers, 1000 coordinates"
SECONDS = {
    f"mix, {RING}": {"mix": 1.0, "scipy": 3.0, "copy": 0.5, "blas": 0.8},
    f"pairs, {RING}": {"average": 1.0, "update": 0.8, "rows": 0.9},
    SPARSE: {
        "top_k": 1.0,
        "argpartition": 30.0,
        "partition": 12.0,
        "floor": 0.05,
        "RandK": 60e-6,
        "BlockRandK": 40e-6,
        "choice": 240e-6,
    },
    SERVER: {"compiled": 2e-6, "numpy": 8e-6, "copy": 1e-6},
}


def measured(path, seconds, slower=1.5):
    """Return what is read where the fastest rounds took these seconds, in the second of two turns."""
    benchmarks = [
        {
            "group": group,
            "extra_info": {"what": what, "events": 1},
            "stats": {"min": turn * fastest, "median": slower * turn * fastest},
        }
        for turn in (2.0, 1.0)
        for group, members in seconds.items()
        for what, fastest in members.items()
    ]
    content = {
        "machine_info": {"cpu": {}, "python_version": "3"},
        "commit_info": {"id": "0" * 40, "dirty": False},
        "datetime": "2000-01-01T00:00:00",
        "benchmarks": benchmarks,
    }
    file = path / "benchmark.json"
    file.write_text(json.dumps(content))
    return Measured(file)


@pytest.fixture(autouse=True)
def no_other_runs(tmp_path, monkeypatch):
    for module in (report, report_rounds):
        monkeypatch.setattr(module, "OUT", tmp_path / "none.json")


def rows(text):
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_targets_are_judged_by_the_fastest_round(tmp_path):
    found = rows(report.targets(measured(tmp_path, SECONDS)))
    assert found["argpartition / Top-k, d = 1e6, 1 %"] == ["at least 20", "30", "met"]
    assert found["Top-k / read floor, d = 1e6, 1 %"] == ["below 10", "20.0", "missed"]
    assert found["Generator.choice / RandK.compress, d = 1e6, 1 %"] == ["-", "4"]
    assert found[f"SciPy / mix, {RING}"] == ["at least 2", "3", "met"]
    assert found[f"copy floor / mix, {RING}"] == ["at least 0.6", "0.5", "missed"]
    assert found[f"best of SciPy and BLAS / mix, at worst: {RING}"] == ["at least 0.91", "0.8", "missed"]
    assert found[f"update floor / pairs, {RING}"] == ["at least 0.75", "0.8", "met"]


def test_the_grid_counts_where_it_was_measured(tmp_path, monkeypatch):
    grid = tmp_path / "grid.json"
    cells = {"ring, 7 nodes, 3 coordinates": {"mix": 2.0, "scipy": 1.0}, "torus": {"mix": 1.0, "scipy": 9.0}}
    grid.write_text(json.dumps({"date": "2000-01-01", "cells": cells}))
    monkeypatch.setattr(report_rounds, "OUT", grid)
    found = rows(report.targets(measured(tmp_path, SECONDS)))
    name = "best of SciPy and BLAS / mix, at worst: ring, 7 nodes, 3 coordinates (grid)"
    assert found[name] == ["at least 0.91", "0.5", "missed"]
    assert "faster in 1." in report_rounds.grid()


def test_tables_hold_ratios_floors_and_spreads(tmp_path):
    results = measured(tmp_path, SECONDS)
    server = rows(report_rounds.rounds(results, "server"))
    assert server[SERVER.removeprefix("server, ")] == ["2", "8", "4.00x", "1 (0.50)", "2.25"]
    masks = rows(report_rounds.random_masks(results))[SPARSE.removeprefix("sparsifiers, ")]
    assert masks[:5] == ["240", "60", "4.00x", "40", "6.00x"]
    for name, beyond in (("RandK, float32", 9.0), ("TopK, float64", 16.0)):
        results.numbers[f"beyond the kernel, {name}"] = {
            "kernel": 50.0,
            "compress": 50 + beyond,
            "beyond": beyond,
        }
    assert rows(report_rounds.beyond_kernels(results))["RandK, float32"] == ["59", "50", "9"]
    target = rows(report.targets(results))[
        "us of compress beyond its kernel, d = 1e6, 1 %, at worst: TopK, float64"
    ]
    assert target == ["at most 15", "16.0", "missed"]
    top_k = rows(report_rounds.top_k(results))[SPARSE.removeprefix("sparsifiers, ")]
    assert top_k[1:7] == ["30000000", "30x", "12000000", "12x", "", ""]


def test_rounds_and_bits_of_masha(tmp_path):
    name = "MASHA1, Rand-k 1 %, 10 workers, 1000 coordinates"
    results = measured(tmp_path, {f"masha, {name}": {"compiled": 2e-6, "numpy": 9e-6, "operator": 1e-6}})
    assert rows(report_rounds.masha(results))[name] == ["2", "500000", "9", "4.50x", "1 (0.50)", "2.25"]
    results.numbers["bits, extragradient"] = {"step": 0.9, "rounds": 121.0, "Mbit": 1.5}
    results.numbers["bits, MASHA1, Perm-K"] = {"step": 0.3, "rounds": 490.0, "Mbit": 0.5}
    assert rows(report_rounds.bits(results))["MASHA1, Perm-K"] == ["0.3", "490", "0.5", "3.00x"]
    target = rows(report.targets(results))["uplink bits to 1e-6, extragradient / MASHA1 with Perm-K"]
    assert target == ["at least 2", "3", "met"]


def test_a_part_of_the_benchmarks_makes_a_report(tmp_path):
    for seconds in (SECONDS, {}):
        assert report.report(measured(tmp_path, seconds)).startswith("# Benchmarks")
