"""Help, version, errors: what all commands share."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import gossamer as package
from gossamer import cli, graphs
from gossamer.cli.errors import UserError, user_errors


def test_help_lists_the_commands(gossamer):
    result = gossamer("--help")
    assert result.exit_code == 0
    for command in ("demo", "rates", "run", "compare", "robustness", "template", "check", "info"):
        assert f" {command} " in result.stdout


def test_version(gossamer):
    assert gossamer("--version").stdout == f"gossamer {package.__version__}\n"


def test_help_imports_no_heavy_library():
    script = (
        "import sys\n"
        "from gossamer.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = ['cvxpy', 'matplotlib', 'networkx', 'pandas', 'scipy.optimize', 'sklearn', 'topohub']\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0
    assert run.stderr == "[]\n"


def test_the_installed_command_refuses_in_one_line():
    command = Path(sys.executable).with_name("gossamer")
    run = subprocess.run([command, "rates", "no_such_family:3"], capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("error: unknown topology 'no_such_family:3'")
    assert run.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_output_that_finds_no_room_is_one_line():
    command = Path(sys.executable).with_name("gossamer")
    with open("/dev/full", "w") as full:
        run = subprocess.run([command, "template"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 2
    assert run.stderr == "error: output: No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rates"], "Missing argument 'TOPOLOGY'; `gossamer rates --help` shows"),
        (["run"], "Missing argument 'EXPERIMENT.TOML'; `gossamer run --help` shows"),
        (["compare"], "Missing argument 'COMPARE.TOML'; `gossamer compare --help` shows"),
        (["template", "race"], "'race' is not one of 'run', 'compare'"),
        (["rates", "cycle:5", "--tol", "x"], "'--tol'"),
        (["demo", "--seeds", "0"], "'--seeds'"),
        (["rates", "--bogus"], "--bogus; `gossamer rates --help` shows"),
        (["info", "all"], "(all); `gossamer info --help` shows"),
        (["--bogus"], "--bogus; `gossamer --help` shows"),
        (["bogus"], "No such command 'bogus'"),
        (["--debug", "rates", "cycle:5", "6"], "(6)"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_line(refused, arguments, message):
    assert message in refused(*arguments)


def test_no_arguments_show_the_help(gossamer):
    shown = gossamer()
    assert "Usage: gossamer" in shown.output
    assert " rates " in shown.output


def test_debug_keeps_the_exception(gossamer):
    for arguments, env in ((("--debug",), {}), ((), {"GOSSAMER_DEBUG": "1"})):
        with pytest.raises(UserError) as caught:
            gossamer(*arguments, "rates", "cycle:2", env=env)
        assert isinstance(caught.value.__cause__, ValueError)


def test_bugs_keep_their_traceback(gossamer, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(graphs, "gossip_rates", broken)
    with pytest.raises(ZeroDivisionError):
        gossamer("rates", "cycle:5")


def test_user_errors_says_where_once():
    with pytest.raises(UserError, match=r"^here: wrong$"), user_errors("here"):
        raise ValueError("wrong")
    with pytest.raises(UserError, match=r"^here: line 3$"), user_errors("here"):
        raise ValueError("here: line 3")
    with pytest.raises(UserError, match=r"^nowhere: No such file or directory$"), user_errors():
        open("nowhere").close()
    with pytest.raises(UserError, match=r"^here: too large for this machine; "), user_errors("here"):
        raise MemoryError
    with pytest.raises(UserError, match=r"^too large for this machine \(int too large\); "), user_errors():
        raise OverflowError("int too large")
    with pytest.raises(KeyError), user_errors():
        raise KeyError


def test_warnings_are_one_line(monkeypatch, capsys):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # restores it at the end
    monkeypatch.setattr(sys, "argv", ["gossamer", "--version"])
    with pytest.raises(SystemExit):
        cli.main()
    warnings.showwarning(RuntimeWarning("two\n  lines"), RuntimeWarning, "file.py", 1)
    assert capsys.readouterr().err == "warning: two lines\n"


@pytest.mark.parametrize("command", ["run", "compare", "robustness"])
def test_templates_are_printed_or_written(gossamer, refused, tmp_path, command):
    path = tmp_path / "new.toml"
    printed = gossamer("template", command).stdout
    assert gossamer("template", command, "--output", path).stdout == ""
    assert path.read_text() == printed
    path.write_text("worked on")
    assert "may have been worked on; name another file" in refused("template", command, "--output", path)
    assert path.read_text() == "worked on"
    assert "create it first" in refused("template", command, "--output", tmp_path / "no" / "new.toml")
