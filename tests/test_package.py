"""The package as a whole: its files, its imports, its documentation, and what the repository may hold."""

import ast
import dataclasses
import doctest
import enum
import importlib
import importlib.metadata
import inspect
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

import gossamer

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("graphs", "problems", "kernels", "solvers", "files")
NOT_PACKAGED = {"tests", "bench", "notebooks", "build", "dist", "out"}


def python(*arguments, cwd=ROOT, **environment):
    """Run this interpreter; fail with its output when it fails."""
    # a pytest within must not take itself for a worker of this one
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    run = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, env=inherited | environment
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def tracked_files():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def source_folders():
    """Every folder that holds Python files of the package, as the parts of its path from the root."""
    yield ()
    for top in ROOT.iterdir():
        if top.is_dir() and not top.name.startswith(".") and top.name not in NOT_PACKAGED:
            for path in top.rglob("*.py"):
                yield path.relative_to(ROOT).parts[:-1]


# files and versions


def test_the_source_distribution_takes_every_folder():
    """Those of the package by pyproject.toml, the others by MANIFEST.in."""
    grafted = set(re.findall(r"^graft (\S+)$", (ROOT / "MANIFEST.in").read_text(), re.MULTILINE))
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packaged = {name.split(".")[1] for name in settings["packages"] if "." in name}
    tops = {parts[0] for path in tracked_files() if len(parts := path.relative_to(ROOT).parts) > 1}
    assert tops - packaged == grafted


def test_every_folder_of_the_package_is_listed_in_pyproject():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = set(source_folders())
    without_init = sorted("/".join(f) for f in folders if not ROOT.joinpath(*f, "__init__.py").is_file())
    assert not without_init, "these folders have no __init__.py"
    assert settings["packages"] == sorted(".".join(("gossamer", *parts)) for parts in folders)


def test_the_versions_agree():
    assert gossamer.__version__ == importlib.metadata.version("gossamer")
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == gossamer.__version__


def test_no_machine_paths_in_tracked_files():
    """Not this machine's (where the checkout and the user's files are), and no home folder of another."""
    here = "|".join(re.escape(str(folder)) for folder in (ROOT, Path.home()) if folder != folder.parent)
    before = r"(?<![\w.~<>$}])"
    forbidden = re.compile(
        rf"{before}(?:{here})(?![\w-])|{before}/(?:home|Users)/\w|[A-Z]:\\{{1,2}}Users|file:///\w"
    )
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if match := forbidden.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []


# imports


def test_import_leaves_the_heavy_libraries_alone():
    heavy = ["cvxpy", "networkx", "matplotlib", "pandas", "sklearn", "topohub", "typer", "rich"]
    rooms = ", ".join(f"gossamer.{room}" for room in ROOMS)
    loaded = python("-c", f"import sys, gossamer, {rooms}; print([n for n in {heavy} if n in sys.modules])")
    assert loaded.strip() == "[]"


def test_each_module_is_imported_once():
    """pytest may not import the package again under the name of the checkout's folder, or of a room."""
    twice = [
        f"{name}: {file}"
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None))
        and Path(file).is_relative_to(ROOT)
        and Path(file).relative_to(ROOT).parts[0] not in NOT_PACKAGED | {".venv"}
        and name.partition(".")[0] != "gossamer"
        and name != "__main__"
    ]
    assert twice == []


@pytest.mark.parametrize("cwd", [ROOT, ROOT / "tests", ROOT.parent], ids=["root", "tests", "outside"])
def test_pytest_from_any_folder_imports_each_module_once(cwd):
    this = f"{__file__}::test_each_module_is_imported_once"
    assert "1 passed" in python("-m", "pytest", "-q", "-p", "no:cacheprovider", this, cwd=cwd)


def test_no_compiled_code_outside_kernels():
    found = []
    for room in ("graphs", "problems", "solvers"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or "", *(alias.name for alias in node.names)]
                compiling = {"numba", "njit", "lazy_njit"} & {name.partition(".")[0] for name in names}
                found += [f"{path.relative_to(ROOT)}:{node.lineno}: {name}" for name in compiling]
    assert found == []


# documentation


def public_packages():
    for room in ROOMS:
        package = importlib.import_module(f"gossamer.{room}")
        yield package
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if info.ispkg and not info.name.rpartition(".")[2].startswith("_"):
                yield importlib.import_module(info.name)


def public_objects():
    for package in public_packages():
        for name in getattr(package, "__all__", []):
            value = getattr(package, name)
            if inspect.isclass(value) or inspect.isroutine(value) or hasattr(value, "__wrapped__"):
                yield f"{package.__name__}.{name}", value


def documented_parameters(docstring):
    """Names that the sections Parameters, Other Parameters and Attributes of a docstring define."""
    lines = inspect.cleandoc(docstring).splitlines()
    titles = [i - 1 for i, line in enumerate(lines) if i and re.fullmatch(r"-{3,} *", line)]
    names = set()
    for start, end in pairwise([*titles, len(lines)]):
        if lines[start].strip() in ("Parameters", "Other Parameters", "Attributes"):
            for line in lines[start + 2 : end]:
                if line and not line[0].isspace():
                    names.update(name.strip(" *`") for name in line.partition(" :")[0].split(","))
    return names


