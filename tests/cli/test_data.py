"""The keys of `[problem]` reach the loader, and its defaults are theirs."""

import dataclasses
import inspect

import numpy as np
import pytest

from gossamer import problems
from gossamer.cli.build import build_problem, read_problem
from gossamer.cli.data import LoadKeys, load_data


def test_the_keys_are_the_arguments_of_load():
    parameters = inspect.signature(problems.load).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items() if name != "name_or_path"}
    assert {field.name: field.default for field in dataclasses.fields(LoadKeys)} == defaults


def test_keys_of_files(tmp_path):
    (tmp_path / "a.csv").write_text("1;2,5;x\n3;4,5;y\n?;1;x\n")
    (tmp_path / "train").write_text("1 0:1 2:3\n-1 1:2\n")
    table = {
        "kind": "logistic",
        "data": "a.csv",
        "sep": ";",
        "decimal": ",",
        "header": False,
        "missing": "drop",
    }
    problem = build_problem(read_problem(table | {"split": "contiguous"}), 2, tmp_path)
    assert problem.features.tolist() == [[1.0, 2.5], [3.0, 4.5]]
    assert problem.classes.tolist() == ["x", "y"]
    table = {
        "kind": "least_squares",
        "data": "train",
        "format": "libsvm",
        "zero_based": True,
        "n_features": 4,
    }
    problem = build_problem(read_problem(table | {"split": "contiguous", "intercept": True}), 2, tmp_path)
    assert problem.features.tolist() == [[1.0, 0.0, 3.0, 0.0, 1.0], [0.0, 2.0, 0.0, 0.0, 1.0]]
    with pytest.raises(ValueError, match=r"\[problem\] has no key 'sepa'"):
        read_problem(table | {"sepa": ";"})
    with pytest.raises(ValueError, match=r"\[problem\] header must be true or false, got 'no'"):
        read_problem(table | {"header": "no"})


def test_named_data_are_standardised():
    pytest.importorskip("sklearn")
    options = dataclasses.asdict(LoadKeys()) | {"data": "iris", "standardize": True, "intercept": True}
    X, y = load_data(options, None)
    assert X.shape == (150, 5)
    np.testing.assert_allclose(X.mean(axis=0), [0, 0, 0, 0, 1], atol=1e-12)
    assert y.shape == (150,)
