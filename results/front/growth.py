"""Owns a front that grows point by point, at little cost for the many points that change nothing."""

from __future__ import annotations

from collections.abc import Callable

import moocore
import numpy as np


class GrowingFront:
    """The non-dominated ones of points that come, change and go.

    Attributes:
        size: Points on the front; equal ones all count.
        volume: What the front dominates.
    """

    def __init__(self, objectives: int, volume: Callable[[np.ndarray], float]):
        """Start without a point.

        Args:
            objectives: How many.
            volume: Volume that a front, (points, objectives), dominates.
        """
        self._points: dict[int, np.ndarray] = {}
        self._front = np.empty((0, objectives))
        self._volume = volume
        self.size, self.volume = 0, 0.0

    def set(self, number: int, point: np.ndarray | None) -> None:
        """Let a point come, change or go.

        Args:
            number: Which.
            point: Where it is, (objectives,), to be minimised; None where it does not count.
        """
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
        kept = moocore.is_nondominated(points, keep_weakly=True) if len(points) else np.zeros(0, dtype=bool)
        self._front = points[kept]
        self.size, self.volume = len(self._front), self._volume(self._front)
