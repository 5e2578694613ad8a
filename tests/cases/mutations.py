"""Files that are not as they were written: edits of bytes for Hypothesis to draw, and archives rebuilt.

`GOSSAMER_HOSTILE`, a whole number, multiplies how many files the slow tests mutate.
"""

import functools
import io
import os
import zipfile
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

TIMES = int(os.environ.get("GOSSAMER_HOSTILE", "1"))


@dataclass(frozen=True)
class Edit:
    """A change of some bytes at a place, counted from the start of the file or from one of its headers."""

    kind: str
    place: int
    content: bytes
    near_structure: bool

    def __call__(self, content: bytes, structure: list[int]) -> bytes:
        if not content:
            return self.content
        at = self.place % len(content)
        if self.near_structure and structure:
            at = min(structure[self.place % len(structure)] + self.place // 7 % 64, len(content) - 1)
        head, tail = content[:at], content[at:]
        size = len(self.content)
        match self.kind:
            case "flip":
                bit = 1 << (self.content[0] % 8 if size else 0)
                return head + bytes([tail[0] ^ bit]) + tail[1:]
            case "cut":
                return head
            case "drop":
                return head + tail[1 + 16 * size :]
            case "insert":
                return head + self.content + tail
            case "overwrite":
                return head + self.content + tail[size:]
            case "zero":
                return head + bytes(16 * size) + tail[16 * size :]
            case "repeat":
                return head + tail[: 16 * size] + tail
        raise ValueError(self.kind)


def edits(most=3):
    """Strategy for lists of edits."""
    one = st.builds(
        Edit,
        st.sampled_from(["flip", "flip", "flip", "cut", "drop", "insert", "overwrite", "zero", "repeat"]),
        st.integers(0, 2**24),
        st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 8, b"\0" * 8, b"PK\1\2", b"\x7f" * 4]),
        st.booleans(),
    )
    return st.lists(one, min_size=1, max_size=most)


@functools.cache
def structure(content: bytes) -> list[int]:
    """Return where the headers of an archive and of its arrays begin, each byte of them weighing alike."""
    marks = (b"PK\3\4", b"PK\1\2", b"PK\5\6", b"\x93NUMPY", b"{'descr'", b'{"')
    places = []
    for mark in marks:
        at = content.find(mark)
        while at >= 0:
            places.append(at)
            at = content.find(mark, at + 1)
    return sorted(places)


def edited(content: bytes, changes: list[Edit]) -> bytes:
    """Return the content after some edits."""
    places = structure(content)
    for change in changes:
        content = change(content, places)
    return content


# of the arrays of an archive, by the names of two of them
REBUILDS = {
    "swap": lambda arrays, a, b: arrays.update({a: arrays[b], b: arrays[a]}),
    "drop": lambda arrays, a, b: arrays.pop(a),
    "add": lambda arrays, a, b: arrays.update({f"{a}/{b}": arrays[b]}),
    "rename": lambda arrays, a, b: arrays.update({f"{a} ": arrays.pop(a)}),
    "objects": lambda arrays, a, b: arrays.update({a: arrays[a].astype(object)}),
    "texts": lambda arrays, a, b: arrays.update({a: arrays[a].astype(str)}),
    "halves": lambda arrays, a, b: arrays.update({a: _as(arrays[a], np.float16)}),
    "complex": lambda arrays, a, b: arrays.update({a: _as(arrays[a], np.complex128)}),
    "records": lambda arrays, a, b: arrays.update({a: np.zeros(3, [("x", "f8"), ("y", "i4")])}),
    "dates": lambda arrays, a, b: arrays.update({a: np.zeros(3, "M8[s]")}),
    "flat": lambda arrays, a, b: arrays.update({a: arrays[a].reshape(-1)[:, None, None]}),
    "nothing": lambda arrays, a, b: arrays.update({a: arrays[a].reshape(-1)[:0]}),
    "huge": lambda arrays, a, b: arrays.update({a: _Declared(a, (2**40,))}),
    "square": lambda arrays, a, b: arrays.update({a: _Declared(a, (2**20, 2**20))}),
    "bomb": lambda arrays, a, b: arrays.update({a: _Declared(a, (2**20,), zeros=True)}),
}


def _as(array, kind):
    with np.errstate(over="ignore"):
        return array if array.dtype.kind == "U" else array.astype(kind)


@dataclass(frozen=True)
class _Declared:
    """An array file that declares a shape, with no data or with zeros that compress to nearly nothing."""

    name: str
    shape: tuple[int, ...]
    zeros: bool = False

    def content(self) -> bytes:
        out = io.BytesIO()
        header = {"descr": "<f8", "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(out, header)
        return out.getvalue() + (bytes(8 * int(np.prod(self.shape))) if self.zeros else b"")


def rebuilt(content: bytes, kind: str, first: int, second: int) -> bytes:
    """Return an archive with two of its arrays, or one, changed; its list of contents stays as it was."""
    with np.load(io.BytesIO(content), allow_pickle=False) as old:
        arrays = dict(old)
    names = [name for name in arrays if name != "contents"]
    a, b = names[first % len(names)], names[second % len(names)]
    REBUILDS[kind](arrays, a, b)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in arrays.items():
            if isinstance(array, _Declared):
                how = zipfile.ZIP_DEFLATED if array.zeros else zipfile.ZIP_STORED
                archive.writestr(f"{name}.npy", array.content(), how)
                continue
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=True)
    return out.getvalue()


def rebuilds():
    """Strategy for the arguments of `rebuilt` but the content."""
    return st.tuples(st.sampled_from(sorted(REBUILDS)), st.integers(0, 99), st.integers(0, 99))
