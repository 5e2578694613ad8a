"""Data sets by name or from a file, as `(X, y)`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...files import open_file
from ...kernels import text
from ...kernels.checks import real_array
from .content import COMPRESSED, content
from .csv import read_csv
from .named import NAMES, named
from .npz import read_npz

__all__ = ["NAMES", "add_intercept", "load", "standardize"]

_FORMATS = {".npz": "npz", ".csv": "csv"} | dict.fromkeys((".svm", ".libsvm", ".svmlight"), "libsvm")
_OPTIONS = {  # of each format, with their defaults
    "npz": {},
    "csv": {"target": -1, "header": None, "sep": None, "decimal": ".", "missing": "refuse"},
    "libsvm": {"zero_based": False, "n_features": None},
}


def load(
    name_or_path: str | Path,
    *,
    format: str | None = None,
    target: str | int = -1,
    header: bool | None = None,
    sep: str | None = None,
    decimal: str = ".",
    missing: str = "refuse",
    zero_based: bool = False,
    n_features: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Load samples and their targets.

    Text is UTF-8; lines end in LF, CR LF or CR; lines of blanks are passed over. Numbers are decimal,
    correctly rounded and finite. A text file that ends in `.gz` or `.bz2` is decompressed. The text and the
    matrix have at most 8 GiB. Pipes and devices are refused.

    Parameters
    ----------
    name_or_path : str or Path
        `breast_cancer`, `diabetes`, `digits`, `iris`, `wine` (scikit-learn ships them), or a file:

        * `.npz`: arrays `X` and `y`;
        * `.csv`: cells of numbers, the target column may hold labels; cells in quotes may hold separators;
        * `.svm`, `.libsvm`, `.svmlight`: lines `target index:value ...`, indices ascending, `#` for comments.
    format : {"npz", "csv", "libsvm"}, optional
        What the file is, whatever its ending.
    target : str or int
        The target column of a CSV file, by its name or position; the last by default. All others are
        features.
    header : bool, optional
        Whether the first line of a CSV file holds names. None: it does if none of its feature cells is a
        number, and does not if all are; a line that could be either is refused (0, 1, 2, ...; integers above
        fractions; a target that is a name above numbers, or that no other line has; a column without a name).
    sep : str, optional
        What separates cells of a CSV file. None: a comma, and a first line with another separator is refused.
    decimal : {".", ","}
        Decimal point of a CSV file.
    missing : {"refuse", "drop"}
        What to do with rows of a CSV file in which a cell is missing: empty, `?`, `NA`, `N/A`, `<NA>`,
        `NaN`, `NaT`, `null` or `None`.
    zero_based : bool
        Whether indices of a LIBSVM file begin at 0 instead of 1.
    n_features : int, optional
        Number of features of a LIBSVM file; by default the largest index. A test file takes that of the
        training file.

    Returns
    -------
    X : (M, d) float64
        Features.
    y : (M,) float64, or str for a CSV target column without numbers
        Targets or labels.

    Raises
    ------
    ValueError
        An unknown name or ending, an argument that is not for the format, or a file that cannot be read as it
        should, or in two ways; the file, the line, and the argument that decides are named.
    FileNotFoundError, IsADirectoryError
        No such file; a folder.
    MemoryError
        A file whose matrix takes more memory than there is.
    ImportError
        A named data set without scikit-learn.
    """
    path = Path(name_or_path)
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    given = {
        "target": target,
        "header": header,
        "sep": sep,
        "decimal": decimal,
        "missing": missing,
        "zero_based": zero_based,
        "n_features": n_features,
    }
    if format is None and not endings and not path.is_file():
        _options("a named data set", {}, given)
        return named(str(name_or_path))
    if format is None:
        if endings and endings[-1] in COMPRESSED:
            endings.pop()
        format = _FORMATS.get(endings[-1] if endings else "")
        if format is None:
            raise ValueError(
                f"cannot tell the format of {path} from its ending: use {', '.join(_FORMATS)}, or give "
                "format="
            )
    if not isinstance(format, str) or format not in _OPTIONS:
        raise ValueError(f"format must be one of {', '.join(_OPTIONS)}, got {format!r}")
    options = _options(f"a file of format {format!r}", _OPTIONS[format], given)
    if format == "npz":
        return read_npz(path)
    read = text.libsvm if format == "libsvm" else read_csv
    with open_file(path, most=text.MAX_BYTES) as file:
        try:
            return read(content(file, path.suffix.lower()), **options)
        except (ValueError, MemoryError) as error:
            separator = "," if str(error).startswith("line ") else ":"
            kind = ValueError if isinstance(error, ValueError) else MemoryError  # not their subclasses
            raise kind(f"{path}{separator} {error}") from error


def _options(what: str, known: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that a format takes; refuse others that are not the default."""
    defaults = {name: value for options in _OPTIONS.values() for name, value in options.items()}
    for name, value in given.items():
        if name not in known and value != defaults[name]:
            raise ValueError(f"{name} = {value!r} is not for {what}: leave it out")
    return {name: given[name] for name in known}


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
