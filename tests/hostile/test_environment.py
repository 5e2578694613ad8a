"""Poorer worlds than a developer's: no place for a cache, no home, narrow encodings and terminals."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gossamer

ROOT = Path(gossamer.__file__).parent

KRUM = """
import numpy as np
from gossamer.kernels import aggregation
G = np.array([[0.0], [1.0], [2.0], [1.5], [50.0]])  # f = 1, two nearest others: 3.25, 1.25, 1.25, 0.5, much
print(aggregation.krum(G, 1).tolist())
"""
SOLVE = """
import numpy as np
from gossamer import graphs, problems, solvers
problem = problems.Averaging(np.arange(4.0)[:, None])
print(solvers.DGD(step=0.1).solve(problem, graphs.cycle(4), max_events=20, tol=0).X.ravel().tolist())
"""
CACHED = """
from numba import types
from gossamer.kernels import _jit

@_jit.lazy_njit(types.float64(types.float64))
def double(x):
    return 2 * x

@_jit.lazy_njit(types.float64(types.float64))
def triple(x):
    return 3 * x
"""


def run(*arguments, cwd, without=(), **environment):
    """Run this interpreter in another environment."""
    left_out = {"NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "COLUMNS", "PYTHONIOENCODING", "PYTHONUTF8", *without}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=kept | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=300,
    )


# -- the cache of compiled code --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """Folder of a copy of the package beside which nothing can be written, not even by root."""
    folder = tmp_path_factory.mktemp("sealed")
    leave_out = shutil.ignore_patterns(
        "__pycache__", ".*", "tests", "bench", "notebooks", "docs", "*.egg-info"
    )
    shutil.copytree(ROOT, folder / "gossamer", ignore=leave_out)
    for place in [path for path in (folder / "gossamer").rglob("*") if path.is_dir()]:
        (place / "__pycache__").write_text("a file where a folder would have to be")
    return folder


@pytest.fixture
def module(tmp_path):
    """Folder with a module of two small kernels."""
    (tmp_path / "kernels_of_mine.py").write_text(CACHED)
    return tmp_path


@pytest.mark.slow
def test_without_a_place_for_the_cache_kernels_compile_in_memory(sealed, tmp_path):
    done = run(
        "-c", KRUM, cwd=tmp_path, PYTHONPATH=str(sealed), HOME="/dev/null", PYTHONDONTWRITEBYTECODE="1"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[1.5]\n"
    assert done.stderr.count("Warning") == 1
    for said in ("PerformanceWarning", "seconds", "NUMBA_CACHE_DIR"):
        assert said in done.stderr
    silent = run(
        "-c",
        "import gossamer.cli",
        cwd=tmp_path,
        PYTHONPATH=str(sealed),
        HOME="/dev/null",
        PYTHONWARNINGS="error",
    )
    assert (silent.returncode, silent.stderr) == (0, "")  # importing compiles nothing


@pytest.mark.slow
def test_without_a_home_no_folder_is_made_where_the_process_runs(sealed, tmp_path):
    """Where the user has no entry, `~` stays what it is, and Numba would make a folder of that name."""
    done = run("-c", KRUM, cwd=tmp_path, PYTHONPATH=str(sealed), HOME="nowhere", PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 0, done.stderr
    assert "NUMBA_CACHE_DIR" in done.stderr
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource
import kernels_of_mine
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # files can be made, and hold nothing
print(kernels_of_mine.double(2.0), kernels_of_mine.triple(2.0))
"""


def test_a_full_disk_costs_the_cache_alone(module):
    done = run("-c", FULL, cwd=module)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4.0 6.0\n"
    assert done.stderr.count("PerformanceWarning") == 1
    assert "writing failed" in done.stderr
    assert "NUMBA_CACHE_DIR" in done.stderr


HITS = """
import kernels_of_mine
print(kernels_of_mine.double(2.0), sum(kernels_of_mine.double.compiled().stats.cache_hits.values()))
"""


@pytest.mark.slow
def test_a_spoilt_cache_is_compiled_anew(module):
    for hits in (0, 1):
        assert run("-c", HITS, cwd=module).stdout == f"4.0 {hits}\n"
    for index in module.rglob("*.nbi"):
        index.write_bytes(index.read_bytes()[:-20])
    done = run("-c", HITS, cwd=module)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4.0 0\n"
    assert "reading failed" in done.stderr


# -- without the compiler --------------------------------------------------------------------------------


def test_what_needs_no_kernel_works_without_the_compiler(tmp_path):
    for arguments in (
        ("-c", "import gossamer"),
        ("-c", "from gossamer import graphs; assert graphs.cycle(5).n_edges == 5"),
        ("-m", "gossamer", "info"),
    ):
        done = run(*arguments, cwd=tmp_path, NUMBA_DISABLE_JIT="1")
        assert done.returncode == 0, done.stderr


CUSTOM = """
from gossamer import problems
def gradient(node, x, out):
    out[:] = x
problems.Custom(gradient, n_nodes=2, dim=1, smoothness=1, strong_convexity=1)
"""


@pytest.mark.parametrize("program", [KRUM, SOLVE, CUSTOM], ids=["krum", "solve", "custom"])
def test_the_first_kernel_says_what_switched_the_compiler_off(program, tmp_path):
    done = run("-c", program, cwd=tmp_path, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "NoCompilerError: " in last
    assert "NUMBA_DISABLE_JIT" in last


def test_a_command_says_so_in_one_line(tmp_path):
    done = run("-m", "gossamer", "demo", "--seeds", "1", cwd=tmp_path, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 2
    assert done.stderr.startswith("error: gossamer's kernels need Numba's compiler, and NUMBA_DISABLE_JIT")
    assert done.stderr.count("\n") == 1


# -- encodings, terminals, entrances ---------------------------------------------------------------------

C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    "environment",
    [
        C_LOCALE,
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"COLUMNS": "0"},
        {"COLUMNS": "1"},
    ],
    ids=["C", "ascii", "latin-1", "0 columns", "1 column"],
)
def test_output_degrades_where_the_world_is_narrow(environment, tmp_path):
    """Labels of Abilene's edges hold a dash that neither ASCII nor Latin-1 has."""
    done = run(
        *("-m", "gossamer", "rates", "topozoo/Abilene", "--output", "rates.csv"), cwd=tmp_path, **environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Seattle" in done.stdout
    assert "Denver" in done.stdout
    assert "Seattle" in (tmp_path / "rates.csv").read_text(encoding="utf-8")


LABELS = """
import csv, io, sys
from pathlib import Path
from gossamer import graphs, problems, solvers
from gossamer.cli import compare, comparison
import numpy as np
problem = problems.Averaging(np.arange(4.0)[:, None])
result = solvers.DGD(step=0.1).solve(problem, graphs.cycle(4), max_events=20, tol=0, x_star=[1.5])
runs = [compare.Runs("Größe µ", "DGD", [0], [result])]
compare.write_rows(Path("rows.csv"), runs, comparison.CompareTable(1e-3), 100.0)
compare.write_traces(Path("traces.csv"), runs)
"""


def test_files_are_utf8_in_any_locale(tmp_path):
    (tmp_path / "labels.py").write_text(LABELS, encoding="utf-8")
    done = run("labels.py", cwd=tmp_path, **C_LOCALE)
    assert done.returncode == 0, done.stderr
    for name in ("rows.csv", "traces.csv"):
        assert "Größe µ" in (tmp_path / name).read_text(encoding="utf-8")


def test_the_package_runs_as_a_module(tmp_path):
    done = run("-m", "gossamer", "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"gossamer {gossamer.__version__}\n")
