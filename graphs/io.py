"""Read and write graphs: GraphML with everything, edge lists with edges and lengths."""

from pathlib import Path

from ..files import read_bytes, whole_file, write_text
from ..kernels.checks import instance
from . import edge_lists, graphml
from .graph import Graph
from .merging import Weights, check_choice

__all__ = ["read_graph", "write_graph"]

_MOST = {
    ".graphml": 2**28,
    ".edges": 2**30,
    ".txt": 2**30,
    ".csv": 2**30,
}  # bytes of a file; a tree of XML takes some twenty times more


def write_graph(graph: Graph, path: "str | Path") -> None:
    """Write a graph to a file; the suffix chooses the format.

    Parameters
    ----------
    graph : Graph
        The graph.
    path : str or Path
        ``.graphml`` keeps everything. ``.edges`` and ``.txt`` (separated by blanks) and ``.csv`` keep the
        number of nodes, the edges and their lengths, one edge per line. Numbers are written with all
        digits, so that reading gives the same values back.

    Raises
    ------
    TypeError, ValueError
        If it is no graph, the suffix is unknown, or a label (or the name) has a control character, for
        GraphML.
    """
    instance("graph", graph, Graph, "Graph.from_networkx(graph)")
    target = Path(path)
    suffix = _suffix(target)
    if suffix == ".graphml":
        try:
            document = graphml.dump(graph)
        except ValueError as error:
            raise ValueError(f"{target}: {error}") from error
        with whole_file(target, binary=True) as file:
            file.write(document)
    else:
        write_text(target, edge_lists.dump(graph, "," if suffix == ".csv" else " "))


def read_graph(
    path: "str | Path", *, directed: str = "refuse", weights: str = "refuse", parallel: str = "merge"
) -> Graph:
    """Read a graph from a file written by :func:`write_graph` or by another program.

    Parameters
    ----------
    path : str or Path
        ``.graphml``, at most 256 MiB: one graph, without graphs in it and hyperedges; node data ``x`` and
        ``y`` or ``Longitude`` and ``Latitude`` (or yEd's) become positions, ``label`` or else ``name`` the
        labels, edge data ``length`` the lengths; defaults of keys count. Positions (lengths) that are missing
        on some nodes (edges), and positions as one text ``pos``, are ignored with a ``UserWarning``.

        ``.edges``, ``.txt``, ``.csv`` (separated by blanks, or by commas), at most 1 GiB: an edge on each
        line, nodes from 0; lines that begin with ``#`` are comments. Without a line of names the columns are
        two nodes, and optionally a length. In a first line of names, wherever they stand: ``source`` and
        ``target`` (or ``from to``, ``src dst``, ``u v``, ``i j``, ``node1 node2``, ``tail head``), ``length``
        (or ``distance``, ``dist``, ``km``) and ``weight``; other columns are ignored, with a ``UserWarning``
        unless they have no name or are called ``id`` or ``index``. Without a comment ``# n_nodes: 7`` the
        largest index gives the number of nodes.
    directed : {"refuse", "ignore"}
        A GraphML file that is marked as directed: refuse it, or take its edges without their directions, as
        for yEd, which marks all.
    weights : {"refuse", "ignore", "lengths"}
        Edge data (a column) ``weight``, which means nothing to a graph: refuse it, leave it out, or take it
        for the lengths.
    parallel : {"merge", "refuse"}
        Several edges between two nodes, in whatever direction: refuse them, or merge them. The merged edge
        has the shortest of the lengths, or the sum of the weights.

    Returns
    -------
    Graph

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file; if it is a folder.
    TypeError
        If the graph in a GraphML file is directed, and `directed` does not ignore it.
    ValueError
        If the suffix is unknown, the file is a pipe, a device or too large, or the content is malformed, or
        has what would be lost (see above); the message names the file, and the line where there is one.
    """
    source = Path(path)
    suffix = _suffix(source)
    check_choice("directed", directed, ("refuse", "ignore"))
    check_choice("parallel", parallel, ("merge", "refuse"))
    taken = Weights(weights, parallel)
    content = read_bytes(source, most=_MOST[suffix])
    try:
        if suffix == ".graphml":
            return graphml.load(content, source.stem, directed, taken)
        return edge_lists.load(content, source.stem, "," if suffix == ".csv" else None, taken)
    except (TypeError, ValueError) as error:
        comma = "," if str(error).startswith(("line ", "node ", "edge ")) else ":"
        raise type(error)(f"{source}{comma} {error}") from error


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in _MOST:
        raise ValueError(f"path {str(path)!r} must end in {', '.join(_MOST)}")
    return suffix
