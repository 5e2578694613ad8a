"""Check gossamer as installed from its wheel, without extras: its files, its commands, and one small problem.

Run it with the interpreter of the environment to check, outside the checkout, as `python -I .ci/smoke.py`.
"""

import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def fail_unless(condition: bool, message: str) -> None:
    """Exit with the message when the condition does not hold (`assert` would not survive `python -O`)."""
    if not condition:
        sys.exit(f"smoke: {message}")


def check_files() -> int:
    """The wheel holds every file of the package's folders, and nothing else of the checkout."""
    rooms = [folder for folder in ROOT.iterdir() if (folder / "__init__.py").is_file()]
    sources = {path for room in rooms for path in room.rglob("*") if path.is_file()}
    sources |= set(ROOT.glob("*.py")) | {ROOT / "py.typed"}
    expected = {
        f"gossamer/{path.relative_to(ROOT)}"
        for path in sources
        if "__pycache__" not in path.parts and path.suffix != ".md"
    }
    installed = {
        str(path)
        for path in importlib.metadata.files("gossamer") or []
        if ".dist-info" not in path.parts[0] and ".." not in path.parts and "__pycache__" not in path.parts
    }
    missing, extra = sorted(expected - installed), sorted(installed - expected)
    fail_unless(not missing, f"not in the wheel: {missing}; see packages and package-data in pyproject.toml")
    fail_unless(not extra, f"in the wheel, but not in the checkout's package folders: {extra}")
    return len(installed)


def check_commands() -> None:
    """The command line starts and answers."""
    command = Path(sys.executable).with_name("gossamer")
    for argument in ("--help", "info"):
        subprocess.run([command, argument], check=True, stdout=subprocess.DEVNULL)


def check_solution() -> float:
    """DADAO finds the minimiser of a small least-squares problem on a ring."""
    import numpy as np

    from gossamer import graphs, problems, solvers

    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal((40, 3)), rng.standard_normal(40)
    problem = problems.LeastSquares.from_data(features, targets, n_nodes=4, l2=0.1, rng=0)
    result = solvers.DADAO().solve(problem, graphs.cycle(4), tol=1e-8, rng=0)
    fail_unless(result.success, f"DADAO did not converge: {result.message}")
    error = float(np.linalg.norm(result.x - problem.solution()))
    fail_unless(error < 1e-6, f"DADAO's solution is {error:.1e} away from the minimiser")
    return error


def main() -> None:
    """Run every check; exit with a message at the first that fails."""
    import gossamer

    fail_unless(ROOT not in Path(gossamer.__file__).resolve().parents, f"imported {gossamer.__file__}")
    version = importlib.metadata.version("gossamer")
    fail_unless(gossamer.__version__ == version, f"version {gossamer.__version__}, metadata {version}")
    extras = [
        name for name in ("matplotlib", "pandas", "sklearn", "topohub") if importlib.util.find_spec(name)
    ]
    fail_unless(
        not extras, f"{extras} came along, so this run says nothing of an installation without extras"
    )
    n_files = check_files()
    check_commands()
    error = check_solution()
    print(
        f"smoke: gossamer {version} on Python {platform.python_version()}: "
        f"{n_files} files, commands run, DADAO within {error:.1e} of the minimiser"
    )


if __name__ == "__main__":
    main()
