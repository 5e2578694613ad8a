"""Labels and features from data frames and other libraries' arrays: handled, or refused with a reason."""

import numpy as np
import pytest

from gossamer import problems
from gossamer.kernels import checks
from gossamer.problems.data.labels import label_array, number_classes, sign_classes

X = np.arange(8.0).reshape(4, 2)
TEXTS = ["b", "a", "b", "a"]


def columns():
    """Columns of TEXTS from libraries that are there."""
    yield "list", lambda: TEXTS
    yield "tuple", lambda: tuple(TEXTS)
    yield "array", lambda: np.array(TEXTS)
    yield "objects", lambda: np.array(TEXTS, object)
    yield "StringDType", lambda: np.array(TEXTS, np.dtypes.StringDType())
    for dtype in ("str", "object", "string", "category", "string[pyarrow]"):
        yield f"pandas {dtype}", lambda dtype=dtype: of_pandas(TEXTS, dtype)
    yield "ordered", lambda: ordered()
    yield "polars", lambda: pytest.importorskip("polars").Series(TEXTS)
    yield "polars Categorical", lambda: of_polars("Categorical")
    yield "arrow", lambda: pytest.importorskip("pyarrow").array(TEXTS)
    yield "arrow dictionary", lambda: pytest.importorskip("pyarrow").array(TEXTS).dictionary_encode()


def of_pandas(values, dtype):
    pandas = pytest.importorskip("pandas")
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    return pandas.Series(values, dtype=dtype)


def of_polars(dtype):
    polars = pytest.importorskip("polars")
    return polars.Series(TEXTS, dtype=getattr(polars, dtype))


def ordered():
    pandas = pytest.importorskip("pandas")
    return pandas.Series(pandas.Categorical(TEXTS, categories=["b", "c", "a"], ordered=True))


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in columns()])
def test_columns_of_texts(make):
    """Classes ascend by characters, whatever order a categorical column has."""
    column = make()
    assert label_array("y", column).tolist() == TEXTS
    softmax = problems.SoftmaxRegression.from_data(X, column, 2, l2=1.0, split="contiguous")
    assert softmax.classes.tolist() == ["a", "b"]
    assert softmax.labels.tolist() == [1.0, 0.0, 1.0, 0.0]
    logistic = problems.LogisticRegression.from_data(X, column, 2, l2=1.0, split="contiguous")
    assert logistic.classes.tolist() == ["a", "b"]
    assert logistic.labels.tolist() == [1.0, -1.0, 1.0, -1.0]
    order, offsets = problems.split_rows(column, 2, "sorted")
    assert order.tolist() == [1, 3, 0, 2]
    assert offsets.tolist() == [0, 2, 4]
    tested = problems.SoftmaxRegression(X, column, [0, 4], 1.0, test=(X, make()))
    assert tested.test[1].tolist() == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "dtype", ["int64", "Int64", "Float64", "float32", "boolean", "bool", "category", "int8[pyarrow]"]
)
def test_columns_of_numbers(dtype):
    values = [True, False, True, False] if "bool" in dtype else [1, 0, 1, 0]
    column = of_pandas(values, dtype)
    problem = problems.LogisticRegression.from_data(X, column, 1, l2=1.0, split="contiguous")
    assert problem.labels.tolist() == [1.0, -1.0, 1.0, -1.0]
    assert problem.classes.tolist() == [0, 1]
    if dtype != "category":
        least = problems.LeastSquares.from_data(X, column, 1, split="contiguous")
        assert least.targets.tolist() == [1.0, 0.0, 1.0, 0.0]


def frames():
    pandas = pytest.importorskip("pandas")
    numbers = {"a": X[:, 0].astype(int), "b": X[:, 1]}
    yield pandas.DataFrame(numbers)
    yield pandas.DataFrame(numbers).astype({"a": "Int64", "b": "Float64"})
    yield pandas.DataFrame(numbers).astype({"a": "Int64"})  # NumPy's view: objects
    yield pandas.DataFrame(numbers, index=[3, 1, 2, 0])
    yield pandas.DataFrame(numbers).astype({"a": pandas.SparseDtype(float)})
    for library in ("polars", "pyarrow"):
        try:
            module = __import__(library)
        except ModuleNotFoundError:
            continue
        yield module.DataFrame(numbers) if library == "polars" else module.table(numbers)


