"""Deterministic and random graph families, each with natural positions where it has some.

Random families take ``rng`` (None, an int, a ``SeedSequence`` or a ``Generator``, as
:func:`numpy.random.default_rng` does) and return a connected graph unless ``connected=False``.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .graph import Graph

__all__ = [
    "barabasi_albert",
    "barbell",
    "binary_tree",
    "complete",
    "cycle",
    "erdos_renyi",
    "exponential",
    "grid_2d",
    "hypercube",
    "lollipop",
    "path",
    "random_geometric",
    "random_regular",
    "star",
    "torus_2d",
    "watts_strogatz",
]

_ATTEMPTS = 200  # draws before a random family gives up on a connected graph


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
    n = _integer("n", n, 1)
    return Graph(n, _pairs(n), positions=_circle(n), name=f"complete({n})")


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
    n = _integer("n", n, 3)
    i = np.arange(n)
    edges = np.column_stack([i, (i + 1) % n])
    return Graph.from_edges(n, edges, positions=_circle(n), name=f"cycle({n})")


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
    n = _integer("n", n, 1)
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
    n = _integer("n", n, 1)
    edges = np.column_stack([np.zeros(n - 1, dtype=np.int64), np.arange(1, n)])
    positions = np.vstack([np.zeros((1, 2)), _circle(n - 1)])
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
    rows, cols = _integer("rows", rows, 1), _integer("cols", cols, 1)
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
    rows, cols = _integer("rows", rows, 3), _integer("cols", cols, 3)
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
    dim = _integer("dim", dim, 0)
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
    k = _integer("k", k, 2)
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
    k, length = _integer("k", k, 2), _integer("length", length, 0)
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
    depth = _integer("depth", depth, 0)
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
    n = _integer("n", n, 1)
    i = np.arange(n)
    hops = [2**k for k in range(max(n - 1, 0).bit_length()) if 2**k < n]
    edges = np.vstack([_links(i, (i + h) % n) for h in hops]) if hops else []
    return Graph.from_edges(n, edges, positions=_circle(n), name=f"exponential({n})")


def random_regular(n: int, degree: int, rng: Any = None, *, connected: bool = True) -> Graph:
    """Random graph in which every node has the same degree.

    Parameters
    ----------
    n : int
        Number of nodes.
    degree : int
        Neighbours of every node; ``n * degree`` must be even and ``degree < n``.
    rng : None, int, SeedSequence or Generator
        Source of randomness.
    connected : bool
        Draw again until the graph is connected (almost always the first time for degree >= 3).

    Returns
    -------
    Graph
    """
    n, degree = _integer("n", n, 1), _integer("degree", degree, 0)
    if degree >= n or n * degree % 2:
        raise ValueError(f"degree must be below n and n * degree even, got n = {n}, degree = {degree}")
    import networkx

    def draw(generator: np.random.Generator) -> Graph:
        found = networkx.random_regular_graph(degree, n, seed=generator)
        return Graph.from_edges(
            n, list(found.edges), positions=_circle(n), name=f"random_regular({n}, {degree})"
        )

    return _draw(draw, rng, connected, "a larger degree")


def random_geometric(
    n: int, radius: float | None = None, rng: Any = None, *, connected: bool = True
) -> Graph:
    """Random geometric (sensor) graph: points uniform in the unit square, linked when close.

    Parameters
    ----------
    n : int
        Number of nodes.
    radius : float, optional
        Largest distance of an edge. The default, ``sqrt(2 log(n) / (pi n))``, is sqrt(2) times the
        connectivity threshold, so that a connected graph comes within a few draws.
    rng : None, int, SeedSequence or Generator
        Source of randomness.
    connected : bool
        Draw again until the graph is connected.

    Returns
    -------
    Graph
        With positions and Euclidean edge lengths.
    """
    n = _integer("n", n, 1)
    reach = (
        math.sqrt(2.0 * math.log(max(n, 2)) / (math.pi * n)) if radius is None else _real("radius", radius)
    )
    if not (math.isfinite(reach) and reach > 0):
        raise ValueError(f"radius must be positive and finite, got {radius}")
    from scipy.spatial import KDTree

    def draw(generator: np.random.Generator) -> Graph:
        points = generator.random((n, 2))
        edges = KDTree(points).query_pairs(reach, output_type="ndarray")
        lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
        return Graph.from_edges(
            n, edges, lengths=lengths, positions=points, name=f"random_geometric({n}, {reach:.3g})"
        )

    return _draw(draw, rng, connected, "a larger radius")


def erdos_renyi(n: int, p: float | None = None, rng: Any = None, *, connected: bool = True) -> Graph:
    """Erdos-Renyi graph G(n, p): every pair is an edge with probability p, independently.

    Parameters
    ----------
    n : int
        Number of nodes.
    p : float, optional
        Edge probability in [0, 1]; by default ``min(1, 2 log(n) / n)``, twice the connectivity threshold.
    rng : None, int, SeedSequence or Generator
        Source of randomness.
    connected : bool
        Draw again until the graph is connected.

    Returns
    -------
    Graph
        Without positions.
    """
    n = _integer("n", n, 1)
    probability = min(1.0, 2.0 * math.log(max(n, 2)) / n) if p is None else _probability("p", p)

    def draw(generator: np.random.Generator) -> Graph:
        # a binomial number of distinct pairs is the same law as n(n-1)/2 coin flips, in O(edges)
        n_pairs = n * (n - 1) // 2
        chosen = generator.choice(n_pairs, size=generator.binomial(n_pairs, probability), replace=False)
        return Graph.from_edges(n, _unrank_pairs(chosen, n), name=f"erdos_renyi({n}, {probability:.3g})")

    return _draw(draw, rng, connected, "a larger p")


def barabasi_albert(n: int, m: int, rng: Any = None) -> Graph:
    """Barabasi-Albert preferential attachment; connected by construction.

    Parameters
    ----------
    n : int
        Number of nodes.
    m : int
        Edges brought by each new node, ``1 <= m < n``.
    rng : None, int, SeedSequence or Generator
        Source of randomness.

    Returns
    -------
    Graph
        ``m * (n - m)`` edges, without positions.
    """
    n, m = _integer("n", n, 2), _integer("m", m, 1)
    if m >= n:
        raise ValueError(f"m must be below n, got n = {n}, m = {m}")
    import networkx

    found = networkx.barabasi_albert_graph(n, m, seed=np.random.default_rng(rng))
    return Graph.from_edges(n, list(found.edges), name=f"barabasi_albert({n}, {m})")


def watts_strogatz(n: int, k: int, p: float, rng: Any = None, *, connected: bool = True) -> Graph:
    """Watts-Strogatz small world: a ring with k neighbours per node, edges rewired with probability p.

    Parameters
    ----------
    n : int
        Number of nodes.
    k : int
        Neighbours in the ring, even, ``2 <= k < n``.
    p : float
        Rewiring probability in [0, 1].
    rng : None, int, SeedSequence or Generator
        Source of randomness.
    connected : bool
        Draw again until the graph is connected.

    Returns
    -------
    Graph
        ``n * k / 2`` edges, placed on a circle.
    """
    n, k, probability = _integer("n", n, 3), _integer("k", k, 2), _probability("p", p)
    if k % 2 or k >= n:
        raise ValueError(f"k must be even and below n, got n = {n}, k = {k}")
    import networkx

    def draw(generator: np.random.Generator) -> Graph:
        found = networkx.watts_strogatz_graph(n, k, probability, seed=generator)
        return Graph.from_edges(
            n, list(found.edges), positions=_circle(n), name=f"watts_strogatz({n}, {k}, {probability:g})"
        )

    return _draw(draw, rng, connected, "a larger k or a smaller p")


# ---------------------------------------------------------------------- helpers


def _draw(draw: Callable[[np.random.Generator], Graph], rng: Any, connected: bool, remedy: str) -> Graph:
    generator = np.random.default_rng(rng)
    graph = draw(generator)
    if not connected:
        return graph
    for _ in range(_ATTEMPTS):
        if graph.is_connected:
            return graph
        graph = draw(generator)
    raise ValueError(
        f"no connected graph in {_ATTEMPTS} draws; the last was {graph!r} with {graph.n_components} "
        f"components. Ask for {remedy}, or pass connected=False"
    )


def _integer(name: str, value: Any, least: int) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def _probability(name: str, value: float) -> float:
    number = _real(name, value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name} must be in [0, 1], got {value}")
    return number


def _real(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None


def _pairs(n: int) -> NDArray[Any]:
    """All pairs i < j in lexicographic order."""
    return np.column_stack(np.triu_indices(n, 1))


def _links(a: ArrayLike, b: ArrayLike) -> NDArray[Any]:
    return np.column_stack([np.ravel(a), np.ravel(b)])


def _circle(n: int) -> NDArray[np.float64]:
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


def _unrank_pairs(rank: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Pairs (i, j), i < j, at the given places of their lexicographic order."""
    b = 2 * n - 1
    i = np.floor((b - np.sqrt(float(b) ** 2 - 8.0 * rank)) / 2.0).astype(np.int64)

    def first(row: NDArray[np.int64]) -> NDArray[np.int64]:
        return row * (b - row) // 2

    # the square root may be off by one place near the start of a row
    i -= first(i) > rank
    i += first(i + 1) <= rank
    return np.column_stack([i, rank - first(i) + i + 1])
