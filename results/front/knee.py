"""The knee of a front: the compromise from which going on costs more than it brings.

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

**How sure a choice is**: how often it would be chosen again, were every point trained again with as many seeds, as
`results.front.noise` draws it. What matters to a user is `near`: how often the choice falls on the same point or on one
whose objectives chance does not tell from it. Without a point of several seeds nothing is known of chance, and nothing
is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from results.front.dominance import on_front
from results.front.noise import Spread, possible, trained_again

TOLERANCE = 1e-9
NEAR_STDS = 2.0


def knee(points: np.ndarray, reference: np.ndarray) -> int:
    """Return the index of the knee.

    Args:
        points: Non-dominated points, (points, objectives), all to be minimised, at least one.
        reference: Reference point, (objectives,).

    Returns:
        Index into `points`; the first one among exact equals.

    Example:
        >>> knee(np.array([[0.0, 1.0], [0.2, 0.2], [1.0, 0.0]]), reference=np.array([1.0, 1.0]))
        1
    """
    scaled = _scaled(points)
    below = (1.0 - scaled.sum(axis=1)) / np.sqrt(points.shape[1])
    if len(points) > 2 and below.max() > TOLERANCE:
        return int(np.argmax(np.round(below / TOLERANCE)))
    return _least(scaled.max(axis=1), points, reference)


def nearest_to_utopia(points: np.ndarray, reference: np.ndarray) -> int:
    """Return the index of the point nearest to the utopia point; arguments as for `knee`.

    Among equals it is the one that alone dominates most of the box up to the reference point.
    """
    return _least(np.linalg.norm(_scaled(points), axis=1), points, reference)


def _scaled(points: np.ndarray) -> np.ndarray:
    low, high = points.min(axis=0), points.max(axis=0)
    scaled: np.ndarray = (points - low) / np.where(high > low, high - low, 1.0)
    return scaled


def _least(values: np.ndarray, points: np.ndarray, reference: np.ndarray) -> int:
    """Return the index of the smallest value, and among equals of the point that dominates most."""
    steps = np.round(values / TOLERANCE)
    equals = np.flatnonzero(steps == steps.min())
    volume = np.prod(np.maximum(reference - points[equals], 0.0), axis=1)
    return int(equals[np.argmax(volume)])


Rule = Callable[[np.ndarray, np.ndarray], int]  # front to be minimised, reference point; index of the chosen


class Stability(NamedTuple):
    """How sure a choice is.

    Attributes:
        chosen: Index of the point that is chosen of the means.
        same: Share of the draws in which it is; NaN where nothing is known of chance.
        near: Share in which it is, or a point that differs in every objective by at most `NEAR_STDS` standard
            deviations of one seed; NaN as well.
    """

    chosen: int
    same: float
    near: float


def stabilities(
    means: np.ndarray, seeds: np.ndarray, spread: Spread | None, reference: np.ndarray, rules: Sequence[Rule]
) -> list[Stability]:
    """Let several rules choose among the points of a front, and again in each draw of `trained_again`.

    `means` are those of all points that may be on the front, at least one, to be minimised, (points, objectives), each
    over `seeds` seeds, (points,). The reference point is (objectives,).
    """
    chosen = _choices(means, reference, rules)
    if spread is None:
        return [Stability(point, math.nan, math.nan) for point in chosen]
    candidates = np.union1d(possible(means, seeds, spread), chosen)
    drawn = trained_again(means[candidates], seeds[candidates], spread)
    picks = np.array([candidates[_choices(moved, reference, rules)] for moved in drawn])
    same = picks == chosen
    alike = np.all(np.abs(means[picks] - means[chosen]) <= NEAR_STDS * spread.std, axis=-1)
    shares = (same.mean(axis=0), (same | alike).mean(axis=0))
    return [Stability(int(point), *map(float, of)) for point, *of in zip(chosen, *shares, strict=True)]


def _choices(values: np.ndarray, reference: np.ndarray, rules: Sequence[Rule]) -> list[int]:
    """Return what each rule chooses, an index into `values`; it is shown the front sorted, and takes the first."""
    best = np.flatnonzero(on_front(values))
    best = best[np.lexsort(values[best].T[::-1])]
    return [int(best[rule(values[best], reference)]) for rule in rules]
