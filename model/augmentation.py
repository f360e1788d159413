"""Cutting recordings at random while training: window slicing (Le Guennec et al. 2016).

A recorder starts and stops where it happens to, so where a recording begins and how fast it runs say nothing of its
class. With few recordings the action objective learns these by heart, and its KL rises on held-out recordings.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST_SCALE = 0.1  # a cut with less movement than this part of the recording's is not blown up to variance 1


def random_crop(x: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Cuts up to `most` of each recording off its ends, and resamples and normalises what is left as the whole was.

    All channels of a recording are cut alike. How much is cut off is drawn evenly from 0 to `most`, and then where.

    Args:
        x: `(B, C, T)`, normalised.
        most: Largest share that is cut off, in [0, 1); 0 returns `x` itself and draws nothing.
        generator: Source of the draw (CPU).

    Returns:
        `(B, C, T)`: mean 0 and variance 1 per recording and channel, less where hardly anything moves in the cut.
    """
    if most == 0:
        return x
    kept = 1 - most * torch.rand(len(x), 1, generator=generator)
    first = (1 - kept) * torch.rand(len(x), 1, generator=generator)
    samples = x.shape[-1]
    position = (first + kept * torch.linspace(0, 1, samples)) * (samples - 1)
    position = position.to(x.device, x.dtype, non_blocking=True)[:, None]
    left = position.floor().long().clamp_(0, samples - 2).expand_as(x)
    cut = torch.lerp(x.gather(-1, left), x.gather(-1, left + 1), position - left)
    cut = cut - cut.mean(-1, keepdim=True)
    return cut / cut.std(-1, keepdim=True, correction=0).clamp_min(SMALLEST_SCALE)
