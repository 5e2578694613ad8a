"""Archives of the arrays X and y."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...files import open_npz


def read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return X and y, as float64 or texts."""
    with open_npz(path) as archive:
        X, y = archive["X"], archive["y"]
        if X.ndim != 2 or y.shape != X.shape[:1]:
            raise ValueError(f"X must be (M, d) and y (M,), got shapes {X.shape} and {y.shape}")
        for name, array in (("X", X), ("y", y)):
            if array.dtype.kind not in ("fiub" if name == "X" else "fiubSU"):
                raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
        return X.astype(np.float64, copy=False), y if y.dtype.kind in "SU" else y.astype(np.float64)
