"""Files are opened when their kind and size are known: no pipe is waited for, nothing endless is read."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a disk",
    stat.S_IFSOCK: "a socket",
}


def open_file(path: str | Path, *, most: int | None = None) -> BufferedReader:
    """Open a regular file to read bytes.

    Parameters
    ----------
    path : str or Path
        File; links are followed.
    most : int, optional
        Bytes that it may have.

    Returns
    -------
    BufferedReader
        To be closed by the caller.

    Raises
    ------
    FileNotFoundError
        There is none.
    IsADirectoryError
        A folder.
    ValueError
        A pipe, a device or a socket; a file that is too large.
    """
    path = Path(path)  # a number would be a file that is open already
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"no file {path}") from None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(f"{path} is a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise ValueError(f"{path} is {kind}, not a file: write its content to a file first")
    _check_size(path, found.st_size, most)
    return open(path, "rb")


def read_bytes(path: str | Path, *, most: int) -> bytes:
    """Return the content of a regular file; as `open_file`.

    Parameters
    ----------
    path : str or Path
        File; links are followed.
    most : int
        Bytes that it may have.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, ValueError
        As `open_file`.
    """
    with open_file(path, most=most) as file:
        content = file.read(min(most, 2**62) + 1)
        _check_size(path, len(content), most)  # it may have grown
    return content


def _check_size(path: str | Path, size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise ValueError(f"{path} has {size:,} bytes or more; at most {most:,} are read from such a file")
