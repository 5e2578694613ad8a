"""Compressed communication: what a node sends instead of a vector, and exactly how many bits that takes.

Sparsifiers keep some coordinates: `RandK`, `BlockRandK`, `PermK`, `Bernoulli` (drawn), `TopK` (the largest).
Quantisers keep all with few bits: `QSGD`, `TernGrad`, `Natural`, `ScaledSign`. `LowRank` sends factors of a
matrix, `Identity` everything. `Composed` quantises what a sparsifier keeps, `PerBlock` works block by block.
A compressor is a small object of parameters: `compress` makes a `Payload` with `dense`, `add_to`, `nbits` and
`to_bytes`; `omega` and `contraction` are the constants that step sizes need. `compress_rows` runs one over
the rows of a matrix in a compiled loop.

Every random decision is Philox with a key and the message's number: the same coordinates on every backend,
whatever the order and the threads.

Examples
--------
>>> import numpy as np
>>> from gossamer.kernels import compression
>>> x = np.arange(6.0)
>>> message = compression.TopK(2).compress(x)
>>> message.dense()
array([0., 0., 0., 0., 4., 5.])
>>> message.nbits, len(message.to_bytes())  # two values, two indices
(136, 17)
"""

from .base import Compressor, Payload
from .combined import Composed, PerBlock
from .lowrank import LowRank
from .quantised import QSGD, Natural, ScaledSign, TernGrad
from .row_function import RowFunction, row_function
from .rows import ROW, ROW_POINTER
from .run import compress_rows
from .sparse import Bernoulli, BlockRandK, Identity, PermK, RandK, TopK
from .sparsifier import Sparsifier
from .subsets import rand_k, top_k, top_k_error_feedback

__all__ = [
    "QSGD",
    "ROW",
    "ROW_POINTER",
    "Bernoulli",
    "BlockRandK",
    "Composed",
    "Compressor",
    "Identity",
    "LowRank",
    "Natural",
    "Payload",
    "PerBlock",
    "PermK",
    "RandK",
    "RowFunction",
    "ScaledSign",
    "Sparsifier",
    "TernGrad",
    "TopK",
    "compress_rows",
    "rand_k",
    "row_function",
    "top_k",
    "top_k_error_feedback",
]
