"""Archives of arrays: what `save_npz` writes comes back, and nothing that a file declares is believed."""

import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from gossamer import files

ARRAYS = {
    "a/b": np.arange(6.0).reshape(2, 3),
    "scalar": np.array(7),
    "text": np.array('{"k": 1}'),
    "none": np.empty((0, 4)),
    "flags": np.array([True, False]),
}


@pytest.fixture
def path(tmp_path):
    files.save_npz(tmp_path / "a.npz", ARRAYS)
    return tmp_path / "a.npz"


def load(path):
    with files.open_npz(path) as packed:
        return dict(packed)


def refusal(path):
    with pytest.raises(ValueError, match="cannot be read") as caught:
        load(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def npy(array=None, *, header=None, version=1):
    """Bytes of an array file, or of one with this text as its header and no data."""
    out = io.BytesIO()
    if header is None:
        np.lib.format.write_array(out, np.asanyarray(array), allow_pickle=True)
    else:
        text = header.encode()
        length = struct.pack("<H" if version == 1 else "<I", len(text))
        out.write(b"\x93NUMPY" + bytes([version, 0]) + length + text)
    return out.getvalue()


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_round_trip(path):
    found = load(path)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
    with np.load(path, allow_pickle=False) as numpys:
        assert set(numpys) == {*ARRAYS, "contents"}
        assert numpys["a/b"].tobytes() == ARRAYS["a/b"].tobytes()
    with files.open_npz(path) as packed:
        packed.require_seal()
        assert len(packed) == len(ARRAYS)
        assert packed.get("c") is None
        assert files.json_of(packed, "text") == {"k": 1}


def test_what_could_not_be_read_is_not_written(path):
    before = path.read_bytes()
    for array, match in (
        (np.array([None]), "Python objects"),
        (np.zeros(2, "M8[s]"), "numbers or texts"),
        (np.zeros(2, [("a", "f8")]), "numbers or texts"),
    ):
        with pytest.raises(ValueError, match=match):
            files.save_npz(path, {"a": array})
        assert path.read_bytes() == before


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_of_numpy_are_read(tmp_path, save):
    given = ARRAYS | {
        "columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "big": np.arange(5, dtype=">i4"),
        "half": np.ones(3, np.float16),
        "complex": np.ones(2, np.complex128),
        "bytes": np.array([b"ab", b"c"]),
        "labels": np.array(["yes", "no"]),
    }
    save(tmp_path / "b.npz", **given)
    found = load(tmp_path / "b.npz")
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype.newbyteorder("=")
    with (
        files.open_npz(tmp_path / "b.npz") as packed,
        pytest.raises(ValueError, match="no list of its contents"),
    ):
        packed.require_seal()


def test_large_arrays_cross_the_pieces(tmp_path):
    array = np.random.default_rng(0).normal(size=(300, 1001))
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "c.npz", x=array)
        assert load(tmp_path / "c.npz")["x"].tobytes() == array.tobytes()


def resaved(path, change):
    """Write the archive anew with other arrays, under its old list of contents."""
    with np.load(path) as old:
        arrays = dict(old)
    change(arrays)
    np.savez(path, **arrays)
    return path


def test_a_seal_finds_arrays_changed_swapped_added_and_missing(path):
    def swap(arrays):
        arrays["scalar"], arrays["flags"] = arrays["flags"], arrays["scalar"]

    def change(arrays):
        arrays["a/b"][0, 0] += 1e-300

    for breaks, match in (
        (swap, "'(scalar|flags)' is not the one that was saved"),
        (change, "'a/b' is not the one that was saved"),
        (lambda arrays: arrays.update(extra=np.ones(2)), "'extra' was added"),
        (lambda arrays: arrays.pop("none"), "'none' is missing"),
        (lambda arrays: arrays.update(scalar=np.array(7.0)), "'scalar' is not the one"),
        (lambda arrays: arrays.update(flags=arrays["flags"][:, None]), "'flags' is not the one"),
    ):
        files.save_npz(path, ARRAYS)
        with pytest.raises(ValueError, match=match):
            load(resaved(path, breaks))


def test_other_files(tmp_path):
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_bytes(b"not an archive")
    np.save(tmp_path / "one.npy", np.ones(3))
    assert "not a zip file" in refusal(tmp_path / "empty.npz")
    assert "not a zip file" in refusal(tmp_path / "text.npz")
    assert "one array (.npy), not an archive" in refusal(tmp_path / "one.npy")
    assert "'a.txt' is not an array" in refusal(archive(tmp_path / "zip.npz", {"a.txt": b"hello world"}))
    with pytest.raises(FileNotFoundError, match="no file"):
        load(tmp_path / "missing.npz")


def test_objects_are_never_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    np.savez(tmp_path / "o.npz", a=np.array([Evil()], dtype=object))
    assert "holds Python objects, which are never unpickled" in refusal(tmp_path / "o.npz")


