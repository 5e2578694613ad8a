"""The figure of `gossamer robustness`: rules against attacks, a map for each study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .figures import Figure, style

if TYPE_CHECKING:
    from .robust_selection import Row

_DARK = 0.35, 0.75  # between these accuracies the map is so light that numbers on it are black


def heat_maps(rows: Sequence[Row], attacks: Sequence[str]) -> Figure:
    """Draw test accuracies, rules down and attacks across, the worst last; a map for each split and f.

    Parameters
    ----------
    rows : sequence of Row
        All studies, with the same rules.
    attacks : sequence of str
        Columns before the worst.
    """
    studies = list(dict.fromkeys((row.split, row.f) for row in rows))
    n_splits = len({split for split, _ in studies})
    n_columns = len(studies) // n_splits if n_splits > 1 else min(len(studies), 3)
    n_rows = math.ceil(len(studies) / n_columns)
    names = [*attacks, "worst"]
    labels = list(dict.fromkeys(row.label for row in rows))
    with style():
        size = 1.6 + n_columns * (0.42 * len(names) + 0.3), 0.9 + n_rows * (0.26 * len(labels) + 1.0)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
        for ax in axes.flat:
            ax.set_visible(False)
        image = None
        for ax, (split, f) in zip(axes.flat, studies, strict=False):
            ax.set_visible(True)
            found = {row.label: row.test for row in rows if (row.split, row.f) == (split, f)}
            values = np.array([[found[label][name] for name in names] for label in labels])
            image = ax.imshow(values, vmin=0.0, vmax=1.0, cmap="RdYlBu", aspect="auto")
            for (i, j), value in np.ndenumerate(values):
                color = "black" if _DARK[0] < value < _DARK[1] else "white"
                ax.text(j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=color)
            ax.axvline(len(names) - 1.5, color="white", linewidth=2.5)
            ax.set_xticks(range(len(names)), names, rotation=60, ha="right", parse_math=False)
            ax.set_yticks(range(len(labels)), labels, parse_math=False)
            ax.tick_params(length=0)
            ax.spines[:].set_visible(False)
            ax.set_title(f"split {split}, f = {f}")
        if image is not None:
            figure.colorbar(image, ax=axes, label="test accuracy", fraction=0.02, pad=0.01)
    return figure
