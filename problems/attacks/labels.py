"""What a faulty worker makes of its labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import checks


def flip_labels(labels: ArrayLike, n_classes: int | None = None) -> NDArray[Any]:
    """Return labels as a faulty worker reads them.

    Parameters
    ----------
    labels : array_like
        -1 and +1, which change places; or with `n_classes` integers c, which become ``n_classes - 1 - c``.
    n_classes : int, optional
        Number of classes, at least 2.

    Returns
    -------
    array
        A new one, of the same type.

    Raises
    ------
    ValueError
        Other labels.

    Examples
    --------
    >>> flip_labels([0, 1, 9], 10).tolist()
    [9, 8, 0]
    """
    given = checks.as_array("labels", labels)
    if n_classes is None:
        if given.dtype.kind not in "if" or not np.isin(given, (-1, 1)).all():  # unsigned: no -1 among them
            raise ValueError(
                f"labels must be -1 or +1, of a type that has both, got {given.dtype}; give n_classes for "
                "0, 1, ..., n_classes - 1"
            )
        return -given
    last = checks.count("n_classes", n_classes, least=2) - 1
    if given.size and not ((given == np.floor(given)).all() and given.min() >= 0 and given.max() <= last):
        raise ValueError(f"labels must be integers in 0..{last}, got {given.min()}..{given.max()}")
    return (last - given).astype(given.dtype)
