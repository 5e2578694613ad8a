"""Linear algebra over stacks of matrices, a group at a time.

NumPy goes through a stack in one call, which Ctrl-C would wait for: over all nodes that may be minutes. A
group takes about a tenth of a second, or is one matrix; the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_WORK = 3e7  # cubes of sizes, which eigenvalues take some ten operations for each of


def groups(stack: np.ndarray) -> Iterator[slice]:
    """Yield slices that cut a stack of matrices (n, p, q) into groups.

    Parameters
    ----------
    stack : (n, p, q) array
        The matrices.
    """
    n, p, q = stack.shape
    size = max(int(_WORK / (max(p, q) * min(p, q) ** 2)), 1)
    for begin in range(0, n, size):
        yield slice(begin, begin + size)


def spectral_norms(stack: np.ndarray) -> np.ndarray:
    """Return the largest singular value of each matrix, (n,).

    Parameters
    ----------
    stack : (n, p, q) array
        The matrices.
    """
    return np.concatenate([np.linalg.norm(stack[part], 2, axis=(1, 2)) for part in groups(stack)])
