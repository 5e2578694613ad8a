"""Read and write graphs: GraphML with everything, edge lists with edges and lengths."""

import math
import re
from pathlib import Path
from typing import Any

from ..files import whole_file, write_text
from .graph import Graph, warn

__all__ = ["read_graph", "write_graph"]

_EDGE_LISTS = {".edges": " ", ".txt": " ", ".csv": ","}
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # a return is read as a newline
_HEADER = re.compile(r"#\s*n_nodes\s*[:=]\s*(\d+)\s*$")


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
    ValueError
        If the suffix is unknown, or a label (or the name) has a control character, for GraphML.
    """
    target = Path(path)
    if _suffix(target) == ".graphml":
        _write_graphml(graph, target)
        return
    separator = _EDGE_LISTS[_suffix(target)]
    lines = [f"# n_nodes: {graph.n_nodes}"]
    if separator == ",":
        lines.append("source,target" + ("" if graph.lengths is None else ",length"))
    rows: list[list[Any]] = graph.edges.tolist()
    if graph.lengths is not None:
        rows = [[*pair, length] for pair, length in zip(rows, graph.lengths.tolist(), strict=True)]
    lines += [separator.join(map(repr, row)) for row in rows]
    write_text(target, "\n".join(lines) + "\n")


def read_graph(path: "str | Path") -> Graph:
    """Read a graph from a file written by :func:`write_graph` or by another program.

    Parameters
    ----------
    path : str or Path
        ``.graphml``: undirected; node data ``x`` and ``y`` or ``Longitude`` and ``Latitude`` become
        positions, ``label`` or else ``name`` the labels, edge data ``length`` the lengths. Positions
        (lengths) that are missing on some nodes (edges), and positions as one text ``pos``, are ignored
        with a ``UserWarning``. ``.edges``, ``.txt``,
        ``.csv``: two node indices and optionally a length on each line, nodes from 0; lines that begin
        with ``#`` are comments, and a first line of column names is allowed. Without a comment
        ``# n_nodes: 7`` the largest index gives the number of nodes.

    Returns
    -------
    Graph

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If the graph in a GraphML file is directed.
    ValueError
        If the suffix is unknown or the content is malformed; the message names the file, and the line
        where there is one.
    """
    source = Path(path)
    suffix = _suffix(source)
    if not source.is_file():
        raise FileNotFoundError(f"no file {str(source)!r}")
    return _read_graphml(source) if suffix == ".graphml" else _read_edge_list(source, suffix)


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix != ".graphml" and suffix not in _EDGE_LISTS:
        raise ValueError(f"path {str(path)!r} must end in .graphml, {', '.join(_EDGE_LISTS)}")
    return suffix


def _read_edge_list(path: Path, suffix: str) -> Graph:
    n_nodes: int | None = None
    rows: list[tuple[int, int]] = []
    lengths: list[float] = []
    numbers: list[int] = []  # of the lines of the edges
    width = 0
    for number, line in enumerate(_text(path).splitlines(), start=1):
        text = line.strip()
        header = _HEADER.match(text)
        if header:
            n_nodes = int(header[1])
        if not text or text.startswith("#"):
            continue
        words = [word.strip() for word in text.split(",")] if suffix == ".csv" else text.split()
        if not width:
            width = len(words)
            if width in (2, 3) and not any(_is_number(word) for word in words):
                continue  # column names
        try:
            if len(words) != width or width not in (2, 3):
                raise ValueError
            i, j, *length = int(words[0]), int(words[1]), *map(float, words[2:])
            if min(i, j) < 0 or not all(0 <= d < math.inf for d in length):
                raise ValueError
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: expected two node indices from 0 and optionally a finite, "
                f"non-negative length, the same number of columns on all lines, got {text!r}"
            ) from None
        rows.append((i, j))
        lengths += length
        numbers.append(number)
    if n_nodes is None:
        if not rows:
            raise ValueError(f"{path} has no edge and no line '# n_nodes: ...'")
        n_nodes = 1 + max(map(max, rows))
    for row, number in zip(rows, numbers, strict=True):
        if max(row) >= n_nodes:
            raise ValueError(
                f"{path}, line {number}: node {max(row)} is out of range for n_nodes = {n_nodes}"
            )
    try:
        return Graph.from_edges(n_nodes, rows, lengths=lengths if width == 3 else None, name=path.stem)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise ValueError(f"{path}, line {line}: not UTF-8 text; convert the file to UTF-8") from error


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _write_graphml(graph: Graph, path: Path) -> None:
    import networkx

    texts = {"the name": graph.name} | {f"labels[{i}]": v for i, v in enumerate(graph.labels or ())}
    for what, text in texts.items():
        if _NOT_XML.search(text):
            raise ValueError(f"{path}: {what} is {text!r}; remove what GraphML cannot hold")
    flat = graph.to_networkx()
    for _, data in flat.nodes(data=True):
        if "pos" in data:
            data["x"], data["y"] = data.pop("pos")
    with whole_file(path, binary=True) as file:
        networkx.write_graphml(flat, file)


def _read_graphml(path: Path) -> Graph:
    from xml.etree.ElementTree import ParseError

    import networkx

    try:
        found = networkx.read_graphml(path)
    except KeyError as error:  # networkx looks the types up
        raise ValueError(f"{path} is not a GraphML file: unknown key or attr.type {error}") from error
    except (ParseError, networkx.NetworkXError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a GraphML file: {error}") from error
    numbers = {v: int(v) for v in found.nodes if str(v).isdecimal()}
    if len(numbers) == len(found) and set(numbers.values()) == set(range(len(found))):
        found = networkx.relabel_nodes(found, numbers)
    texts = sum("pos" in data for _, data in found.nodes(data=True))  # GraphML has no type for a pair
    for node, data in found.nodes(data=True):
        data.pop("pos", None)
        if "name" in data:
            data.setdefault("label", data["name"])
        for x, y in (("x", "y"), ("Longitude", "Latitude")):
            if x in data and y in data:
                where = f"{path}, node {node!r}"
                data["pos"] = _number(where, x, data[x]), _number(where, y, data[y])
    if texts and not any("pos" in data for _, data in found.nodes(data=True)):
        warn(f"the attribute 'pos' is ignored: it is no pair on {texts} of {len(found)} nodes of {path.stem}")
    for a, b, data in found.edges(data=True):
        if "length" in data:
            data["length"] = _number(f"{path}, edge {a!r} to {b!r}", "length", data["length"])
    try:
        return Graph.from_networkx(found, name=str(found.graph.get("name") or path.stem))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{path}: {error}") from error


def _number(where: str, key: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {key} must be a number, got {value!r}") from None
