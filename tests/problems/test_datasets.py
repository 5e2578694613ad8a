"""Loaders: round trips through every format, and a file and a line in every complaint."""

import sys

import numpy as np
import pytest

from gossamer import problems
from gossamer.problems import datasets

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
        ("a.csv", "", "a.csv is empty"),
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
        ("a.csv", '1,2,3\n"4,5,6\n', "line 2: unexpected end of data"),
        ("a.csv", b"1,2\n\xff,3\n", "a.csv is not UTF-8 text"),
        ("a.svm", "", "a.svm has no sample with a feature"),
        ("a.svm", "1\n2\n", "has no sample with a feature"),
        ("a.svm", "1 1:2\nyes 1:3\n", "line 2: 'yes' is not a number"),
        ("a.svm", "1 1:2\n1 2\n", "line 2, index 2: '' is not a number"),
        ("a.svm", "1 1:2\n1 a:2\n", "line 2: 'a:2' is not index:value"),
        ("a.svm", "1 -1:2\n", "line 1: '-1:2' is not index:value"),
        ("a.svm", "1 qid:2 1:3\n", "line 1: 'qid:2' is not index:value"),
        ("a.svm", "1 0:2\n", "line 1: indices must start at 1 and ascend, got 0 after 0"),
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
