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

**How sure a choice is**: how often it would be chosen again, had the search tried other points. The bootstrap (Efron,
"Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979) draws as many points as there are with
replacement, and of each point with several seeds as many seeds as it has; the front of what was drawn is chosen from by
the same rule. A given point is in a resample with a chance of 1 − (1 − 1 / n)^n, 63 % where there are many, so "the
same" cannot be chosen much oftener than that: `held` says how often it could have been. What matters to a user is
`near`: how often the choice falls on the same point or on one that is as good. The draws come from a generator with a
fixed seed, so the same records give the same figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import moocore
import numpy as np

from results.front.dominance import NEAR_FRACTION, front_extent

TOLERANCE = 1e-9
RESAMPLES = 1000  # the figures are then exact to ±3 %: 1.96 · √(0.25 / 1000)
SEED = 0


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
        chosen: Index of the point that is chosen of all.
        same: Share of the resamples in which it is chosen.
        near: Share in which it is, or a point whose every objective differs by at most 5 % of the front's extent.
        held: Share in which it was drawn at all.
    """

    chosen: int
    same: float
    near: float
    held: float


def stabilities(
    seeds: Sequence[np.ndarray],
    reference: np.ndarray,
    rules: Sequence[Rule],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> list[Stability]:
    """Bootstrap the choices of several rules, all on the same resamples.

    `seeds` are those of each point that may be on the front, at least one: objectives to be minimised, (seeds,
    objectives). The reference point is (objectives,); `seed` is that of the draws.
    """
    means = np.array([of.mean(axis=0) for of in seeds])
    best = _sorted_front(means, np.arange(len(means)))
    chosen = np.array([best[rule(means[best], reference)] for rule in rules])
    extent = front_extent(means[best], reference)
    groups = _by_count(seeds)
    rng = np.random.default_rng(seed)
    picks = np.empty((resamples, len(rules)), dtype=int)
    held = np.zeros(len(rules))
    for row in picks:
        counts = np.bincount(rng.integers(len(means), size=len(means)), minlength=len(means))
        drawn = np.flatnonzero(counts)  # a point drawn twice is no second point
        values = means.copy()
        for points, of in groups:
            again = rng.integers(of.shape[1], size=of.shape[:2])
            values[points] = np.take_along_axis(of, again[..., None], axis=1).mean(axis=1)
        best = _sorted_front(values, drawn)
        row[:] = [best[rule(values[best], reference)] for rule in rules]
        held += counts[chosen] > 0
    same = picks == chosen
    alike = np.all(np.abs(means[picks] - means[chosen]) <= NEAR_FRACTION * extent, axis=-1)
    shares = (same.mean(axis=0), (same | alike).mean(axis=0), held / resamples)
    return [Stability(int(point), *map(float, of)) for point, *of in zip(chosen, *shares, strict=True)]


def _by_count(seeds: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return, for each number of seeds above one, the points that have it and their seeds, (points, seeds, m)."""
    counts = np.array([len(of) for of in seeds])
    members = [np.flatnonzero(counts == count) for count in np.unique(counts[counts > 1])]
    return [(points, np.stack([seeds[point] for point in points])) for points in members]


def _sorted_front(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the non-dominated of `points`, indices into `values`, as a front is sorted: a rule takes the first."""
    best = points[moocore.is_nondominated(values[points], keep_weakly=True)]
    order: np.ndarray = best[np.lexsort(values[best].T[::-1])]
    return order
