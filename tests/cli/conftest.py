import pytest
from typer.testing import CliRunner

from gossamer.cli import app


@pytest.fixture
def gossamer():
    """Run a command line in this process; exceptions that are not meant for users come through."""

    def run(*arguments, env=None):
        result = CliRunner().invoke(
            app,
            [str(a) for a in arguments],
            prog_name="gossamer",
            env={"GOSSAMER_DEBUG": ""} | (env or {}),
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def refused(gossamer):
    """Run a command line that must fail; return the one line on stderr."""

    def run(*arguments):
        result = gossamer(*arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.endswith("\n")
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith("error: ")
        return result.stderr[len("error: ") : -1]

    return run
