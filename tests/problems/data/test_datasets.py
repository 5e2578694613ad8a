"""Loaders: round trips through every format, and a file and a line in every complaint."""

import bz2
import gzip
import os
import sys

import numpy as np
import pytest

from gossamer import problems
from gossamer.problems.data import content, datasets

X = np.array([[1.5, 0.0, -2e-3], [0.0, 0.0, 1e300], [3.0, 4.0, 5.0]])
Y = np.array([1.0, -1.0, 1.0])


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def assert_loads(path, X=X, y=Y, **options):
    for where in (path, str(path)):
        loaded, targets = problems.load(where, **options)
        np.testing.assert_array_equal(loaded, X)
        np.testing.assert_array_equal(targets, y)
        assert loaded.dtype == np.float64
        assert loaded.flags.c_contiguous


@pytest.mark.parametrize("name", datasets.NAMES)
def test_named(name):
    pytest.importorskip("sklearn")
    samples, targets = problems.load(name)
    assert samples.shape == (targets.size, samples.shape[1])
    assert samples.dtype == targets.dtype == np.float64


def test_named_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'gossamer\[data\]'"):
        problems.load("diabetes")


def test_npz(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=Y)
    assert_loads(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "b.npz", X=X[:, :2].astype(np.float32), y=np.array(["a", "b", "a"]))
    assert_loads(tmp_path / "b.npz", X[:, :2], ["a", "b", "a"])


def test_libsvm(tmp_path):
    text = "+1 1:1.5 3:-2e-3\n\n# a comment\n-1 3:1e300 # another\n1 1:3 2:4 3:5"
    assert_loads(written(tmp_path, "a.svm", text))
    assert_loads(written(tmp_path, "a.libsvm", text.replace("\n", "\r\n")))
    assert_loads(written(tmp_path, "a.SVMLIGHT", "0.5\n2 2:1\n"), [[0.0, 0.0], [0.0, 1.0]], [0.5, 2.0])


def test_libsvm_round_trip_with_scikit_learn(tmp_path):
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(20, 7)) * (rng.random((20, 7)) < 0.4)
    samples[0, 6] = 1.0
    targets = rng.normal(size=20)
    path = str(tmp_path / "a.svmlight")
    sklearn_datasets.dump_svmlight_file(samples, targets, path, zero_based=False)
    loaded = problems.load(path)
    np.testing.assert_allclose(loaded[0], samples, rtol=1e-15)  # written with 16 digits
    np.testing.assert_allclose(loaded[1], targets, rtol=1e-15)


def test_csv(tmp_path):
    rows = [",".join(map(repr, map(float, (*x, y)))) for x, y in zip(X, Y, strict=True)]
    plain = "\n".join(rows)
    assert_loads(written(tmp_path, "a.csv", plain))
    assert_loads(written(tmp_path, "b.csv", "u,v,w,label\n" + plain + "\n\n"))
    assert_loads(written(tmp_path, "bom.csv", b"\xef\xbb\xbfu,v,w,label\r\n" + plain.encode()))
    assert_loads(written(tmp_path, "c.csv", 'u,"v, quoted",w,label\n' + plain), target="label")
    moved = "\n".join(",".join([row.split(",")[3], *row.split(",")[:3]]) for row in rows)
    assert_loads(written(tmp_path, "d.csv", moved), target=0)
    assert_loads(written(tmp_path, "e.csv", "label,u,v,w\n" + moved), target="label")
    assert_loads(written(tmp_path, "years.csv", "2001,2002,y\n1,2,3\n"), [[1.0, 2.0]], [3.0], target="y")
    assert_loads(written(tmp_path, "f.csv", "u,kind\n1, good\n2,bad\n"), [[1.0], [2.0]], ["good", "bad"])


