"""README.md says what the repository computes, and docstrings claim no speed."""

import ast
import re
from pathlib import Path

import pytest

from gossamer.bench import claims
from gossamer.bench.claims import CLAIMS, Claim

ROOT = Path(__file__).resolve().parents[2]
TEXT = claims.README.read_text(encoding="utf-8")
STATEMENTS = claims.statements(TEXT)
NEEDS_A_RUN = "demo."
QUANTITY = re.compile(r"\d ?(%|x\b|ns\b|us\b|ms\b|s\b|MB\b|GB\b)|\d times\b")
SPEED = re.compile(
    r"\d ?(ns|us|µs|ms|MB|GB|minutes)\b|\d(\.\d+)?x (as|faster|slower)|\d times (as|faster|slower)"
)


def test_every_claim_of_the_readme_is_known_and_every_known_one_is_made():
    assert {said.name for said in STATEMENTS} == set(CLAIMS)


def test_measured_quantities_are_claims():
    """A paragraph with percents, times, ratios or memory names what its numbers claim."""
    free = [
        paragraph
        for _, paragraph in claims.paragraphs(TEXT)
        if not paragraph.startswith(("|", "<!-- rows"))
        and not claims.COMMENT.search(paragraph)
        and QUANTITY.search(claims.HIDDEN.sub(" ", paragraph))
    ]
    assert not free


@pytest.mark.parametrize(
    "said",
    [pytest.param(said, marks=[pytest.mark.slow] * said.name.startswith(NEEDS_A_RUN)) for said in STATEMENTS],
    ids=lambda said: said.name,
)
def test_claims_hold(said):
    claim = CLAIMS[said.name]
    assert claim.holds(said.said), f"README.md says {said.said}, {claim.source} gives {claim.value():.6g}"


def test_tables_are_those_of_the_benchmarks():
    assert "<!-- rows of bench/RESULTS.md -->" in TEXT
    assert claims.strange_rows(TEXT, claims.RESULTS.read_text(encoding="utf-8")) == []
    changed = TEXT.replace("| at least 50 |", "| at least 51 |")
    assert len(claims.strange_rows(changed, claims.RESULTS.read_text(encoding="utf-8"))) == 1


@pytest.mark.parametrize(
    ("said", "value", "relation", "holds"),
    [
        ("38", 38.4, "=", True),
        ("38", 38.6, "=", False),
        ("38.4", 38.44, "=", True),
        ("1,000", 999.6, "=", True),
        ("1e-6", 1.4e-6, "=", True),
        ("1.5e-6", 1.44e-6, "=", False),
        ("85", 84.0, "<=", True),
        ("85", 85.1, "<=", False),
        ("60", 67.0, ">=", True),
        ("60", 59.9, ">=", False),
        ("1", float("nan"), "=", False),
    ],
)
def test_a_claim_holds_to_the_digits_that_are_written(said, value, relation, holds):
    assert Claim(lambda: value, "", relation).holds(said) is holds


def test_numbers_and_names_are_paired_in_order():
    text = "\n".join(
        [
            "Of 3 things `code 7` and [a link](to/8) gain 20.5 %, EF21 none, on 2026-11-23 or in ICML 2023,",
            "at most 1e-6 or 10,000.",
            "<!-- claims: -, gain, -, -, tolerance,",
            "many -->",
            "",
            "```python",
            "x = 5",
            "```",
        ]
    )
    found = claims.statements(text)
    assert [(s.said, s.name, s.line) for s in found] == [
        ("20.5", "gain", 1),
        ("1e-6", "tolerance", 1),
        ("10,000", "many", 1),
    ]
    with pytest.raises(ValueError, match="line 1: 6 numbers"):
        claims.statements(text.replace("-, gain", "gain"))


def test_a_test_that_no_longer_has_the_number_makes_the_claim_fail():
    claim = claims.asserted("tests/bench/test_claims.py", "test_claims_hold", 123.5)
    with pytest.raises(LookupError, match=r"no 123\.5"):
        claim.holds("123.5")


def test_docstrings_claim_no_speed():
    """Times and ratios are measured by `bench/`, which prints them; in docstrings they would grow old."""
    found = []
    for room in ("graphs", "kernels", "problems", "solvers"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    text = ast.get_docstring(node) or ""
                    found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in SPEED.finditer(text)]
    assert not found
