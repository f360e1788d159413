"""The loss of one batch: every term of the method, and their weighted sum.

L = λ_x·L_x + λ_z·L_vq + λ_dist·L_div + λ_c·L_con + λ_ce·L_ce + 2·[(1 − w)·L_shape + w·λ_a·L_KL], where w weighs
the shape against the action objective, and L_shape = λ_s·L_s + λ_p·L_piece + λ_k·L_skill + λ_st·L_stitch: normalised
shapes against normalised pieces, VQShape's own shape loss, errors relative to those of straight lines, and the series
that the shapes alone give when they are stitched together.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from model.configuration.sections import LossWeights
from model.network.alignment import contrastive_loss
from model.network.attributes import diversity_loss
from model.network.batch import Batch, by_recording
from model.network.heads import kl_divergence
from model.network.shape_action import ShapeActionNetwork, SignalOutput
from model.network.shapes import (
    normalise_pieces,
    normalised_shape_loss,
    shape_loss,
    stitch,
    unexplained_by_shapes,
)


class LossTerms(NamedTuple):
    """The terms before weighting, scalars; the last is no loss but watched beside them."""

    series: Tensor
    quantization: Tensor
    diversity: Tensor
    contrastive: Tensor
    classification: Tensor
    shape: Tensor
    piece: Tensor
    skill: Tensor
    stitch: Tensor
    action: Tensor
    scale_ratio: Tensor  # mean predicted σ over mean σ of the pieces; near 0 the shapes draw nothing


def loss_terms(
    model: ShapeActionNetwork, batch: Batch, output: SignalOutput, longest: float, temperature: float
) -> LossTerms:
    """All terms of a batch: `B` recordings of `C` channels, and what the model gave for the `B · C` series.

    `longest` is the upper bound of a window's length, a fraction of the series, `temperature` that of the contrastive
    loss.
    """
    x = batch.x.flatten(0, 1)
    a = output.attributes
    pieces = output.pieces
    target = normalise_pieces(pieces.detach())
    stitched = stitch(output.decoded, a.start, a.length, x.shape[-1], longest)
    tokens, code = (by_recording(part, len(batch.x)) for part in (output.tokens, output.quantized.code))
    classes = model.classes
    labels = model.teacher.target(tokens, batch, *model.windows(a, len(batch.x))).reshape(output.log_q.shape)
    return LossTerms(
        series=(x - output.series).square().mean(),
        quantization=output.quantized.loss,
        diversity=diversity_loss(a.start, a.length),
        contrastive=_contrastive(model, tokens, batch, temperature),
        classification=classes(code, tokens, batch.y) if classes is not None else x.new_zeros(()),
        shape=normalised_shape_loss(output.shapes, target, a.length),
        piece=shape_loss(output.decoded, pieces),
        skill=unexplained_by_shapes(output.decoded, pieces, a.length),
        stitch=(x - stitched.series).square().mean(),
        action=kl_divergence(labels, output.log_q).mean(),
        scale_ratio=a.scale.detach().mean() / target.scale.mean().clamp_min(1e-12),
    )


def _contrastive(model: ShapeActionNetwork, tokens: Tensor, batch: Batch, temperature: float) -> Tensor:
    """Mean of the loss after fusion and the loss before it.

    The fused tokens carry the class's own text, so their loss alone can be met without the signal; the unfused one
    cannot.
    """
    aligned = model.teacher.align(tokens, batch.y, batch.wording)
    fused = contrastive_loss(aligned.fused_signal, aligned.fused_text, batch.y, temperature)
    unfused = contrastive_loss(aligned.signal, aligned.text, batch.y, temperature)
    return (fused + unfused) / 2


def total_loss(terms: LossTerms, weights: LossWeights, action_weight: float) -> Tensor:
    """The weighted sum; `action_weight` is w in (0, 1)."""
    shape = (
        weights.shape * terms.shape
        + weights.piece * terms.piece
        + weights.skill * terms.skill
        + weights.stitch * terms.stitch
    )
    traded = (1 - action_weight) * shape + action_weight * weights.action * terms.action
    return (
        weights.series * terms.series
        + weights.quantization * terms.quantization
        + weights.diversity * terms.diversity
        + weights.contrastive * terms.contrastive
        + weights.classification * terms.classification
        + 2 * traded
    )


def mean_terms(terms: list[tuple[Tensor, LossTerms]]) -> dict[str, float]:
    """Means over the steps of an epoch; one transfer from the device.

    Returns:
        `loss` and `loss_<term>`, and what tells whether shapes are learnt at all: `train_shape_correlation`, ρ of
        shapes and pieces weighted as the metric is, and `train_scale_ratio`.
    """
    stacked = torch.stack([torch.stack([total, *parts]).detach() for total, parts in terms]).mean(0)
    loss, *rest = stacked.float().tolist()
    of_terms = dict(zip(LossTerms._fields, rest, strict=True))
    scale_ratio = of_terms.pop("scale_ratio")
    # Shape and piece have mean 0 and variance 1, so their squared error is 2 (1 − ρ).
    watched = {"train_shape_correlation": 1 - of_terms["shape"] / 2, "train_scale_ratio": scale_ratio}
    return {"loss": loss} | {f"loss_{name}": value for name, value in of_terms.items()} | watched
