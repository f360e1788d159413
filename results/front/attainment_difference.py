"""Owns where the fronts of two groups of runs differ: the difference of their attainment functions.

After López-Ibáñez, Paquete and Stützle (2010): for every place in objective space, the share of one group's fronts that
reach it less the share of the other's. The rectangles come from moocore, for two objectives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import moocore
import numpy as np

from results.front.attainment import stacked


class Rectangle(NamedTuple):
    """A part of objective space in which the difference is the same.

    Attributes:
        low: Its best corner, (2,), to be minimised; belongs to it.
        high: Its worst corner, (2,), which may be infinite; does not belong to it.
        share: Share of the first group's fronts that reach it, less that of the second group's; from -1 to 1.
    """

    low: np.ndarray
    high: np.ndarray
    share: float


def attainment_difference(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> list[Rectangle]:
    """Return the rectangles in which two groups of fronts may differ; they do not overlap.

    Args:
        first: Points to be minimised, (points, 2), of each front; one may be empty.
        second: Those of the other group.
    """
    groups = [[front for front in group if len(front)] for group in (first, second)]
    sizes = [len(first), len(second)]
    if not all(groups):
        return []
    # moocore counts sets, of both groups alike, and only such as have points. So each group is repeated until both
    # have the same number, and an empty front becomes a point that is farther away than any other.
    common = math.lcm(*sizes)
    far = np.max([front.max(axis=0) for group in groups for front in group], axis=0)
    far = far + np.maximum(np.abs(far), 1.0)
    data = [
        stacked([front if len(front) else far[None] for front in group] * (common // size))
        for group, size in zip((first, second), sizes, strict=True)
    ]
    reached = [_sorted(moocore.eaf(points, sets)) for points, sets in data]
    if np.array_equal(reached[0], reached[1]):
        return []  # eafdiff fails where there is no difference at all
    found = moocore.eafdiff(*(np.column_stack(each) for each in data), rectangles=True)
    inside = found[(found[:, :2] < far).all(axis=1)]
    return [Rectangle(row[:2], _unbounded(row[2:4], far), float(row[4]) / common) for row in inside]


def _unbounded(corner: np.ndarray, far: np.ndarray) -> np.ndarray:
    return np.where(corner >= far, np.inf, corner)


def _sorted(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(rows.T)]
