"""Text files that were mutated: what an independent reader finds, or a ValueError that names the file."""

import csv
import gzip
import math
import re
import warnings

import mutations
import networkx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gossamer import graphs, problems

TOKENS = (
    *(
        b",",
        b";",
        b"\t",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        b'"',
        b'""',
        b"#",
        b":",
        b"0:",
        b"=",
        b"-",
        b".",
        b"e",
        b"e9",
    ),
    *(
        b"nan",
        b"inf",
        b"NA",
        b"?",
        b"1e400",
        b"1e-400",
        b"0x1",
        b"1_0",
        b"99999999999999999999",
        b"-1",
        b"source,",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xff",
        b"\0",
        b"\xd9\xa1",
        b"</node>",
        b"<graph/>",
        b"&amp;",
        b"&x;",
        b"<!--",
        b"d0",
        b"true",
    ),
)


def edits():
    """Strategy for lists of edits, of bytes or of words that mean something in such files."""
    word = st.builds(
        mutations.Edit,
        st.sampled_from(["insert", "overwrite"]),
        st.integers(0, 2**24),
        st.sampled_from(TOKENS),
        st.just(False),
    )
    return st.lists(word, min_size=1, max_size=3) | mutations.edits()


def lines_of(content):
    text = content.decode("utf-8-sig", errors="replace")  # comments may hold anything
    return [line for line in re.split(r"\r\n|\r|\n", text) if line.strip(" \t")]


def number(text):
    assert text.isascii()
    assert "_" not in text
    value = float(text)
    assert math.isfinite(value)
    return value


def check_csv(content, X, y):
    rows = [
        [cell.strip(" \t") for cell in next(csv.reader([line], skipinitialspace=True))]
        for line in lines_of(content)
    ]
    assert len({len(row) for row in rows}) == 1
    rows = rows[len(rows) - len(X) :]
    assert X.tolist() == [[number(cell) for cell in row[:-1]] for row in rows]
    targets = [row[-1] for row in rows]
    assert y.tolist() == (targets if y.dtype.kind == "U" else [number(cell) for cell in targets])
    assert not {"", "NA", "nan", "?", "inf"} & set(map(str, y.tolist()))


def check_libsvm(content, X, y):
    samples = [line.partition("#")[0].split(None) for line in lines_of(content)]
    samples = [sample for sample in samples if sample]
    right = np.zeros_like(X)
    for row, (_, *pairs) in zip(right, samples, strict=True):
        for pair in pairs:
            index, value = pair.split(":")
            assert row[int(index) - 1] == 0.0
            row[int(index) - 1] = number(value)
    np.testing.assert_array_equal(X, right)
    assert y.tolist() == [number(label) for label, *_ in samples]


def check_edges(content, graph):
    lines = [line.strip() for line in lines_of(content)]
    rows = [
        [cell.strip() for cell in re.split(r"[,\s]+", line)] for line in lines if not line.startswith("#")
    ]
    if rows and not rows[0][0].isdecimal():
        order = [rows[0].index(name) for name in rows[0] if name in ("source", "target")]
        order = sorted(order, key=lambda k: rows[0][k]) if len(order) == 2 else [0, 1]  # unknown names
        rows = [[row[k] for k in order] for row in rows[1:]]
    edges = {tuple(sorted(map(int, row[:2]))) for row in rows}
    assert set(map(tuple, graph.edges.tolist())) == {edge for edge in edges if edge[0] != edge[1]}


def check_graphml(path, graph):
    try:
        other = networkx.Graph(networkx.read_graphml(path))
    except Exception:
        return  # networkx is stricter with what is not read here: types of other data
    assert graph.n_nodes == len(other)
    assert graph.n_edges == other.number_of_edges() - networkx.number_of_selfloops(other)


ROWS = "".join(f"{i / 7!r},{-i},{2.5e-3 * i},{'yes' if i % 3 else 'no'}\n" for i in range(12))
NUMBERS = "".join(f"{i / 7!r},{-i},{2.5e-3 * i},{i % 2}\n" for i in range(12))
PAIRS = "".join(f"{i % 2 or '+1'} 1:{i / 3!r} 3:{-i} {7 + i}:1e-3 # {i}\n" for i in range(12))
EDGES = "".join(f"{i},{(i * 5 + 1) % 12},{i + 0.5}\n" for i in range(12))
GRAPHML = "\n".join(
    [
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
        '<key id="d0" for="edge" attr.name="length" attr.type="double"><default>2.5</default></key>',
        '<key id="d1" for="node" attr.name="label" attr.type="string"/><graph edgedefault="undirected">',
        *(f'<node id="n{i}"><data key="d1">Node {i}</data></node>' for i in range(6)),
        *(f'<edge source="n{i}" target="n{i + 1}"><data key="d0">{i}</data></edge>' for i in range(4)),
        '<edge source="n0" target="n5"/></graph></graphml>',
    ]
)
FILES = {
    "table.csv": f"u,v,w,label\n{ROWS}",
    "numbers.csv": NUMBERS,
    "samples.svm": PAIRS,
    "edges.csv": f"source,target,length\n{EDGES}",
    "edges.txt": "# n_nodes: 12\n" + EDGES.replace(",", " "),
    "graph.graphml": GRAPHML,
}


