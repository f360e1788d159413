"""Draw fronts of groups and of runs at the width of a page: staircases, attainment surfaces, and their difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results.charts.encoding import MARKERS, ramp
from results.charts.outline import outline
from results.charts.print.front import SYMBOLS
from results.charts.style import CATEGORICAL, INK, add_grid, new_figure, print_style, save, settle
from results.front.attainment import Attainment, attainment_difference, surfaces
from results.front.dominance import nondominated
from results.front.groups import Grouping, counted_points
from results.front.overview import Overview
from results.records.objectives import Objective, minimised

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, HEIGHT_IN, DPI = 6.3, 3.9, 300  # the text width of A4 and of letter paper
MARGIN_FRACTION = 0.06
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "legend.fontsize": 8.5,
    "xtick.color": INK,
    "ytick.color": INK,
}
MOST_LABELS = 18
SHADES = {25: "#e6effa", 50: "#c3d9f2", 75: "#94b9e3"}  # the darker, the more reach it
LINES = {25: (0.9, ":"), 50: (1.7, "-"), 75: (0.9, "--")}
FIRST, SECOND = CATEGORICAL[:2]
MOST_DOTS = 4000


def draw_groups(view: Overview, grouping: Grouping, folder: Path, stem: str) -> list[Path]:
    """Draw the front of each group of a view of two objectives; return the files."""
    values, counted = counted_points(view)
    fronts = [nondominated(values[(grouping.members == n) & counted]) for n in range(len(grouping.labels))]
    sizes = np.bincount(grouping.members[counted], minlength=len(grouping.labels))
    names = [" · ".join(label) for label in grouping.labels]
    colours = ramp(range(len(names))) if grouping.ordered else CATEGORICAL
    title = f"{view.title}: fronts by {' and '.join(grouping.columns)}"
    with _page_figure(folder, stem, title) as (figure, axes, paths):
        worst = _frame_axes(axes, np.vstack(fronts), view.objectives)
        whole = outline(nondominated(values[counted]), worst, view.objectives)
        axes.plot(*whole.T, color="#d1d5db", linewidth=4.5, zorder=1, solid_joinstyle="miter", label="all together")
        for number, (name, front) in enumerate(zip(names, fronts, strict=True)):
            label = f"{name} ({sizes[number]})" if len(front) else f"{name} (no front)"
            if number < MOST_LABELS:
                label = f"+ {len(names) - number} more" if number == MOST_LABELS - 1 < len(names) - 1 else label
            else:
                label = "_"
            line = outline(front, worst, view.objectives)
            marker: dict[str, Any] = {"marker": SYMBOLS[number % MARKERS], "markersize": 4.2, "markevery": (1, 2)}
            marker |= {"markeredgecolor": "white", "markeredgewidth": 0.4}  # its own points are every second corner
            axes.plot(*line.T, color=colours[number % len(colours)], linewidth=1.1, zorder=3, label=label, **marker)
        figure.legend(
            loc="outside right upper",
            frameon=False,
            title=f"{', '.join(grouping.columns)} ({view.unit}s)",
            handlelength=1.8,
        )
    return paths


def draw_attainment(
    found: Attainment, dots: np.ndarray, objectives: Sequence[Objective], title: str, folder: Path, stem: str
) -> list[Path]:
    """Draw what a quarter, half and three quarters of some fronts of two objectives reach; return the files.

    Dots are the points that the fronts are made of, to be minimised, (points, 2).
    """
    from matplotlib.patches import Patch

    handles: list[Artist] = []
    with _page_figure(folder, stem, title) as (figure, axes, paths):
        corners = np.vstack([*found.surfaces.values()])
        worst = _frame_axes(axes, corners if len(corners) else dots, objectives)
        for percent, surface in found.surfaces.items():
            line = outline(surface, worst, objectives)
            if not len(line):
                continue
            closed = np.vstack([line, minimised(worst, objectives)])
            shade = SHADES.get(percent, SHADES[50])
            axes.fill(*closed.T, color=shade, zorder=0.5 + percent / 1000, linewidth=0)
            width, style = LINES.get(percent, LINES[50])
            axes.plot(*line.T, color=FIRST, linewidth=width, linestyle=style, zorder=3)
            label = f"{percent} % of {found.over}" if found.over == "runs" else f"{percent} % of draws of seeds"
            edge: dict[str, Any] = {"edgecolor": FIRST, "linewidth": width, "linestyle": style}
            handles.append(Patch(facecolor=shade, label=label, **edge))
        shown = minimised(np.unique(dots, axis=0)[:MOST_DOTS], objectives)
        what = "points of the fronts" if found.over == "runs" else "single seeds"
        handles += axes.plot(*shown.T, ".", color=INK, markersize=3, alpha=0.5, markeredgewidth=0, zorder=4, label=what)
        figure.legend(handles=handles, loc="outside right upper", frameon=False, title="reached by")
    return paths


def draw_difference(
    fronts: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
    names: tuple[str, str],
    objectives: Sequence[Objective],
    folder: Path,
    stem: str,
) -> list[Path]:
    """Draw where one group of runs reaches more often than another, and the half of each; return the files.

    Of each run of the two groups there is a front to be minimised, (points, 2).
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    shades = LinearSegmentedColormap.from_list("difference", [SECOND, "#ffffff", FIRST])
    scale = Normalize(-1.0, 1.0)
    title = f"Where {names[0]} and {names[1]} differ"
    with _page_figure(folder, stem, title) as (figure, axes, paths):
        worst = _frame_axes(axes, np.vstack([np.vstack(group) for group in fronts]), objectives)
        for low, high, share in attainment_difference(*fronts):
            x, y = minimised(np.stack([low, np.minimum(high, worst)]), objectives).T
            if share:
                axes.fill_between(np.sort(x), y.min(), y.max(), color=shades(scale(share)), linewidth=0, zorder=1)
        for group, name, colour in zip(fronts, names, (FIRST, SECOND), strict=True):
            line = outline(surfaces(group, [50])[50], worst, objectives)
            axes.plot(
                *line.T, color=colour, linewidth=1.8, zorder=3, label=f"reached by half of {name} ({len(group)} runs)"
            )
            dots = minimised(np.vstack(group), objectives)
            axes.plot(*dots.T, ".", color=colour, markersize=3.5, alpha=0.6, markeredgewidth=0, zorder=4)
        axes.plot([], [], ".", color=INK, markersize=3.5, alpha=0.6, label="points of single fronts")
        bar = figure.colorbar(ScalarMappable(scale, shades), ax=axes, pad=0.02, fraction=0.045, aspect=28)
        bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=["100 %", "50 %", "0", "50 %", "100 %"])
        bar.set_label(f"share of runs: {names[1]} more often ↓   ↑ {names[0]} more often", fontsize=8)
        bar.outline.set_visible(False)
        axes.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")
    return paths


