"""The keys of a table `problem` that say where its data are and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class LoadKeys:
    """Arguments of `gossamer.problems.load`, by their names there."""

    format: str | None = None
    target: str | int = -1
    header: bool | None = None
    sep: str | None = None
    decimal: str = "."
    missing: str = "refuse"
    zero_based: bool = False
    n_features: int | None = None


def load_data(table: Mapping[str, Any], folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples and targets that a table names, standardised and with an intercept if it says so.

    Parameters
    ----------
    table : mapping
        Its keys `data`, `standardize`, `intercept`, and those of `LoadKeys`.
    folder : Path
        Where paths to data start.
    """
    from .. import problems

    options = {field.name: table[field.name] for field in fields(LoadKeys)}
    is_file = bool(Path(table["data"]).suffix) or table["format"] is not None
    X, y = problems.load(folder / table["data"] if is_file else table["data"], **options)
    if table["standardize"]:
        X = problems.standardize(X)
    if table["intercept"]:
        X = problems.add_intercept(X)
    return X, y
