"""What theory needs to know of the messages of a round."""

from __future__ import annotations

import numpy as np

from ..kernels.compression import Compressor, PermK, compress_rows

WIDTH = 64  # bits of a number sent as it is


def message_share(compressor: Compressor, n_nodes: int, dim: int) -> float:
    """Return the bits of a round's messages over those of vectors sent as they are, at most 1.

    Parameters
    ----------
    compressor : Compressor
        Where its bits depend on the vector or on draws, those of one message of ones a node count.
    n_nodes, dim : int
        Messages a round, and their coordinates.
    """
    _, bits = compress_rows(compressor, np.ones((n_nodes, dim)), key=0)
    return min(1.0, bits / (WIDTH * dim * n_nodes))


def mean_variance(compressor: Compressor, n_nodes: int, dim: int) -> float:
    """Return A with E|mean C_i(v_i) - mean v_i|^2 <= A mean |v_i|^2 for the messages of a round.

    omega / n for independent messages; 1 for `PermK`, whose workers keep disjoint coordinates: exactly
    mean |v_i|^2 - |mean v_i|^2 (Szlendak, Tyurin & Richtarik 2022).

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
    if isinstance(compressor, PermK):
        if compressor.n_workers != n_nodes:
            raise ValueError(f"PermK must be of the {n_nodes} nodes, got n_workers={compressor.n_workers}")
        return 1.0 if n_nodes > 1 else 0.0
    return compressor.omega(dim) / n_nodes
