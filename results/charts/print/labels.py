"""Owns where the names of points go in a printed figure: near their point, on nothing else.

A few labels among some hundred points need no optimiser: each label tries the same places, the side towards the
ideal corner first, and takes the one that covers least.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

# Directions in which a label may stand from its point; below left is where no trial can be when both
# objectives are minimised.
DIRECTIONS = ((-1, -1), (-1, 1), (1, 1), (1, -1), (0, -1), (0, 1), (-1, 0), (1, 0))
DISTANCES_POINTS = (9, 18, 30)
POINT_RADIUS_PX = 11.0
HORIZONTAL = {-1: "right", 0: "center", 1: "left"}
VERTICAL = {-1: "top", 0: "center", 1: "bottom"}


def place_labels(
    axes: Axes, texts: Sequence[str], points: Sequence[np.ndarray], obstacles: np.ndarray, colour: str
) -> None:
    """Write labels beside points.

    Args:
        axes: Settled axes: their limits and their place in the figure no longer change.
        texts: The labels.
        points: Their points, (2,) each, in data coordinates.
        obstacles: Points not to cover, (points, 2), in data coordinates.
        colour: Of the text.
    """
    pixels = axes.transData.transform(obstacles) if len(obstacles) else np.empty((0, 2))
    taken: list[np.ndarray] = []
    for text, point in zip(texts, points, strict=True):
        best: tuple[float, int, int, np.ndarray] | None = None
        for distance in DISTANCES_POINTS:
            for number, direction in enumerate(DIRECTIONS):
                box = _box(axes, text, point, direction, distance)
                cost = _cost(axes, box, pixels, taken) + distance / 100
                if best is None or cost < best[0]:
                    best = (cost, number, distance, box)
        if best is not None:
            _, number, distance, box = best
            taken.append(box)
            _annotate(axes, text, point, DIRECTIONS[number], distance, colour)


def _box(axes: Axes, text: str, point: np.ndarray, direction: tuple[int, int], distance: int) -> np.ndarray:
    """Return the label's (left, bottom, right, top) in pixels."""
    label = _annotate(axes, text, point, direction, distance, "none")
    extent = label.get_window_extent(axes.figure.canvas.get_renderer())  # type: ignore[attr-defined]
    label.remove()
    return np.array([extent.x0, extent.y0, extent.x1, extent.y1])


def _annotate(
    axes: Axes, text: str, point: np.ndarray, direction: tuple[int, int], distance: int, colour: str
) -> Annotation:
    x, y = direction
    length = distance / max(np.hypot(x, y), 1.0)
    arrow = {"arrowstyle": "-", "color": "#9ca3af", "linewidth": 0.7, "shrinkA": 1, "shrinkB": 5}
    return axes.annotate(
        text,
        xy=(float(point[0]), float(point[1])),
        xytext=(x * length, y * length),
        textcoords="offset points",
        ha=HORIZONTAL[x],
        va=VERTICAL[y],
        color=colour,
        fontweight="bold",
        arrowprops=arrow if distance > DISTANCES_POINTS[0] and colour != "none" else None,
        zorder=6,
    )


def _cost(axes: Axes, box: np.ndarray, pixels: np.ndarray, taken: Sequence[np.ndarray]) -> float:
    """Count what a label would cover: labels weigh most, then leaving the axes, then points."""
    frame = axes.get_window_extent()
    left, bottom, right, top = box
    cost = 0.0
    if left < frame.x0 + 2 or bottom < frame.y0 + 2 or right > frame.x1 - 2 or top > frame.y1 - 2:
        cost += 20.0
    for other in taken:
        if left < other[2] and right > other[0] and bottom < other[3] and top > other[1]:
            cost += 50.0
    nearest = np.clip(pixels, [left, bottom], [right, top])
    return cost + float((np.hypot(*(pixels - nearest).T) < POINT_RADIUS_PX * 0.6).sum())
