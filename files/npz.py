"""Archives of arrays (npz), without pickle; what one declares is compared with what it holds.

`save_npz` seals an archive: its array `contents` lists the digests of all others, so that one that was
changed, swapped, added or taken away is found. Archives of other programs have no seal; all other checks hold
for them, too.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import re
import reprlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import numpy as np

from .reading import open_file
from .writing import whole_file

CONTENTS = "contents"
MOST_COMPRESSED = 100  # times that an array may be smaller in the file than in memory

_PIECE = 2**16  # bytes read at once, whatever sizes a file declares
_MOST_DIRECTORY = 2**20
_MOST_HEADER = 2**12
_MOST_TEXT = 2**20
_MOST_SHOWN = 500  # letters of what is wrong
_MAGIC = b"\x93NUMPY"
_TYPE = re.compile(r"[<>=|](?:b1|[iu][1248]|f[248]|c(?:8|16)|[SU][1-9]\d{0,8})")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError, KeyError, ValueError)


class Npz(Mapping[str, np.ndarray]):
    """The arrays of an open archive by name, each read and checked when it is asked for.

    Parameters
    ----------
    archive : ZipFile
        Open.
    size : int
        Bytes of its file.
    """

    def __init__(self, archive: zipfile.ZipFile, size: int):
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name in self._members:
                raise ValueError(f"it has two arrays {_shown(name)}")
            self._members[name] = info
        members = self._members.values()
        inside = all(0 <= info.header_offset < size for info in members)
        if not inside or sum(info.compress_size for info in members) > size:
            raise ValueError("its arrays overlap, or lie beyond the ends of the file")
        self._digests: dict[str, Any] | None = None
        for name, info in self._members.items():
            self._check_member(name, info)
        if CONTENTS in self._members:
            self._digests = json_of(self, CONTENTS)
            self._check_names(self._digests)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._members:
            raise KeyError(f"it has no array {_shown(name)}; it has {_listed(self)}")
        array = self._read(name)
        if self._digests is not None and name != CONTENTS and _digest(array) != self._digests[name]:
            raise ValueError(f"the array {_shown(name)} is not the one that was saved")
        return array

    def __contains__(self, name: object) -> bool:
        return name in self._members and name != CONTENTS

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in self._members if name != CONTENTS])

    def __len__(self) -> int:
        return len(self._members) - (CONTENTS in self._members)

    def require_seal(self) -> None:
        """Refuse an archive that `save_npz` did not write."""
        if self._digests is None:
            raise ValueError(f"it has no list of its contents, {CONTENTS!r}: gossamer did not write it")

    def _check_member(self, name: str, info: zipfile.ZipInfo) -> None:
        """Refuse sizes that cannot be, before anything is read."""
        if info.flag_bits & 1:
            raise ValueError(f"the array {_shown(name)} is encrypted")
        if info.compress_type == zipfile.ZIP_STORED:
            if info.compress_size != info.file_size:
                raise ValueError(
                    f"the array {_shown(name)} declares {info.file_size:,} bytes and holds "
                    f"{info.compress_size:,}"
                )
        elif info.compress_type != zipfile.ZIP_DEFLATED:
            raise ValueError(
                f"the array {_shown(name)} is compressed in a way that numpy.savez does not know"
            )
        elif CONTENTS in self._members:
            raise ValueError(f"the array {_shown(name)} is compressed, and gossamer writes none that are")
        elif info.file_size > MOST_COMPRESSED * info.compress_size + _PIECE:
            raise ValueError(
                f"the array {_shown(name)} is compressed over {MOST_COMPRESSED}-fold, {info.file_size:,} "
                f"bytes to {info.compress_size:,}; if that is right, save it with numpy.savez"
            )

    def _check_names(self, digests: Mapping[str, Any]) -> None:
        names = set(self)
        for what, found in (("was added", names - set(digests)), ("is missing", set(digests) - names)):
            if found:
                raise ValueError(f"the array {_shown(min(found))} {what} since the file was saved")

    def _read(self, name: str) -> np.ndarray:
        info = self._members[name]
        with self._archive.open(info) as stream:
            dtype, in_columns, shape, begin = _header(name, stream)
            declared, held = math.prod(shape) * dtype.itemsize, info.file_size - begin
            if declared != held:
                raise ValueError(
                    f"the array {_shown(name)} declares shape {shape} of {dtype}, {declared:,} bytes, and "
                    f"holds {held:,}"
                )
            array = np.empty(math.prod(shape), dtype)
            left = array.view(np.uint8).data
            while len(left):
                piece = stream.read(min(len(left), _PIECE))
                if not piece:
                    raise ValueError(f"the array {_shown(name)} ends early")
                left[: len(piece)] = piece
                left = left[len(piece) :]
            stream.read(1)  # at the end, the checksum is compared
        array = array.reshape(shape, order="F" if in_columns else "C")
        return array.astype(dtype.newbyteorder("="), copy=False)


def json_of(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, Any]:
    """Return the object of JSON that an array holds as its only text.

    Parameters
    ----------
    arrays : mapping of str to array
        Such as an `Npz`.
    name : str
        Of the array.

    Raises
    ------
    KeyError
        There is no such array.
    ValueError
        It is no such text, or one of more than a megabyte.
    """
    _require_mapping(arrays)
    text = arrays[name]
    if text.shape != () or text.dtype.kind != "U" or text.nbytes > _MOST_TEXT:
        raise ValueError(
            f"the array {_shown(name)} must be one text of at most {_MOST_TEXT:,} bytes, got shape "
            f"{text.shape} of {text.dtype}"
        )
    try:
        found = json.loads(str(text))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the text {_shown(name)} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"the text {_shown(name)} must be an object of JSON, got {reprlib.repr(found)}")
    return found


@contextmanager
def open_npz(path: str | Path) -> Iterator[Npz]:
    """Open an npz file; what is wrong with it, or found wrong in the block, is a ValueError that names it.

    Types of arrays are numbers, booleans and texts; object arrays are refused. Memory is that of the arrays
    that are read. Arrays may be compressed by `numpy.savez_compressed`, at most `MOST_COMPRESSED`-fold.

    Parameters
    ----------
    path : str or Path
        File to read.

    Yields
    ------
    Npz
        Its arrays by name.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        As `open_file`.
    ValueError
        The file is no archive of arrays, or is not as it was saved.
    """
    with _Bounded(open_file(path).detach()) as bounded:
        try:
            size = bounded.seek(0, 2)
            bounded.seek(0)
            if bounded.peek(len(_MAGIC)).startswith(_MAGIC):
                raise ValueError("one array (.npy), not an archive of arrays")
            with zipfile.ZipFile(bounded) as archive:
                yield Npz(archive, size)
        except _BROKEN as error:
            text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
            text = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} ..."
            raise ValueError(f"{path} cannot be read: {text}") from error


def save_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as an npz file, uncompressed, sealed, and whole or not at all.

    Parameters
    ----------
    path : str or Path
        File to write, exactly under this name.
    arrays : mapping of str to array
        Numbers, booleans or texts.

    Raises
    ------
    ValueError
        An array of something else.
    OSError
        The file cannot be written; what stood under its name stays.
    """
    _require_mapping(arrays)
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in arrays.items():
        _check_type(name, array.dtype.str)
    digests = {name: _digest(array) for name, array in arrays.items()}
    with whole_file(path, binary=True) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in {CONTENTS: np.array(json.dumps(digests)), **arrays}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _require_mapping(arrays: Any) -> None:
    if not isinstance(arrays, Mapping):
        raise TypeError(f"arrays must be a mapping of names to arrays, got {type(arrays).__name__}")


