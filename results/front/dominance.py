"""Non-dominated points: which they are, which lie near them, and a front that grows point by point.

A point is near if it would not be dominated, were each of its objectives better by 5 % of the front's extent in that
objective. That is a share to begin with, where nothing is known of how seeds scatter: it bounds how much is trained
again. Seeds may scatter more: at the knee of the default run `stitch_fvu` has a standard deviation of 0.041
(docs/taking_home.md), where 5 % of the extent are 0.011. Once there are several seeds, the spread is measured
(`results.front.noise`).
"""

from __future__ import annotations

from collections.abc import Callable

import moocore
import numpy as np

NEAR_FRACTION = 0.05


def on_front(points: np.ndarray) -> np.ndarray:
    """Say which points, (points, objectives), no other one dominates, (points,); equal ones all are."""
    return moocore.is_nondominated(points, keep_weakly=True) if len(points) else np.zeros(0, dtype=bool)


def nondominated(points: np.ndarray) -> np.ndarray:
    """Return the points, (points, objectives), that no other one dominates; equal ones are all kept."""
    return points[on_front(points)]


def volume(points: np.ndarray, reference: np.ndarray) -> float:
    """Return the hypervolume that points, (points, objectives), to be minimised, dominate up to a reference point."""
    return float(moocore.hypervolume(points, ref=reference)) if len(points) else 0.0


def contributions(front: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return by how much less a front, (points, objectives), would dominate without each point, (points,)."""
    if front.shape[1] == 1:  # moocore takes two objectives or more; all points of a front of one are equal
        return np.full(len(front), max(0.0, float(reference[0] - front[0, 0])) if len(front) == 1 else 0.0)
    return np.asarray(moocore.hv_contributions(front, ref=reference)) if len(front) else np.zeros(0)


def front_extent(front: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return how far a front to be minimised, (points, objectives), reaches in each objective, (objectives,), above 0.

    Where it does not, as with one point, its distance to the reference stands in: the other length that is known.
    1 where there is none either, as for an empty front.
    """
    if not len(front):
        return np.ones(len(reference))
    extent = np.ptp(front, axis=0)
    distance = reference - front.min(axis=0)
    extent = np.where(extent > 0, extent, distance)
    return np.where(extent > 0, extent, 1.0)


def near_front(
    points: np.ndarray, front: np.ndarray, reference: np.ndarray, fraction: float = NEAR_FRACTION
) -> np.ndarray:
    """Say which points to be minimised, (points, objectives), are on or near their front, (front, objectives).

    The fraction is by how much of the front's extent each objective may be better.
    """
    better = points - fraction * front_extent(front, reference)
    everywhere = np.all(front[None] <= better[:, None], axis=2)
    somewhere = np.any(front[None] < better[:, None], axis=2)
    return np.logical_not(np.any(everywhere & somewhere, axis=1))


class GrowingFront:
    """The non-dominated ones of points that come, change and go.

    Attributes:
        size: Points on the front; equal ones all count.
        volume: What the front dominates.
    """

    def __init__(self, objectives: int, volume: Callable[[np.ndarray], float]):
        """Start without a point; `volume` is told a front, (points, objectives), and says what it dominates."""
        self._points: dict[int, np.ndarray] = {}
        self._front = np.empty((0, objectives))
        self._volume = volume
        self.size, self.volume = 0, 0.0

    def set(self, number: int, point: np.ndarray | None) -> None:
        """Let a point, (objectives,), to be minimised, come or change; None, which does not count, lets it go."""
        before = self._points.pop(number, None)
        if point is not None:
            self._points[number] = point
        # Whoever a dominated point dominates is dominated by others too, so it can come and go without a trace.
        if before is not None and not self._dominated(before):
            self._renew(np.array([*self._points.values()]).reshape(-1, self._front.shape[1]))
        elif point is not None and not self._dominated(point):
            self._renew(np.vstack([self._front, point]))

    def _dominated(self, point: np.ndarray) -> bool:
        no_worse = (self._front <= point).all(axis=1)
        return bool((no_worse & (self._front < point).any(axis=1)).any())

    def _renew(self, points: np.ndarray) -> None:
        self._front = nondominated(points)
        self.size, self.volume = len(self._front), self._volume(self._front)
