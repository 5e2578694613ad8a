"""The immutable undirected graph that every other module takes."""

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import checks

if TYPE_CHECKING:
    import networkx
    from scipy.sparse import csr_array

__all__ = ["Graph"]

_MAX_NODES = 2**31 - 1  # node indices are int32


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """An undirected simple graph on the nodes ``0 .. n_nodes - 1``.

    Build it with :meth:`from_edges` or :meth:`from_networkx`, or with a function of
    :mod:`gossamer.graphs`; the constructor itself expects edges in canonical order. All arrays are
    read-only, so a graph can be shared freely between solvers, threads and results.

    Parameters
    ----------
    n_nodes : int
        Number of nodes, at least 1.
    edges : (m, 2) int32 array
        Each edge once as ``(i, j)`` with ``i < j``, rows in lexicographic order. Everything that is
        "per edge" in the package (rates, lengths, resistances) follows this order.
    positions : (n, 2) float64 array, optional
        Coordinates for drawing; (longitude, latitude) in degrees for real networks.
    lengths : (m,) float64 array, optional
        Non-negative edge lengths; kilometres for real networks.
    labels : tuple of str, optional
        One name per node; names need not be distinct.
    name : str
        A name for messages and titles; not part of equality.

    Examples
    --------
    >>> from gossamer.graphs import Graph
    >>> g = Graph.from_edges(4, [(2, 1), (0, 1), (3, 2)], name="chain")
    >>> g
    Graph('chain', n_nodes=4, n_edges=3)
    >>> g.edges.tolist(), g.degrees.tolist(), g.is_connected
    ([[0, 1], [1, 2], [2, 3]], [1, 2, 2, 1], True)
    """

    n_nodes: int
    edges: NDArray[Any]
    positions: NDArray[np.float64] | None = None
    lengths: NDArray[np.float64] | None = None
    labels: tuple[str, ...] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        n = node_count("n_nodes", self.n_nodes)
        edges = _edge_array(self.edges, n)
        key = edges[:, 0] * n + edges[:, 1]
        if np.any(edges[:, 0] >= edges[:, 1]) or np.any(np.diff(key) <= 0):
            raise ValueError("edges must be unique, sorted rows (i, j) with i < j; use Graph.from_edges")
        fields = {
            "n_nodes": n,
            "edges": checks.frozen(edges.astype(np.int32, order="C")),
            "positions": _check_positions(self.positions, n),
            "lengths": _check_lengths(self.lengths, len(edges)),
            "labels": _check_labels(self.labels, n),
            "name": str(self.name),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    # ------------------------------------------------------------------ constructors

    @classmethod
    def from_edges(
        cls,
        n_nodes: int,
        edges: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        positions: ArrayLike | None = None,
        labels: Any = None,
        name: str = "",
        parallel: str = "merge",
    ) -> "Graph":
        """Build a graph from edges in any order and orientation.

        Self-loops are dropped with a ``UserWarning``.

        Parameters
        ----------
        n_nodes : int
            Number of nodes, at least 1. Nodes without an edge are allowed.
        edges : (m, 2) array_like of int
            Pairs of node indices in ``0 .. n_nodes - 1``; may be empty.
        lengths : (m,) array_like of float, optional
            Finite, non-negative length of each given edge.
        positions : (n_nodes, 2) array_like of float, optional
            Finite coordinates.
        labels : sequence of n_nodes str, optional
            Node names.
        name : str
            Name of the graph.
        parallel : {"merge", "refuse"}
            Several edges between two nodes: merge them, with the shortest of their lengths, or refuse them.

        Returns
        -------
        Graph

        Raises
        ------
        TypeError
            If ``n_nodes`` or an edge is not an integer, or lengths or positions are not real numbers.
        ValueError
            If an index is out of range, an array has a wrong shape or a non-finite value, or an edge is given
            twice and ``parallel`` refuses that.

        Examples
        --------
        >>> Graph.from_edges(3, [(2, 0), (0, 2), (1, 0)], lengths=[5.0, 4.0, 1.0]).lengths.tolist()
        [1.0, 4.0]
        """
        if parallel not in ("merge", "refuse"):
            raise ValueError(f"parallel must be 'merge' or 'refuse', got {parallel!r}")
        n = node_count("n_nodes", n_nodes)
        pairs = _edge_array(edges, n)
        given = _check_lengths(lengths, len(pairs))
        loops = pairs[:, 0] == pairs[:, 1]
        if loops.any():
            warn(
                f"{int(loops.sum())} self-loop(s) dropped, the first at node {int(pairs[loops][0, 0])}: "
                "a node does not talk to itself over an edge"
            )
            pairs = pairs[~loops]
            given = None if given is None else given[~loops]
        low, high = pairs.min(axis=1), pairs.max(axis=1)
        key, first, inverse = np.unique(low * n + high, return_index=True, return_inverse=True)
        if parallel == "refuse" and len(key) < len(pairs):
            pair = pairs[np.setdiff1d(np.arange(len(pairs)), first)[0]].tolist()
            raise ValueError(f"the edge {pair} is given more than once; parallel='merge' merges such edges")
        merged = None
        if given is not None:
            merged = np.full(len(key), np.inf)
            np.minimum.at(merged, inverse, given)
        unique = np.column_stack([key // n, key % n])
        return cls(n, unique, positions=positions, lengths=merged, labels=labels, name=name)  # type: ignore[arg-type]

    @classmethod
    def from_networkx(
        cls,
        graph: "networkx.Graph",
        *,
        length: str = "length",
        name: str | None = None,
        parallel: str = "merge",
    ) -> "Graph":
        """Convert an undirected networkx graph.

        Nodes that are exactly the integers ``0 .. n - 1`` keep their numbers; other nodes are numbered
        in networkx order and their names become the labels, where they have no node attribute ``label``.
        The node attribute ``pos`` (a pair; or else ``Longitude`` and ``Latitude``, or ``x`` and ``y``, where
        they are numbers) and the edge attribute named by ``length`` are kept when every node (edge) has them,
        and ignored with a ``UserWarning`` when only some have.

        Parameters
        ----------
        graph : networkx.Graph or networkx.MultiGraph
            Self-loops are dropped with a warning, isolated nodes kept.
        length : str
            Edge attribute that holds the lengths; no other is read.
        name : str, optional
            Name of the result; by default the networkx graph's own.
        parallel : {"merge", "refuse"}
            As of :meth:`from_edges`.

        Returns
        -------
        Graph

        Raises
        ------
        TypeError
            If ``graph`` is directed or not a networkx graph.
        ValueError
            If it has no node, or a position or length is no number.
        """
        if not (hasattr(graph, "is_directed") and hasattr(graph, "nodes")):
            raise TypeError(
                f"graph must be a networkx graph, got {type(graph).__name__}; see Graph.from_edges"
            )
        if graph.is_directed():
            raise TypeError("graph is directed, but gossip is two-way; convert it with graph.to_undirected()")
        nodes = list(graph.nodes)
        n = len(nodes)
        if n == 0:
            raise ValueError("graph has no node; a Graph needs at least one")
        numbered = all(isinstance(v, (int, np.integer)) for v in nodes) and set(nodes) == set(range(n))
        if numbered:
            nodes = list(range(n))
        index = {v: i for i, v in enumerate(nodes)}
        edges = [(index[u], index[v]) for u, v in graph.edges()]
        title = str(graph.graph.get("name", "")) if name is None else name
        where = title or "this graph"
        lengths = whole([graph.edges[e].get(length) for e in graph.edges], f"{length!r}", f"edges of {where}")
        positions = whole([position_of(graph.nodes[v]) for v in nodes], "'pos'", f"nodes of {where}")
        labels = [graph.nodes[v].get("label") for v in nodes]
        if all(label is None for label in labels) and numbered:
            labels = None
        else:  # a node without a label has its name, which is nothing if it is a number
            names = [""] * n if numbered else nodes
            labels = [str(b if a is None else a) for a, b in zip(labels, names, strict=True)]
        return cls.from_edges(
            n, edges, lengths=lengths, positions=positions, labels=labels, name=title, parallel=parallel
        )

    def to_networkx(self) -> "networkx.Graph":
        """Convert to a ``networkx.Graph`` with nodes ``0 .. n - 1``.

        Returns
        -------
        networkx.Graph
            Node attributes ``pos`` and ``label``, edge attribute ``length`` and the graph attribute
            ``name``, as far as they are known. :meth:`from_networkx` gives an equal graph back.
        """
        import networkx

        graph = networkx.Graph(name=self.name) if self.name else networkx.Graph()
        graph.add_nodes_from(range(self.n_nodes))
        pairs = self.edges.tolist()
        if self.lengths is None:
            graph.add_edges_from(pairs)
        else:
            graph.add_edges_from(
                (i, j, {"length": d}) for (i, j), d in zip(pairs, self.lengths.tolist(), strict=True)
            )
        if self.positions is not None:
            positions = {i: tuple(p) for i, p in enumerate(self.positions.tolist())}
            networkx.set_node_attributes(graph, positions, "pos")
        if self.labels is not None:
            networkx.set_node_attributes(graph, dict(enumerate(self.labels)), "label")
        return graph

    # ------------------------------------------------------------------ structure

    @property
    def n_edges(self) -> int:
        """Number of edges m."""
        return len(self.edges)

    @cached_property
    def degrees(self) -> NDArray[np.int64]:
        """Number of neighbours of each node, an (n,) read-only int64 array."""
        return checks.frozen(np.bincount(self.edges.ravel(), minlength=self.n_nodes))

    @property
    def adjacency(self) -> "csr_array":
        """The (n, n) 0/1 adjacency matrix, a new float64 ``scipy.sparse.csr_array`` at every call."""
        from scipy.sparse import csr_array

        i, j = self.edges[:, 0], self.edges[:, 1]
        ones = np.ones(2 * self.n_edges)
        rows, columns = np.concatenate([i, j]), np.concatenate([j, i])
        return csr_array((ones, (rows, columns)), shape=(self.n_nodes, self.n_nodes))

    @cached_property
    def _components(self) -> NDArray[np.int32]:
        from scipy.sparse.csgraph import connected_components

        return connected_components(self.adjacency, directed=False)[1]

    @property
    def n_components(self) -> int:
        """Number of connected components, by traversal."""
        return int(self._components.max()) + 1

    @property
    def is_connected(self) -> bool:
        """Whether every node can be reached from every other one, by traversal."""
        return self.n_components == 1

    def require_connected(self, purpose: str = "this") -> None:
        """Raise a ``ValueError`` if the graph is not connected.

        Parameters
        ----------
        purpose : str
            What needs the connected graph; begins the message.
        """
        if not self.is_connected:
            largest = int(np.bincount(self._components).max())
            raise ValueError(
                f"{purpose} needs a connected graph, but {self!r} has {self.n_components} components "
                f"(the largest has {largest} nodes); add edges or use graph.largest_component()"
            )

    def largest_component(self) -> "Graph":
        """Return the largest connected component (the one with the smallest node among equals).

        Returns
        -------
        Graph
            Nodes renumbered in their old order; positions, lengths and labels are kept. The graph
            itself if it is connected.
        """
        if self.is_connected:
            return self
        keep = self._components == np.argmax(np.bincount(self._components))
        new = np.cumsum(keep) - 1
        inside = keep[self.edges[:, 0]]
        return Graph(
            int(keep.sum()),
            new[self.edges[inside]],
            positions=None if self.positions is None else self.positions[keep],
            lengths=None if self.lengths is None else self.lengths[inside],
            labels=None if self.labels is None else tuple(np.array(self.labels, dtype=object)[keep]),
            name=self.name,
        )

    # ------------------------------------------------------------------ identity

    def __eq__(self, other: object) -> bool:
        """Compare everything but the name."""
        if not isinstance(other, Graph):
            return NotImplemented
        return (
            self.n_nodes == other.n_nodes
            and self.labels == other.labels
            and np.array_equal(self.edges, other.edges)
            and _same(self.positions, other.positions)
            and _same(self.lengths, other.lengths)
        )

    def __hash__(self) -> int:
        return hash((self.n_nodes, self.edges.tobytes()))

    def __repr__(self) -> str:
        name = f"{self.name!r}, " if self.name else ""
        return f"Graph({name}n_nodes={self.n_nodes}, n_edges={self.n_edges})"

    def __reduce__(self) -> tuple[Any, ...]:
        # through the constructor, because unpickled arrays would be writable
        return Graph, (self.n_nodes, self.edges, self.positions, self.lengths, self.labels, self.name)


def _same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))


def _edge_array(edges: Any, n: int) -> NDArray[np.int64]:
    """Check shape, type and range; the result is int64 so that i * n + j cannot overflow."""
    checks.require_plain("edges", edges)
    try:
        array = np.asarray(edges if hasattr(edges, "__array__") else list(edges))
    except (TypeError, ValueError):
        raise ValueError("edges must be an (m, 2) array or a list of pairs of node indices") from None
    if array.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"edges must have shape (m, 2), got {array.shape}")
    if array.dtype.kind not in "iu":
        raise TypeError(f"edges must hold integer node indices, got dtype {array.dtype}")
    bad = np.any((array < 0) | (array >= n), axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"edges[{row}] = {array[row].tolist()} is out of range for n_nodes = {n}")
    return array.astype(np.int64)


