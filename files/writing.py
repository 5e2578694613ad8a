"""Files are written whole: to a draft beside the target, which takes its name when all is on the disk.

Whatever ends the process, even `kill -9` or a loss of power, the name then stands for nothing, for what it
stood for before, or for all of the new. An end without notice may leave the draft: a hidden file
`.gossamer-*.part`, which can be deleted.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def whole_file(path: str | Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a file to write; it takes its name when the block has ended without an error, and not before.

    A link stays a link, and its target is replaced. An existing file's permissions stay, a new file has those
    that the umask leaves; hard links to an old file keep the old content. Devices and pipes, which have no
    content to keep whole, are written to directly.

    Parameters
    ----------
    path : str or Path
        File to write, exactly under this name.
    binary : bool
        For bytes; otherwise for text, in UTF-8 and with line ends as written.

    Yields
    ------
    file object
        Of the draft.

    Raises
    ------
    OSError
        The file cannot be written; what stood under its name stays.

    Examples
    --------
    >>> with whole_file("numbers.txt") as file:
    ...     _ = file.write("1 2 3")
    >>> Path("numbers.txt").read_text()
    '1 2 3'
    """
    path = Path(path)
    _check_target(path)
    how: dict[str, Any] = {"mode": "wb"} if binary else {"mode": "w", "encoding": "utf-8", "newline": ""}
    if _is_stream(path):
        with path.open(**how) as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".gossamer-{secrets.token_hex(8)}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise _takes_no_files(target.parent, error) from error
    try:
        with open(descriptor, **how) as file:
            yield file
            file.flush()
            _keep_permissions(target, file.fileno())
            os.fsync(file.fileno())
        os.replace(draft, target)
    except BaseException as error:
        draft.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and str(error.filename) in ("None", str(draft)):
            raise OSError(error.errno, error.strerror, str(path)) from error  # such as a full disk
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write a text, whole or not at all; as `whole_file`.

    Parameters
    ----------
    path : str or Path
        File to write.
    text : str
        Its content.

    Raises
    ------
    OSError
        The file cannot be written; what stood under its name stays.
    """
    with whole_file(path) as file:
        file.write(text)


def check_file(path: str | Path) -> None:
    """Refuse a file that could not be written.

    Parameters
    ----------
    path : str or Path
        In a folder that exists; an existing file will be replaced.

    Raises
    ------
    OSError
        With the remedy.
    """
    path = Path(path)
    _check_target(path)
    if not _is_stream(path):
        _check_folder(Path(os.path.realpath(path)).parent)


def make_folder(path: str | Path) -> None:
    """Make a folder where there is none, and refuse one that takes no files.

    Parameters
    ----------
    path : str or Path
        Missing parents are made too.

    Raises
    ------
    OSError
        With the remedy.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    _check_folder(path)


def _check_target(path: Path) -> None:
    folder = Path(os.path.realpath(path)).parent
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    if not folder.is_dir():
        raise NotADirectoryError(f"no folder {folder} to write {path.name} to; create it first")
    if path.is_block_device():
        raise PermissionError(f"{path} is a disk; name a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"{path} is protected against writing; name another file")


def _is_stream(path: Path) -> bool:
    """Whether a name stands for a device or a pipe, or for a file that another program has open."""
    folder = os.path.realpath(path.parent)
    opened = folder == "/dev" or folder.startswith("/proc/")  # such as /dev/stdout, whatever that is
    return opened or (path.exists() and not path.is_file())


def _keep_permissions(target: Path, descriptor: int) -> None:
    if target.exists():
        wanted = stat.S_IMODE(target.stat().st_mode)
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != wanted:
            os.fchmod(descriptor, wanted)


def _check_folder(path: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise _takes_no_files(path, error) from error


def _takes_no_files(folder: Path, error: OSError) -> PermissionError:
    return PermissionError(f"folder {folder} takes no files ({error.strerror}); name another one")
