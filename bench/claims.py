"""Every measured number of README.md next to the value that the repository gives: `make claims`.

Below a paragraph of README.md, a comment names what its numbers claim, in their order:

    Optimal rates save 38 % of the communications, ... 5 seeds.
    <!-- claims: demo.saved, - -->

"-" stands for a number that is no measurement, such as a setting. A claim is a value of `CLAIMS`; it holds if
the value rounds to what is said, or lies on the side of it that the claim names. Above a table,
`<!-- rows of bench/RESULTS.md -->` says that each of its rows stands there. The last column of the output is
the command that prints the value, or the file that holds it.
"""

from __future__ import annotations

import ast
import csv
import functools
import math
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = Path(__file__).with_name("RESULTS.md")
NETWORKS = Path(__file__).with_name("networks.csv")
DIGITS = ROOT / "docs" / "robustness_digits.csv"

_NUMBER = re.compile(r"(?<![\w.+-])(?:\d[\d,]*\d|\d)(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
HIDDEN = re.compile(
    r"`[^`]*`|\]\([^)]*\)|!\[[^]]*\]|<!--.*?-->", re.DOTALL
)  # code, targets, pictures, comments
COMMENT = re.compile(r"<!-- claims: (.*?) -->", re.DOTALL)
_ROWS = "<!-- rows of bench/RESULTS.md -->"


@dataclass(frozen=True)
class Claim:
    """A value that README.md states.

    Attributes
    ----------
    value : callable
        Computes it, in the unit of the text.
    source : str
        The command that prints it, or the file that holds it.
    relation : str
        "=": the value rounds to what is said; "<=" or ">=": it is at most, or at least, what is said.
    """

    value: Callable[[], float]
    source: str
    relation: str = "="

    def holds(self, said: str) -> bool:
        value, wanted = self.value(), number(said)
        if self.relation == "<=":
            return value <= wanted
        if self.relation == ">=":
            return value >= wanted
        return abs(value - wanted) <= 0.5 * last_digit(said) * (1 + 1e-9)


@dataclass(frozen=True)
class Statement:
    """A number of README.md and the name of what it claims."""

    said: str
    name: str
    line: int


def number(said: str) -> float:
    return float(said.replace(",", ""))


def last_digit(said: str) -> float:
    """The weight of the last digit that is written: 0.1 of 38.4, 1 of 38, 1e-7 of 1e-7."""
    mantissa, _, exponent = said.replace(",", "").partition("e")
    decimals = len(mantissa.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - decimals)


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Line number and text of each paragraph, those of code left out."""
    block: list[str] = []
    begin, in_code = 0, False
    for k, line in enumerate([*text.splitlines(), ""], start=1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
            continue
        if in_code:
            continue
        if line.strip():
            begin = begin if block else k
            block.append(line)
        elif block:
            yield begin, "\n".join(block)
            block = []


def numbers(paragraph: str) -> list[str]:
    """The numbers of a paragraph in their order, those in code, links and comments left out."""
    return _NUMBER.findall(HIDDEN.sub(" ", paragraph))


def statements(text: str) -> list[Statement]:
    """The claims of a text; ValueError where a comment does not name each number of its paragraph."""
    found = []
    for line, paragraph in paragraphs(text):
        comments = COMMENT.findall(paragraph)
        if not comments:
            continue
        names = [name.strip() for comment in comments for name in comment.split(",")]
        said = numbers(paragraph)
        if len(names) != len(said):
            raise ValueError(f"line {line}: {len(said)} numbers ({', '.join(said)}), {len(names)} names")
        found += [Statement(*pair, line) for pair in zip(said, names, strict=True) if pair[1] != "-"]
    return found


def strange_rows(text: str, results: str) -> list[str]:
    """The rows of marked tables of a text that do not stand in the results of the benchmarks."""
    known = set(results.splitlines())
    found = []
    for _, paragraph in paragraphs(text):
        head, *rows = paragraph.splitlines()
        if head == _ROWS:
            found += [row for row in rows if row not in known]
    return found


# what is said about the demo


@functools.cache
def _demo() -> str:
    command = [
        sys.executable,
        "-c",
        "from gossamer.cli import main; main()",
        "demo",
        "--no-progress",
        "--output",
        str(ROOT / "out"),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _demo_number(pattern: str) -> Callable[[], float]:
    def value() -> float:
        match = re.search(pattern, _demo())
        assert match is not None, f"gossamer demo printed nothing like {pattern}"
        return abs(number(match[1]))

    return value


# networks, digits


@functools.cache
def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _networks(family: str = "") -> list[dict[str, str]]:
    return [row for row in _rows(NETWORKS) if row["network"].startswith(family)]


def _saved(family: str) -> Claim:
    return Claim(
        lambda: 100 * statistics.median(float(row["saved"]) for row in _networks(family)), _NETWORK_TABLE
    )


def _digits(column: str, **wanted: str) -> list[float]:
    """Percents of a column, of the rows that have these values."""
    rows = [row for row in _rows(DIGITS) if all(row[name] == value for name, value in wanted.items())]
    return [100 * float(row[column]) for row in rows]


def _ends(split: str, rule: str, *, pre: str = "none", f: str = "3", column: str = "worst") -> float:
    (found,) = _digits(column, split=split, rule=rule, pre=pre, f=f)
    return found


def _digit(value: Callable[[], float], relation: str = "=") -> Claim:
    return Claim(value, "gossamer robustness docs/robustness_digits.toml", relation)


_SIMPLE = ("coordinate median", "trimmed mean", "Multi-Krum")


def _at_the_ends(split: str) -> float:
    """Percent of the rows of a split that chose the smallest or the largest step."""
    every = {float(row["step"]) for row in _rows(DIGITS)}
    chosen = [float(row["step"]) for row in _rows(DIGITS) if row["split"] == split]
    return 100 * sum(step in (min(every), max(every)) for step in chosen) / len(chosen)


# what tests assert


@functools.cache
def _test(file: str, name: str) -> ast.FunctionDef:
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise LookupError(f"{file} has no {name}")


def asserted(file: str, test: str, literal: float) -> Claim:
    """Return the claim that a test uses this number: as a constant in it, or among its parameters."""

    def value() -> float:
        if literal in {node.value for node in ast.walk(_test(file, test)) if isinstance(node, ast.Constant)}:
            return literal
        raise LookupError(f"{test} in {file} has no {literal:g}")

    return Claim(value, f"pytest {file} -k {test}")


def _margins() -> Iterator[float]:
    """Yield the decay rates of the second moment that the test asserts, over the theorem's."""
    (decorator,) = _test(_MOMENTS, "test_mean_square_rates_and_the_bound").decorator_list
    assert isinstance(decorator, ast.Call)
    for kappa, *rates in ast.literal_eval(decorator.args[1]):
        yield from (rate * 8 * math.sqrt(2 * kappa) for rate in rates)


def _calls() -> float:
    """Count the seeds of the tests that compare bounds with exact arithmetic, each at least a call."""
    seeds = 0
    for name in (
        "test_no_bound_of_rates_is_false",
        "test_no_bound_of_a_result_is_false",
        "test_no_bound_of_mixing_is_false",
    ):
        ranges = [
            [ast.literal_eval(argument) for argument in node.args]
            for decorator in _test(_BOUNDS, name).decorator_list
            for node in ast.walk(decorator)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"
        ]
        seeds += sum(len(range(*arguments)) for arguments in ranges)
    return seeds


# what the benchmarks print


def _results(pattern: str) -> Claim:
    def value() -> float:
        match = re.search(pattern, RESULTS.read_text(encoding="utf-8"))
        assert match is not None, f"nothing in RESULTS.md is like {pattern}"
        return number(match[1])

    return Claim(value, "make bench")


_DEMO = "gossamer demo"
_NETWORK_TABLE = "python -m gossamer.bench.networks"
_EVENTS = "tests/kernels/test_events.py"
_MOMENTS = "tests/solvers/asynchronous/test_dadao_moments.py"
_EXACT = "tests/solvers/gossip/test_gossip_methods.py"
_BOUNDS = "tests/graphs/rates/test_hostile_bounds.py"
_MANY = r": 1e\+08 events \(n = 10, d = 1\) in "

CLAIMS: dict[str, Claim] = {
    "demo.kappa": Claim(_demo_number(r"kappa = L/mu = \S+ = (\d+)"), _DEMO),
    "demo.nodes": Claim(_demo_number(r"(\d+) nodes"), _DEMO),
    "demo.saved": Claim(_demo_number(r"communications saved: ([\d.]+) % measured"), _DEMO),
    "demo.gradients": Claim(_demo_number(r"saved +[\d.]+ % +(-?[\d.]+) %"), _DEMO),
    "networks.all": Claim(lambda: len(_networks()), _NETWORK_TABLE),
    "networks.largest": Claim(lambda: max(int(row["n_nodes"]) for row in _networks()), _NETWORK_TABLE, "<="),
    "networks.synthetic": Claim(lambda: len(_networks("gabriel/")), _NETWORK_TABLE),
    "networks.real": Claim(lambda: len(_networks()) - len(_networks("gabriel/")), _NETWORK_TABLE),
    "networks.gap": Claim(lambda: max(float(row["gap"]) for row in _networks()), _NETWORK_TABLE, "<="),
    "networks.seconds": Claim(
        lambda: max(float(row["seconds"]) for row in _networks()), _NETWORK_TABLE, "<="
    ),
    **{
        f"networks.{family}": _saved(f"{family}/")
        for family in ("topozoo", "sndlib", "backbone", "gabriel", "caida")
    },
    "networks.most": Claim(lambda: 100 * max(float(row["saved"]) for row in _networks()), _NETWORK_TABLE),
    "digits.mean": _digit(lambda: _ends("iid", "mean"), "<="),
    "digits.unit": _digit(lambda: _ends("iid", "Flag, unit")),
    "digits.simple_least": _digit(lambda: min(_ends("iid", rule) for rule in _SIMPLE)),
    "digits.simple_most": _digit(lambda: max(_ends("iid", rule) for rule in _SIMPLE)),
    "digits.nnm_least": _digit(
        lambda: min(_ends("iid", rule, pre="NNM") for rule in ("mean", "Flag, raw")), ">="
    ),
    "digits.nnm_most": _digit(
        lambda: max(_ends("iid", rule, pre="NNM") for rule in ("mean", "Flag, raw")), "<="
    ),
    "digits.alie": _digit(lambda: min(_digits("ALIE 1.5", split="iid", rule="mean", pre="none", f="3"))),
    "digits.sorted": _digit(lambda: max(_digits("worst", split="sorted", f="3")), "<="),
    "digits.median_loss": _digit(
        lambda: (
            _ends("iid", "coordinate median", column="none")
            - _ends("sorted", "coordinate median", column="none")
        )
    ),
    "digits.ends_sorted": _digit(lambda: _at_the_ends("sorted")),
    "digits.ends_iid": _digit(lambda: _at_the_ends("iid")),
    "events.draw": _results(r"\| events, 100 nodes \| ([\d.]+) "),
    "events.draw_ratio": _results(r"\| events, 100 nodes \| [\d.]+ \| \d+ \| [\d.]+ \| ([\d.]+)x"),
    "events.seconds": _results(_MANY + r"([\d.]+) s"),
    "events.each": _results(_MANY + r"[\d.]+ s, (\d+) ns"),
    "events.memory_few": _results(r"Peak memory ([\d.]+) MB after the first"),
    "events.memory": _results(r"after the first 1e\+06, ([\d.]+) MB"),
    "flow.error": asserted(_EVENTS, "test_closed_form_flow_equals_matrix_exponential", 1e-12),
    "flow.kappa": asserted(_EVENTS, "test_closed_form_flow_equals_matrix_exponential", 1e6),
    "trajectory.error": asserted(_EVENTS, "test_compiled_equals_direct_equals_matrix_exponential", 1e-11),
    "trajectory.events": asserted(_EVENTS, "test_compiled_equals_direct_equals_matrix_exponential", 10_000),
    "moments.least": Claim(lambda: min(_margins()), f"pytest {_MOMENTS}"),
    "moments.most": Claim(lambda: max(_margins()), f"pytest {_MOMENTS}"),
    "rates.calls": Claim(_calls, f"pytest {_BOUNDS}", ">="),
    "rates.semidefinite": asserted(
        "tests/graphs/rates/test_limits.py", "test_bounds_agree_with_another_exact_form", 2e-6
    ),
    "exact.tolerance": asserted(_EXACT, "test_exact_methods_agree", 1e-12),
    "exact.agreement": asserted(_EXACT, "test_exact_methods_agree", 1e-10),
}


def main() -> int:
    """Print each claim, what the repository gives, and whether they agree; return how many do not."""
    text = README.read_text(encoding="utf-8")
    wrong = 0
    for said in statements(text):
        claim = CLAIMS[said.name]
        holds = claim.holds(said.said)
        wrong += not holds
        verdict = "holds" if holds else "FALSE"
        sign = {"=": "", "<=": "at most ", ">=": "at least "}[claim.relation]
        measured = f"{sign + said.said:>14} {claim.value():12.6g}"
        print(f"{verdict}  line {said.line:4} {said.name:22} {measured}  {claim.source}")
    strange = strange_rows(text, RESULTS.read_text(encoding="utf-8"))
    for row in strange:
        print(f"FALSE  not in bench/RESULTS.md: {row}")
    print(f"{wrong + len(strange)} false")
    return wrong + len(strange)


if __name__ == "__main__":
    sys.exit(main() > 0)
