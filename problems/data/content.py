"""The content of text files, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import zlib
from io import BufferedReader

import numpy as np

from ...kernels.text import MAX_BYTES

COMPRESSED = {".gz": gzip.open, ".bz2": bz2.open}


def content(file: BufferedReader, ending: str) -> np.ndarray:
    """Return the bytes of a file, decompressed if its ending says so, without UTF-8's byte order mark."""
    if ending not in COMPRESSED:
        data = np.fromfile(file, np.uint8)
    else:
        try:
            with COMPRESSED[ending](file, "rb") as stream:
                found = stream.read(MAX_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"it cannot be decompressed: {error}") from error
        if len(found) > MAX_BYTES:
            raise ValueError(f"decompressed it has more than {MAX_BYTES:,} bytes, the most that are read")
        data = np.frombuffer(found, np.uint8)
    start = data[:3].tobytes()
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError("it is UTF-16 text: convert it to UTF-8")
    return data[3:] if start == b"\xef\xbb\xbf" else data
