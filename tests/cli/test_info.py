import importlib.metadata
import sys
import types

import numba
import numpy as np

from gossamer.cli import info


def test_the_versions(gossamer):
    result = gossamer("info")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert f"numpy {np.__version__}" in lines
    assert f"numba {numba.__version__}" in lines
    assert f"clarabel {importlib.metadata.version('clarabel')}" in lines
    assert "threads for this process" in result.stdout


def test_without_extras(gossamer, monkeypatch):
    absent = set(info.optional_packages())
    real = importlib.metadata.version

    def version(name):
        if name in absent:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    for name in ("matplotlib", "pandas", "sklearn", "topohub"):
        monkeypatch.setitem(sys.modules, name, None)
    result = gossamer("info")
    assert result.exit_code == 0
    assert 'pip install "gossamer[plot]"   (no matplotlib, pandas)' in result.stdout
    assert 'pip install "gossamer[data]"   (no scikit-learn, topohub)' in result.stdout
    assert "\nnumpy " in result.stdout
    assert "\nmatplotlib " not in result.stdout


def test_extras_of_extras_are_followed(monkeypatch):
    requirements = [
        "numpy>=2.0",
        "alpha>=1; extra == 'one'",
        'beta[more]>=2; python_version > "3" and extra == "two"',
        'gossamer[one,two]; extra == "all"',
        'gamma-x; extra == "all"',
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: requirements)
    assert info.extras() == {
        "one": ["alpha"],
        "two": ["beta"],
        "all": ["alpha", "beta", "gamma-x"],
    }
    assert info.optional_packages() == ["alpha", "beta", "gamma-x"]


def fake_cupy(names):
    runtime = types.SimpleNamespace(
        getDeviceCount=lambda: len(names),
        getDeviceProperties=lambda k: {"name": names[k].encode()},
    )
    module = types.ModuleType("cupy")
    module.cuda = types.SimpleNamespace(runtime=runtime)
    module.__version__ = "14.0"
    module.__spec__ = types.SimpleNamespace(name="cupy")
    return module


def test_gpus(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(["A", "B"]))
    assert info.gpus() == "yes (A, B; cupy 14.0)"
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy([]))
    assert info.gpus() == "none (cupy sees no device)"
    broken = fake_cupy([])
    broken.cuda = None
    monkeypatch.setitem(sys.modules, "cupy", broken)
    assert info.gpus().startswith("none (cupy: ")


def test_a_machine_without_cupy(monkeypatch):
    monkeypatch.setattr(info, "find_spec", lambda _: None)
    assert info.gpus() == "none (cupy is not installed)"