def _check_lengths(lengths: Any, m: int) -> NDArray[np.float64] | None:
    return None if lengths is None else checks.own_array("lengths", lengths, (m,), least=0.0)


def _check_positions(positions: Any, n: int) -> NDArray[np.float64] | None:
    return None if positions is None else checks.own_array("positions", positions, (n, 2))


def _check_labels(labels: Any, n: int) -> tuple[str, ...] | None:
    if labels is None:
        return None
    names = () if isinstance(labels, str) else tuple(labels)
    if isinstance(labels, str) or not all(isinstance(v, str) for v in names):
        raise TypeError("labels must be a sequence of str, one for each node")
    if len(names) != n:
        raise ValueError(f"labels must have one entry for each of the {n} nodes, got {len(names)}")
    return tuple(str(v) for v in names)


def position_of(data: Mapping[str, Any]) -> Any:
    """Return the position among a node's data, None where there is none."""
    if data.get("pos") is not None:
        return data["pos"]
    for pair in (("Longitude", "Latitude"), ("x", "y")):
        try:
            return tuple(float(data[key]) for key in pair)
        except (KeyError, TypeError, ValueError):  # missing, or something else of that name
            continue
    return None


def whole(values: list[Any], key: str, where: str) -> Any:
    """Return the values, or None if there are none or some are missing, with a warning if some."""
    missing = sum(v is None for v in values)
    if missing == len(values):
        return None
    if missing:
        warn(f"the attribute {key} is ignored: it is missing on {missing} of {len(values)} {where}")
        return None
    return values


def node_count(name: str, value: Any, *, least: int = 1) -> int:
    """Return a number of nodes as an int from `least` to 2^31 - 1."""
    return checks.count(name, checks.count(name, value, least=least), least=None, most=_MAX_NODES)


def warn(message: str) -> None:
    """Give a ``UserWarning`` that points at the line outside this room that led here."""
    room = __name__.rpartition(".")[0]
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(room):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)
