"""TOML files of all commands: refused by kind, size and depth; keys that are unknown, with the nearest."""

import os

import pytest

from gossamer.cli import comparison, experiment, reading, robust_experiment

COMMANDS = {
    "run": experiment.TEMPLATE,
    "compare": comparison.TEMPLATE,
    "robustness": robust_experiment.TEMPLATE,
}
KEYS = [reading.DEEPEST + 2, 10**4]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_file_is_refused_at_once(refused, tmp_path, command):
    os.mkfifo(tmp_path / "pipe.toml")
    with (tmp_path / "large.toml").open("wb") as file:
        file.truncate(2**30)
    for path, match in (
        (tmp_path / "pipe.toml", "is a pipe, not a file"),
        ("/dev/zero", "is a device, not a file"),
        (tmp_path, "is a folder"),
        (tmp_path / "none.toml", "no file"),
        (tmp_path / "large.toml", "has 1,073,741,824 bytes or more; at most 4,194,304 are read"),
    ):
        assert match in refused(command, path)


@pytest.mark.parametrize("depth", KEYS)
@pytest.mark.parametrize(
    "text", ["a = {array}", "a = {table}", "{key} = 1", "[{key}]", "[[{key}]]", "[a]\nb.{key} = 1"]
)
def test_nesting_is_limited(refused, tmp_path, depth, text):
    parts = {
        "array": "[" * depth + "]" * depth,
        "table": "{a = " * depth + "1" + "}" * depth,
        "key": ".".join("a" * depth),
    }
    path = tmp_path / "deep.toml"
    path.write_text(text.format(**parts))
    assert "nested more than 16 levels deep" in refused("run", path)


def test_as_deep_as_is_allowed(refused, tmp_path):
    path = tmp_path / "deep.toml"
    depth = reading.DEEPEST
    path.write_text(
        f"[graphs]\na = {'[' * (depth - 1)}{']' * (depth - 1)}\n{'.'.join('b' * (depth - 1))} = 1"
    )
    assert "has no table 'graphs'; did you mean 'graph'?" in refused("run", path)


def test_long_texts_and_numbers(refused, tmp_path):
    path = tmp_path / "long.toml"
    for text, match in (
        (f"{'problem' * 10**5} = 1", "the file has no table 'problem"),
        (f"problem = {'9' * 10**5}", "Exceeds the limit"),
        (f"[problem]\nkind = '{'k' * 10**6}'\n[graph]\n[solver]", "gossamer has no kind of problem 'k"),
        (
            f"[problem]\nkind = [{'1, ' * 10**5}]\n[graph]\n[solver]",
            "[problem] kind must be a text, got [1, 1",
        ),
        ("'a b' = 1", "has no table 'a b'; there are problem"),
        ("\0", "Invalid statement"),
    ):
        path.write_text(text)
        refusal = refused("run", path)
        assert match in refusal
        assert len(refusal) < 400


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("max_tim", "max_time"),
        ("Tol", "tol"),
        ("TOL", "tol"),
        ("record-every", "record_every"),
        ("seed", "seeds"),
    ],
)
def test_unknown_keys_are_named_with_the_nearest(refused, tmp_path, wrong, right):
    path = tmp_path / "keys.toml"
    path.write_text(
        "[problem]\nkind = 'quadratic'\ndim = 2\n[graph]\ntopology = 'cycle:4'\n[solver]\nname='DGD'\n"
        f"[run]\n{wrong} = 1"
    )
    assert refused("run", path).endswith(f"[run] has no key {wrong!r}; did you mean {right!r}?")
    path.write_text(
        path.read_text().replace(f"{wrong} = 1", "").replace("name='DGD'", "name='DGD'\nstepp=1.0")
    )
    assert "did you mean 'step'?" in refused("run", path)


def test_data_that_are_no_files(refused, tmp_path):
    """The digest of the data, too, is of a regular file."""
    os.mkfifo(tmp_path / "data.csv")
    path = tmp_path / "robustness.toml"
    path.write_text(COMMANDS["robustness"].replace('data = "digits"', 'data = "data.csv"'))
    assert "data.csv is a pipe" in refused("robustness", path, "--output", tmp_path / "out")
