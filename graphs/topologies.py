"""Deterministic graph families, with natural positions."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import checks
from .graph import Graph, node_count

__all__ = [
    "barbell",
    "binary_tree",
    "complete",
    "cycle",
    "exponential",
    "grid_2d",
    "hypercube",
    "lollipop",
    "path",
    "star",
    "torus_2d",
]


def complete(n: int) -> Graph:
    """Complete graph on n nodes: n(n-1)/2 edges, placed on a circle.

    Parameters
    ----------
    n : int
        Number of nodes, at least 1.

    Returns
    -------
    Graph
    """
    n = node_count("n", n, least=1)
    return Graph(n, _pairs(n), positions=circle(n), name=f"complete({n})")


def cycle(n: int) -> Graph:
    """Cycle (ring) of n nodes and n edges, placed on a circle.

    Parameters
    ----------
    n : int
        Number of nodes, at least 3 (use :func:`path` below that).

    Returns
    -------
    Graph
    """
    n = node_count("n", n, least=3)
    i = np.arange(n)
    edges = np.column_stack([i, (i + 1) % n])
    return Graph.from_edges(n, edges, positions=circle(n), name=f"cycle({n})")


def path(n: int) -> Graph:
    """Path (line) of n nodes and n - 1 edges.

    Parameters
    ----------
    n : int
        Number of nodes, at least 1.

    Returns
    -------
    Graph
    """
    n = node_count("n", n, least=1)
    i = np.arange(n - 1)
    positions = np.column_stack([np.arange(float(n)), np.zeros(n)])
    return Graph(n, np.column_stack([i, i + 1]), positions=positions, name=f"path({n})")


def star(n: int) -> Graph:
    """Star of n nodes: node 0 is the hub, the other n - 1 are leaves.

    Parameters
    ----------
    n : int
        Number of nodes, hub included, at least 1.

    Returns
    -------
    Graph
    """
    n = node_count("n", n, least=1)
    edges = np.column_stack([np.zeros(n - 1, dtype=np.int64), np.arange(1, n)])
    positions = np.vstack([np.zeros((1, 2)), circle(n - 1)])
    return Graph(n, edges, positions=positions, name=f"star({n})")


def grid_2d(rows: int, cols: int) -> Graph:
    """Rectangular grid; node ``r * cols + c`` stands at row r and column c.

    Parameters
    ----------
    rows, cols : int
        Side lengths in nodes, at least 1 each.

    Returns
    -------
    Graph
        ``rows * cols`` nodes and ``rows * (cols - 1) + (rows - 1) * cols`` edges.
    """
    rows, cols = node_count("rows", rows, least=1), node_count("cols", cols, least=1)
    node_count("rows * cols", rows * cols, least=1)
    node = np.arange(rows * cols).reshape(rows, cols)
    edges = np.vstack([_links(node[:, :-1], node[:, 1:]), _links(node[:-1], node[1:])])
    return Graph.from_edges(
        rows * cols, edges, positions=_lattice(rows, cols), name=f"grid_2d({rows}, {cols})"
    )


def torus_2d(rows: int, cols: int) -> Graph:
    """Rectangular grid with both sides wrapped around; every node has 4 neighbours.

    Parameters
    ----------
    rows, cols : int
        Side lengths in nodes, at least 3 each (a side of 2 would double its edges).

    Returns
    -------
    Graph
        ``rows * cols`` nodes and ``2 * rows * cols`` edges.
    """
    rows, cols = node_count("rows", rows, least=3), node_count("cols", cols, least=3)
    node_count("rows * cols", rows * cols, least=1)
    node = np.arange(rows * cols).reshape(rows, cols)
    edges = np.vstack([_links(node, np.roll(node, -1, axis=1)), _links(node, np.roll(node, -1, axis=0))])
    return Graph.from_edges(
        rows * cols, edges, positions=_lattice(rows, cols), name=f"torus_2d({rows}, {cols})"
    )


def hypercube(dim: int) -> Graph:
    """Hypercube: nodes are the binary words of ``dim`` bits, edges flip one bit.

    Parameters
    ----------
    dim : int
        Dimension, at least 0.

    Returns
    -------
    Graph
        ``2**dim`` nodes and ``dim * 2**(dim - 1)`` edges, drawn as a linear projection.
    """
    dim = checks.count("dim", dim, least=0, most=30)
    node = np.arange(2**dim)
    bits = (node[:, None] >> np.arange(dim)) & 1
    edges = [_links(node[bits[:, b] == 0], node[bits[:, b] == 0] + 2**b) for b in range(dim)]
    # halving the directions two by two keeps the projected nodes apart
    angle = np.pi * np.arange(dim) / max(dim, 1)
    directions = np.column_stack([np.cos(angle), np.sin(angle)]) * 0.62 ** (np.arange(dim) // 2)[:, None]
    return Graph.from_edges(
        2**dim, np.vstack(edges) if edges else [], positions=bits @ directions, name=f"hypercube({dim})"
    )


def barbell(k: int) -> Graph:
    """Two k-cliques joined by one edge, the classic bottleneck.

    Parameters
    ----------
    k : int
        Nodes in each clique, at least 2.

    Returns
    -------
    Graph
        ``2k`` nodes and ``k(k-1) + 1`` edges; the bridge is ``(k - 1, k)``.
    """
    k = node_count("k", k, least=2)
    edges = np.vstack([_pairs(k), [[k - 1, k]], k + _pairs(k)])
    left = _clique(k)
    right = left[::-1] * [-1.0, 1.0] + [2.0 + max(1.0, np.pi / k), 0.0]
    return Graph(2 * k, edges, positions=np.vstack([left, right]), name=f"barbell({k})")


def lollipop(k: int, length: int) -> Graph:
    """A k-clique with a path of ``length`` more nodes attached to its last node.

    Parameters
    ----------
    k : int
        Nodes of the clique, at least 2.
    length : int
        Nodes of the attached path, at least 0.

    Returns
    -------
    Graph
        ``k + length`` nodes and ``k(k-1)/2 + length`` edges.
    """
    k, length = node_count("k", k, least=2), node_count("length", length, least=0)
    i = np.arange(k - 1, k + length - 1)
    edges = np.vstack([_pairs(k), np.column_stack([i, i + 1])])
    spacing = max(0.7, 2.0 * np.sin(np.pi / k))
    tail = np.column_stack([1.0 + spacing * np.arange(1, length + 1), np.zeros(length)])
    return Graph.from_edges(
        k + length, edges, positions=np.vstack([_clique(k), tail]), name=f"lollipop({k}, {length})"
    )


def binary_tree(depth: int) -> Graph:
    """Complete binary tree; node i has the children 2i + 1 and 2i + 2.

    Parameters
    ----------
    depth : int
        Number of edges from the root to a leaf, at least 0.

    Returns
    -------
    Graph
        ``2**(depth + 1) - 1`` nodes.
    """
    depth = checks.count("depth", depth, least=0, most=30)
    n = 2 ** (depth + 1) - 1
    child = np.arange(1, n)
    level = np.floor(np.log2(np.arange(1, n + 1))).astype(np.int64)
    place = np.arange(1, n + 1) - 2**level
    positions = np.column_stack([(place + 0.5) * 2.0 ** (depth - level), -1.0 * level])
    return Graph(
        n, np.column_stack([(child - 1) // 2, child]), positions=positions, name=f"binary_tree({depth})"
    )


def exponential(n: int) -> Graph:
    """Static exponential graph: node i is linked to ``i + 2**k`` and ``i - 2**k`` modulo n.

    The undirected form of the graph of Ying et al., "Exponential graph is provably efficient for
    decentralized deep training" (NeurIPS 2021); about 2 log2(n) neighbours for a node.

    Parameters
    ----------
    n : int
        Number of nodes, at least 1.

    Returns
    -------
    Graph
    """
    n = node_count("n", n, least=1)
    i = np.arange(n)
    hops = [2**k for k in range(max(n - 1, 0).bit_length()) if 2**k < n]
    edges = np.vstack([_links(i, (i + h) % n) for h in hops]) if hops else []
    return Graph.from_edges(n, edges, positions=circle(n), name=f"exponential({n})")


# ---------------------------------------------------------------------- helpers


def _pairs(n: int) -> NDArray[Any]:
    """All pairs i < j in lexicographic order."""
    # a mask of all entries of a matrix, then pairs of int64 that are sorted and become int32
    checks.require_memory(
        40 * n * n,
        f"the list of all {n * (n - 1) // 2} pairs of {n} nodes",
        "take a sparse topology, such as random_regular or exponential",
    )
    return np.column_stack(np.triu_indices(n, 1))


def _links(a: ArrayLike, b: ArrayLike) -> NDArray[Any]:
    return np.column_stack([np.ravel(a), np.ravel(b)])


def circle(n: int) -> NDArray[np.float64]:
    """Place n points on the unit circle, clockwise from the top."""
    angle = 0.5 * np.pi - 2.0 * np.pi * np.arange(n) / max(n, 1)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _clique(k: int) -> NDArray[np.float64]:
    """Place k points on the unit circle, the last one rightmost."""
    angle = -2.0 * np.pi * np.arange(1, k + 1) / k
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _lattice(rows: int, cols: int) -> NDArray[np.float64]:
    r, c = np.divmod(np.arange(rows * cols), cols)
    return np.column_stack([c, -r]).astype(np.float64)
