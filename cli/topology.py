"""The text that names a graph on the command line and in experiment files."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .reading import shown

if TYPE_CHECKING:
    from ..graphs import Graph

HELP = (
    "A real network of topohub (topozoo/Abilene), a generated graph with its arguments (grid_2d:5,5 or "
    "random_geometric:40,rng=3), or a file (.graphml, .edges, .txt, .csv)."
)
_FILE = re.compile(r"(.+\.(?:graphml|edges|txt|csv))(?::(.*))?", re.IGNORECASE | re.DOTALL)


def parse_topology(text: str, folder: Path | None = None) -> Graph:
    """Return the graph that a text names.

    Parameters
    ----------
    text : str
        * a path that ends in `.graphml`, `.edges`, `.txt` or `.csv`: a file, see `graphs.read_graph`, whose
          arguments may follow: `net.graphml:directed=ignore,weights=lengths`;
        * `family:arguments`, where family is a generator of `gossamer.graphs` and the arguments are its
          own, separated by commas, by position or as `name=value`: `barbell:5`, `watts_strogatz:30,4,p=0.1`.
          Random families take `rng=0` unless told otherwise, so that a text always names the same graph;
        * a name with a slash: a network of topohub.
    folder : Path, optional
        Where relative paths start; the current folder by default.

    Returns
    -------
    Graph

    Raises
    ------
    ValueError, TypeError, OSError, ImportError
        With the remedy in the message.
    """
    from .. import graphs

    file = _FILE.fullmatch(text)
    if file:
        options = dict(word.strip().split("=", 1) for word in (file[2] or "").split(",") if "=" in word)
        known = [name for name in inspect.signature(graphs.read_graph).parameters if name != "path"]
        if set(options) - set(known) or (file[2] is not None and len(options) != file[2].count(",") + 1):
            usage = ",".join(f"{name}=..." for name in known)
            raise ValueError(f"{shown(text)} must be a file, or file:{usage} with some of these")
        return graphs.read_graph((folder or Path()) / file[1], **options)
    family, colon, arguments = text.partition(":")
    families = generators()
    if family in families:
        return _generate(family, families[family], arguments)
    if colon or "/" not in text:
        raise ValueError(
            f"unknown topology {shown(text)}; it is one of {', '.join(families)} with arguments "
            "(grid_2d:5,5), a network of topohub (topozoo/Abilene), or a file (.graphml, .edges, .txt, .csv)"
        )
    return graphs.topology(text)


def generators() -> dict[str, Callable[..., Graph]]:
    """Return the families of graphs by name: what `graphs` has from its modules of topologies."""
    from .. import graphs

    public = {name: getattr(graphs, name) for name in sorted(graphs.__all__)}
    return {name: value for name, value in public.items() if value.__module__.endswith("topologies")}


def _generate(family: str, generator: Callable[..., Graph], arguments: str) -> Graph:
    signature = inspect.signature(generator)
    names = list(signature.parameters)
    usage = f"{family}:{','.join(names)}"
    given: dict[str, Any] = {}
    for position, word in enumerate(arguments.split(",") if arguments else []):
        name, equals, value = (part.strip() for part in word.partition("="))
        if not equals:
            if position >= len(names):
                raise ValueError(f"too many arguments in {family}:{arguments}; the form is {usage}")
            name, value = names[position], name
        if name not in names or name in given:
            problem = "twice" if name in given else "unknown"
            raise ValueError(f"argument {name!r} is {problem} in {family}:{arguments}; the form is {usage}")
        try:
            given[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise ValueError(f"argument {name} of {family} must be a number, got {shown(value)}") from None
    missing = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.default is parameter.empty and name not in given
    ]
    if missing:
        raise ValueError(f"topology {family!r} needs {', '.join(missing)}; the form is {usage}")
    if "rng" in names:
        given.setdefault("rng", 0)
    return generator(**given)
