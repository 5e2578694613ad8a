"""Compiled kernels, functions on arrays: one family a folder.

`random` (counter-based random numbers), `oracles` (gradients and objectives of the nodes), `events` (Poisson
events and the DADAO loop), `asynchronous` (loops over events), `gossip` (rows mixed with their neighbours'),
`compression` (sparsifiers, quantisers, their bits), `aggregation` (robust means of many vectors), `rounds`
(the loops of synchronous methods), `iterates` (means and sizes of the nodes' rows), `prox` (projections onto
simple sets), `sparse` (graph Laplacians: solves and effective resistances), `text` (numbers in LIBSVM files
and tables). In each family `reference.py` is the definition, in NumPy, and `cpu.py`, or several files
`cpu_*.py`, the Numba kernels; the public functions check their arguments.
"""

from . import (
    aggregation,
    asynchronous,
    compression,
    events,
    gossip,
    iterates,
    oracles,
    prox,
    random,
    rounds,
    sparse,
    text,
)

__all__ = [
    "aggregation",
    "asynchronous",
    "compression",
    "events",
    "gossip",
    "iterates",
    "oracles",
    "prox",
    "random",
    "rounds",
    "sparse",
    "text",
]