def read(path, content):
    """Read a file and compare with what is in it; whether it was refused."""
    path.write_bytes(content)
    is_graph = path.stem in ("edges", "graph")
    found, refusal = None, None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)  # loops, columns that are ignored
        try:
            found = graphs.read_graph(path) if is_graph else problems.load(path)
        except (ValueError, TypeError) as error:
            refusal = error
    if refusal is not None:
        assert str(path) in str(refusal)
        assert len(str(refusal)) < 1000
        assert type(refusal) is ValueError or "directed" in str(refusal)
        return True
    if path.suffix == ".graphml":
        check_graphml(path, found)
    elif is_graph:
        check_edges(content, found)
    else:
        (check_csv if path.suffix == ".csv" else check_libsvm)(content, *found)
    return False


@pytest.mark.parametrize(
    "count", [60, pytest.param(500 * mutations.TIMES, marks=pytest.mark.slow)], ids=["some", "many"]
)
@pytest.mark.parametrize("name", FILES)
def test_mutated_files(name, count, tmp_path, tried):
    content = FILES[name].encode()
    refusals = []
    assert not read(tmp_path / name, content)

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(edits())
    def each(changes):
        refusals.append(read(tmp_path / name, mutations.edited(content, changes)))

    each()
    tried("mutated files", len(refusals))
    assert 0.1 * len(refusals) < sum(refusals) < len(refusals)


@pytest.mark.parametrize(
    "count", [60, pytest.param(500 * mutations.TIMES, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_mutated_compressed_files(count, tmp_path, tried):
    content = gzip.compress(FILES["samples.svm"].encode(), mtime=0)
    path = tmp_path / "samples.svm.gz"
    path.write_bytes(content)
    X, y = problems.load(path)
    numbers = []

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutations.edits())
    def each(changes):
        numbers.append(mutations.edited(content, changes))
        path.write_bytes(numbers[-1])
        message = None
        try:
            found = problems.load(path)
        except ValueError as error:
            message = str(error)
        if message is not None:
            assert str(path) in message
            return
        np.testing.assert_array_equal(found[0], X)  # a checksum guards the content
        np.testing.assert_array_equal(found[1], y)

    each()
    tried("mutated files", len(numbers))


CORPUS = [
    ("table.csv", b""),
    ("table.csv", b"\xef\xbb\xbf"),
    ("table.csv", b"\n\n \n"),
    ("table.csv", b","),
    ("table.csv", b"u,v\n"),
    ("table.csv", b"1,2\n3"),
    ("table.csv", b'"'),
    ("table.csv", b'1,"'),
    ("table.csv", b"1,2\r\n3,\0"),
    ("table.csv", b"u,v\n1,\xff"),
    ("table.csv", b"," * 10000 + b"\n" * 10000),
    ("table.csv", b"9" * 100000 + b",1"),
    ("samples.svm", b""),
    ("samples.svm", b"1 1152921504606846976:1"),
    ("samples.svm", b"1 1:1\n" * 3 + b"1 99999999999999999999999:1"),
    ("samples.svm", b"1 :1"),
    ("samples.svm", b"1 1:"),
    ("samples.svm", b"1 1:1\0"),
    ("edges.csv", b"source,target"),
    ("edges.csv", b"0,1\n0,99999999999999999999"),
    ("edges.txt", b"0 " + b"9" * 5000),
    ("edges.txt", b"# n_nodes: " + b"9" * 5000 + b"\n0 1"),
    ("graph.graphml", b"<graphml/>"),
    ("graph.graphml", b"<graphml><graph/></graphml>"),
    ("graph.graphml", b'<?xml version="1.0" encoding="utf-7"?><graphml/>'),
    ("graph.graphml", b"<graphml>" + b"<a>" * 20000 + b"</a>" * 20000 + b"</graphml>"),
    ("graph.graphml", b'<!DOCTYPE a [<!ENTITY b "c">]><graphml><graph>&b;</graph></graphml>'),
]


@pytest.mark.parametrize(
    ("name", "content"), CORPUS, ids=[f"{name}-{k}" for k, (name, _) in enumerate(CORPUS)]
)
def test_files_that_hurt(name, content, tmp_path):
    assert read(tmp_path / name, content)
