"""Owns the figures of attainment: surfaces of some fronts, and where the fronts of two groups of runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from results.charts.print.figure_files import INK, frame_axes, outline, page_figure
from results.front.attainment import Attainment, surfaces
from results.front.attainment_difference import attainment_difference
from results.records.objectives import Objective, minimised

SHADES = {25: "#b9d3ec", 50: "#d9e7f5", 75: "#f3f8fd"}  # the band between the quarters stands out
LINES = {25: (0.9, ":"), 50: (1.7, "-"), 75: (0.9, "--")}
FIRST, SECOND = "#0072b2", "#d55e00"  # blue and vermilion: told apart with any colour vision
MOST_DOTS = 4000


def draw_attainment(
    found: Attainment, dots: np.ndarray, objectives: Sequence[Objective], title: str, folder: Path, stem: str
) -> list[Path]:
    """Draw what a quarter, half and three quarters of some fronts reach.

    Args:
        found: The surfaces, of two objectives.
        dots: The points that the fronts are made of, to be minimised, (points, 2).
        objectives: The two.
        title: Above the axes.
        folder: Where to; it exists.
        stem: Name of the files without their endings.

    Returns:
        The files.
    """
    with page_figure(folder, stem, title) as (figure, axes, paths):
        corners = np.vstack([*found.surfaces.values()])
        worst = frame_axes(axes, corners if len(corners) else dots, objectives)
        for percent, surface in found.surfaces.items():
            line = outline(surface, worst, objectives)
            if not len(line):
                continue
            closed = np.vstack([line, minimised(worst, objectives)])
            axes.fill(*closed.T, color=SHADES.get(percent, SHADES[50]), zorder=0.5 + percent / 1000, linewidth=0)
            width, style = LINES.get(percent, LINES[50])
            label = f"{percent} % of {found.over}" if found.over == "runs" else f"{percent} % of draws of seeds"
            axes.plot(*line.T, color=FIRST, linewidth=width, linestyle=style, zorder=3, label=label)
        shown = minimised(np.unique(dots, axis=0)[:MOST_DOTS], objectives)
        what = "points of the fronts" if found.over == "runs" else "single seeds"
        axes.plot(*shown.T, ".", color=INK, markersize=3, alpha=0.5, markeredgewidth=0, zorder=4, label=what)
        figure.legend(loc="outside right upper", frameon=False, title="reached by")
    return paths


def draw_difference(
    fronts: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
    names: tuple[str, str],
    objectives: Sequence[Objective],
    folder: Path,
    stem: str,
) -> list[Path]:
    """Draw where one group of runs reaches more often than another, and the half of each.

    Args:
        fronts: Of each run of the two groups, to be minimised, (points, 2) each.
        names: Of the two groups.
        objectives: The two.
        folder: Where to; it exists.
        stem: Name of the files without their endings.

    Returns:
        The files.
    """
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    shades = LinearSegmentedColormap.from_list("difference", [SECOND, "#ffffff", FIRST])
    scale = Normalize(-1.0, 1.0)
    title = f"Where {names[0]} and {names[1]} differ"
    with page_figure(folder, stem, title) as (figure, axes, paths):
        worst = frame_axes(axes, np.vstack([np.vstack(group) for group in fronts]), objectives)
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
        from matplotlib.cm import ScalarMappable

        bar = figure.colorbar(ScalarMappable(scale, shades), ax=axes, pad=0.02, fraction=0.045, aspect=28)
        bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=["100 %", "50 %", "0", "50 %", "100 %"])
        bar.set_label(f"share of runs: {names[1]} more often ↓   ↑ {names[0]} more often", fontsize=8)
        bar.outline.set_visible(False)
        axes.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")
    return paths
