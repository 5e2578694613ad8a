"""Tables of TOML files: which keys and types there may be, all checked before anything is built.

A file may have `LARGEST` bytes, and tables, arrays and dotted keys may be nested `DEEPEST` levels deep.
"""

from __future__ import annotations

import dataclasses
import re
import reprlib
import sys
import tomllib
import types
import typing
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..files import read_bytes

LARGEST = 2**22
DEEPEST = 16
# more parts than there may be levels, wherever they stand: the time of the parser is quadratic in them
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{DEEPEST}}}")

Table = dict[str, Any]


def load_tables(
    path: Path, needed: Sequence[str], *, lists: Sequence[str] = (), template: str = "gossamer template"
) -> dict[str, Any]:
    """Read a file of the tables `needed`, and of `run` and those of `lists`, which may be missing.

    Parameters
    ----------
    path : Path
        TOML file.
    needed : sequence of str
        Names of the tables that must be there.
    lists : sequence of str
        Names of arrays of tables, [[name]], needed ones and others.
    template : str
        The command that prints a complete file.

    Returns
    -------
    dict
        A dict for each table, or a list of dicts; empty for those that are missing.

    Raises
    ------
    ValueError, OSError
        With the table, and what would be right.
    """
    tables = _parsed(path)
    known = dict.fromkeys((*needed, *lists, "run"))
    check_names("the file", "table", tables, list(known))
    for name in known:
        written = f"[[{name}]]" if name in lists else f"[{name}]"
        if name not in tables:
            if name not in needed:
                continue
            raise ValueError(f"no table {written}; `{template}` prints a complete file")
        found = tables[name]
        if name in lists:
            if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
                raise ValueError(f"{name} must be an array of tables: {written}")
        elif not isinstance(found, dict):
            raise ValueError(f"{name} must be a table: {written}")
    return {name: [] if name in lists else {} for name in known} | tables


def _parsed(path: Path) -> dict[str, Any]:
    """Return the content of a file, whatever its tables are called."""
    text = read_bytes(path, most=LARGEST).decode()
    too_deep = f"tables, arrays or dotted keys are nested more than {DEEPEST} levels deep"
    if long_key := _LONG_KEY.search(text):
        line = text.count("\n", 0, long_key.start()) + 1
        raise ValueError(f"line {line}: {too_deep}, or a text looks like a key of so many parts")
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise ValueError(too_deep) from None
    level: list[Any] = [tables]
    for _ in range(DEEPEST + 1):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        if not level:
            return tables
    raise ValueError(too_deep)


def fill(kind: type[Any], section: str, table: Table) -> Any:
    """Return a dataclass filled from a table whose keys and types have been checked.

    Parameters
    ----------
    kind : type
        The dataclass.
    section : str
        What errors call the table, such as "[run]".
    table : dict
        Values by the names of the fields.
    """
    hints = typing.get_type_hints(kind)
    check_names(section, "key", table, list(hints))
    for name in required(kind):
        if name not in table:
            raise ValueError(f"{section} needs the key {name!r}")
    for name, value in table.items():
        check_type(f"{section} {name}", value, hints[name])
    return kind(**table)


def required(kind: type[Any]) -> list[str]:
    """Return the names of a dataclass's fields without a default."""
    missing = dataclasses.MISSING
    return [f.name for f in dataclasses.fields(kind) if f.default is missing and f.default_factory is missing]


def field_types(kind: type[Any]) -> dict[str, Any]:
    """Return the type of each field of a dataclass.

    Unlike `typing.get_type_hints`, which evaluates the annotations of everything else in the class too, and
    fails on some.
    """
    found = {}
    for f in dataclasses.fields(kind):
        owner = next(c for c in kind.__mro__ if f.name in vars(c).get("__annotations__", {}))
        annotated = types.SimpleNamespace(__annotations__={f.name: f.type})
        found |= typing.get_type_hints(annotated, globalns=vars(sys.modules[owner.__module__]))
    return found


_LONGEST = 100  # letters of a name that are compared


def check_names(where: str, what: str, given: Iterable[str], known: Sequence[str], limits: str = "") -> None:
    """Refuse names that are not known, with the nearest that is."""
    for name in given:
        if name not in known:
            spelt = {each.lower(): each for each in known}
            close = get_close_matches(name.lower()[:_LONGEST], spelt, n=1)
            hint = (
                f"did you mean {spelt[close[0]]!r}?" if close else f"there are {', '.join(known) or 'none'}"
            )
            words = filter(None, (what, shown(name), limits))
            raise ValueError(f"{where} has no {' '.join(words)}; {hint}")


def shown(text: str) -> str:
    """Return a text in quotes, and of a very long one its ends."""
    return repr(text) if len(text) <= _LONGEST else reprlib.repr(text)


_NAMES: dict[Any, str] = {
    str: "a text",
    int: "an integer of 64 bits",
    float: "a number",
    bool: "true or false",
    list[str]: "a list of texts",
    list[int]: "a list of integers",
    list[float]: "a list of numbers",
    list[list[float]]: "a list of rows of numbers",
    tuple[int, int]: "a list of two integers",
}


def parts(hint: Any) -> list[Any]:
    """Return the types that a hint allows, but None, which TOML cannot say."""
    among = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    return [part for part in among if part is not types.NoneType]


def is_simple(hint: Any) -> bool:
    """Whether TOML can say every value of a type."""
    return all(part in _NAMES for part in parts(hint))


def check_type(name: str, value: Any, hint: Any) -> None:
    """Refuse a value that is of none of the types of a hint."""
    if not any(_fits(value, part) for part in parts(hint)):
        names = " or ".join(_NAMES[part] for part in parts(hint))
        raise ValueError(f"{name} must be {names}, got {reprlib.repr(value)}")


def _fits(value: Any, kind: Any) -> bool:
    of = typing.get_args(kind)
    if typing.get_origin(kind) is list:
        return isinstance(value, list) and all(_fits(item, of[0]) for item in value)
    if typing.get_origin(kind) is tuple:
        return isinstance(value, list) and len(value) == len(of) and all(map(_fits, value, of))
    if isinstance(value, bool):  # an int to Python
        return kind is bool
    if isinstance(value, int):
        return kind in (int, float) and -(2**63) <= value < 2**63
    return isinstance(value, kind)
