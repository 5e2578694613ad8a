"""Digest of a problem and a graph: what a saved run needs to go on."""

from __future__ import annotations

import hashlib

import numpy as np

from ...graphs import Graph
from ...kernels import prox
from ...problems import Problem


def fingerprint(problem: Problem, graph: Graph) -> str:
    """Return a hexadecimal digest of the problem's data and the graph's edges.

    Parameters
    ----------
    problem : Problem
        Its class, the arrays that it was made from, and its sets. The code of a `Custom` objective does not
        count.
    graph : Graph
        Nodes and edges count, positions and names do not.

    Returns
    -------
    str
        32 characters.
    """
    digest = hashlib.blake2b(digest_size=16)
    oracle = problem.sample_oracle if problem.has_samples else problem.oracle
    digest.update(f"{type(problem).__name__} {problem.n_nodes} {problem.dim} {graph.n_nodes}".encode())
    digest.update(oracle.digest)
    for array in (graph.edges, prox.pack(problem.blocks, problem.dim)):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