def test_data_frames():
    for frame in frames():
        problem = problems.LeastSquares.from_data(frame, np.ones(4), 2, split="contiguous")
        np.testing.assert_array_equal(problem.features, X)
        np.testing.assert_array_equal(problems.standardize(frame), problems.standardize(X))
        np.testing.assert_array_equal(problems.add_intercept(frame)[:, :2], X)
        softmax = problems.SoftmaxRegression.from_data(frame, TEXTS, 2, l2=1.0, split="contiguous")
        np.testing.assert_array_equal(softmax.features, X)
        assert softmax.predict(np.zeros(4), frame).tolist() == ["a"] * 4


def test_data_frames_with_something_else():
    pandas = pytest.importorskip("pandas")
    whole = pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    for column, error, message in (
        (["x", "y"], TypeError, r"real numbers, got dtype object: X\[0, 1\] is 'x', of type str"),
        (pandas.array([1, None], dtype="Int64"), ValueError, r"X must be finite, but X\[1, 1\] is nan"),
        (pandas.array([True, None], dtype="boolean"), ValueError, r"X must be finite, but X\[1, 1\] is nan"),
        (pandas.to_datetime(["2020-01-01", None]), TypeError, r"X\[0, 1\] is .* of type Timestamp"),
        ([1j, 2j], TypeError, "real numbers, got dtype"),
    ):
        with pytest.raises(error, match=message):
            problems.LeastSquares.from_data(whole.assign(b=column), np.ones(2), 1)
        with pytest.raises(error, match=message):
            problems.standardize(whole.assign(b=column))


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([1.0, np.nan], ValueError, r"y must be finite, but y\[1\] is nan; drop rows without a label"),
        ([1.0, np.inf], ValueError, "y must be finite"),
        (["a", np.nan], ValueError, r"y must not be missing, but y\[1\] is nan"),  # NumPy: the text 'nan'
        (["a", None], ValueError, r"y must not be missing, but y\[1\] is None"),
        (["a", 1], TypeError, r"y must be numbers or strings, not mixed, but y\[1\] is 1, of type int"),
        ([True, "a"], TypeError, r"not mixed, but y\[0\] is True"),
        (np.array(["a", np.nan], object), ValueError, r"y must not be missing, but y\[1\] is nan"),
        (np.array(["2020-01-01"], "M8[D]"), TypeError, "numbers or strings, got dtype datetime64"),
        ([[1], [2]], ValueError, r"y must have 1 dimension, got shape \(2, 1\); take the column"),
        ([[1, 2]], ValueError, r"got shape \(1, 2\)$"),
        ([1j], TypeError, "numbers or strings"),
    ],
)
def test_labels_that_are_none(labels, error, message):
    with pytest.raises(error, match=message):
        label_array("y", labels)


def test_missing_labels_of_data_frames():
    pandas = pytest.importorskip("pandas")
    for column in (
        pandas.Series(["a", None]),
        pandas.Series(["a", pandas.NA], dtype="string"),
        pandas.Series(pandas.Categorical(["a", None])),
        pandas.Series([1, None], dtype="Int64"),
        pandas.Series([True, None], dtype="boolean"),
    ):
        for use in (label_array, number_classes, sign_classes):
            with pytest.raises((ValueError, TypeError), match=r"y must.*y\[1\]"):
                use("y", column)


def test_signs():
    for labels, classes in (
        ([1, 1], [-1, 1]),
        ([0, 0], [0, 1]),
        ([True, False], [False, True]),
        (np.array([0, 1], np.uint8), [0, 1]),
        ([3, 7], [3, 7]),
        (["no", "yes"], ["no", "yes"]),
    ):
        found, signs = sign_classes("y", labels)
        assert found.tolist() == classes
        assert found[((signs + 1) / 2).astype(int)].tolist() == np.asarray(labels).tolist()
    with pytest.raises(ValueError, match="y must take two values, got 3: a, b, c"):
        sign_classes("y", ["a", "b", "c"])


class Lazy:
    """A table without arrays, as lazy ones are."""


def test_what_cannot_be_converted():
    with pytest.raises(
        TypeError, match=r"X must be an array of real numbers, got dtype object: it is .*Lazy"
    ):
        checks.real_array("X", Lazy(), 2)
