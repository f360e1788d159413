"""Owns which points lie near a front: those that could be on it but for the chance of their seeds.

A point is near if it would not be dominated, were each of its objectives better by 5 % of the front's extent in that
objective. Measured with three seeds on BasicMotions and Epilepsy (docs/quality.md), the standard deviation over seeds
is 0.001 to 0.022 in `stitch_fvu` and 0.03 to 0.08 in `action_kl_ratio`; the front of the default run reaches over 0.21
and 0.74, of which 5 % are 0.011 and 0.037: about one standard deviation. A smaller share misses points that another
seed would have put on the front; a larger one trains again what chance does not explain.
"""

from __future__ import annotations

import numpy as np

NEAR_FRACTION = 0.05


def front_extent(front: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return how far a front reaches in each objective, (objectives,), all above 0.

    Where it does not, as with one point, its distance to the reference stands in: the other length that is known.
    1 where there is none either.

    Args:
        front: Points to be minimised, (points, objectives); may be empty.
        reference: Reference point, (objectives,).
    """
    if not len(front):
        return np.ones(len(reference))
    extent = np.ptp(front, axis=0)
    distance = reference - front.min(axis=0)
    extent = np.where(extent > 0, extent, distance)
    return np.where(extent > 0, extent, 1.0)


def near(points: np.ndarray, front: np.ndarray, reference: np.ndarray, fraction: float = NEAR_FRACTION) -> np.ndarray:
    """Say which points, (points,), are on or near a front.

    Args:
        points: To be minimised, (points, objectives).
        front: The non-dominated ones of them, (front, objectives).
        reference: Reference point, (objectives,).
        fraction: By how much of the front's extent each objective may be better.
    """
    better = points - fraction * front_extent(front, reference)
    everywhere = np.all(front[None] <= better[:, None], axis=2)
    somewhere = np.any(front[None] < better[:, None], axis=2)
    return np.logical_not(np.any(everywhere & somewhere, axis=1))
