"""Cutting recordings at random while training: window slicing (Le Guennec et al. 2016).

A recorder starts and stops where it happens to, so where a recording begins and how fast it runs say nothing of its
class. With few recordings the action objective learns these by heart, and its KL rises on held-out recordings.
"""

from __future__ import annotations

import torch

from model.network.batch import Batch

CUT_SHARE = 0.5  # of the recordings of a step; the others stay whole, as they are when they are measured
SMALLEST_SCALE = 0.1  # a cut with less movement than this part of the recording's is not blown up to variance 1


def random_crop(batch: Batch, most: float, generator: torch.Generator) -> Batch:
    """Cuts up to `most` off the ends of half the recordings; what is left is resampled and normalised as the whole was.

    All channels of a recording are cut alike. Which are cut is drawn (CPU), how much evenly from 0 to `most`, and then
    where. A `most` of 0 returns the batch itself and draws nothing; it is below 1.

    Returns:
        The same recordings; cuts have mean 0 and variance 1 per channel, less where hardly anything moves in them, and
        the level that the piece has.
    """
    if most == 0:
        return batch
    x = batch.x
    chosen = torch.rand(len(x), 1, 1, generator=generator) < CUT_SHARE
    kept = 1 - most * torch.rand(len(x), 1, generator=generator)
    first = (1 - kept) * torch.rand(len(x), 1, generator=generator)
    samples = x.shape[-1]
    position = (first + kept * torch.linspace(0, 1, samples)) * (samples - 1)
    position = position.to(x.device, x.dtype, non_blocking=True)[:, None]
    left = position.floor().long().clamp_(0, samples - 2).expand_as(x)
    cut = torch.lerp(x.gather(-1, left), x.gather(-1, left + 1), position - left)
    chosen = chosen.to(x.device, non_blocking=True)
    offset = torch.where(chosen, cut.mean(-1, keepdim=True), 0.0)
    scale = torch.where(chosen, (cut - offset).std(-1, keepdim=True, correction=0), 1.0)
    cropped = (torch.where(chosen, cut, x) - offset) / scale.clamp_min(SMALLEST_SCALE)
    if batch.level is None:
        return batch._replace(x=cropped)
    was_offset, was_scale = batch.level.unbind(-1)
    level = torch.stack([was_offset + was_scale * offset[..., 0], was_scale * scale[..., 0]], dim=-1)
    return batch._replace(x=cropped, level=level)
