"""Data sets by name or from a file, as `(X, y)`."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..files import open_npz
from ..kernels.checks import real_array

NAMES = ("breast_cancer", "diabetes", "digits", "iris", "wine")

_LIBSVM = (".libsvm", ".svm", ".svmlight")
_MAX_BYTES = 8 * 2**30  # of a dense matrix; an index typed wrong in a sparse file asks for more


def load(name_or_path: str | Path, *, target: str | int = -1) -> tuple[np.ndarray, np.ndarray]:
    """Load samples and their targets.

    Parameters
    ----------
    name_or_path : str or Path
        `breast_cancer`, `diabetes`, `digits`, `iris`, `wine` (scikit-learn ships them), or a file:

        * `.npz`: arrays `X` and `y`;
        * `.csv`: commas; the first line is a header if none of its feature cells is a number;
        * `.svm`, `.libsvm`, `.svmlight`: lines `target index:value ...`, indices from 1 and ascending.
    target : str or int
        The target column of a CSV file, by its header or position; the last by default. All others are
        features.

    Returns
    -------
    X : (M, d) float64
        Features.
    y : (M,) float64, or str for a CSV target column that is not numeric
        Targets or labels.

    Raises
    ------
    ValueError
        An unknown name or ending, or a file that cannot be read as it should; the file and line are named.
    FileNotFoundError
        No such file.
    ImportError
        A named data set without scikit-learn.
    """
    path = Path(name_or_path)
    suffix = path.suffix.lower()
    if not suffix and not path.is_file():
        return _named(str(name_or_path))
    readers = {".npz": _read_npz, ".csv": lambda path: _read_csv(path, target)}
    readers |= dict.fromkeys(_LIBSVM, _read_libsvm)
    if suffix not in readers:
        raise ValueError(f"cannot tell the format of {path} from its ending: use {', '.join(readers)}")
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        return readers[suffix](path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from error


def standardize(X: ArrayLike) -> np.ndarray:
    """Shift and scale each column to mean 0 and standard deviation 1; constant columns become 0.

    Parameters
    ----------
    X : (M, d) array_like
        Samples.

    Returns
    -------
    (M, d) float64 array

    Raises
    ------
    TypeError, ValueError
        X is not a matrix of finite numbers.

    Examples
    --------
    >>> standardize([[1.0, 5.0], [3.0, 5.0]]).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    X = real_array("X", X, 2)
    centred = X - X.mean(axis=0)
    deviations = centred.std(axis=0)
    # rounding of the mean leaves a constant column with a tiny deviation
    is_constant = deviations <= 4 * np.finfo(float).eps * np.abs(X).max(axis=0, initial=0.0)
    return np.where(is_constant, 0.0, centred / np.where(is_constant, 1.0, deviations))


def add_intercept(X: ArrayLike) -> np.ndarray:
    """Append a column of ones.

    Parameters
    ----------
    X : (M, d) array_like
        Samples.

    Returns
    -------
    (M, d + 1) float64 array

    Raises
    ------
    TypeError, ValueError
        X is not a matrix of finite numbers.
    """
    X = real_array("X", X, 2)
    return np.column_stack([X, np.ones(len(X))])


def _named(name: str) -> tuple[np.ndarray, np.ndarray]:
    if name not in NAMES:
        raise ValueError(
            f"no data set {name!r}: the names are {', '.join(NAMES)}; a file ends in .npz, .csv, .svm, "
            ".libsvm or .svmlight"
        )
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(f"data set {name!r} needs scikit-learn: pip install 'gossamer[data]'") from error
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return np.ascontiguousarray(X, dtype=np.float64), y.astype(np.float64)


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with open_npz(path) as archive:
        X, y = archive["X"], archive["y"]
        if X.ndim != 2 or y.shape != X.shape[:1]:
            raise ValueError(f"X must be (M, d) and y (M,), got shapes {X.shape} and {y.shape}")
        for name, array in (("X", X), ("y", y)):
            if array.dtype.kind not in ("fiub" if name == "X" else "fiubSU"):
                raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
        return X.astype(np.float64, copy=False), y if y.dtype.kind in "SU" else y.astype(np.float64)


def _read_csv(path: Path, target: str | int) -> tuple[np.ndarray, np.ndarray]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}") from error
    if not lines:
        raise ValueError(f"{path} is empty")
    number, first = lines[0]
    if len(first) < 2:
        raise ValueError(f"{path}, line {number}: need at least one feature and a target, found {first}")
    column = _target_column(path, first, target)
    numeric = [_is_number(cell) for k, cell in enumerate(first) if k != column]
    names = [f"column {k + 1}" for k in range(len(first))]
    if isinstance(target, str) or not any(numeric):
        names = [f"column {k + 1} ({name})" for k, name in enumerate(first)]
        lines = lines[1:]
        if not lines:
            raise ValueError(f"{path} has a header and no data")
    X = np.empty((len(lines), len(first) - 1))
    y = []
    for i, (number, cells) in enumerate(lines):
        if len(cells) != len(names):
            raise ValueError(
                f"{path}, line {number}: {len(cells)} cells, but the first line has {len(names)}"
            )
        y.append(cells[column])
        features = [k for k in range(len(cells)) if k != column]
        X[i] = [_number(cells[k], f"{path}, line {number}, {names[k]}") for k in features]
    if any(_is_number(cell) for cell in y):
        name = names[column]
        places = (f"{path}, line {number}, {name}" for number, _ in lines)
        return X, np.array([_number(cell, place) for cell, place in zip(y, places, strict=True)])
    return X, np.array(y)


def _target_column(path: Path, first: list[str], target: str | int) -> int:
    if isinstance(target, str):
        if first.count(target) != 1:
            raise ValueError(f"{path}: target {target!r} must name one column of {', '.join(first)}")
        return first.index(target)
    if not -len(first) <= target < len(first):
        raise ValueError(f"{path}: target {target} is not one of the {len(first)} columns")
    return target % len(first)


def _read_libsvm(path: Path) -> tuple[np.ndarray, np.ndarray]:
    targets: list[float] = []
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            place = f"{path}, line {number}"
            label, *pairs = line.partition("#")[0].split() or [""]
            if not label:
                continue
            targets.append(_number(label, place))
            last = 0
            for pair in pairs:
                index, _, value = pair.partition(":")
                if not (index.isascii() and index.isdigit()):
                    raise ValueError(f"{place}: {pair!r} is not index:value")
                if int(index) <= last:
                    raise ValueError(f"{place}: indices must start at 1 and ascend, got {index} after {last}")
                last = int(index)
                rows.append(len(targets) - 1)
                columns.append(last - 1)
                values.append(_number(value, f"{place}, index {last}"))
    if not columns:
        raise ValueError(f"{path} has no sample with a feature")
    shape = len(targets), max(columns) + 1
    if 8 * math.prod(shape) > _MAX_BYTES:
        raise ValueError(f"{path}: as a dense matrix of shape {shape} the features exceed {_MAX_BYTES} bytes")
    X = np.zeros(shape)
    X[rows, columns] = values
    return X, np.array(targets)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # Python reads 1_000 as a number, no data file does


def _number(text: str, place: str) -> float:
    if not _is_number(text):
        raise ValueError(f"{place}: {text!r} is not a number")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{place}: {text!r} is not finite: remove or impute such entries")
    return value
