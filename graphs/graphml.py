"""GraphML: what it says is read, or refused by name; nothing is passed over."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from .graph import Graph, position_of, warn, whole
from .merging import Weights

_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # a return is read as a newline
_TYPES = ("boolean", "int", "integer", "long", "float", "double", "real", "string")


def dump(graph: Graph) -> bytes:
    """Return a graph as GraphML."""
    import networkx

    texts = {"the name": graph.name} | {f"labels[{i}]": v for i, v in enumerate(graph.labels or ())}
    for what, text in texts.items():
        if _NOT_XML.search(text):
            raise ValueError(f"{what} is {text!r}; remove what GraphML cannot hold")
    flat = graph.to_networkx()
    for _, data in flat.nodes(data=True):
        if "pos" in data:
            data["x"], data["y"] = data.pop("pos")
    document = io.BytesIO()
    networkx.write_graphml(flat, document)
    return document.getvalue()


def load(content: bytes, name: str, directed: str, taken: Weights) -> Graph:
    """Return the only graph of a document; `name` is for one without a name."""
    root = _parsed(content)
    keys = _keys(root)
    graphs = [element for element in root.iter() if _tag(element) == "graph"]
    own = list(_children(root, "graph"))
    if len(own) != 1:
        raise ValueError(f"it is not a GraphML file of one graph: it has {len(own)}")
    if len(graphs) > 1:
        raise ValueError("it has a graph in a node or an edge (a group, in yEd): take the groups apart first")
    (graph,) = own
    for element in graph:
        if _tag(element) in ("hyperedge", "locator"):
            raise ValueError(f"it has a {_tag(element)}, which is not read")
    nodes: dict[str, dict[str, Any]] = {}
    for element in _children(graph, "node"):
        node = element.get("id")
        if node is None:
            raise ValueError(f"node {len(nodes)} of the file has no id")
        if node in nodes:
            raise ValueError(f"node {node!r} is there twice")
        nodes[node] = _node_data(_data(element, "node", f"node {node!r}", keys), f"node {node!r}")
    if not nodes:
        raise ValueError("it has no node; a Graph needs at least one")
    ends, data, arrows = _edges(graph, nodes, keys)
    if arrows and directed == "refuse":
        raise TypeError(
            "graph is directed, but gossip is two-way; directed='ignore' takes its edges without directions "
            "(yEd marks all graphs as directed)"
        )
    title = _data(graph, "graph", "the graph", keys).get("name") or name
    return _built(title, nodes, ends, data, taken)


def _built(
    title: str,
    nodes: dict[str, dict[str, Any]],
    ends: list[tuple[str, str]],
    data: list[dict[str, str]],
    taken: Weights,
) -> Graph:
    names = list(nodes)
    numbers = [int(v) for v in names if v.isascii() and v.isdecimal()]
    numbered = sorted(numbers) == list(range(len(names)))
    if numbered:
        names = [v for _, v in sorted(zip(numbers, names, strict=True))]
    index = {v: i for i, v in enumerate(names)}
    attribute = taken.attribute({key for each in data for key in ("length", "weight") if key in each})
    lengths = None
    if attribute is not None:
        found = [
            _number(f"edge {a!r} to {b!r}", attribute, each[attribute]) if attribute in each else None
            for (a, b), each in zip(ends, data, strict=True)
        ]
        lengths = whole(found, repr(attribute), f"edges of {title}")
    texts = sum(each.pop("pos", None) is not None for each in nodes.values())  # GraphML has no pairs
    positions = [position_of(nodes[v]) for v in names]
    if texts and all(position is None for position in positions):
        warn(f"the attribute 'pos' is ignored: it is no pair on {texts} of {len(names)} nodes of {title}")
    labels: list[str] | None = None
    given = [nodes[v].get("label", nodes[v].get("name")) for v in names]
    if not numbered or any(label is not None for label in given):
        # a node without a label has its name, which is nothing if it is a number
        others = [""] * len(names) if numbered else names
        labels = [b if a is None else a for a, b in zip(given, others, strict=True)]
    return taken.build(
        attribute,
        len(names),
        [(index[a], index[b]) for a, b in ends],
        lengths,
        positions=whole(positions, "'pos'", f"nodes of {title}"),
        labels=labels,
        name=title,
    )


@dataclass(frozen=True)
class _Key:
    """What a `key` declares."""

    name: str
    domain: str  # node, edge, graph, all, ...
    default: str | None

    def is_for(self, domain: str) -> bool:
        return self.domain in (domain, "all")


def _parsed(content: bytes) -> ElementTree.Element:
    if any("<!ENTITY".encode(code) in content for code in ("utf-8", "utf-16-le", "utf-16-be")):
        raise ValueError("it is not a GraphML file that is read: it defines entities")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the last: of encodings
        raise ValueError(f"it is not a GraphML file: {error}") from error
    if _tag(root) != "graphml":
        raise ValueError(f"it is not a GraphML file: its root is {_tag(root)!r}")
    return root


def _keys(root: ElementTree.Element) -> dict[str, _Key]:
    keys: dict[str, _Key] = {}
    for element in _children(root, "key"):
        identifier = element.get("id")
        if identifier is None or identifier in keys:
            raise ValueError(f"it is not a GraphML file: two keys, or none, with id {identifier!r}")
        name = element.get("attr.name", identifier)
        kind = element.get("attr.type", "string")
        if element.get("yfiles.type") is None and kind not in _TYPES:
            raise ValueError(f"it is not a GraphML file: key {name!r} has the attr.type {kind!r}")
        default = next(_children(element, "default"), None)
        keys[identifier] = _Key(
            name, element.get("for", "all"), None if default is None or len(default) else default.text or ""
        )
    return keys


def _data(element: ElementTree.Element, domain: str, where: str, keys: dict[str, _Key]) -> dict[str, Any]:
    """Return the values of an element by name, defaults included; those of yEd are elements."""
    values: dict[str, Any] = {}
    for each in _children(element, "data"):
        key = keys.get(each.get("key", ""))
        if key is None:
            raise ValueError(f"{where} has data of the key {each.get('key')!r}, which is not declared")
        if not key.is_for(domain):
            raise ValueError(f"{where} has data of the key {each.get('key')!r}, which is for {key.domain!r}")
        if len(each):
            values |= _of_yed(each) if domain == "node" else {}
        elif key.name in values:
            raise ValueError(f"{where} has two values of {key.name!r}")
        else:
            values[key.name] = each.text or ""
    for key in keys.values():
        if key.default is not None and key.is_for(domain):
            values.setdefault(key.name, key.default)
    return values


def _of_yed(data: ElementTree.Element) -> dict[str, str]:
    """Return position and label of the figure with which yEd draws a node."""
    values = {}
    for element in data.iter():
        if _tag(element) == "Geometry" and "x" not in values:
            values |= {axis: value for axis in "xy" if (value := element.get(axis)) is not None}
        if _tag(element) == "NodeLabel" and "label" not in values:
            values["label"] = (element.text or "").strip()
    return values


def _node_data(data: dict[str, Any], where: str) -> dict[str, Any]:
    for x, y in (("x", "y"), ("Longitude", "Latitude")):
        if x in data and y in data:
            data |= {x: _number(where, x, data[x]), y: _number(where, y, data[y])}
    return data


def _edges(
    graph: ElementTree.Element, nodes: dict[str, Any], keys: dict[str, _Key]
) -> tuple[list[tuple[str, str]], list[dict[str, str]], bool]:
    """Return ends and data of the edges, and whether one of them has a direction.

    Their ids do not matter: edges with equal ones, as networkx writes, are different edges.
    """
    default = graph.get("edgedefault", "undirected")
    if default not in ("directed", "undirected"):
        raise ValueError(f"it is not a GraphML file: edgedefault is {default!r}")
    ends: list[tuple[str, str]] = []
    data: list[dict[str, str]] = []
    arrows = default == "directed"
    for element in _children(graph, "edge"):
        a, b = element.get("source"), element.get("target")
        where = f"edge {a!r} to {b!r}"
        if a is None or b is None:
            raise ValueError(f"{where} needs a source and a target")
        for end in (a, b):
            if end not in nodes:
                raise ValueError(f"{where} ends at {end!r}, which is no node of the file")
        arrows |= element.get("directed", "false").lower() in ("true", "1")
        ends.append((a, b))
        data.append(_data(element, "edge", where, keys))
    return ends, data, arrows


def _tag(element: ElementTree.Element) -> str:
    """Return the name without the namespace; a comment has none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _children(element: ElementTree.Element, tag: str) -> Iterator[ElementTree.Element]:
    return (child for child in element if _tag(child) == tag)


def _number(where: str, key: str, value: Any) -> float:
    try:
        if "_" in value:
            raise ValueError
        return float(value)
    except ValueError:
        raise ValueError(f"{where}: {key} must be a number, got {value!r}") from None
