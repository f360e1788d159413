"""Place the names of points beside them: on nothing else, and where no other point is nearer.

A few labels among some hundred points need no optimiser: each label tries the same places, the side towards the ideal
corner first, and takes the one that costs least. A line leads from each to its point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Directions in which a label may stand from its point; below left is where no trial can be when both objectives are
# minimised.
DIRECTIONS = ((-1, -1), (-1, 1), (1, 1), (1, -1), (0, -1), (0, 1), (-1, 0), (1, 0))
HORIZONTAL = {-1: "right", 0: "center", 1: "left"}  # the side of the label that is at its place
VERTICAL = {-1: "top", 0: "middle", 1: "bottom"}
OUTSIDE_COST, OVERLAP_COST, WRONG_COST = 100.0, 50.0, 10.0  # covering a marker or a bit of the line costs 1


class Scene(NamedTuple):
    """A picture in which labels are placed; pixels, y upwards.

    Attributes:
        frame: Left, bottom, right and top.
        points: Those with a label, (labels, 2).
        markers: All that are drawn, (markers, 2).
        lines: Places along lines that are better not covered, (places, 2).
    """

    frame: tuple[float, float, float, float]
    points: np.ndarray
    markers: np.ndarray
    lines: np.ndarray


class Place(NamedTuple):
    """Where a label stands: x and y of its near corner or side, from its point, and its direction."""

    x: float
    y: float
    direction: tuple[int, int]


def place_labels(scenes: Sequence[Scene], sizes: np.ndarray, distances: Sequence[float], near: float) -> list[Place]:
    """Return where each label stands, the same in all scenes: that of least cost, summed over them.

    Args:
        scenes: The same points in pictures of different sizes; the first labels choose first.
        sizes: Width and height of each label, (labels, 2), in pixels.
        distances: Tried between a point and its label, in pixels.
        near: A marker nearer to a label than that, in pixels, counts as covered.
    """
    chosen: list[Place] = []
    taken: list[list[np.ndarray]] = [[] for _ in scenes]
    for number, size in enumerate(sizes):
        tries = [_place(direction, distance) for distance in distances for direction in DIRECTIONS]
        costs = []
        for place in tries:
            boxes = [_box(scene.points[number], place, size) for scene in scenes]
            each = zip(scenes, boxes, taken, strict=True)
            costs.append(sum(_cost(scene, number, box, of, near) for scene, box, of in each))
        chosen.append(tries[int(np.argmin(costs))])
        for scene, of in zip(scenes, taken, strict=True):
            of.append(_box(scene.points[number], chosen[-1], size))
    return chosen


def _place(direction: tuple[int, int], distance: float) -> Place:
    x, y = direction
    # Not at 45 degrees: plotly takes a line from a point into the corner of a box for one inside it, and draws none.
    return Place(x * distance * (0.8 if y else 1.0), y * distance * (0.6 if x else 1.0), direction)


def _box(point: np.ndarray, place: Place, size: np.ndarray) -> np.ndarray:
    """Return a label's left, bottom, right and top."""
    corner = point + (place.x, place.y) + (np.array(place.direction) - 1) / 2 * size
    return np.concatenate([corner, corner + size])


def _cost(scene: Scene, number: int, box: np.ndarray, taken: Sequence[np.ndarray], near: float) -> float:
    """Count what a label would cover, whether it would leave the frame, and whether it would seem another point's."""
    low, high = box[:2], box[2:]
    cost = 0.0
    if (low < scene.frame[:2]).any() or (high > scene.frame[2:]).any():
        cost += OUTSIDE_COST
    cost += OVERLAP_COST * sum(bool((low < other[2:]).all() and (high > other[:2]).all()) for other in taken)
    away = np.hypot(*(scene.markers - np.clip(scene.markers, low, high)).T)
    along = np.hypot(*(scene.lines - np.clip(scene.lines, low, high)).T)
    cost += float((away < near).sum() + (along < near).sum())
    own = np.hypot(*(scene.points[number] - np.clip(scene.points[number], low, high)))
    others = away[(scene.markers != scene.points[number]).any(axis=1)]
    return cost + WRONG_COST * bool((others < own).any()) + own / 100