@contextmanager
def _page_figure(folder: Path, stem: str, title: str) -> Iterator[tuple[Figure, Axes, list[Path]]]:
    """Give a figure to draw on; at the end it is written to `<stem>.png` and `<stem>.svg` of a folder that exists."""
    paths: list[Path] = []
    with print_style(STYLE):
        figure = new_figure(WIDTH_IN, HEIGHT_IN)
        axes = figure.subplots()
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        add_grid(axes)
        yield figure, axes, paths
        settle(figure)
        paths += save(figure, folder, stem, DPI)


def _frame_axes(axes: Axes, points: np.ndarray, objectives: Sequence[Objective]) -> np.ndarray:
    """Label the axes of two objectives and let them hold points to be minimised, (points, 2).

    Returns:
        The corner of the axes at which both objectives are worst, (2,), to be minimised.
    """
    low, high = (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(2), np.ones(2))
    span = np.where(high > low, high - low, np.maximum(np.abs(high), 1.0) * 0.2)
    best, worst = low - MARGIN_FRACTION * span, high + MARGIN_FRACTION * span
    ends = np.sort(minimised(np.stack([best, worst]), objectives), axis=0)
    for name, objective, limits in zip("xy", objectives, ends.T, strict=True):
        axes.set(**{f"{name}lim": limits, f"{name}label": f"{objective.label}\n{objective.better}"})
    return worst