def test_string_labels_reach_the_problem(tmp_path):
    path = written(tmp_path, "f.csv", "u,kind\n1,good\n2,bad\n3,good\n")
    problem = problems.LogisticRegression.from_data(*problems.load(path), 1, l2=1.0, split="contiguous")
    assert problem.labels.tolist() == [1.0, -1.0, 1.0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "a.csv: the file is empty"),
        ("a.csv", "u,v\n", "has a header and no data"),
        ("a.csv", "1\n2\n", "line 1: need at least one feature and a target"),
        ("a.csv", "1,2,3\n4,5\n", "line 2: 2 cells, but the first line has 3"),
        ("a.csv", "u,v,y\n1,2,3\n4,?,6\n", r"line 3, column 2 \(v\): '\?' is not a number"),
        ("a.csv", "1,2,3\n4,,6\n", "line 2, column 2: '' is not a number"),
        ("a.csv", "1,oops,3\n4,5,6\n", "line 1, column 2: 'oops' is not a number"),
        ("a.csv", "1,2,3\n4,nan,6\n", "line 2, column 2: 'nan' is not finite"),
        ("a.csv", "1,2,3\n4,5,1e999\n", "line 2, column 3: '1e999' is not finite"),
        ("a.csv", "1,2,3\n4,5,bad\n", "line 2, column 3: 'bad' is not a number"),
        ("a.csv", "1,2,3\n4,1_0,6\n", "line 2, column 2: '1_0' is not a number"),
        ("a.csv", '1,2,3\n"4,5,6\n', "line 2, column 1: a quote is not closed"),
        ("a.csv", b"1,2\n\xff,3\n", "line 2, column 1: '.*xff' is not a number"),
        ("a.svm", "", "a.svm: the text has no sample"),
        ("a.svm", "1\n2\n", "has no sample with a feature"),
        ("a.svm", "1 1:2\nyes 1:3\n", "line 2: 'yes' is not a number"),
        ("a.svm", "1 1:2\n1 2\n", "line 2: '2' is not index:value"),
        ("a.svm", "1 1:2\n1 a:2\n", "line 2: 'a:2' is not index:value"),
        ("a.svm", "1 -1:2\n", "line 1: '-1:2' is not index:value"),
        ("a.svm", "1 qid:2 1:3\n", "line 1: 'qid:2' is not index:value"),
        ("a.svm", "1 0:2\n", "line 1: indices must start at 1 and ascend, got 0; zero_based=True"),
        ("a.svm", "1 2:2 2:3\n", "line 1: indices must start at 1 and ascend, got 2 after 2"),
        ("a.svm", "1 2:inf\n", "line 1, index 2: 'inf' is not finite"),
        ("a.svm", "1 99999999999:1\n", "exceed"),
        ("a.svm", "1 1:2:3\n", "line 1, index 1: '2:3' is not a number"),
        ("a.npz", "not a zip", "a.npz cannot be read: File is not a zip file"),
        ("a.txt", "1 2", "format of .*a.txt"),
    ],
)
def test_broken_files_are_located(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message):
        problems.load(written(tmp_path, name, text))


