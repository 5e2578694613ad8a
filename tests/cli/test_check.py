"""`gossamer check`: files and modules of users, right and wrong."""

import pytest

PROBLEM = """
import warnings
import numpy as np
from gossamer import problems

warnings.simplefilter("ignore")

def gradient(i, x, out):
    out[:] = (1 + i) * x
    if i == {node}:
        out[1] += 0.01

def objective(i, x):
    return 0.5 * (1 + i) * (x @ x)

def make(smoothness=3.0, strong_convexity=1.0):
    return problems.Custom(
        gradient, objective, n_nodes=3, dim=4, smoothness=smoothness, strong_convexity=strong_convexity,
        compiled=False,
    )

def too_smooth():
    return make(2.0)

def too_convex():
    return make(3.0, 1.5)

NUMBER = 5
"""


@pytest.fixture
def write(tmp_path):
    def written(node, more="problem = make()\n"):
        path = tmp_path / "own_problem.py"
        path.write_text(PROBLEM.format(node=node) + more)
        return path

    return written


def verdicts(result):
    lines = [line.split() for line in result.stdout.splitlines() if line.strip()]
    return [words[-1] for words in lines if words[-1] in ("right", "wrong")]


def test_a_right_problem(gossamer, write):
    result = gossamer("check", write(-1))
    assert result.exit_code == 0
    assert verdicts(result) == ["right", "right", "right", "wrong"]  # the last word is of the count
    assert "problem: mu = 1, L = 3" in result.stdout
    assert result.stdout.endswith("nothing wrong\n")


def test_one_coordinate_at_one_node(gossamer, write):
    result = gossamer("check", write(2), "--points", "2")
    assert result.exit_code == 1
    assert verdicts(result) == ["wrong", "right", "right", "wrong"]
    assert "node 2: the gradient does not fit the objective; worst coordinate 1" in result.stdout
    assert result.stdout.endswith("1 wrong\n")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("too_smooth", "node 2: smoothness is 2, and a curvature is 3"),
        ("too_convex", "node 0: strong_convexity is 1.5, and a curvature is 1"),
    ],
)
def test_constants_by_the_name_of_a_function(gossamer, write, name, words):
    result = gossamer("check", f"{write(-1, '')}:{name}")
    assert result.exit_code == 1
    assert words in result.stdout


def test_a_dotted_path(gossamer, write, monkeypatch):
    monkeypatch.chdir(write(-1).parent)
    assert gossamer("check", "own_problem:problem").exit_code == 0


def test_refusals(refused, write):
    path = write(-1, "")
    assert "has no problem among its names" in refused("check", path)
    assert "has no 'other'" in refused("check", f"{path}:other")
    assert "NUMBER must be a problem" in refused("check", f"{path}:NUMBER")
    assert "no file nowhere.py" in refused("check", "nowhere.py")
    assert "No module named 'no_such_module'" in refused("check", "no_such_module")
