"""How far fresh seeds may fall behind: one-sided limits by Student's t, with the spread of all seeds of a run.

A metric has n recorded seeds and m fresh ones. If all are draws of one normal distribution, the mean of the fresh ones
falls with the stated confidence no farther behind the recorded mean, in the direction that is worse, than

    t(1 − α, s's degrees of freedom) · s · √(1 / n + 1 / m)

(a one-sided prediction limit for the mean of m further observations; Hahn and Meeker, "Statistical intervals", 1991,
section 4.8). A guard has a bound that was not measured, so nothing of it is unsure: the mean may fall behind by
t · s / √m before the bound counts as broken. s is pooled within the points of the run: seeds are taken to scatter alike
in all of them, which tells far more than the two or three of one point. Where no point has two seeds it is that of the
fresh ones. Where k metrics are judged together, α is divided by k (Bonferroni), so that a configuration that is as
recorded, and on all its bounds, is found behind in any of them with at most α.

What it cannot see: a configuration that was chosen *because* its one recorded value is good was lucky, and its fresh
seeds are a little worse than recorded although nothing is wrong.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from results.exceptions import RecordError

CONFIDENCE = 0.95
ROUNDING = 1e-9  # of the limit; seeds that agree exactly leave no room at all


class Scatter(NamedTuple):
    """How far the seeds of a point scatter in one metric, by the record: standard deviation and degrees of freedom."""

    std: float
    freedom: int


class Limit(NamedTuple):
    """One bound for fresh seeds, of an objective or of a guard.

    Attributes:
        expected: Mean of the recorded seeds, or the bound of a guard.
        limit: How far the fresh mean may come.
        fresh: Mean of the fresh seeds.
        fresh_std: Sample standard deviation of the fresh seeds; NaN for one.
        sign: 1 where smaller is better, -1 where larger is.
        of_recorded: Whether the spread is that of the recorded seeds.
    """

    expected: float
    limit: float
    fresh: float
    fresh_std: float
    sign: float
    of_recorded: bool

    @property
    def kept(self) -> bool:
        """Whether the fresh mean comes no farther; never if it is not finite."""
        slack = ROUNDING * max(1.0, abs(self.limit))
        return self.sign * (self.fresh - self.limit) <= slack


def one_sided_limit(
    expected: float, recorded: int, fresh: Sequence[float], scatter: Scatter | None, sign: float, judged: int = 1
) -> Limit:
    """Return how far the mean of fresh seeds, at least one, may fall behind what is expected.

    Args:
        expected: Mean of the recorded seeds, or a bound.
        recorded: Number of the recorded seeds; 0 for a bound, which is exact.
        fresh: The fresh seeds.
        scatter: Of the record; None where no point of it has two seeds.
        sign: 1 where smaller is better, -1 where larger is.
        judged: How many limits are judged together.

    Raises:
        RecordError: One fresh seed, and no scatter: there is no spread to judge by.
    """
    from scipy.stats import t

    if scatter is None and len(fresh) < 2:
        raise RecordError("one recorded and one fresh seed say nothing of the spread; give --seeds 2 or more")
    if not all(map(math.isfinite, fresh)):
        return Limit(expected, math.nan, math.nan, math.nan, sign, scatter is not None)
    std = statistics.stdev(fresh) if len(fresh) > 1 else math.nan
    spread = scatter or Scatter(std, len(fresh) - 1)
    quantile = float(t.ppf(1 - (1 - CONFIDENCE) / judged, spread.freedom))
    room = quantile * spread.std * math.sqrt((1 / recorded if recorded else 0.0) + 1 / len(fresh))
    return Limit(expected, expected + sign * room, statistics.fmean(fresh), std, sign, scatter is not None)