def parameters(value):
    """Names of the parameters that a docstring has to define."""
    if inspect.isclass(value):
        if issubclass(value, (enum.Enum, BaseException)):
            return []
        if not dataclasses.is_dataclass(value) and not inspect.isfunction(value.__init__):
            return []
    names = inspect.signature(value).parameters
    return [name for name in names if name != "self" and not name.startswith("_")]


def documentation_faults(name, value):
    docstring = value.__doc__ or ""
    summary = docstring.strip().partition("\n")[0]
    if not summary or (inspect.isclass(value) and docstring.startswith(f"{value.__name__}(")):
        return [f"{name}: no docstring"]  # the second: what `dataclass` writes by itself
    missing = [p for p in parameters(value) if p not in documented_parameters(docstring)]
    return [f"{name}: Parameters do not name {missing}"] if missing else []


def test_public_packages_say_what_is_public():
    silent = [
        package.__name__
        for package in public_packages()
        if not hasattr(package, "__all__")
        and any(
            getattr(value, "__module__", "").startswith(package.__name__) and not name.startswith("_")
            for name, value in vars(package).items()
            if callable(value)
        )
    ]
    assert silent == []


def test_public_objects_are_documented():
    assert [fault for name, value in public_objects() for fault in documentation_faults(name, value)] == []


def test_the_documentation_check_finds_faults():
    def good(x, *rest, axis=0):
        """Sum.

        Parameters
        ----------
        x, *rest : array
            Summands.
        axis : int
            Axis.

        Returns
        -------
        total : array
            Their sum.
        """

    def partial(x, total):
        """Sum.

        Parameters
        ----------
        x : array
            Summand.

        Returns
        -------
        total : array
            Not a parameter.
        """

    @dataclasses.dataclass
    class Undocumented:
        x: int

    assert documentation_faults("good", good) == []
    assert documentation_faults("partial", partial) == ["partial: Parameters do not name ['total']"]
    assert documentation_faults("Undocumented", Undocumented) == ["Undocumented: no docstring"]
    assert documentation_faults("none", lambda: None) == ["none: no docstring"]


def modules():
    """Every module of the package, by name; the listing of pyproject.toml keeps tests and the like out."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    for package in settings["packages"]:
        yield package
        folder = ROOT.joinpath(*package.split(".")[1:])
        yield from (f"{package}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", sorted(modules()))
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    """All of them: no example may hide in an object that doctest does not look into."""
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    assert result.attempted == len(re.findall(r"^ *>>> ", inspect.getsource(module), re.MULTILINE))


def readme(language):
    """The blocks of README.md in a language."""
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert blocks
    return blocks


def test_the_examples_of_the_readme_run(tmp_path):
    """In order, in one process, as a reader would paste them."""
    script = tmp_path / "readme.py"
    script.write_text("\n".join(readme("python")))
    python(str(script), cwd=tmp_path, MPLBACKEND="Agg")


def test_the_commands_of_the_readme_run(tmp_path):
    lines = [line for block in readme("bash") for line in block.splitlines() if line.startswith("gossamer ")]
    assert len(lines) >= 4
    folder = Path(sys.executable).parent
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    assert (tmp_path / "out" / "figure.png").is_file()


def pytest_commands():
    """The arguments of each pytest command of CONTRIBUTING.md."""
    lines = re.findall(r"^\.venv/bin/pytest (.+)$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def test_there_are_pytest_commands():
    assert len(pytest_commands()) >= 3


@pytest.mark.parametrize("arguments", pytest_commands(), ids=" ".join)
def test_the_pytest_commands_of_contributing_select_something(arguments):
    """An exit status of 5, which `python` refuses, says that nothing was selected."""
    assert "::" in python("-m", "pytest", *arguments, "--collect-only", "-q", "-p", "no:cacheprovider")


def test_the_makefile_has_the_targets_of_the_readme():
    named = {word for block in readme("bash") for word in re.findall(r"^make (\S+)", block, re.MULTILINE)}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named
    assert named <= targets


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"])
def test_links_lead_to_files_of_the_repository(document):
    tracked = {str(path.relative_to(ROOT)) for path in tracked_files()}
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / document).read_text())
    local = {link.partition("#")[0] for link in links if "://" not in link} - {""}
    assert local <= tracked


# files


def test_files_are_written_in_one_way():
    """Through `gossamer.files.whole_file` and what stands on it: whole or not at all."""
    plain = re.compile(
        r"""open\([^)]*["'][wax]b?\+?["']|\.write_(?:text|bytes)\(|\bsavefig\(|\bnp\.save|\.to_csv\(\s*["']"""
    )
    within = {("cli/figures.py", "figure.savefig(file"), ("files/npz.py", "archive.open(")}  # an open draft
    found = []
    for room in (*ROOMS, "cli", "bench"):
        for path in sorted((ROOT / room).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            for number, line in enumerate(path.read_text().splitlines(), 1):
                writes = plain.search(line) and "/proc/" not in line and name != "files/writing.py"
                if writes and not any(name == file and part in line for file, part in within):
                    found.append(f"{name}:{number}: {line.strip()}")
    assert found == []
