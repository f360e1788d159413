"""Measures a model on a held-out split: every metric, guard and control, in evaluation mode and without masking.

The training split is read as well, for what may be learnt from it alone: the mean soft label p̄, what each code means,
and the linear classifiers. Labels of the held-out split enter the soft labels and the class-aware checks, never a
prediction.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.evaluation import downstream, metrics
from model.evaluation.meaning import CodeMeaning, LabelledTokens, measure_meaning
from model.network.alignment import contrastive_loss
from model.network.batch import Batch, by_recording
from model.network.channels import per_series, per_token
from model.network.heads import accumulate_meanings, kl_divergence
from model.network.shape_action import ShapeActionNetwork
from model.network.shapes import extract_pieces, normalise_pieces, stitch, straight_lines

CONTROL_SEED = 20_240  # of the shuffled-code controls


class SplitOutputs(NamedTuple):
    """What the signal path and the answer key give for a split; `S` series in `R` rows of `N` tokens."""

    tokens: Tensor  # (B, tokens of a recording, width)
    z: Tensor  # (R · N, code_dim)
    indices: Tensor  # (R · N,)
    p: Tensor  # (R · N, K), soft labels of the answer key
    log_q: Tensor  # (R · N, K), predicted
    start: Tensor  # (S, N)
    length: Tensor  # (S, N)
    offset: Tensor  # (S, N)
    scale: Tensor  # (S, N)
    series: Tensor  # (S, T)


@torch.no_grad()
def collect(model: ShapeActionNetwork, split: Batch, recordings: int = 64) -> SplitOutputs:
    """Runs a split through the model in chunks of `recordings`."""
    was_training = model.training
    model.eval()
    parts = []
    for first in range(0, len(split.x), recordings):
        part = split.take(slice(first, first + recordings))
        out = model(part.x.flatten(0, 1), level=part.level)
        tokens, a = by_recording(out.tokens, len(part.x)), out.attributes
        p = model.teacher.mark(part, *model.windows(a, len(part.x)))
        z, index, p, log_q = (each.flatten(0, 1) for each in (a.z, out.quantized.indices, p, out.log_q))
        parts.append(SplitOutputs(tokens, z, index, p, log_q, a.start, a.length, a.offset, a.scale, out.series))
    model.train(was_training)
    return SplitOutputs(*(torch.cat(field) for field in zip(*parts, strict=True)))


def class_means(p: Tensor, y: Tensor, owned: Tensor) -> Tensor:
    """The mean soft label of each class, `(classes, K)`: uniform on what a class owns where there is no token of it.

    `p (tokens, K)` are the labels of the training split, `y (tokens,)` its classes, `owned (classes, K)` of bool.
    """
    total = p.new_zeros(owned.shape).index_add_(0, y, p)
    count = torch.bincount(y, minlength=len(owned))[:, None]
    return torch.where(count > 0, total / count.clamp_min(1), owned / owned.sum(-1, keepdim=True))


@torch.no_grad()
def code_meanings(model: ShapeActionNetwork, train: SplitOutputs) -> Tensor:
    """Log-probabilities `(codes, K)` of the sub-actions that each code stands for; from the training split alone."""
    codes = model.quantizer.codes
    if model.reads_codes:
        return model.action(codes)
    return accumulate_meanings(train.indices, train.p, len(codes)).clamp_min(1e-12).log()


@torch.no_grad()
def read_meaning(
    model: ShapeActionNetwork, train: SplitOutputs, y: Tensor, sub_actions: tuple[str, ...], classes: tuple[str, ...]
) -> CodeMeaning:
    """What each code means, for people: the distributions of `code_meanings`, the shapes, and what they rest on.

    The training split comes collected, its classes as `y (B,)`, and the names of sub-actions `(K,)` and classes.
    """
    codes, per_recording = model.quantizer.codes, train.tokens.shape[1]
    index, recording = train.indices, torch.arange(len(y)).repeat_interleave(per_recording)
    tokens = LabelledTokens(*map(_array, (index, train.p, recording, y.repeat_interleave(per_recording))))
    accumulated = _array(accumulate_meanings(index, train.p, len(codes)))
    distribution = _array(code_meanings(model, train).exp())
    shapes = model.shapes(codes).unflatten(-1, (model.channels_per_token, -1))
    return measure_meaning(_array(shapes), distribution, accumulated, tokens, sub_actions, classes)


@torch.no_grad()
def classify(
    model: ShapeActionNetwork, train: SplitOutputs, train_y: Tensor, held_out: SplitOutputs, y: Tensor
) -> dict[str, np.ndarray]:
    """Confusion matrices `(classes, classes)` of the linear classifiers, `token` and `histogram`, true class first.

    They are fitted on the training split and predict the held-out one, both collected, with their classes `(B,)`.
    """
    learnt, seen = (frozen_features(model, split) for split in (train, held_out))
    classes = len(model.teacher.text.text)
    return {
        name: downstream.confusion(a, _array(train_y), b, _array(y), classes)
        for name, a, b in zip(learnt._fields, learnt, seen, strict=True)
    }


def frozen_features(model: ShapeActionNetwork, split: SplitOutputs) -> downstream.Features:
    """What linear classifiers are fitted on, of a collected split."""
    numbers = torch.stack([split.start, split.length, split.offset, split.scale], dim=-1)
    numbers = per_token(numbers, model.channels_per_token)
    if not model.reads_codes:
        numbers = torch.cat([numbers, split.log_q.exp().view(*numbers.shape[:2], -1)], dim=-1)
    index = split.indices.view(numbers.shape[:2])
    return downstream.features(_array(model.quantizer.codes), _array(index), _array(numbers), len(split.tokens))


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().numpy()


@torch.no_grad()
def evaluate(
    model: ShapeActionNetwork,
    train: Batch,
    held_out: Batch,
    longest: float,
    temperature: float,
    native_samples: int | None = None,
) -> dict[str, float]:
    """All metrics of a held-out split by name; the names are those of the glossary in `docs/metrics.md`.

    `longest` is the upper bound of a window's length, a fraction of the series, `temperature` that of the contrastive
    loss. Windows are measured in samples of recordings that had `native_samples` before they were resampled; None takes
    the samples of the series as they are.
    """
    learnt, seen = collect(model, train), collect(model, held_out)
    table = code_meanings(model, learnt)
    y = held_out.y.repeat_interleave(seen.tokens.shape[1])
    return {
        **_reconstruction(model, held_out, seen, longest),
        **_windows(seen, native_samples or held_out.x.shape[-1]),
        **_action(model, learnt, train.y, seen, table, y),
        **_codebook(model, seen, table, y),
        **_alignment(model, held_out, seen, temperature),
        **_downstream(classify(model, learnt, train.y, seen, held_out.y)),
    }


def _shuffled(index: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(CONTROL_SEED)
    return index[torch.randperm(len(index), generator=generator).to(index.device)]


def draw(model: ShapeActionNetwork, seen: SplitOutputs, index: Tensor) -> tuple[Tensor, Tensor]:
    """What a collected split would draw with the codes `index (R · N,)`.

    Returns:
        Shapes, normalised, and the same with offset and scale, `(S, N, shape samples)` each.
    """
    table = model.shapes(model.quantizer.codes)
    shapes = per_series(table[index.view(-1, seen.start.shape[1])], model.channels_per_token)
    return shapes, seen.scale[..., None] * shapes + seen.offset[..., None]


def _reconstruction(model: ShapeActionNetwork, split: Batch, seen: SplitOutputs, longest: float) -> dict[str, float]:
    x = split.x.flatten(0, 1)
    samples = x.shape[-1]
    pieces = extract_pieces(x, seen.start, seen.length, model.shapes.samples)

    def stitched_fvu(index: Tensor) -> tuple[Tensor, Tensor]:
        _, decoded = draw(model, seen, index)
        rebuilt = stitch(decoded, seen.start, seen.length, samples, longest)
        return metrics.fvu(split.x, rebuilt.series.view_as(split.x)), rebuilt.covered.float().mean()

    shapes, decoded = draw(model, seen, seen.indices)
    error, covered = stitched_fvu(seen.indices)
    lines = stitch(straight_lines(pieces), seen.start, seen.length, samples, longest).series
    line_error = metrics.fvu(split.x, lines.view_as(split.x))
    shuffled_error, _ = stitched_fvu(_shuffled(seen.indices))
    target = normalise_pieces(pieces)
    return {
        "series_fvu": float(metrics.fvu(split.x, seen.series.view_as(split.x))),
        "stitch_fvu": float(error),
        "line_fvu": float(line_error),
        "stitch_line_ratio": float(error / line_error.clamp_min(1e-12)),
        "shape_skill": float(metrics.shape_skill(decoded, pieces, seen.length)),
        "shape_correlation": float(metrics.shape_correlation(shapes, pieces, seen.length)),
        "scale_ratio": float(seen.scale.mean() / target.scale.mean().clamp_min(1e-12)),
        "code_necessity": float(shuffled_error - error),
        "covered_fraction": float(covered),
    }


def _windows(seen: SplitOutputs, samples: int) -> dict[str, float]:
    length, start = seen.length * samples, seen.start * samples
    return {
        "window_samples": float(length.median()),
        "window_samples_spread": float(length.std(0).mean()),
        "window_start_spread": float(start.std(0).mean()),
    }


def _action(
    model: ShapeActionNetwork, learnt: SplitOutputs, train_y: Tensor, seen: SplitOutputs, table: Tensor, y: Tensor
) -> dict[str, float]:
    owned, mean, log_q = model.teacher.text.owned, learnt.p.mean(0), table[seen.indices]
    classes = class_means(learnt.p, train_y.repeat_interleave(learnt.tokens.shape[1]), owned)[y]
    within = metrics.restricted(log_q, owned[y])
    return {
        "action_kl": float(kl_divergence(seen.p, log_q).mean()),
        "action_kl_ratio": float(metrics.kl_ratio(seen.p, log_q, mean)),
        "action_kl_ratio_shuffled": float(metrics.kl_ratio(seen.p, table[_shuffled(seen.indices)], mean)),
        "token_kl_ratio": float(metrics.kl_ratio(seen.p, seen.log_q if not model.reads_codes else log_q, mean)),
        "class_oracle_ratio": float(metrics.kl_ratio(seen.p, classes.clamp_min(1e-12).log(), mean)),
        "naming_error": float(metrics.naming_error(seen.p, log_q, mean)),
        "within_class_naming_error": float(metrics.naming_error(seen.p, within, classes)),
        "within_class_kl_ratio": float(metrics.kl_ratio(seen.p, within, classes)),
        "target_information": float(metrics.target_information(seen.p, mean)),
        "token_specificity": float(metrics.token_specificity(seen.p, y, owned)),
        "set_mass": float(metrics.set_mass(log_q, y, owned)),
        "key_agreement": float(model.teacher.key.agreement),
    }


def _codebook(model: ShapeActionNetwork, seen: SplitOutputs, table: Tensor, y: Tensor) -> dict[str, float]:
    codes = model.quantizer.codes
    counts = torch.bincount(seen.indices, minlength=len(codes))
    perplexity = float(metrics.perplexity(counts))
    by_action = seen.p.new_zeros(len(codes), seen.p.shape[1]).index_add_(0, seen.indices, seen.p)
    by_class = seen.p.new_zeros(len(codes), int(y.max()) + 1)
    by_class.index_put_((seen.indices, y), torch.ones_like(y, dtype=seen.p.dtype), accumulate=True)
    return {
        "code_perplexity": perplexity,
        "code_perplexity_share": perplexity / max(2.0, 0.3 * len(codes)),
        "codes_used": float((counts > 0).sum()),
        "quantization_error": float(metrics.quantization_error(seen.z, codes[seen.indices])),
        "distinct_shapes": float(metrics.distinct_shapes(model.shapes(codes))),
        "code_action_information": float(metrics.mutual_information(by_action)),
        "code_class_information": float(metrics.mutual_information(by_class)),
    }


def _alignment(model: ShapeActionNetwork, split: Batch, seen: SplitOutputs, temperature: float) -> dict[str, float]:
    aligned = model.teacher.align(seen.tokens, split.y)
    partners = (split.y[:, None] == split.y[None, :]).sum(-1)
    nearest = model.teacher.similarities(seen.tokens).argmax(-1)
    return {
        "contrastive_fused": float(contrastive_loss(aligned.fused_signal, aligned.fused_text, split.y, temperature)),
        "contrastive_unfused": float(contrastive_loss(aligned.signal, aligned.text, split.y, temperature)),
        "contrastive_chance": 2 * math.log(len(split.y)),
        "contrastive_floor": 2 * float(partners.float().log().mean()),
        "text_accuracy": float((nearest == split.y).float().mean()),
    }


def _downstream(confusions: dict[str, np.ndarray]) -> dict[str, float]:
    scores = {name: downstream.scores(matrix) for name, matrix in confusions.items()}
    return {f"{name}_{what}": value for name, of in scores.items() for what, value in of._asdict().items()}
