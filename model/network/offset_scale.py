"""What normalisation takes out of a series: its level and how much it moves, given back to the encoder as numbers.

Recordings are normalised one by one, so that trembling fingers and a running wearer look alike. A sub-action such as
"no movement at the wrist" is a statement about just that, so the patches of a series are told its offset and its scale
before normalisation. Shapes are still drawn on the normalised series.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

SMALLEST_SCALE = 0.01  # of a channel's median in the training split; a constant channel has no logarithm


class OffsetScaleEmbedding(nn.Module):
    """Offset and scale of a series to a vector that is added to its patch embeddings.

    Both are standardised by the training split, channel by channel, the scale as a logarithm: sensors have units. `fit`
    has to be called once before training; the statistics are part of the state. Whether the offset is `used` as well is
    a choice, since it depends on how a sensor is worn.
    """

    def __init__(self, channels: int, width: int, used: Literal["scale", "both"]):
        super().__init__()
        self.columns = slice(1, 2) if used == "scale" else slice(0, 2)
        self.register_buffer("floor", torch.ones(channels))
        self.register_buffer("centre", torch.zeros(channels, 2))
        self.register_buffer("spread", torch.ones(channels, 2))
        self.floor: Tensor  # (channels,), smallest scale whose logarithm is taken
        self.centre: Tensor  # (channels, 2)
        self.spread: Tensor  # (channels, 2)
        self.project = nn.Linear(self.columns.stop - self.columns.start, width)

    @torch.no_grad()
    def fit(self, training: Tensor) -> None:
        """Takes the statistics of `training (recordings, channels, 2)`, offset and scale of the training split."""
        median = training[..., 1].median(0).values
        self.floor.copy_(SMALLEST_SCALE * torch.where(median > 0, median, 1.0))
        numbers = self._numbers(training)
        spread = numbers.std(0, correction=0)
        self.centre.copy_(numbers.mean(0))
        self.spread.copy_(torch.where(spread > 1e-6, spread, 1.0))

    def forward(self, level: Tensor) -> Tensor:
        """Vectors `(recordings · channels, width)` of `level (recordings, channels, 2)`, offset and scale."""
        numbers = (self._numbers(level) - self.centre) / self.spread
        return self.project(numbers[..., self.columns]).flatten(0, 1)

    def _numbers(self, level: Tensor) -> Tensor:
        offset, scale = level.unbind(-1)
        return torch.stack([offset, torch.maximum(scale, self.floor).log()], dim=-1)