@pytest.mark.parametrize(
    ("text", "options", "samples", "targets"),
    [
        # a header, or none: told by the argument where the line could be either
        ("0,1,2\n1.5,2.5,1\n", {"header": True}, [[1.5, 2.5]], [1]),
        ("0,1,2\n1.5,2.5,1\n", {"header": False}, [[0, 1], [1.5, 2.5]], [2, 1]),
        ("NA,b,y\n1,2,3\n", {"header": True}, [[1, 2]], [3]),
        ("2001,2002,y\n1,2,3\n", {"header": True}, [[1, 2]], [3]),
        ("1,2,yes\n3,4,no\n", {"header": False}, [[1, 2], [3, 4]], ["yes", "no"]),
        ("5.1,3.5,a\n4.9,3,b\n4.7,3,a\n", {}, [[5.1, 3.5], [4.9, 3], [4.7, 3]], ["a", "b", "a"]),
        ("1,2,3\n4,5,6\n", {}, [[1, 2], [4, 5]], [3, 6]),
        (",a,y\n0,1,2\n1,3,4\n", {"header": True}, [[0, 1], [1, 3]], [2, 4]),
        # separators and decimal points
        ("a;b;y\n1;2;3\n", {"sep": ";"}, [[1, 2]], [3]),
        ("a\tb\ty\n1\t\"2\"\t3\n", {"sep": "\t"}, [[1, 2]], [3]),
        ("1 2 7\n3 4 8\n", {"sep": " "}, [[1, 2], [3, 4]], [7, 8]),
        ("1,5;2;0,5\n2,5;3;1\n", {"sep": ";", "decimal": ","}, [[1.5, 2], [2.5, 3]], [0.5, 1]),
        # line ends, byte order mark, blanks, quotes
        ("\ufeffa,b,y\r1,2,3\r4,5,6", {}, [[1, 2], [4, 5]], [3, 6]),
        ("a,b,y\r\n\r\n 1 ,\t2, x \r\n  \r\n4,5,x\r\n", {}, [[1, 2], [4, 5]], ["x", "x"]),
        ('a,"b,""c""",y\n1,"2","one, ""two"""\n3,4,é\n', {}, [[1, 2], [3, 4]], ['one, "two"', "é"]),
        # what is missing
        ("a,b,y\n1,2,3\n4,,6\n7,8,NA\n?,9,1\n", {"missing": "drop"}, [[1, 2]], [3]),
        ("y,a,b\nx,1,2\n,3,4\nz,?,6\nx,7,8\n", {"missing": "drop", "target": 0}, [[1, 2], [7, 8]], [*"xx"]),
        ("a,y\n1,none\n2,None\n", {"missing": "drop"}, [[1]], ["none"]),
    ],
)  # fmt: skip
def test_what_the_arguments_of_csv_decide(tmp_path, text, options, samples, targets):
    assert_loads(written(tmp_path, "a.csv", text), samples, targets, **options)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("0,1,2\n1.5,2.5,1\n", {}, "line 1: .*; header=True takes the line for names, header=False"),
        ("0,1\n0,1\n", {}, "line 1: it counts.* header=True"),
        ("0,1,y\n5,6,1\n", {}, "line 1: the features are numbers, but the target is none.* header=True"),
        ("400,410,420,y\n1,7,2,a\n3,4,9,a\n", {}, "line 1: it counts.* header=True"),
        ("2019,2020,2021\n1.5,2,0\n3,4,1\n", {}, "line 1: it counts.* header=True"),
        ("sep=;\r\na;y\r\n1;2\r\n", {}, "line 1: it is a note for Excel.* remove it, and give sep=';'"),
        ("17,42,3\n0.5,0.25,1\n", {}, "line 1: the features are integers, and none is.* header=True"),
        ("2001,2007,y\n1,2,a\n3,4,a\n", {}, "line 1: no other line has the target 'y'.* header=True"),
        (",a,y\n0,1,2\n", {}, "line 1: column 1 has no name.* header=True"),
        ("a,b,y,\n1,2,0,\n", {}, "line 1: column 4 has no name"),
        ("?,?,1\n2,3,0\n", {}, "line 1: column 1 has no name.* header=True"),
        ("a,b,3\n1,2,3\n", {}, "line 1: no feature is a number, but the target is.* header=True"),
        ("a,2,y\n1,2,3\n", {}, "line 1, column 1: 'a' is not a number; header=True takes the"),
        ("a;b;y\n1;2;3\n", {}, "line 1: it has ';'; is it what separates cells. Give sep=';' or sep=','"),
        ("a\tb\n1\t2\n", {}, r"line 1: it has '\\t'.*sep="),
        ("1,5;0\n2,7;1\n", {}, "line 1: it has ';'"),
        ("a b y\n1 2 3\n", {}, "line 1: need at least one feature and a target.*sep="),
        ("1,5;2\n", {"sep": ";"}, "line 1, column 1: '1,5' is not a number; decimal="),
        ("a;y\n1;2,5\n2;3,5\n", {"sep": ";"}, r"line 2, column 2 .y.: '2,5' is not a number; decimal="),
        ("a;y\n1.5;2\n", {"sep": ";", "decimal": ","}, "line 2, column 1 .a.: '1.5' is not a number; dec"),
        ("a,y\n1,yes\n2,\n3,no\n", {}, "line 3, column 2 .y.: '' is .* missing; missing='drop'"),
        ("a,y\n1,2\n2,NA\n", {}, "line 3, column 2 .y.: 'NA' is .* missing"),
        ("1,7,0,\n3,4,1,\n", {}, "line 1, column 4: '' is .* missing; is the separator at the ends"),
        ("a,b,y\n1,2,0,\n", {}, "line 2: more than 3 cells, but the first line has 3"),
        ("a,y\n1,,\n", {}, "line 2: more than 2 cells"),
        ("a,y\n,2\n", {}, r"line 2, column 1 .a.: '' is not a number; missing='drop'"),
        ("a,y\n1,\n", {"missing": "drop"}, "no row is left"),
        ("a,y\n1,x\n2,3\n", {}, "line 2, column 2 .y.: 'x' is not a number, as other targets are"),
        ("a,y\n1,inf\n2,b\n", {}, "line 2, column 2 .y.: 'inf' is not finite"),
        ("a,y\n1,b\0\n2,c\n", {}, "line 2, column 2 .y.: 'b.x00' is no text"),
        (b"a,y\n1,\xff\n2,c\n", {}, "line 2: b'.xff' is not UTF-8 text"),
        ("a,y\n1,2\n".encode("utf-16"), {}, "UTF-16 text: convert"),
        ('a,y\n1,"x"z\n', {}, "line 2, column 2 .y.: text follows a closing quote"),
        ("a,y\n1,2\n", {"target": "y", "header": False}, "target 'y' is a name, and header=False"),
        ("a,y\n1,2\n", {"sep": ",,"}, "sep must be one character"),
        ("a,y\n1,2\n", {"sep": "e"}, "sep must be one character"),
        ("a,y\n1,2\n", {"decimal": ","}, "decimal and sep must differ"),
        ("a,y\n1,2\n", {"decimal": ";"}, "decimal must be '.' or ','"),
        ("a,y\n1,2\n", {"missing": "mean"}, "missing must be 'refuse' or 'drop', got 'mean'"),
        ("a,y\n1,2\n", {"header": 1.5}, "header must be True, False or None"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_in_csv_is_refused(tmp_path, text, options, message):
    path = written(tmp_path, "a.csv", text)
    with pytest.raises(ValueError, match=message) as caught:
        problems.load(path, **options)
    assert str(path) in str(caught.value)


def test_a_csv_written_by_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(50, 3)) * 10.0 ** rng.integers(-300, 300, (50, 3))
    labels = rng.choice(["a", 'b "c"', "d,e"], 50)
    frame = pandas.DataFrame(samples, columns=["u", "v", "w"]).assign(y=labels)
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert_loads(tmp_path / "a.csv", samples, labels)
    frame.to_csv(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"line 1: column 1 has no name, as a row index"):
        problems.load(tmp_path / "a.csv")
    frame.drop(columns="y").to_csv(tmp_path / "a.csv", index=False, header=["0", "1", "2"])
    with pytest.raises(ValueError, match=r"line 1: .* header=True"):
        problems.load(tmp_path / "a.csv")


