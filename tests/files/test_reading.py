"""What is read is a regular file of a known size."""

import os
import socket

import pytest

from gossamer import files


def test_regular_files_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert files.read_bytes(tmp_path / "link", most=5) == b"12345"
    with files.open_file(str(tmp_path / "a")) as file:
        assert file.read(2) == b"12"


def test_everything_else_is_refused_by_its_kind(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))  # names of sockets are short
        for path, error, match in (
            (tmp_path / "none", FileNotFoundError, "no file .*none"),
            (tmp_path, IsADirectoryError, "is a folder"),
            (tmp_path / "pipe", ValueError, "pipe is a pipe"),
            ("/dev/zero", ValueError, "/dev/zero is a device"),
            (tmp_path / "socket", ValueError, "is a socket"),
        ):
            with pytest.raises(error, match=match):
                files.read_bytes(path, most=10)


def test_large_files_are_refused_by_their_size(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="1,099,511,627,776 bytes or more; at most 1,000 are read"):
        files.read_bytes(tmp_path / "sparse", most=1000)


def test_a_file_that_has_grown_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"12345")
    small = os.stat(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"1" * 100)
    monkeypatch.setattr(os, "stat", lambda *_, **__: small)
    with pytest.raises(ValueError, match="at most 10"):
        files.read_bytes(tmp_path / "a", most=10)
