"""Who sends to whom in a round: over the edges of a graph with a mixing matrix, or through a server."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from ...graphs import Graph, mixing_matrix
from ...kernels.checks import frozen
from ...kernels.gossip import Mixer


@dataclass(frozen=True, eq=False)
class Network:
    """What a round-based method needs to know of a graph.

    Attributes
    ----------
    mixer : Mixer or None
        The mixing matrix; None where the method does not mix.
    copies : (n,) int64 array
        How many others a message of each node goes to.
    copies_down : int
        How many nodes the server's message goes to, 0 without a server.
    n_links : int
        Pairs of nodes that exchange messages in a round.
    """

    mixer: Mixer | None
    copies: np.ndarray
    copies_down: int
    n_links: int


# by graph and kind of matrix: the spectrum that a Mixer keeps takes O(n^3)
_made: WeakKeyDictionary[Graph, dict[str, Network]] = WeakKeyDictionary()


def gossip_network(graph: Graph, mixing: str | Mixer) -> Network:
    """Return the network of a method that mixes with its neighbours.

    Parameters
    ----------
    graph : Graph
        Connected.
    mixing : str or Mixer
        Kind of `graphs.mixing_matrix`, made once for each graph; or a symmetric mixing matrix with entries on
        the edges and the diagonal alone.

    Raises
    ------
    ValueError
        A disconnected graph, an unknown kind, or a matrix that does not fit.
    """
    if not graph.is_connected:
        raise ValueError(
            "the graph must be connected, or the nodes cannot agree; add edges between its parts"
        )
    if isinstance(mixing, str):
        made = _made.setdefault(graph, {})
        if mixing not in made:
            made[mixing] = gossip_network(graph, Mixer(mixing_matrix(graph, mixing)))
        return made[mixing]
    mixer = mixing
    if mixer.n_nodes != graph.n_nodes:
        raise ValueError(f"mixing is a matrix of {mixer.n_nodes} nodes, and the graph has {graph.n_nodes}")
    mixer.require_symmetric()
    rows = np.repeat(np.arange(graph.n_nodes), np.diff(mixer.indptr.astype(np.int64)))
    columns = mixer.indices.astype(np.int64)
    below = rows < columns
    found = rows[below] * graph.n_nodes + columns[below]
    edges = graph.edges.astype(np.int64)
    alien = np.flatnonzero(~np.isin(found, edges[:, 0] * graph.n_nodes + edges[:, 1]))
    if alien.size:
        i, j = divmod(int(found[alien[0]]), graph.n_nodes)
        raise ValueError(f"mixing must be zero off the edges, but ({i}, {j}) is no edge: set it to 0")
    copies = np.bincount(rows[rows != columns], minlength=graph.n_nodes)
    return Network(mixer, frozen(copies.astype(np.int64)), 0, int(found.size))


def server_network(graph: Graph) -> Network:
    """Return the network of a method that takes the mean of all messages.

    On a star the hub is the server, and a worker too: messages go up to it, and its answer goes down to the
    others. On a complete graph every node sends its message to all others, and nothing comes down.

    Parameters
    ----------
    graph : Graph
        A star or a complete graph; two nodes count as a star.

    Raises
    ------
    ValueError
        Another graph.
    """
    n, m = graph.n_nodes, graph.n_edges
    if n > 1 and m == n - 1 and graph.degrees.max() == n - 1:
        copies = np.ones(n, np.int64)
        copies[int(np.argmax(graph.degrees))] = 0
        return Network(None, frozen(copies), n - 1, m)
    if m == n * (n - 1) // 2:
        return Network(None, frozen(np.full(n, n - 1, np.int64)), 0, m)
    raise ValueError(
        "the messages of all nodes meet at a server: graph must be graphs.star(n), whose hub is the server, "
        f"or graphs.complete(n), got {graph!r}; on other graphs use a gossip method"
    )
