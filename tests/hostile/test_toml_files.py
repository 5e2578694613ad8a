"""TOML files of the commands with edited bytes: read, or refused in words that name the file."""

import mutations
import pytest
from hypothesis import HealthCheck, given, settings

from gossamer.cli import build, comparison, errors, experiment, reading, robust_experiment

HONEST = {
    "run": (experiment.TEMPLATE, ("problem", "graph", "solver"), ()),
    "compare": (comparison.TEMPLATE, ("problem", "graph", "solvers", "compare"), ("solvers",)),
    "robustness": (
        robust_experiment.TEMPLATE,
        ("problem", "workers", "rules", "attacks", "grid"),
        ("pre", "rules", "attacks"),
    ),
}
TABLES = {
    "run": {"graph": build.GraphTable, "run": experiment.RunTable},
    "compare": {"graph": build.GraphTable, "run": comparison.RunTable, "compare": comparison.CompareTable},
    "robustness": {
        "problem": robust_experiment.ProblemTable,
        "workers": robust_experiment.WorkersTable,
        "grid": robust_experiment.GridTable,
        "run": robust_experiment.RunTable,
    },
}


def read(command, path):
    """Read and check the tables of a file; what they describe may be too large to build."""
    _, needed, lists = HONEST[command]
    with errors.user_errors(str(path)):
        tables = reading.load_tables(path, needed, lists=lists)
        if command != "robustness":
            build.read_problem(tables["problem"])
        for name, kind in TABLES[command].items():
            reading.fill(kind, f"[{name}]", tables[name])


@pytest.mark.parametrize(
    "number", [50, pytest.param(1000 * mutations.TIMES, marks=pytest.mark.slow)], ids=["some", "many"]
)
@pytest.mark.parametrize("command", HONEST)
def test_edited_bytes(command, number, tmp_path, tried):
    path = tmp_path / "edited.toml"
    content = HONEST[command][0].encode()
    refusals = []
    path.write_bytes(content)
    read(command, path)

    @settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutations.edits())
    def each(drawn):
        path.write_bytes(mutations.edited(content, drawn))
        message = ""
        try:
            read(command, path)
        except errors.UserError as error:
            message = str(error)
            assert str(path) in errors.one_line(message)
        refusals.append(bool(message))

    each()
    tried("mutated files", len(refusals))
    assert 0.2 * len(refusals) < sum(refusals) < len(refusals)
