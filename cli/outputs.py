"""Can a command's results be written? Known before its work begins."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def check_file(path: Path) -> None:
    """Refuse a file that could not be written.

    Parameters
    ----------
    path : Path
        In a folder that exists; an existing file will be replaced.

    Raises
    ------
    OSError
        With the remedy.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise NotADirectoryError(f"no folder {path.parent} to write {path.name} to; create it first")
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"{path} is protected against writing; name another file")
    _check_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder where there is none, and refuse one that takes no files.

    Parameters
    ----------
    path : Path
        Missing parents are made too.

    Raises
    ------
    OSError
        With the remedy.
    """
    path.mkdir(parents=True, exist_ok=True)
    _check_folder(path)


def _check_folder(path: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise PermissionError(f"folder {path} takes no files ({error.strerror}); name another one") from error
