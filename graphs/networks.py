"""Networks of topohub: backbones, research networks, autonomous systems, and synthetic Gabriel graphs."""

import json
from difflib import get_close_matches
from functools import cache
from typing import Any

from .graph import Graph

__all__ = ["topology", "topology_names"]


def topology(name: str) -> Graph:
    """Load a real network, offline, by its name in topohub (Jurkiewicz, SoftwareX 2023).

    Parameters
    ----------
    name : str
        For example ``"topozoo/Abilene"`` (Internet Topology Zoo), ``"sndlib/germany50"``,
        ``"backbone/europe"``, ``"caida/2024-08/1103"`` or the synthetic ``"gabriel/25/0"``;
        :func:`topology_names` lists all.

    Returns
    -------
    Graph
        With positions (longitude and latitude in degrees; plane coordinates for ``gabriel``), lengths (km)
        and the node names as labels. Parallel links are merged. The network may be disconnected.

    Raises
    ------
    ImportError
        If topohub is not installed.
    ValueError
        If there is no such network; the message has the closest names.

    Examples
    --------
    >>> from gossamer import graphs
    >>> g = graphs.topology("topozoo/Abilene")
    >>> g, g.labels[0], float(g.lengths[0])
    (Graph('topozoo/Abilene', n_nodes=11, n_edges=14), 'New York', 1146.16)
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a str such as 'topozoo/Abilene', got {name!r}")
    known = topology_names()
    if name not in known:
        # compare without case and also without the collection, so that "abilene" finds something
        lower = {k.lower(): k for k in known} | {k.rsplit("/", 1)[-1].lower(): k for k in known}
        close = [lower[k] for k in get_close_matches(name.lower(), lower, n=6, cutoff=0.5)]
        hint = f" (did you mean {', '.join(dict.fromkeys(close))}?)" if close else ""
        raise ValueError(f"no network is called {name!r}{hint}; topology_names() lists all {len(known)}")
    # topohub.get leaves its file open, so the file is read here
    network = json.loads((_data() / f"{name}.json").read_text(encoding="utf-8"))
    nodes, links = network["nodes"], network["edges"]
    index = {node["id"]: i for i, node in enumerate(nodes)}
    return Graph.from_edges(
        len(nodes),
        [(index[link["source"]], index[link["target"]]) for link in links],
        lengths=[link["dist"] for link in links],
        positions=[node["pos"] for node in nodes],
        labels=[str(node.get("name") or node["id"]) for node in nodes],
        name=name,
    )


@cache
def topology_names(prefix: str = "") -> tuple[str, ...]:
    """List the names that :func:`topology` knows.

    Parameters
    ----------
    prefix : str
        Beginning of the wanted names, for example ``"sndlib/"``.

    Returns
    -------
    tuple of str
        Sorted.

    Raises
    ------
    ImportError
        If topohub is not installed.
    """
    if prefix:
        return tuple(name for name in topology_names() if name.startswith(prefix))
    return tuple(sorted(_names(_data(), "")))


def _data() -> Any:
    from importlib.resources import files

    try:
        return files("topohub") / "data"
    except ModuleNotFoundError:
        raise ImportError(
            "real networks come from the package topohub, which is not installed; "
            'pip install "gossamer[data]"'
        ) from None


def _names(folder: Any, path: str) -> list[str]:
    names: list[str] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            names += _names(entry, f"{path}{entry.name}/")
        elif entry.name.endswith(".json"):
            names.append(path + entry.name.removesuffix(".json"))
    return names
