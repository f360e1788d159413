"""Owns the figure of fronts by groups: one staircase per group, the front of all of them behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results.charts.encoding import CATEGORICAL, SEQUENTIAL
from results.charts.print.figure_files import INK, frame_axes, outline, page_figure
from results.front.groups import Grouping, counted_points
from results.front.indicators import nondominated
from results.front.overview import Overview

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SYMBOLS = ("o", "s", "^", "D", "v", "P")
MOST_LABELS = 18


def draw_groups(view: Overview, grouping: Grouping, folder: Path, stem: str) -> list[Path]:
    """Draw the front of each group.

    Args:
        view: One run, or several, of two objectives.
        grouping: Of its points.
        folder: Where to; it exists.
        stem: Name of the files without their endings.

    Returns:
        The files.
    """
    values, counted = counted_points(view)
    fronts = [nondominated(values[(grouping.members == n) & counted]) for n in range(len(grouping.labels))]
    names = [" · ".join(label) for label in grouping.labels]
    title = f"{view.title}: fronts by {' and '.join(grouping.columns)}"
    with page_figure(folder, stem, title) as (figure, axes, paths):
        worst = frame_axes(axes, np.vstack(fronts), view.objectives)
        whole = outline(nondominated(values[counted]), worst, view.objectives)
        axes.plot(*whole.T, color="#d1d5db", linewidth=4.5, zorder=1, solid_joinstyle="miter", label="all together")
        for number, (name, front) in enumerate(zip(names, fronts, strict=True)):
            label = name if len(front) else f"{name} (no front)"
            if number < MOST_LABELS:
                label = f"+ {len(names) - number} more" if number == MOST_LABELS - 1 < len(names) - 1 else label
            else:
                label = "_"
            colour = _colours(len(names), ordered=grouping.ordered)[number]
            _draw_front(axes, outline(front, worst, view.objectives), colour, SYMBOLS[number % len(SYMBOLS)], label)
        figure.legend(loc="outside right upper", frameon=False, title=", ".join(grouping.columns), handlelength=1.8)
    return paths


def _draw_front(axes: Axes, line: np.ndarray, colour: Any, symbol: str, label: str) -> None:
    # Each front's own points are every second corner of its outline.
    axes.plot(*line.T, color=colour, linewidth=1.1, zorder=3, marker=symbol, markevery=(1, 2), markersize=4.2,
              markeredgecolor="white", markeredgewidth=0.4, label=label)  # fmt: skip


def _colours(count: int, *, ordered: bool) -> list[Any]:
    from matplotlib.colors import LinearSegmentedColormap

    if not ordered:
        return [CATEGORICAL[number % len(CATEGORICAL)] for number in range(count)]
    ramp = LinearSegmentedColormap.from_list("levels", SEQUENTIAL)
    return [ramp(number / max(count - 1, 1)) for number in range(count)] if count else [INK]
