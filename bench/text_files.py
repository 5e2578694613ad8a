"""Time the loaders of CSV and LIBSVM files against pandas' and scikit-learn's.

`python -m gossamer.bench.text_files`; an argument is the size of the files in MB, 100 by default. Loader and
rival take turns; times are processor time, as all use one thread, of the fastest turn, and their ratio.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from sklearn.datasets import load_svmlight_file

from gossamer import problems

TURNS = 7
TARGETS = {"digits17": 1.3, "digits6": 1.3, "labels": 1.3, "libsvm": 1.0}  # time of ours over the rival's
N_FEATURES = 20


def write_csv(path: Path, size: float, digits: int, labels: bool) -> None:
    """Write normal numbers, and targets 0 and 1 or their names, until a file has `size` MB."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, N_FEATURES))
    targets = rng.integers(0, 2, len(X))
    names = np.array(["no", "yes"])[targets] if labels else targets
    lines = [",".join([*(f"{x:.{digits}g}" for x in row), str(y)]) for row, y in zip(X, names, strict=True)]
    header = ",".join(f"x{k}" for k in range(N_FEATURES)) + ",y\n"
    write(path, header, lines, size)


def write_libsvm(path: Path, size: float) -> None:
    """Write samples in which half of the features are there."""
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(2000):
        chosen = np.sort(rng.choice(2 * N_FEATURES, N_FEATURES, replace=False)) + 1
        lines.append(" ".join([rng.choice(["+1", "-1"]), *(f"{k}:{rng.normal():.6g}" for k in chosen)]))
    write(path, "", lines, size)


def write(path: Path, header: str, lines: list[str], size: float) -> None:
    """Write a header, and the lines again and again."""
    block = "\n".join(lines) + "\n"
    with path.open("w") as file:
        file.write(header + block * max(1, round(size * 1e6 / len(block))))


def seconds(call: Callable[[], Any]) -> float:
    """Processor time of a call."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def pandas_pair(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """What `load` returns, by pandas."""
    frame = pandas.read_csv(path)
    return frame.iloc[:, :-1].to_numpy(np.float64), frame.iloc[:, -1].to_numpy()


def main(size: float = 100.0) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("small.csv", "a,y\n1,2\n"), ("small.svm", "1 1:2\n")):  # compiles
            small = Path(folder) / name
            small.write_text(content)
            problems.load(small)
        cases: dict[str, tuple[Path, dict[str, Callable[[Path], Any]]]] = {}
        for name, digits, labels in (("digits17", 17, False), ("digits6", 6, False), ("labels", 17, True)):
            path = Path(folder) / f"{name}.csv"
            write_csv(path, size, digits, labels)
            cases[name] = path, {"read_csv": pandas.read_csv, "read_csv, as arrays": pandas_pair}
        path = Path(folder) / "a.svm"
        write_libsvm(path, size)
        cases["libsvm"] = path, {"load_svmlight_file": lambda path: load_svmlight_file(str(path))}
        for name, (path, rivals) in cases.items():
            times: dict[str, list[float]] = {key: [] for key in ("load", *rivals)}
            for _ in range(TURNS):
                times["load"].append(seconds(lambda path=path: problems.load(path)))
                for rival, read in rivals.items():
                    times[rival].append(seconds(lambda read=read, path=path: read(path)))
            ours = min(times["load"])
            for rival in rivals:
                ratio = ours / min(times[rival])
                verdict = "met" if ratio <= TARGETS[name] else "missed"
                print(
                    f"{name}, {path.stat().st_size / 1e6:.0f} MB: load {ours:.3f} s, {rival} "
                    f"{min(times[rival]):.3f} s, ratio {ratio:.2f} (at most "
                    f"{TARGETS[name]}: {verdict})"
                )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
