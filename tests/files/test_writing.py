"""What is written is whole or absent, whatever goes wrong on the way."""

import errno
import os
import resource
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gossamer import files


def test_a_file_takes_its_name_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    with files.whole_file(path) as file:
        file.write("new\r\n§")
        file.flush()
        assert not path.exists()
        (draft,) = tmp_path.iterdir()
        assert draft.name.startswith(".gossamer-")
    assert path.read_bytes() == "new\r\n§".encode()
    assert list(tmp_path.iterdir()) == [path]
    with files.whole_file(str(path), binary=True) as file:
        file.write(b"\0\xff")
        assert path.read_bytes() == "new\r\n§".encode()
    assert path.read_bytes() == b"\0\xff"


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [None, "old"])
def test_an_error_leaves_the_old_file_and_no_draft(tmp_path, failure, old):
    path = tmp_path / "a.txt"
    if old is not None:
        path.write_text(old)

    def write():
        with files.whole_file(path) as file:
            file.write("new")
            raise failure

    with pytest.raises(failure):
        write()
    assert [p.name for p in tmp_path.iterdir()] == ([] if old is None else ["a.txt"])
    assert old is None or path.read_text() == old


def test_a_full_disk_leaves_the_old_file_and_is_named(tmp_path):
    """The limit on the size of files stands for a full disk: writing fails half-way, in the system's call."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    try:
        with pytest.raises(OSError, match=r"a\.txt") as caught:
            files.write_text(path, "x" * 2**20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_device_without_room_is_an_error(tmp_path):
    (tmp_path / "link.txt").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        files.write_text(tmp_path / "link.txt", "x" * 2**16)


def test_permissions(tmp_path):
    umask = os.umask(0o027)
    try:
        files.write_text(tmp_path / "new.txt", "")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new.txt").stat().st_mode) == 0o640
    (tmp_path / "new.txt").chmod(0o604)
    files.write_text(tmp_path / "new.txt", "more")
    assert stat.S_IMODE((tmp_path / "new.txt").stat().st_mode) == 0o604


def test_links_stay_links(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "target.txt").write_text("old")
    for name, target in (("link.txt", "target.txt"), ("dangling.txt", "made.txt")):
        (tmp_path / name).symlink_to(folder / target)
        files.write_text(tmp_path / name, "new")
        assert (tmp_path / name).is_symlink()
        assert (folder / target).read_text() == "new"
    (tmp_path / "lost.txt").symlink_to(tmp_path / "nowhere" / "lost.txt")
    with pytest.raises(NotADirectoryError, match="create it first"):
        files.write_text(tmp_path / "lost.txt", "new")


def test_what_cannot_be_written_is_refused_with_the_remedy(tmp_path, monkeypatch):
    with pytest.raises(NotADirectoryError, match=r"no folder .*nowhere.*create it first"):
        files.write_text(tmp_path / "nowhere" / "a.txt", "")
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        files.write_text(tmp_path, "")
    (tmp_path / "a.txt").write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(PermissionError, match="protected"):
        files.write_text(tmp_path / "a.txt", "")
    monkeypatch.undo()

    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError, match=r"takes no files.*Read-only"):
        files.write_text(tmp_path / "b.txt", "")
    monkeypatch.undo()
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match=r"Read-only file system: .*a\.txt"):
        files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


def test_pipes_are_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    received = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_text()))
    reader.start()
    files.write_text(tmp_path / "pipe", "through")
    reader.join(timeout=30)
    assert received == ["through"]
    assert (tmp_path / "pipe").is_fifo()


def test_the_standard_output_is_written_to():
    script = "print('before', flush=True); files.write_text('/dev/stdout', 'through\\n'); print('after')"
    command = [sys.executable, "-c", f"from gossamer import files; {script}"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"before\nthrough\nafter\n"


def test_many_writers_of_one_file_leave_one_of_theirs(tmp_path):
    texts = [str(k) * 10**5 for k in range(8)]
    writers = [threading.Thread(target=files.write_text, args=(tmp_path / "a.txt", text)) for text in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (tmp_path / "a.txt").read_text() in texts
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]
