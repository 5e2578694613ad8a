"""The notebooks run, say what they show, and their two forms agree."""

import ast
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def test_each_notebook_has_a_text_form_and_each_text_a_notebook():
    assert [path.stem for path in NOTEBOOKS] == sorted(path.stem for path in FOLDER.glob("*.py"))
    assert len(NOTEBOOKS) >= 2


@each_notebook
def test_both_forms_agree(path):
    text = path.with_suffix(".py")
    assert cells(nbformat.read(path, as_version=4)) == cells(jupytext.read(text, fmt="py:percent")), (
        f"the pair differs: edit one of the two, then run `make notebooks` (jupytext --sync {text.name})"
    )


@each_notebook
def test_outputs_are_cleared(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for number, cell in enumerate(notebook.cells):
        place = f"cell {number} of {path.name}"
        assert cell.get("outputs", []) == [], f"{place} holds outputs: clear all outputs and save"
        assert cell.get("execution_count") is None, f"{place} holds a count: clear all outputs and save"
        # jupytext's own, for the blank lines of the text
        assert set(cell.metadata) <= {"lines_to_next_cell"}, f"{place} holds metadata: {cell.metadata}"


@each_notebook
def test_each_section_asserts_what_it_shows(path):
    sections, title = {}, None
    for kind, source in cells(nbformat.read(path, as_version=4)):
        if kind == "markdown" and source.startswith("## "):
            title = source.splitlines()[0]
            sections[title] = 0
        elif kind == "code" and title is not None:
            sections[title] += sum(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(source)))
    assert sections
    assert not [title for title, n_asserts in sections.items() if n_asserts == 0]


@each_notebook
def test_runs_and_its_claims_hold(path, tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # notebooks draw into themselves
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}  # the working directory
    # sockets in a folder of one's own need no encryption
    config = Config(KernelManager={"transport": "ipc", "ip": str(tmp_path / "kernel")})
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources, config=config)
    client.execute()  # a claim that does not hold raises CellExecutionError
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        stderr = "".join(output.text for output in outputs if output.get("name") == "stderr")
        assert not stderr, f"{cell.source}\nwarns:\n{stderr}"
        figures = sum("image/png" in output.get("data", {}) for output in outputs)
        assert figures == cell.source.count("plt.show()"), cell.source