class _Bounded(BufferedReader):
    """A file of which no reader asks for much at once: `zipfile` believes the size of a directory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            here = self.tell()
            size = self.seek(0, 2) - here
            self.seek(here)
        if size > _MOST_DIRECTORY:
            raise ValueError(f"its directory declares {size:,} bytes, for at most {_MOST_DIRECTORY:,}")
        return super().read(size)


def _header(name: str, stream: IO[bytes]) -> tuple[np.dtype[Any], bool, tuple[int, ...], int]:
    """Return type, order (whether by columns), shape, and the length of the header."""
    start = stream.read(len(_MAGIC) + 2)
    if start[: len(_MAGIC)] != _MAGIC or start[-2:-1] not in (b"\1", b"\2", b"\3"):
        raise ValueError(f"the member {_shown(name)} is not an array (.npy)")
    width = 2 if start[-2] == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > _MOST_HEADER:
        raise ValueError(
            f"the array {_shown(name)} has a header of {length:,} bytes, for at most {_MOST_HEADER:,}"
        )
    text = stream.read(length).decode("utf-8" if start[-2] == 3 else "latin1")
    try:
        fields = ast.literal_eval(text.strip())
        found, in_columns, shape = fields.pop("descr"), fields.pop("fortran_order"), fields.pop("shape")
        sizes = [size for size in shape if type(size) is int and size >= 0]
        if fields or type(in_columns) is not bool or type(shape) is not tuple or len(sizes) < len(shape):
            raise ValueError
    except (
        ValueError,
        SyntaxError,
        MemoryError,
        RecursionError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise ValueError(f"the array {_shown(name)} has the header {reprlib.repr(text)}") from error
    _check_type(name, found)
    return np.dtype(found), in_columns, shape, stream.tell()


def _check_type(name: str, found: Any) -> None:
    """Refuse a type, as the header of an array describes it, that is neither written nor read."""
    if found == "|O":
        raise ValueError(f"the array {_shown(name)} holds Python objects, which are never unpickled")
    if type(found) is not str or not _TYPE.fullmatch(found):
        raise ValueError(
            f"the array {_shown(name)} must hold numbers or texts, got type {reprlib.repr(found)}"
        )


def _digest(array: np.ndarray) -> str:
    """Return a digest of type, shape and content, the same on machines of either byte order."""
    plain = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    digest = hashlib.blake2b(f"{plain.dtype.str} {plain.shape}".encode(), digest_size=12)
    digest.update(plain.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _listed(names: Mapping[str, Any]) -> str:
    return reprlib.repr(sorted(names)).strip("[]") or "none"


def _shown(name: str) -> str:
    return repr(name) if len(name) <= 100 else reprlib.repr(name)
