"""How far a metric over recordings would move with other recordings: intervals by the bootstrap (Efron 1979).

A metric is a ratio of sums over recordings, or the mean of several such ratios; a recording brings its part of each
numerator and denominator. Resampling whole recordings keeps together what is alike: the tokens of one recording.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RESAMPLES = 1000
CONFIDENCE = 0.95
SEED = 20_241
_TINY = 1e-12


class Interval(NamedTuple):
    """Bounds of each metric, `(metrics,)`; NaN where a metric is not defined."""

    low: np.ndarray
    high: np.ndarray


def bootstrap_intervals(
    numerators: np.ndarray,
    denominators: np.ndarray,
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = SEED,
) -> Interval:
    """Percentile intervals of ratios Σ numerators / Σ denominators over recordings drawn with replacement.

    All metrics are taken of the same resamples. A ratio whose denominator is 0 in a resample is left out there, as a
    constant channel is left out of the mean over channels.

    Args:
        numerators: `(recordings, metrics)`, or `(recordings, metrics, parts)` for metrics that are the mean of the
            ratios of several parts, such as channels.
        denominators: The same shape, not negative. A mean over recordings has ones here.
        resamples: How often the recordings are drawn.
        confidence: Share of the resamples inside the interval.
        seed: Decides what is drawn.

    Raises:
        ValueError: The shapes differ, or there are no recordings.

    Example:
        >>> bootstrap_intervals(np.full((5, 1), 3.0), np.full((5, 1), 2.0))
        Interval(low=array([1.5]), high=array([1.5]))
    """
    top, bottom = (np.asarray(a, dtype=np.float64) for a in (numerators, denominators))
    if top.shape != bottom.shape or top.ndim not in (2, 3) or not len(top):
        raise ValueError(
            f"numerators {top.shape} and denominators {bottom.shape}: expected the same shape "
            "(recordings, metrics) or (recordings, metrics, parts), and a recording or more"
        )
    recordings = len(top)
    # How often each recording is drawn: sums over a resample are products with these.
    counts = np.random.default_rng(seed).multinomial(recordings, np.full(recordings, 1 / recordings), size=resamples)
    shape = (resamples, *top.shape[1:])
    above, below = ((counts @ a.reshape(recordings, -1)).reshape(shape) for a in (top, bottom))
    defined = below > _TINY
    ratio = np.divide(above, below, out=np.zeros(shape), where=defined)
    if ratio.ndim == 3:
        parts = defined.sum(-1)
        ratio, defined = ratio.sum(-1) / np.maximum(parts, 1), parts > 0
    ratio[~defined] = np.nan
    outside = (1 - confidence) / 2
    bounds = np.full((2, ratio.shape[1]), np.nan)
    some = defined.any(0)
    bounds[:, some] = np.nanquantile(ratio[:, some], [outside, 1 - outside], axis=0)
    return Interval(*bounds)
