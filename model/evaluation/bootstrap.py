"""How far a metric over recordings would move with other recordings: intervals by the bootstrap (Efron 1979).

A metric is a ratio of sums over recordings, or the mean of several such ratios; a recording brings its part of each
numerator and denominator. Resampling whole recordings keeps together what is alike: the tokens of one recording.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.evaluation import metrics
from model.evaluation.evaluate import SplitOutputs, class_means, code_meanings, collect, draw
from model.network.batch import Batch
from model.network.heads import kl_divergence
from model.network.shape_action import ShapeActionNetwork
from model.network.shapes import extract_pieces, line_errors, stitch, straight_lines

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


@torch.no_grad()
def metric_intervals(
    model: ShapeActionNetwork, train: Batch, held_out: Batch, longest: float
) -> dict[str, tuple[float, float]]:
    """Intervals of the metrics that are ratios over recordings, of a held-out split; arguments as for `evaluate`."""
    learnt, seen = collect(model, train), collect(model, held_out)
    of_shapes = _of_shapes(model, held_out, seen, longest)
    table, owned = code_meanings(model, learnt)[seen.indices], model.teacher.text.owned
    y, of_train = (part.y.repeat_interleave(seen.tokens.shape[1]) for part in (held_out, train))
    classes, mean = class_means(learnt.p, of_train, owned)[y], learnt.p.mean(0)
    of_class, of_mean = (kl_divergence(seen.p, m.clamp_min(_TINY).log()) for m in (classes, mean))
    within = metrics.restricted(table, owned[y])
    of_tokens = {
        "action_kl_ratio": (kl_divergence(seen.p, table), of_mean),
        "within_class_kl_ratio": (kl_divergence(seen.p, within), of_class),
        "class_oracle_ratio": (of_class, of_mean),
        "naming_error": metrics.naming_losses(seen.p, table, mean),
        "within_class_naming_error": metrics.naming_losses(seen.p, within, classes),
    }
    recordings, found = len(held_out.x), {}
    for name, (above, below) in (of_shapes | of_tokens).items():
        # A part of a channel stays one; what is of tokens is summed over those of a recording.
        top, bottom = (part.reshape(recordings, 1, -1).double().cpu().numpy() for part in (above, below))
        if name in of_tokens or name == "shape_skill":
            top, bottom = top.sum(-1), bottom.sum(-1)
        low, high = (float(bound[0]) for bound in bootstrap_intervals(top, bottom))
        found[name] = (1 - high, 1 - low) if name == "shape_skill" else (low, high)
    return found


def _of_shapes(
    model: ShapeActionNetwork, split: Batch, seen: SplitOutputs, longest: float
) -> dict[str, tuple[Tensor, Tensor]]:
    """Errors and what they are relative to, of each series; the skill's are those of what it is below 1."""
    x = split.x.flatten(0, 1)
    pieces = extract_pieces(x, seen.start, seen.length, model.shapes.samples)
    _, decoded = draw(model, seen, seen.indices)
    spread = (x - x.mean(-1, keepdim=True)).square().sum(-1)

    def stitched_error(drawn: Tensor) -> Tensor:
        rebuilt = stitch(drawn, seen.start, seen.length, x.shape[-1], longest).series
        return (x - rebuilt).square().sum(-1)

    error = (seen.length * (decoded - pieces).square().sum(-1)).sum(-1)
    return {
        "stitch_fvu": (stitched_error(decoded), spread),
        "line_fvu": (stitched_error(straight_lines(pieces)), spread),
        "shape_skill": (error, (seen.length * line_errors(pieces)).sum(-1)),
    }