def test_a_test_file_is_as_wide_as_its_training_file(tmp_path):
    train = problems.load(written(tmp_path, "a.svm", "+1 1:1 3:2\n-1 2:1\n"))
    test = problems.load(written(tmp_path, "a.t.svm", "+1 1:1\n-1 2:1\n"), n_features=3)
    assert test[0].tolist() == [[1, 0, 0], [0, 1, 0]]
    problem = problems.SoftmaxRegression.from_data(*train, n_nodes=1, l2=0.1, test=test)
    assert problem.accuracy(problem.solution()) in (0.0, 0.5, 1.0)
    path = written(tmp_path, "b.svm", "1 0:5 2:6\n")
    assert_loads(path, [[5.0, 0.0, 6.0]], [1.0], zero_based=True)
    assert_loads(path, [[5.0, 0.0, 6.0, 0.0]], [1.0], zero_based=True, n_features=4)
    assert_loads(written(tmp_path, "c.svm", "1\n2\n"), [[0.0], [0.0]], [1.0, 2.0], n_features=1)


def test_files_of_any_ending_and_compressed(tmp_path):
    lines = b"+1 1:1.5 3:-2e-3\n-1 3:1e300\n1 1:3 2:4 3:5"
    for name in ("a9a", "a9a.t", "heart.scale"):
        path = written(tmp_path, name, lines)
        with pytest.raises(ValueError, match=r"cannot tell the format of .* give format="):
            problems.load(path)
        assert_loads(path, format="libsvm")
    for name, compress in (("a.svm.gz", gzip.compress), ("a.libsvm.bz2", bz2.compress)):
        assert_loads(written(tmp_path, name, compress(lines)))
        broken = written(tmp_path, name, compress(lines)[:-9])
        with pytest.raises(ValueError, match="it cannot be decompressed"):
            problems.load(broken)
    assert_loads(written(tmp_path, "a9a.bz2", bz2.compress(lines)), format="libsvm")
    assert_loads(written(tmp_path, "a.csv.gz", gzip.compress(b"u,y\n1,2\n")), [[1.0]], [2.0])
    assert_loads(written(tmp_path, "data", b"u,y\n1,2\n"), [[1.0]], [2.0], format="csv")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.csv", {"n_features": 3}, "n_features = 3 is not for a file of format 'csv'"),
        ("a.csv", {"zero_based": True}, "zero_based = True is not for"),
        ("a.svm", {"sep": ";"}, "sep = ';' is not for a file of format 'libsvm'"),
        ("a.svm", {"target": 0}, "target = 0 is not for"),
        ("a.npz", {"header": False}, "header = False is not for a file of format 'npz'"),
        ("iris", {"missing": "drop"}, "missing = 'drop' is not for a named data set"),
        ("a.csv", {"format": "arff"}, "format must be one of npz, csv, libsvm, got 'arff'"),
    ],
)
def test_arguments_of_other_formats(tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        problems.load(name if name == "iris" else written(tmp_path, name, "1,2\n"), **options)


@pytest.mark.parametrize("target", [True, 1.0, None])
def test_targets_are_names_or_positions(tmp_path, target):
    with pytest.raises(TypeError, match="target must be an integer, got"):
        problems.load(written(tmp_path, "a.csv", "a,y,b\n1,0,2\n3,1,4\n"), target=target)


def test_only_files_are_read(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder\.csv is a folder"):
        problems.load(tmp_path / "folder.csv")
    os.mkfifo(tmp_path / "pipe.svm")
    with pytest.raises(ValueError, match=r"pipe\.svm is a pipe"):
        problems.load(tmp_path / "pipe.svm")
    with pytest.raises(ValueError, match=r"^/dev/zero is a device"):
        problems.load("/dev/zero", format="csv")
    with open(tmp_path / "large.svm", "wb") as file:
        file.truncate(2**33 + 1)  # of holes
    with pytest.raises(ValueError, match=r"large\.svm has 8,589,934,593 bytes or more"):
        problems.load(tmp_path / "large.svm")


def test_what_decompresses_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "MAX_BYTES", 1000)
    path = written(tmp_path, "a.svm.gz", gzip.compress(b"1 1:1\n" * 500))
    with pytest.raises(ValueError, match="decompressed it has more than 1,000 bytes"):
        problems.load(path)


def test_bad_npz(tmp_path):
    path = tmp_path / "a.npz"
    for arrays, message in (
        ({"X": X}, "it has no array 'y'; it has 'X'"),
        ({"X": X, "y": Y[:2]}, r"got shapes \(3, 3\) and \(2,\)"),
        ({"X": X[0], "y": Y}, r"X must be \(M, d\)"),
        ({"X": X.astype(str), "y": Y}, "X must hold real numbers"),
        ({"X": X.astype(object), "y": Y}, "holds Python objects, which are never unpickled"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=message):
            problems.load(path)


def test_bad_names_and_targets(tmp_path):
    with pytest.raises(ValueError, match="no data set 'mnist': the names are breast_cancer"):
        problems.load("mnist")
    with pytest.raises(FileNotFoundError, match=r"no file .*absent\.csv"):
        problems.load(tmp_path / "absent.csv")
    path = written(tmp_path, "a.csv", "u,u,y\n1,2,3\n")
    for target, message in (("z", "'z' must name one column of u, u, y"), ("u", "'u' must name one column")):
        with pytest.raises(ValueError, match=message):
            problems.load(path, target=target)
    with pytest.raises(ValueError, match="target 3 is not one of the 3 columns"):
        problems.load(path, target=3)


def test_standardize_and_add_intercept():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(50, 3)) * [1e-8, 1.0, 1e8] + [0.0, 5.0, -1e9]
    samples = np.column_stack([samples, np.full(50, 0.1)])
    result = problems.standardize(samples)
    np.testing.assert_allclose(result.mean(axis=0), 0.0, atol=1e-13)
    np.testing.assert_allclose(result.std(axis=0), [1.0, 1.0, 1.0, 0.0], rtol=1e-12)
    np.testing.assert_array_equal(result[:, 3], 0.0)
    np.testing.assert_array_equal(problems.add_intercept(samples)[:, 4], 1.0)
    with pytest.raises(ValueError, match=r"X\[0, 1\] is nan"):
        problems.standardize([[1.0, np.nan]])
