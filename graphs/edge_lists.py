"""Edge lists: an edge on each line, separated by blanks or commas."""

import csv
import math
import re
import reprlib
from typing import Any

from .graph import Graph, warn
from .merging import Weights

_N_NODES = re.compile(r"#\s*n_nodes\s*[:=]\s*(\d+)\s*$")
_LINE_END = re.compile(r"\r\n|\r|\n")
_ENDS = (
    ("source", "target"),
    ("from", "to"),
    ("src", "dst"),
    ("u", "v"),
    ("i", "j"),
    ("node1", "node2"),
    ("tail", "head"),
)
_HALVES = {name for pair in _ENDS for name in pair}  # of which one alone says too little
_NUMBERS = {"length": "length", "distance": "length", "dist": "length", "km": "length", "weight": "weight"}
_Table = list[tuple[int, str, list[str]]]  # number of a line, its text, its cells
_INDEX = ("", "id", "index", "unnamed: 0")  # columns that are ignored without a word


def dump(graph: Graph, separator: str) -> str:
    """Return a graph as a list."""
    lines = [f"# n_nodes: {graph.n_nodes}"]
    if separator == ",":
        lines.append("source,target" + ("" if graph.lengths is None else ",length"))
    rows: list[list[Any]] = graph.edges.tolist()
    if graph.lengths is not None:
        rows = [[*pair, length] for pair, length in zip(rows, graph.lengths.tolist(), strict=True)]
    lines += [separator.join(map(repr, row)) for row in rows]
    return "\n".join(lines) + "\n"


def load(content: bytes, name: str, separator: str | None, taken: Weights) -> Graph:
    """Return the graph of a list; `separator` None stands for blanks."""
    n_nodes: int | None = None
    table: _Table = []
    for number, line in enumerate(_LINE_END.split(_text(content)), start=1):
        text = line.strip()
        given = _N_NODES.match(text)
        if given:
            if n_nodes not in (None, int(given[1])):
                raise ValueError(f"line {number}: n_nodes = {given[1]}, but it was {n_nodes} before")
            n_nodes = int(given[1])
        if text and not text.startswith("#"):
            table.append((number, text, _cells(number, line if separator else text, separator)))
    width = len(table[0][2]) if table else 0  # of the names, if there are any
    columns, attribute = _columns(table, name, taken)
    edges: list[tuple[int, int]] = []
    lengths: list[float] = []
    for number, text, cells in table:
        try:
            if len(cells) != width:
                raise ValueError
            i, j = (_index(cells[k]) for k in columns[:2])
            length = [_number(cells[k]) for k in columns[2:]]
            if not all(0 <= d < math.inf for d in length):
                raise ValueError
        except ValueError:
            raise ValueError(
                f"line {number}: expected two node indices from 0 and optionally a finite, non-negative "
                f"{attribute or 'length'}, the same number of columns on all lines, got {reprlib.repr(text)}"
            ) from None
        if n_nodes is not None and max(i, j) >= n_nodes:
            raise ValueError(f"line {number}: node {max(i, j)} is out of range for n_nodes = {n_nodes}")
        edges.append((i, j))
        lengths += length
    if n_nodes is None:
        if not edges:
            raise ValueError("it has no edge and no line '# n_nodes: ...'")
        n_nodes = 1 + max(map(max, edges))
    has_lengths = attribute is not None and len(columns) == 3
    return taken.build(attribute, n_nodes, edges, lengths if has_lengths else None, name=name)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise ValueError(f"line {line}: not UTF-8 text; convert the file to UTF-8") from error


def _cells(number: int, line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    try:
        (row,) = csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True)
    except csv.Error as error:
        raise ValueError(f"line {number}: {error}") from error
    return [cell.strip() for cell in row]


def _columns(
    table: list[tuple[int, str, list[str]]], name: str, taken: Weights
) -> tuple[list[int], str | None]:
    """Return where nodes and number are, and what the number is; takes the names off the table."""
    if not table:
        return [0, 1], None
    number, text, first = table[0]
    names = [cell.lower() for cell in first]
    ends = next((pair for pair in _ENDS if set(pair) <= set(names)), None)
    if ends is None and any(map(_is_number, first)):
        if len(first) not in (2, 3):
            raise ValueError(
                f"line {number}: expected two nodes and optionally a length, got {reprlib.repr(text)}; name "
                "the columns in a first line, as in source target length"
            )
        if len(first) == 3 and len(table) > 1 and _is_index(table):
            raise ValueError(
                f"line {number}: the first column counts the lines: is it an index? Name the columns in a "
                "first line, as in source target length"
            )
        return [0, 1, 2][: len(first)], "length" if len(first) == 3 else None
    del table[0]
    rest: list[int]
    if ends is not None:
        columns = [names.index(end) for end in ends]
        if any(names.count(end) > 1 for end in ends):
            raise ValueError(
                f"line {number}: two columns are called {ends[0]!r} or {ends[1]!r}, got {reprlib.repr(text)}"
            )
        rest = [k for k in range(len(names)) if k not in columns]
    elif len(names) in (2, 3) and set(names[2:]) <= set(_NUMBERS) and not set(names) & {*_HALVES, *_INDEX}:
        columns, rest = [0, 1], list(range(2, len(names)))
    elif len(names) == 1 and (mark := next((each for each in ";,\t|" if each in text), None)):
        raise ValueError(
            f"line {number}: what separates columns is {mark!r}: it must be commas in a file .csv, blanks in "
            f"others, got {reprlib.repr(text)}"
        )
    else:
        raise ValueError(
            f"line {number}: name the columns, as in source target length, got {reprlib.repr(text)}"
        )
    found = {k: _NUMBERS[names[k]] for k in rest if names[k] in _NUMBERS}
    if len(set(found.values())) < len(found):
        raise ValueError(f"line {number}: two columns could be the lengths, got {reprlib.repr(text)}")
    try:
        attribute = taken.attribute(set(found.values()))
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from None
    ignored = [first[k] for k in rest if k not in found and names[k] not in _INDEX]
    if ignored:
        warn(f"columns of {name} are ignored: {', '.join(map(repr, ignored))}")
    return columns + [k for k, what in found.items() if what == attribute], attribute


def _is_index(table: _Table) -> bool:
    """Whether the first of three columns of integers is 0, 1, 2, ... or 1, 2, 3, ..."""
    begin = int(table[0][2][0] == "1")
    return all(
        len(cells) == 3 and cells[0] == str(k) and all(cell.isdecimal() for cell in cells)
        for k, (_, _, cells) in enumerate(table, start=begin)
    )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _index(word: str) -> int:
    if not (word.isascii() and word.isdecimal()):
        raise ValueError
    return int(word)


def _number(word: str) -> float:
    if "_" in word:
        raise ValueError
    return float(word)
