"""The band in which a configuration that is trained again has to fall: a prediction interval of Student's t.

A metric has n recorded seeds and m fresh ones. If all are draws of one normal distribution, the mean of the fresh ones
lies with the stated confidence within

    recorded mean ± t(1 − α / 2, s's degrees of freedom) · s · √(1 / n + 1 / m)

(the prediction interval for the mean of m further observations; Hahn and Meeker, "Statistical intervals", 1991, section
4.8). s is the sample standard deviation of the recorded seeds where there are two or more, so that fresh seeds that
scatter wildly do not widen their own band; with one recorded seed it is that of the fresh ones, and the formula then is
the prediction interval of one further observation turned around. Where k metrics are judged together, α is divided by k
(Bonferroni), so that a configuration that is as recorded falls outside in any of them with at most α.

What it cannot see: a configuration that was chosen *because* its one recorded value is good was lucky, and its fresh
seeds are a little worse than recorded although nothing is wrong. A band of few seeds is wide; it says what so few seeds
can say.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from results.exceptions import RecordError

CONFIDENCE = 0.95
ROUNDING = 1e-9  # of the recorded mean; seeds that agree exactly have a band without width


class PredictionInterval(NamedTuple):
    """One metric, recorded and fresh.

    Attributes:
        recorded: Mean of the recorded seeds.
        half_width: Of the band around it.
        fresh: Mean of the fresh seeds.
        fresh_std: Sample standard deviation of the fresh seeds; NaN for one.
        of_recorded: Whether the width is that of the recorded seeds.
    """

    recorded: float
    half_width: float
    fresh: float
    fresh_std: float
    of_recorded: bool

    @property
    def inside(self) -> bool:
        """Whether the fresh mean falls into the band; never if it is not finite."""
        slack = ROUNDING * max(1.0, abs(self.recorded))
        return abs(self.fresh - self.recorded) <= self.half_width + slack


def prediction_interval(
    recorded: Sequence[float], fresh: Sequence[float], metrics: int = 1, confidence: float = CONFIDENCE
) -> PredictionInterval:
    """Return the band of one metric from its recorded and its fresh seeds, at least one of each.

    The confidence is that with which all metrics that are judged together are inside if nothing has changed.

    Raises:
        RecordError: One seed on either side: there is no spread to judge by.
    """
    from scipy.stats import t

    if len(recorded) < 2 and len(fresh) < 2:
        raise RecordError("one recorded and one fresh seed say nothing of the spread; give --seeds 2 or more")
    of_recorded = len(recorded) > 1
    spread = recorded if of_recorded else fresh
    if not all(map(math.isfinite, (*recorded, *fresh))):
        return PredictionInterval(statistics.fmean(recorded), math.nan, math.nan, math.nan, of_recorded)
    quantile = float(t.ppf(1 - (1 - confidence) / (2 * metrics), len(spread) - 1))
    return PredictionInterval(
        statistics.fmean(recorded),
        quantile * statistics.stdev(spread) * math.sqrt(1 / len(recorded) + 1 / len(fresh)),
        statistics.fmean(fresh),
        statistics.stdev(fresh) if len(fresh) > 1 else math.nan,
        of_recorded,
    )
