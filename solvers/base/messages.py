"""What theory needs to know of the messages of a round."""

from __future__ import annotations

import numpy as np

from ...kernels.compression import Composed, Compressor, PermK, compress_rows

WIDTH = 64  # bits of a number sent as it is
_SAMPLE = 10_000  # coordinates, at least, of the messages whose length is measured


def message_share(compressor: Compressor, n_nodes: int, dim: int) -> float:
    """Return the bits of a round's messages over those of vectors sent as they are, at most 1.

    Where the bits depend on the vector or on draws, those of vectors of ones count, and the mean of some.

    Parameters
    ----------
    compressor : Compressor
        Any.
    n_nodes, dim : int
        Messages a round, and their coordinates.

    Raises
    ------
    ValueError
        Messages that are almost always empty.
    """
    rounds = 1 + _SAMPLE // (n_nodes * dim)
    _, bits = compress_rows(compressor, np.ones((rounds * n_nodes, dim)), key=0)
    if bits == 0:
        raise ValueError(
            f"the messages of {compressor} on {dim} coordinates are almost always empty: set probability (of "
            "MARINA) or tau (of MASHA), or let the compressor keep more"
        )
    return min(1.0, bits / (WIDTH * dim * n_nodes * rounds))


def _chooser(compressor: Compressor) -> Compressor:
    return compressor.sparsifier if isinstance(compressor, Composed) else compressor


def sends_disjoint(compressor: Compressor) -> bool:
    """Whether the coordinates of a message depend on those of others: `PermK`, or `Composed` of it.

    Parameters
    ----------
    compressor : Compressor
        Any.
    """
    return isinstance(_chooser(compressor), PermK)


def disjoint(compressor: Compressor, n_nodes: int) -> bool:
    """Whether the messages of a round have disjoint coordinates: `PermK`, or `Composed` of it.

    Parameters
    ----------
    compressor : Compressor
        Any.
    n_nodes : int
        Messages a round.

    Raises
    ------
    ValueError
        A PermK for another number of workers.
    """
    chooses = _chooser(compressor)
    if not isinstance(chooses, PermK):
        return False
    if chooses.n_workers != n_nodes:
        raise ValueError(f"PermK must be of the {n_nodes} nodes, got n_workers={chooses.n_workers}")
    return True


def mean_variance(compressor: Compressor, n_nodes: int, dim: int) -> float:
    """Return A with E|mean C_i(v_i) - mean v_i|^2 <= A mean |v_i|^2 for the messages of a round.

    omega / n for independent messages. For `PermK`, whose workers keep disjoint coordinates, 1: exactly
    mean |v_i|^2 - |mean v_i|^2 (Szlendak, Tyurin & Richtarik 2022); for `Composed` of it (1 + omega) / n,
    since messages with disjoint coordinates are orthogonal (derived).

    Parameters
    ----------
    compressor : Compressor
        Unbiased.
    n_nodes, dim : int
        Messages a round, and their coordinates.

    Raises
    ------
    ValueError
        A PermK for another number of workers, or a biased compressor.
    """
    omega = compressor.omega(dim)
    if disjoint(compressor, n_nodes) and n_nodes > 1:
        return (1.0 + omega) / n_nodes
    return omega / n_nodes
