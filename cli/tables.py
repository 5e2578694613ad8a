"""What is printed: one console, one kind of table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PIPE_WIDTH = 120  # rich would fold tables at 80 columns in a file or a pipe


def console() -> Console:
    """Return a console on stdout that leaves texts as they are."""
    from rich.console import Console

    found = Console(highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found = Console(highlight=False, markup=False, emoji=False, width=_PIPE_WIDTH)
    return found


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1, title: str = "") -> Table:
    """Return a table; the first `texts` columns are texts, the others numbers.

    Parameters
    ----------
    header : sequence of str
        Names of the columns; all empty for a list of names and values.
    rows : iterable of sequences of str
        Cells.
    texts : int
        How many columns are aligned to the left.
    title : str
        Above the table.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    named = any(header)
    made = Table(
        box=box.SIMPLE_HEAD if named else None,
        show_header=named,
        title=title or None,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        padding=(0, 2 if len(header) <= 6 else 1, 0, 0),  # 80 columns are enough for all tables
    )
    for k, name in enumerate(header):
        text = k < texts  # folded where the terminal is narrow, and numbers never
        made.add_column(name, justify="left" if text else "right", overflow="fold", no_wrap=not text)
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def count(value: float) -> str:
    """Return an integer with separators, 1,234,567."""
    return f"{value:,.0f}"


def megabits(bits: float) -> str:
    """Return bits in units of a million, with three digits at least."""
    return f"{bits / 1e6:,.1f}" if bits >= 1e7 else f"{bits / 1e6:.3g}"


def percent(fraction: float) -> str:
    """Return a fraction as 12.3 %."""
    return f"{100 * fraction:.1f} %"
