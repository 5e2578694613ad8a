"""What the hostile tests have tried is summed up at the end."""

from collections import Counter

import pytest


@pytest.fixture
def tried(record_property):
    """Function that notes how many of a thing a test has tried."""
    return lambda thing, number: record_property(f"hostile {thing}", number)


def pytest_terminal_summary(terminalreporter):
    """Print how many files were mutated, processes killed and so on, and how many tests failed."""
    counts = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, number in getattr(report, "user_properties", []):
                if name.startswith("hostile ") and report.when == "call":
                    counts[name.removeprefix("hostile ")] += number
    failures = len(terminalreporter.stats.get("failed", [])) + len(terminalreporter.stats.get("error", []))
    if counts:
        words = [f"{number:,} {name}" for name, number in sorted(counts.items())]
        terminalreporter.write_line(f"hostile: {', '.join(words)}, {failures} failures")
