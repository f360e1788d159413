"""Owns which point of a front is its knee: the compromise from which going on costs more than it brings.

The objectives are scaled to [0, 1] over the front, and the knee is the point farthest below the chord between
the front's two ends, on the side of the ideal point (Das, "On characterizing the 'knee' of the Pareto curve
based on normal-boundary intersection", Structural Optimization 18, 1999). With more than two objectives the
chord becomes the plane through the unit points, Das's convex hull of individual minima.

Where no point lies below the chord (one point, two points, a straight or concave front) there is no knee in
that sense, and the extremes would win. The most balanced point is taken instead: the smallest worst scaled
objective (Chebyshev distance to the ideal), and among equals the one that alone dominates most of the box up
to the reference point, which is what decides between two points.
"""

from __future__ import annotations

import numpy as np

TOLERANCE = 1e-9


def knee(points: np.ndarray, reference: np.ndarray) -> int:
    """Return the index of the knee.

    Args:
        points: Non-dominated points, (points, objectives), all to be minimised, at least one.
        reference: Reference point, (objectives,).

    Returns:
        Index into `points`; the first one among exact equals.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    scaled = (points - low) / span
    objectives = points.shape[1]
    below = (1.0 - scaled.sum(axis=1)) / np.sqrt(objectives)
    if len(points) > 2 and below.max() > TOLERANCE:
        return int(np.argmax(np.round(below / TOLERANCE)))
    worst = np.round(scaled.max(axis=1) / TOLERANCE)
    balanced = np.flatnonzero(worst == worst.min())
    volume = np.prod(np.maximum(reference - points[balanced], 0.0), axis=1)
    return int(balanced[np.argmax(volume)])
