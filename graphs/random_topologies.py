"""Random graph families, with natural positions where there are some.

All take ``rng``: an int, a ``SeedSequence``, a ``Generator`` (which advances), or None for fresh entropy. The
default, 0, gives the same graph every time. A connected graph is returned unless ``connected=False``.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..kernels import checks
from ..kernels.random import Rng, make_key
from .graph import Graph, node_count
from .topologies import circle

__all__ = ["barabasi_albert", "erdos_renyi", "random_geometric", "random_regular", "watts_strogatz"]

_ATTEMPTS = 200  # draws before a family gives up on a connected graph


def random_regular(n: int, degree: int, rng: Rng = 0, *, connected: bool = True) -> Graph:
    """Random graph in which every node has the same degree.

    Parameters
    ----------
    n : int
        Number of nodes.
    degree : int
        Neighbours of every node; ``n * degree`` must be even and ``degree < n``.
    rng : int, SeedSequence, Generator or None
        Source of randomness.
    connected : bool
        Draw again until the graph is connected (almost always the first time for degree >= 3).

    Returns
    -------
    Graph
    """
    n, degree = node_count("n", n, least=1), checks.count("degree", degree, least=0)
    if degree >= n or n * degree % 2:
        raise ValueError(f"degree must be below n and n * degree even, got n = {n}, degree = {degree}")
    import networkx

    def draw(generator: np.random.Generator) -> Graph:
        found = networkx.random_regular_graph(degree, n, seed=generator)
        return Graph.from_edges(
            n, list(found.edges), positions=circle(n), name=f"random_regular({n}, {degree})"
        )

    return _draw(draw, rng, connected, "a larger degree")


def random_geometric(n: int, radius: float | None = None, rng: Rng = 0, *, connected: bool = True) -> Graph:
    """Random geometric (sensor) graph: points uniform in the unit square, linked when close.

    Parameters
    ----------
    n : int
        Number of nodes.
    radius : float, optional
        Largest distance of an edge. The default, ``sqrt(2 log(n) / (pi n))``, is sqrt(2) times the
        connectivity threshold, so that a connected graph comes within a few draws.
    rng : int, SeedSequence, Generator or None
        Source of randomness.
    connected : bool
        Draw again until the graph is connected.

    Returns
    -------
    Graph
        With positions and Euclidean edge lengths.
    """
    n = node_count("n", n, least=1)
    if radius is None:
        reach = math.sqrt(2.0 * math.log(max(n, 2)) / (math.pi * n))
    else:
        reach = checks.real("radius", radius, above=0.0)
    n_near = 0.5 * n * n * min(1.0, math.pi * reach * reach)
    checks.require_memory(
        100 * n_near, f"finding some {n_near:.3g} pairs of {n} points in reach", "take a smaller radius"
    )
    from scipy.spatial import KDTree

    def draw(generator: np.random.Generator) -> Graph:
        points = generator.random((n, 2))
        edges = KDTree(points).query_pairs(reach, output_type="ndarray")
        lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
        return Graph.from_edges(
            n, edges, lengths=lengths, positions=points, name=f"random_geometric({n}, {reach:.3g})"
        )

    return _draw(draw, rng, connected, "a larger radius")


def erdos_renyi(n: int, p: float | None = None, rng: Rng = 0, *, connected: bool = True) -> Graph:
    """Erdos-Renyi graph G(n, p): every pair is an edge with probability p, independently.

    Parameters
    ----------
    n : int
        Number of nodes.
    p : float, optional
        Edge probability in [0, 1]; by default ``min(1, 2 log(n) / n)``, twice the connectivity threshold.
    rng : int, SeedSequence, Generator or None
        Source of randomness.
    connected : bool
        Draw again until the graph is connected.

    Returns
    -------
    Graph
        Without positions.
    """
    n = node_count("n", n, least=1)
    probability = (
        min(1.0, 2.0 * math.log(max(n, 2)) / n) if p is None else checks.real("p", p, least=0.0, most=1.0)
    )

    n_pairs = n * (n - 1) // 2
    # NumPy shuffles all pairs to choose more than a fiftieth of them
    checks.require_memory(
        (100 * probability + 8 * (probability > 0.02)) * n_pairs,
        f"drawing some {probability * n_pairs:.3g} of {n_pairs} pairs of {n} nodes",
        "take a smaller p, or random_regular",
    )

    def draw(generator: np.random.Generator) -> Graph:
        # a binomial number of distinct pairs is the same law as n(n-1)/2 coin flips, in O(edges)
        chosen = generator.choice(n_pairs, size=generator.binomial(n_pairs, probability), replace=False)
        return Graph.from_edges(n, _unrank_pairs(chosen, n), name=f"erdos_renyi({n}, {probability:.3g})")

    return _draw(draw, rng, connected, "a larger p")


def barabasi_albert(n: int, m: int, rng: Rng = 0) -> Graph:
    """Barabasi-Albert preferential attachment; connected by construction.

    Parameters
    ----------
    n : int
        Number of nodes.
    m : int
        Edges brought by each new node, ``1 <= m < n``.
    rng : int, SeedSequence, Generator or None
        Source of randomness.

    Returns
    -------
    Graph
        ``m * (n - m)`` edges, without positions.
    """
    n, m = node_count("n", n, least=2), checks.count("m", m, least=1)
    if m >= n:
        raise ValueError(f"m must be below n, got n = {n}, m = {m}")
    import networkx

    found = networkx.barabasi_albert_graph(n, m, seed=_generator(rng))
    return Graph.from_edges(n, list(found.edges), name=f"barabasi_albert({n}, {m})")


def watts_strogatz(n: int, k: int, p: float, rng: Rng = 0, *, connected: bool = True) -> Graph:
    """Watts-Strogatz small world: a ring with k neighbours per node, edges rewired with probability p.

    Parameters
    ----------
    n : int
        Number of nodes.
    k : int
        Neighbours in the ring, even, ``2 <= k < n``.
    p : float
        Rewiring probability in [0, 1].
    rng : int, SeedSequence, Generator or None
        Source of randomness.
    connected : bool
        Draw again until the graph is connected.

    Returns
    -------
    Graph
        ``n * k / 2`` edges, placed on a circle.
    """
    n, k, probability = (
        node_count("n", n, least=3),
        checks.count("k", k, least=2),
        checks.real("p", p, least=0.0, most=1.0),
    )
    if k % 2 or k >= n:
        raise ValueError(f"k must be even and below n, got n = {n}, k = {k}")
    import networkx

    def draw(generator: np.random.Generator) -> Graph:
        found = networkx.watts_strogatz_graph(n, k, probability, seed=generator)
        return Graph.from_edges(
            n, list(found.edges), positions=circle(n), name=f"watts_strogatz({n}, {k}, {probability:g})"
        )

    return _draw(draw, rng, connected, "a larger k or a smaller p")


# ---------------------------------------------------------------------- helpers


def _generator(rng: Rng) -> np.random.Generator:
    return np.random.default_rng(make_key(rng))


def _draw(draw: Callable[[np.random.Generator], Graph], rng: Rng, connected: bool, remedy: str) -> Graph:
    generator = _generator(rng)
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
