"""How good a front is beside others: quality indicators against the front of all of them together.

The additive epsilon indicator (Zitzler et al. 2003) is the least amount by which every objective of a front has to
become better for the front to dominate the reference front; IGD+ (Ishibuchi et al. 2015) is the mean, over the
reference front's points, of how far a front falls short of them. Both are 0 where nothing is lost. Objectives have
different units, so both are taken in units of the reference front's extent: 0.1 is a tenth of it. The hypervolume is
in the objectives' own units. All come from moocore.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import moocore
import numpy as np

from results.front.dominance import front_extent, nondominated, volume
from results.front.front import reference_point
from results.records.objectives import Objective


class Indicators(NamedTuple):
    """How good a front is.

    Attributes:
        front_size: Points on it; equal ones all count.
        hypervolume: What it dominates, in the product of the objectives' units; 0 for an empty front.
        hypervolume_share: Of what the front of all dominates; NaN where that is nothing.
        additive_epsilon: In units of the extent of the front of all; NaN for an empty front.
        igd_plus: In units of the extent of the front of all; NaN for an empty front.
        union_points: How many of its points are on the front of all.
        union_share: Share of the front of all that they are; NaN where that is empty.
    """

    front_size: int
    hypervolume: float
    hypervolume_share: float
    additive_epsilon: float
    igd_plus: float
    union_points: int
    union_share: float


def indicators(points: np.ndarray, union: np.ndarray, objectives: Sequence[Objective]) -> Indicators:
    """Judge the front of some points to be minimised, (points, objectives); dominated ones change nothing.

    `union` is the front of these and all other points, (points, objectives).
    """
    front, reference = nondominated(points), reference_point(objectives)
    own, whole = (volume(each, reference) for each in (front, union))
    # The front's points that the union's front has too: those that nothing in the union dominates.
    places = {tuple(point) for point in union.tolist()}
    shared = sum(tuple(point) in places for point in front.tolist())
    epsilon = igd = math.nan
    if len(front):
        unit = front_extent(union, reference)
        targets = np.unique(union, axis=0) / unit  # a point that was reached twice is one target
        epsilon = float(moocore.epsilon_additive(front / unit, ref=targets))
        igd = float(moocore.igd_plus(front / unit, ref=targets))
    return Indicators(
        len(front),
        own,
        own / whole if whole > 0 else math.nan,
        epsilon,
        igd,
        shared,
        shared / len(union) if len(union) else math.nan,
    )
