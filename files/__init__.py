"""What is on disk: written whole or not at all, checked or refused when read.

| module | what it holds |
|---|---|
| `writing` | `whole_file`, `write_text`; `check_file` and `make_folder`, asked before the work |
| `reading` | `open_file`, `read_bytes`: regular files only, no larger than a limit |
| `npz` | archives of arrays: `save_npz` seals them, `open_npz` believes nothing that they declare |
"""

from .npz import Npz, json_of, open_npz, save_npz
from .reading import open_file, read_bytes
from .writing import check_file, make_folder, whole_file, write_text

__all__ = [
    "Npz",
    "check_file",
    "json_of",
    "make_folder",
    "open_file",
    "open_npz",
    "read_bytes",
    "save_npz",
    "whole_file",
    "write_text",
]
