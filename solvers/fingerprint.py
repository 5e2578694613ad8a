"""Digest of a solver, a problem and a graph: what a saved run needs to go on."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from ..graphs import GossipRates, Graph
from ..problems import Problem


def fingerprint(solver: Any, problem: Problem, graph: Graph) -> str:
    """Return a hexadecimal digest of the solver's fields, the problem's data and the graph's edges.

    Parameters
    ----------
    solver : Solver
        A dataclass; its fields count.
    problem : Problem
        Its curvature bounds and the arrays of its oracle count. The code of a `Custom` objective does not.
    graph : Graph
        Nodes and edges count, positions and names do not.

    Returns
    -------
    str
        32 characters.
    """
    digest = hashlib.blake2b(digest_size=16)

    def add(value: Any) -> None:
        if isinstance(value, GossipRates):
            add(value.rates)
        elif isinstance(value, np.ndarray):
            digest.update(f"{value.dtype.str}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).data)
        elif isinstance(value, list | tuple):
            digest.update(f"{len(value)}".encode())
            for part in value:
                add(part)
        else:
            digest.update(repr(value).encode() + b";")

    for field in dataclasses.fields(solver):
        add(field.name)
        add(getattr(solver, field.name))
    add([problem.n_nodes, problem.dim, float(problem.smoothness), float(problem.strong_convexity)])
    add(tuple(problem.oracle.data))
    add(graph.n_nodes)
    add(graph.edges)
    return digest.hexdigest()
