"""Labels of classes, from lists, arrays and columns of data frames."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...kernels.checks import as_array, frozen


def label_array(name: str, labels: ArrayLike) -> np.ndarray:
    """Return labels as a vector of numbers or of texts, none of which is missing.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    labels : (M,) array_like
        Numbers, booleans or texts, not mixed; columns of pandas, Arrow and Polars, categorical ones too.

    Raises
    ------
    TypeError, ValueError
        Another type or shape, a mixture, a masked array, a sparse matrix; a label that is missing (NaN, None,
        NaT, NA) or infinite.
    """
    array = as_array(name, labels)
    if array.dtype.kind == "T":  # NumPy's texts of variable length, which may have missing ones
        array = array.astype(object)
    if array.ndim != 1:
        column = "; take the column" if array.ndim == 2 and array.shape[1] == 1 else ""
        raise ValueError(f"{name} must have 1 dimension, got shape {array.shape}{column}")
    if array.dtype.kind == "O" or (array.dtype.kind in "US" and isinstance(labels, list | tuple)):
        array = _texts(name, array, labels if isinstance(labels, list | tuple) else array)
    if array.dtype.kind not in "iubUSf":
        raise TypeError(f"{name} must be numbers or strings, got dtype {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        i = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{name} must be finite, but {name}[{i}] is {array[i]}; drop rows without a label")
    return array


def number_classes(name: str, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct labels, ascending, and the number of each label among them, both read-only."""
    classes, codes = np.unique(label_array(name, labels), return_inverse=True)
    return frozen(classes), frozen(codes.astype(np.float64))


def sign_classes(name: str, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the two classes, ascending, and the labels as -1.0 (the first) and +1.0, both read-only."""
    array = label_array(name, labels)
    values = np.unique(array)
    if array.dtype.kind not in "US":
        for pair in ((-1, 1), (0, 1)):
            if np.isin(values, pair).all():
                values = np.array(pair, array.dtype if array.dtype.kind != "u" else np.int64)
                break
    if values.size != 2:
        shown = ", ".join(map(str, values[:10])) + (", ..." if values.size > 10 else "")
        raise ValueError(f"{name} must take two values, got {values.size}: {shown}")
    return frozen(values), frozen(np.where(array == values[1], 1.0, -1.0))


def _texts(name: str, array: np.ndarray, given: Iterable[Any]) -> np.ndarray:
    """Return texts as NumPy's; refuse missing ones, and other types, which NumPy would turn into texts."""
    for i, entry in enumerate(given):
        if isinstance(entry, str | bytes):
            continue
        if entry is None or type(entry).__name__ in ("NAType", "NaTType") or entry != entry:
            raise ValueError(
                f"{name} must not be missing, but {name}[{i}] is {entry}; drop rows without a label"
            )
        raise TypeError(
            f"{name} must be numbers or strings, not mixed, but {name}[{i}] is {reprlib.repr(entry)}, of "
            f"type {type(entry).__name__}"
        )
    return array.astype(str) if array.dtype.kind == "O" else array
