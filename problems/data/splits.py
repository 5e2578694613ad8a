"""How the rows of one data set are dealt out to nodes, from homogeneous to as heterogeneous as possible.

| name | node i gets |
|---|---|
| `iid` | a random part |
| `contiguous` | a slice of the rows as they stand |
| `sorted` | a slice of the rows sorted by target: few labels a node |
| `dirichlet` | of each class, a share drawn from a Dirichlet distribution (`alpha`) |

All but `dirichlet` give parts whose sizes differ by at most one. Every node gets at least one row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...kernels.checks import as_array, count, frozen, real
from ...kernels.random import make_key
from .labels import label_array

SPLITS = ("iid", "contiguous", "sorted", "dirichlet")


def split_rows(
    targets: ArrayLike,
    n_nodes: int,
    split: str = "iid",
    *,
    alpha: float | None = None,
    bins: int | None = None,
    rng: Any = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Order the rows node by node.

    Parameters
    ----------
    targets : (M,) array_like
        Target or label of each row; none may be missing (NaN, NaT, None).
    n_nodes : int
        Number of nodes, 1 <= n <= M.
    split : {"iid", "contiguous", "sorted", "dirichlet"}
        See the module. `sorted` keeps the order of equal targets.
    alpha : float, optional
        Concentration of `dirichlet`, > 0: for each class, the nodes' shares are drawn from the symmetric
        Dirichlet distribution of this parameter. Towards 0 each class sits on one node; large values give
        near equal shares.
    bins : int, optional
        With `dirichlet`, the classes are this many quantile bins of the targets, for regression; by default
        each distinct target is a class.
    rng : None, int, SeedSequence or Generator
        Randomness of `iid` and `dirichlet`.

    Returns
    -------
    order : (M,) int64
        A permutation: rows `order[offsets[i]:offsets[i + 1]]` belong to node i.
    offsets : (n + 1,) int64
        Strictly increasing from 0 to M.

    Raises
    ------
    TypeError, ValueError
        More nodes than rows, an unknown split, `alpha` missing, not positive, or given to another split;
        targets that are missing or infinite, or not a vector; bins of texts.

    Examples
    --------
    >>> import numpy as np
    >>> order, offsets = split_rows(np.array([1, 0, 1, 0]), 2, "sorted")
    >>> order.tolist(), offsets.tolist()
    ([1, 3, 0, 2], [0, 2, 4])
    """
    n_nodes = count("n_nodes", n_nodes, least=1)
    targets = _checked(targets)
    n_rows = len(targets)
    if n_nodes > n_rows:
        raise ValueError(f"n_nodes = {n_nodes} exceeds the {n_rows} samples, and every node needs one")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if (alpha is not None) != (split == "dirichlet"):
        need = "needs alpha > 0" if alpha is None else "takes no alpha, which is for dirichlet"
        raise ValueError(f"split {split!r} {need}")
    if bins is not None:
        count("bins", bins, least=1)
        if targets.dtype.kind not in "iubf":
            raise TypeError(f"bins are of numbers, but targets have dtype {targets.dtype}: leave bins out")
    generator = np.random.default_rng(make_key(rng))
    if split == "dirichlet":
        classes = targets if bins is None else _quantile_bins(targets, bins)
        assert alpha is not None
        owners = _dirichlet_owners(classes, n_nodes, alpha, generator)
        sizes = np.bincount(owners, minlength=n_nodes)
        order = np.argsort(owners, kind="stable")
    else:
        sizes = np.full(n_nodes, n_rows // n_nodes)
        sizes[: n_rows % n_nodes] += 1
        if split == "iid":
            order = generator.permutation(n_rows)
        elif split == "sorted":
            order = np.argsort(targets, kind="stable")
        else:
            order = np.arange(n_rows)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return frozen(order.astype(np.int64)), frozen(offsets.astype(np.int64))


def _checked(targets: ArrayLike) -> np.ndarray:
    """Return targets that can be compared: a vector without NaN, which equals nothing, itself included."""
    array = as_array("targets", targets)
    if array.dtype.kind in "Mm" and array.ndim == 1:
        if np.isnat(array).any():
            i = int(np.argmax(np.isnat(array)))
            raise ValueError(f"targets must not be missing, but targets[{i}] is NaT; drop such rows")
        return array
    return label_array("targets", targets)


def _quantile_bins(targets: np.ndarray, bins: int) -> np.ndarray:
    """Bin of each target, where the bins hold equally many targets up to ties."""
    edges = np.quantile(targets, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, targets, side="right")


def _dirichlet_owners(
    classes: np.ndarray, n_nodes: int, alpha: float, generator: np.random.Generator
) -> np.ndarray:
    """Node of each row."""
    alpha = real("alpha", alpha, above=0)
    owners = np.empty(len(classes), dtype=np.int64)
    for value in np.unique(classes):
        members = generator.permutation(np.flatnonzero(classes == value))
        shares = generator.dirichlet(np.full(n_nodes, alpha))
        cuts = np.rint(np.cumsum(shares)[:-1] * len(members)).astype(np.int64)
        for node, part in enumerate(np.split(members, cuts)):
            owners[part] = node
    sizes = np.bincount(owners, minlength=n_nodes)
    for node in np.flatnonzero(sizes == 0):  # an empty node takes a random row of the largest
        donor = int(np.argmax(sizes))
        owners[generator.choice(np.flatnonzero(owners == donor))] = node
        sizes[donor] -= 1
        sizes[node] = 1
    return owners
