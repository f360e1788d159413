"""Owns which point of a front is its knee: the compromise from which going on costs more than it brings.

Two rules; both scale each of the m objectives to f in [0, 1] over the front.

**Distance to the chord**, the rule behind the name "knee": the point farthest below the chord between the front's two
ends, on the side of the ideal point, so the largest (1 − Σ f) / √m (Das, "On characterizing the 'knee' of the Pareto
curve based on normal-boundary intersection", Structural Optimization 18, 1999). With more than two objectives the
chord becomes the plane through the unit points, Das's convex hull of individual minima.

**Distance to the utopia point**: the point nearest to the one that has the best of every objective, so the smallest
√(Σ f²) (Zeleny, "Compromise programming", in Cochrane and Zeleny (eds.), Multiple criteria decision making, 1973; also
Yu, "A class of solutions for group decision problems", Management Science 19, 1973). It needs no bend in the front. On
a round front the two agree; on an uneven one the chord favours a sharp bend, even near an end.

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
    return _least(scaled.max(axis=1), points, reference)


def nearest_to_utopia(points: np.ndarray, reference: np.ndarray) -> int:
    """Return the index of the point nearest to the utopia point; arguments as for `knee`.

    Among equals it is the one that alone dominates most of the box up to the reference point.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - low) / np.where(high > low, high - low, 1.0)
    return _least(np.linalg.norm(scaled, axis=1), points, reference)


def _least(values: np.ndarray, points: np.ndarray, reference: np.ndarray) -> int:
    """Return the index of the smallest value, and among equals of the point that dominates most."""
    steps = np.round(values / TOLERANCE)
    equals = np.flatnonzero(steps == steps.min())
    volume = np.prod(np.maximum(reference - points[equals], 0.0), axis=1)
    return int(equals[np.argmax(volume)])
