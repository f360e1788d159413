"""Owns figures at the width of a page, as PNG and as SVG, and how a front of two objectives lies on their axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results.charts.style import new_figure, save, settle
from results.records.objectives import Objective, minimised

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, HEIGHT_IN, DPI = 6.3, 3.9, 300  # the text width of A4 and of letter paper
MARGIN_FRACTION = 0.06
INK, FAINT, GRID = "#1f2937", "#9ca3af", "#eef0f3"
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "legend.fontsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "results",  # the same records give the same bytes
}


@contextmanager
def page_figure(folder: Path, stem: str, title: str) -> Iterator[tuple[Figure, Axes, list[Path]]]:
    """Give a figure to draw on; at the end it is written to `<stem>.png` and `<stem>.svg`.

    Args:
        folder: Where to; it exists.
        stem: Name of the files without their endings.
        title: Above the axes.
    """
    import matplotlib

    paths: list[Path] = []
    with matplotlib.rc_context(STYLE):
        figure = new_figure(WIDTH_IN, HEIGHT_IN)
        axes = figure.subplots()
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        yield figure, axes, paths
        settle(figure)
        for ending in ("png", "svg"):
            paths.append(folder / f"{stem}.{ending}")
            save(figure, paths[-1], DPI)


def frame_axes(axes: Axes, points: np.ndarray, objectives: Sequence[Objective]) -> np.ndarray:
    """Label the axes and let them hold some points.

    Args:
        axes: Of two objectives.
        points: To be minimised, (points, 2).
        objectives: The two.

    Returns:
        The corner of the axes at which both objectives are worst, (2,), to be minimised.
    """
    low, high = (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(2), np.ones(2))
    span = np.where(high > low, high - low, np.maximum(np.abs(high), 1.0) * 0.2)
    best, worst = low - MARGIN_FRACTION * span, high + MARGIN_FRACTION * span
    ends = np.sort(minimised(np.stack([best, worst]), objectives), axis=0)
    for name, objective, limits in zip("xy", objectives, ends.T, strict=True):
        getattr(axes, f"set_{name}lim")(*limits)
        getattr(axes, f"set_{name}label")(f"{objective.label}\n{objective.better}")
    return worst


def outline(corners: np.ndarray, worst: np.ndarray, objectives: Sequence[Objective]) -> np.ndarray:
    """Return the boundary of what some points dominate, within the axes, in the objectives' own directions.

    Args:
        corners: The points, to be minimised, (points, 2).
        worst: What `frame_axes` gave.
        objectives: The two.

    Returns:
        The way along it, (2 points + 1, 2); the points themselves are at odd places.
    """
    if not len(corners):
        return np.empty((0, 2))
    order = corners[np.lexsort(corners.T[::-1])]
    xs = np.concatenate([order[:, 0], [max(worst[0], order[-1, 0])]])
    ys = np.concatenate([[max(worst[1], order[0, 1])], order[:, 1]])
    steps = np.stack([np.repeat(xs, 2)[:-1], np.repeat(ys, 2)[1:]], axis=1)
    return minimised(steps, objectives)
