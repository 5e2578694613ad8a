"""What all loops of rounds share: their one signature, gradients, mixing, messages, the ledger.

A method is one kernel `method(setting, start, count, steps, rows, shared, ledger)` with the signature
`ROUNDS` that does rounds number start, ..., start + count - 1. `rows[v]` (n, d) is its variable v at all
nodes, and `rows[0]` the iterates; `shared` (s, d) holds what a server and all nodes have in common, and
`shared[0]` the iterate where there is a server. Round 0 first fills in the variables that need gradients.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from .._jit import INLINED, NO_ALIAS, array_type, inner_njit
from ..checks import bound_to_this_process, frozen
from ..compression.rows import row_at
from ..gossip.cpu import mix_row
from ..ledger import BITS, BITS_DOWN, COMMUNICATIONS, GRADIENTS, LEDGER
from ..oracles.batches import BATCHES, Batches, draw_batch
from ..oracles.types import DATA, OracleData, gradient_at

WIDTH = 64  # bits of a number sent as it is

_NOTHING = frozen(np.empty(0))
_NO_KEY = np.uint64(0)


class Setting(NamedTuple):
    """What a loop reads and never writes; what a method has no use for is empty.

    Attributes
    ----------
    indptr, indices, weights : arrays
        Mixing matrix in rows, as `gossip.Mixer` holds it.
    copies : (n,) int64
        How many others a message of each node goes to.
    copies_down : int
        How many nodes a server's message goes to; 0 where there is no server.
    n_links : int
        Pairs of nodes that exchange messages in a round.
    gradient : int
        Address of the oracle's gradient.
    data : OracleData
        Of the oracle.
    batches : Batches
        Mini-batches.
    compress : int
        Address of the compressor's function, of signature `compression.ROW`.
    parameters : (any,) float64
        Of the compressor.
    key : uint64
        Of the compressor's draws.
    compress_down, parameters_down, key_down
        The same for the server's messages.
    blocks : (any,) float64
        Sets that the iterates lie in, as `prox.pack` makes them.
    """

    indptr: np.ndarray
    indices: np.ndarray
    weights: np.ndarray
    copies: np.ndarray
    copies_down: int
    n_links: int
    gradient: int
    data: OracleData
    batches: Batches
    compress: int
    parameters: np.ndarray
    key: np.uint64
    compress_down: int = 0
    parameters_down: np.ndarray = _NOTHING
    key_down: np.uint64 = _NO_KEY
    blocks: np.ndarray = _NOTHING

    __reduce__ = bound_to_this_process


SETTING = types.NamedTuple(
    [
        array_type(types.uint64, 1, readonly=True),
        array_type(types.uint32, 1, readonly=True),
        array_type(types.float64, 1, readonly=True),
        array_type(types.int64, 1, readonly=True),
        types.int64,
        types.int64,
        types.int64,
        DATA,
        BATCHES,
        types.int64,
        array_type(types.float64, 1, readonly=True),
        types.uint64,
        types.int64,
        array_type(types.float64, 1, readonly=True),
        types.uint64,
        array_type(types.float64, 1, readonly=True),
    ],
    Setting,
)

ROUNDS = types.void(
    SETTING,
    types.int64,  # number of the first round
    types.int64,  # how many
    array_type(types.float64, 1, readonly=True),  # steps and other numbers of the method
    array_type(types.float64, 3),  # rows (v, n, d)
    array_type(types.float64, 2),  # shared (s, d)
    LEDGER,
)


@inner_njit(**INLINED)
def batch_gradient(gradient, data, batches, number, i, x, stamps, picked, out):
    """Set `out` to the gradient of f_i at x, over batch `number`; the same number draws the same batch.

    Loops over nodes take `gradient_at(setting.gradient)` and the fields of the setting before the loop: a
    setting is a hundred words to pass, which takes longer than mixing short rows.

    `stamps` is `new_stamps(batches)`, new for each call of the loop; `picked` has the batch's size.
    """
    use = draw_batch(batches, i, np.uint64(number), stamps, number, picked)
    gradient(i, x, picked[:use], data, out)


@inner_njit()
def node_gradient(setting, turn, i, x, stamps, picked, out):
    """`batch_gradient` of message `turn` of node i, for loops where its time does not matter."""
    gradient, number = gradient_at(setting.gradient), turn * setting.copies.shape[0] + i
    batch_gradient(gradient, setting.data, setting.batches, number, i, x, stamps, picked, out)


@inner_njit()
def gradients(setting, turn, X, stamps, picked, out, ledger):
    """Set out[i] to the gradient of f_i at X[i], for all nodes."""
    n = out.shape[0]
    gradient, data, batches = gradient_at(setting.gradient), setting.data, setting.batches
    for i in range(n):
        batch_gradient(gradient, data, batches, turn * n + i, i, X[i], stamps, picked, out[i])
    ledger[GRADIENTS] += n


@inner_njit(**INLINED)
def mix_at(indptr, indices, weights, i, X, out):
    """Set `out` to the mean of the rows of X that node i takes: row i of W X."""
    begin, end = indptr[i], indptr[i + 1]
    mix_row(weights[begin:end], indices[begin:end], X, out)


@inner_njit()
def mixed(setting, i, X, out):
    """`mix_at`, for loops where its time does not matter."""
    mix_at(setting.indptr, setting.indices, setting.weights, i, X, out)


@inner_njit()
def send(setting, turn, i, x, out, ledger):
    """Set `out` to what the others make of node i's message x, of number `turn`, which sets its draws."""
    compress = row_at(setting.compress)
    n = setting.copies.shape[0]
    bits = compress(x, setting.key, np.uint64(turn * n + i), setting.parameters, out)
    ledger[BITS] += bits * setting.copies[i]


@inner_njit()
def send_whole(setting, dim, ledger):
    """Count a message of all coordinates from each node, and the exchange over each link."""
    for i in range(setting.copies.shape[0]):
        ledger[BITS] += WIDTH * dim * setting.copies[i]
    ledger[COMMUNICATIONS] += setting.n_links


@inner_njit()
def send_down(setting, dim, ledger):
    """Count a message of all coordinates from the server to each of the others, if there is one."""
    ledger[BITS] += WIDTH * dim * setting.copies_down
    ledger[BITS_DOWN] += WIDTH * dim * setting.copies_down


@inner_njit()
def answer(setting, turn, x, out, ledger):
    """Set `out` to what the nodes make of the server's message x, of number `turn`."""
    compress = row_at(setting.compress_down)
    bits = compress(x, setting.key_down, np.uint64(turn), setting.parameters_down, out)
    ledger[BITS] += bits * setting.copies_down
    ledger[BITS_DOWN] += bits * setting.copies_down


@inner_njit(forceinline=True, **NO_ALIAS)
def move(x, step, g):
    """Move x by -step g."""
    for c in range(x.shape[0]):
        x[c] -= step * g[c]