SHAPES = "{{'descr': '<f8', 'fortran_order': False, 'shape': {}, }}\n"


@pytest.mark.parametrize(
    ("header", "match"),
    [
        (SHAPES.format((2**40,)), "declares shape"),
        (SHAPES.format((2**20, 2**20, 2**20, 2**20)), "declares shape"),
        (SHAPES.format((-1,)), "has the header"),
        (SHAPES.format((True,)), "has the header"),
        (SHAPES.format("3"), "has the header"),
        (SHAPES.format((0, 2**70)), "dimension exceeded"),
        (SHAPES.format("(0,) * 3"), "has the header"),
        (SHAPES.format("(" * 900 + ")" * 900), "has the header"),
        (SHAPES.format("-" * 3000 + "1"), "has the header"),
        ("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (0,), }\n", "numbers or texts"),
        ("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (0,), }\n", "numbers or texts"),
        ("{'descr': '<U0', 'fortran_order': False, 'shape': (1099511627776,), }\n", "numbers or texts"),
        ("{'descr': '|V8', 'fortran_order': False, 'shape': (0,), }\n", "numbers or texts"),
        ("{'descr': '<f8', 'fortran_order': 0, 'shape': (0,), }\n", "has the header"),
        ("{'descr': '<f8', 'shape': (0,), }\n", "has the header"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (0,), 'more': 1}\n", "has the header"),
        ("[]", "has the header"),
        ("", "has the header"),
        ("__import__('os')", "has the header"),
        (" " * 5000, "header of 5,000 bytes"),
    ],
)
def test_headers_that_declare_nonsense(tmp_path, header, match):
    for version in (1, 2, 3):
        path = archive(tmp_path / "h.npz", {"a.npy": npy(header=header, version=version)})
        assert match in refusal(path)


def test_members_that_declare_nonsense(tmp_path):
    path = tmp_path / "m.npz"
    whole = npy(np.arange(100.0))
    assert "declares shape (100,) of float64, 800 bytes, and holds 792" in refusal(
        archive(path, {"a.npy": whole[:-8]})
    )
    assert "holds 801" in refusal(archive(path, {"a.npy": whole + b"x"}))
    assert "is not an array" in refusal(archive(path, {"a.npy": b""}))
    assert "is not an array" in refusal(archive(path, {"a.npy": b"\x93NUMPY\x07\0"}))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.npy", whole)
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.npy", whole)
    assert "two arrays 'a'" in refusal(path)
    assert "compressed in a way" in refusal(archive(path, {"a.npy": whole}, zipfile.ZIP_BZIP2))
    # a flipped bit in the data, past all headers
    content = bytearray(archive(path, {"a.npy": whole}).read_bytes())
    content[content.index(whole) + 200] ^= 4
    path.write_bytes(content)
    assert "CRC" in refusal(path)


def test_bombs_cost_no_memory(tmp_path):
    path = tmp_path / "bomb.npz"
    zeros = npy(np.zeros(2**23))  # 64 MiB, in 64 KiB
    archive(path, {"a.npy": zeros}, zipfile.ZIP_DEFLATED)
    del zeros
    many = tmp_path / "many.npz"
    with zipfile.ZipFile(many, "w") as file:
        for k in range(30_000):
            file.writestr(f"{k}", b"")
    tracemalloc.start()
    assert "over 100-fold" in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 4e6
    assert "directory declares" in refusal(many)
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()


def test_overlapping_members(tmp_path):
    """All entries of the directory name one member, so that a small file declares a large sum."""
    path = tmp_path / "overlap.npz"
    archive(path, {"a.npy": npy(np.zeros(1000)), "b.npy": npy(np.zeros(1000))})
    content = path.read_bytes()
    second = content.index(b"PK\x03\x04", 4)
    first_entry = content.index(b"PK\x01\x02")
    entry = content.index(b"PK\x01\x02", first_entry + 4)
    patched = bytearray(content)
    patched[second:second] = b""  # the members stay; the second entry is pointed to the first
    patched[entry + 42 : entry + 46] = struct.pack("<I", 0)
    path.write_bytes(patched)
    refusal(path)


def test_texts_of_json(tmp_path):
    def read(**arrays):
        files.save_npz(tmp_path / "j.npz", arrays)
        with files.open_npz(tmp_path / "j.npz") as packed:
            return files.json_of(packed, "t")

    assert read(t=np.array(json.dumps({"a": [1]}))) == {"a": [1]}
    for text, match in (
        (np.array("[" * 10**5), "is not JSON"),
        (np.array('{"a":' * 10**4), "is not JSON"),
        (np.array("{"), "is not JSON"),
        (np.array("[1]"), "must be an object"),
        (np.array("9" * 5000), "is not JSON"),
        (np.array(" " * 300_000), "one text of at most"),
        (np.array(["{}"]), "must be one text"),
        (np.array(1.0), "must be one text"),
    ):
        with pytest.raises(ValueError, match=match):
            read(t=text)
