"""Attainment surfaces: what a given share of several fronts reaches (Grunert da Fonseca et al. 2001).

The empirical attainment function of a place in objective space is the share of the fronts that reach it, which is that
one of their points is at least as good in every objective. The surface of 50 % is the boundary of what at least half
of the fronts reach: for fronts what the median is for numbers. From moocore, which does two and three objectives.

Where two groups of fronts differ is the difference of their attainment functions (López-Ibáñez, Paquete and Stützle
2010): for every place in objective space, the share of one group's fronts that reach it less the share of the other's.
The rectangles come from moocore, for two objectives.

The Vorob'ev expectation and deviation (Binois, Ginsbourger and Roustant 2015) are for fronts what mean and standard
deviation are for numbers: the smallest surface that dominates at least as much as the fronts do on average, and the
mean volume between a front and it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import moocore
import numpy as np
import pandas as pd

from results.front.dominance import nondominated, volume
from results.front.front import reference_point
from results.front.groups import counted_points
from results.front.overview import Overview, seeds_of_runs
from results.front.seeds import are_all, draws
from results.records.objectives import Objective, minimised

PERCENTILES = (25, 50, 75)
MOST_OBJECTIVES = 3


class Vorobev(NamedTuple):
    """The mean of several fronts, and how far they lie from it.

    Attributes:
        percent: Share of the fronts whose surface the mean is.
        expectation: Its corners, (corners, objectives), to be minimised.
        mean_hypervolume: Of the fronts.
        deviation: Mean volume between a front and the expectation.
    """

    percent: float
    expectation: np.ndarray
    mean_hypervolume: float
    deviation: float


class Attainment(NamedTuple):
    """Attainment surfaces of several fronts.

    Attributes:
        over: What the fronts differ in: "runs" or "seeds".
        what: The fronts in words, with their number.
        sets: Number of fronts.
        surfaces: For each percentage, the corners of what that share reaches, (corners, objectives), to be minimised;
            empty where too few fronts have points.
        mean: Their Vorob'ev expectation and deviation.
    """

    over: str
    what: str
    sets: int
    surfaces: dict[int, np.ndarray]
    mean: Vorobev


def surfaces(fronts: Sequence[np.ndarray], percentiles: Sequence[int] = PERCENTILES) -> dict[int, np.ndarray]:
    """Return the attainment surfaces of some fronts.

    Args:
        fronts: Points to be minimised, (points, objectives) each, with two or three objectives; one may be empty.
        percentiles: Above 0, in percent of the fronts; a surface is what at least so many reach.

    Returns:
        The corners of each surface, (corners, objectives), in the order of the first objective.

    Example:
        >>> surfaces([np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]])], percentiles=[50, 100])[100].tolist()
        [[0.5, 1.0]]
    """
    objectives = fronts[0].shape[1]
    held = [front for front in fronts if len(front)]
    found = {percentile: np.empty((0, objectives)) for percentile in percentiles}
    # moocore counts only sets that have points, so the number of fronts that must reach a place is found here.
    levels = {percentile: needed(percentile, len(fronts)) for percentile in percentiles}
    within = sorted({level for level in levels.values() if level <= len(held)})
    if not within:
        return found
    # Half a set below the level keeps the rounding of percentages out of it.
    asked = {level: 100 * (level - 0.5) / len(held) for level in within}
    points, sets = stacked(held)
    corners = moocore.eaf(points, sets, percentiles=[asked[level] for level in within])
    for percentile, level in levels.items():
        if level in asked:
            own = corners[np.isclose(corners[:, -1], asked[level]), :-1]
            found[percentile] = own[np.lexsort(own.T[::-1])]
    return found


def needed(percentile: float, count: int) -> int:
    """Return how many of some fronts have to reach a place for at least a percentage of them to do so."""
    return max(1, math.ceil(percentile * count / 100 - 1e-9))


def stacked(fronts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of fronts below one another, and the number of each one's front.

    moocore wants the points of a set together, and the sets in order: it miscounts what comes mixed.
    """
    return np.vstack(fronts), np.repeat(np.arange(1, len(fronts) + 1), [len(front) for front in fronts])


