"""Print the lowest version of each dependency that pyproject.toml allows, as pip's constraints.

`make lowest` installs these, and runs a part of the tests with them.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("plot", "data")  # beside what gossamer always needs
TOOLS = ("pytest", "hypothesis")  # of the extras bench and dev: what the tests need


def lowest() -> list[str]:
    """Return lines such as numpy==2.0, one a dependency; one without a lowest version is an error."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]
    tools = [line for line in extras["bench"] + extras["dev"] if re.match(r"[\w-]+", line)[0] in TOOLS]
    found = []
    for line in wanted + tools:
        match = re.fullmatch(r"([\w.-]+)>=([\w.]+)", line)
        if match is None:
            raise SystemExit(f"pyproject.toml: {line!r} does not say name>=version")
        found.append(f"{match[1]}=={match[2]}")
    return found


if __name__ == "__main__":
    print("\n".join(lowest()))
