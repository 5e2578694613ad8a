"""The data sets that scikit-learn ships."""

from __future__ import annotations

import numpy as np

NAMES = ("breast_cancer", "diabetes", "digits", "iris", "wine")


def named(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples and targets of a data set."""
    if name not in NAMES:
        raise ValueError(
            f"no data set {name!r}: the names are {', '.join(NAMES)}; a file ends in .npz, .csv, .svm, "
            ".libsvm or .svmlight, or give format="
        )
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(f"data set {name!r} needs scikit-learn: pip install 'gossamer[data]'") from error
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return np.ascontiguousarray(X, dtype=np.float64), y.astype(np.float64)