def attainments(view: Overview) -> list[Attainment]:
    """Return the surfaces over the runs, if there are several, and over the seeds, if points have several."""
    if not 2 <= len(view.objectives) <= MOST_OBJECTIVES:
        return []
    found, reference = [], reference_point(view.objectives)
    if len(view.runs) > 1:
        fronts = run_fronts(view)
        what = f"the fronts of {len(fronts)} runs"
        found.append(Attainment("runs", what, len(fronts), surfaces(fronts), vorobev(fronts, reference)))
    if view.points.repeated:
        seeds = seeds_of_runs(view.runs, view.trials, view.points)
        fronts = [nondominated(points) for points in draws(seeds)]
        which = "all" if are_all(seeds) else "random"
        what = f"the fronts of {len(fronts)} {which} draws of one seed per point"
        found.append(Attainment("seeds", what, len(fronts), surfaces(fronts), vorobev(fronts, reference)))
    return found


def run_fronts(view: Overview) -> list[np.ndarray]:
    """Return the front of each run, to be minimised, (points, objectives)."""
    values, counted = counted_points(view)
    runs = view.run_of(view.points.table)
    return [nondominated(values[counted & (runs == label)]) for label in view.runs]


def surface_table(found: Attainment, objectives: Sequence[Objective]) -> pd.DataFrame:
    """Return a row per percentage: how many fronts have to reach a place, and what the surface dominates."""
    columns = {
        "percent": list(found.surfaces),
        "needed": [needed(percentile, found.sets) for percentile in found.surfaces],
        "fronts": found.sets,
        "corners": [len(corners) for corners in found.surfaces.values()],
        "hypervolume": [volume(corners, reference_point(objectives)) for corners in found.surfaces.values()],
    }
    return pd.DataFrame(columns)


def corner_table(found: Attainment, objectives: Sequence[Objective]) -> pd.DataFrame:
    """Return a row per corner of a surface, in the objectives' own directions."""
    names = [objective.metric for objective in objectives]
    frames = [
        pd.DataFrame(minimised(corners, objectives), columns=names).assign(percent=percentile)
        for percentile, corners in found.surfaces.items()
    ]
    return pd.concat(frames, ignore_index=True)[["percent", *names]]


def vorobev(fronts: Sequence[np.ndarray], reference: np.ndarray) -> Vorobev:
    """Return the Vorob'ev expectation of fronts to be minimised, (points, objectives) each, up to a reference point."""
    # moocore counts only sets that have points: a front without any reaches no farther than the reference.
    points, sets = stacked([front if len(front) else reference[None] for front in fronts])
    found = moocore.vorob_t(points, sets, ref=reference)
    deviation = float(moocore.vorob_dev(points, sets, ref=reference, ve=found["ve"]))
    return Vorobev(float(found["threshold"]), found["ve"], float(found["avg_hyp"]), deviation)


def vorobev_table(found: Attainment) -> pd.DataFrame:
    """Return one row: how many fronts, what they dominate on average, and their Vorob'ev threshold and deviation."""
    mean = found.mean
    columns = {"fronts": found.sets, "mean_hypervolume": mean.mean_hypervolume, "threshold_percent": mean.percent}
    return pd.DataFrame([columns | {"vorobev_deviation": mean.deviation}])


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

    A front is points to be minimised, (points, 2); one may be empty.
    """
    groups = [[front for front in group if len(front)] for group in (first, second)]
    if not all(groups):
        return []
    # moocore counts sets, of both groups alike, and only such as have points. So each group is repeated until both
    # have the same number, and an empty front becomes a point that is farther away than any other.
    common = math.lcm(len(first), len(second))
    far = np.max([front.max(axis=0) for group in groups for front in group], axis=0)
    far = far + np.maximum(np.abs(far), 1.0)
    data = [
        stacked([front if len(front) else far[None] for front in group] * (common // len(group)))
        for group in (first, second)
    ]
    reached = [moocore.eaf(points, sets) for points, sets in data]
    if np.array_equal(*(rows[np.lexsort(rows.T)] for rows in reached)):
        return []  # eafdiff fails where there is no difference at all
    found = moocore.eafdiff(*(np.column_stack(each) for each in data), rectangles=True)
    inside = found[(found[:, :2] < far).all(axis=1)]
    high = np.where(inside[:, 2:4] >= far, np.inf, inside[:, 2:4])
    return [Rectangle(row[:2], worst, float(row[4]) / common) for row, worst in zip(inside, high, strict=True)]
