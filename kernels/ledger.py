"""What runs count: one vector of integers, in an order that Python and the compiled loops share.

To count something more, add its name and its place; states, results and traces then have it.
"""

from __future__ import annotations

import numpy as np
from numba import types

from ._jit import array_type

NAMES = ("n_gradients", "n_communications", "bits", "bits_down")
GRADIENTS, COMMUNICATIONS, BITS, BITS_DOWN = range(len(NAMES))
LEDGER = array_type(types.int64, 1)


def new_ledger() -> np.ndarray:
    """Return a vector of zeros, one a name, for a loop to add to."""
    return np.zeros(len(NAMES), np.int64)
