"""How the channels of a recording meet the tokens: each with tokens of its own, or all in one row of tokens.

Owns the three ways, and the change between what is kept per token and what is kept per series (one channel of one
recording). Everywhere the series of a recording lie side by side: series b · C + c is channel c of recording b. A *row*
is a sequence of N tokens: a series, or with fused channels a recording.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

SMALL_EMBEDDING_SCALE = 0.02  # of separate channels, whose samples tell most; training makes it as large as it helps
EMBEDDING_SCALE = 0.5  # near the 0.7 of a position embedding, so that channels can be told apart from the start


class ChannelHandling(Protocol):
    """Turns what is known of each series into what a row of tokens starts from and looks at."""

    together: int  # channels of a recording that have to come side by side
    per_token: int  # channels that one token describes

    def gather(self, embedded: Tensor) -> Tensor:
        """Patch embeddings `(series, patches, width)` to those a row looks at, `(rows, patches of a row, width)`."""
        ...

    def pool(self, near: Tensor) -> Tensor:
        """What lies near each query, `(series, tokens, width)`, to what it starts from, `(rows, tokens, width)`."""
        ...


class IndependentChannels(nn.Module):
    """Each channel has N tokens of its own and is looked at by itself, as in VQShape."""

    together = per_token = 1

    def gather(self, embedded: Tensor) -> Tensor:
        """See `ChannelHandling.gather`."""
        return embedded

    def pool(self, near: Tensor) -> Tensor:
        """See `ChannelHandling.pool`."""
        return near


class SeparateChannels(nn.Module):
    """Each channel has N tokens of its own, which are told which channel it is and what the others do meanwhile.

    A sub-action is often a pattern across channels, and no channel alone tells it. A token looks at the patches of its
    channel, and starts from what lies near it there, a learned embedding, which starts small, and a learned mixture of
    what lies near it in all channels, which starts at 0.
    """

    per_token = 1

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.together = channels
        self.embedding = nn.Parameter(SMALL_EMBEDDING_SCALE * torch.randn(channels, width))
        self.mixture = nn.Parameter(torch.zeros(width, channels * width))

    def gather(self, embedded: Tensor) -> Tensor:
        """See `ChannelHandling.gather`."""
        return self._told(embedded)

    def pool(self, near: Tensor) -> Tensor:
        """See `ChannelHandling.pool`."""
        meanwhile = functional.linear(per_token(near, self.together), self.mixture)
        return self._told(near) + meanwhile.repeat_interleave(self.together, dim=0)

    def _told(self, values: Tensor) -> Tensor:
        return (values.unflatten(0, (-1, self.together)) + self.embedding[:, None]).flatten(0, 1)


class FusedChannels(nn.Module):
    """A recording has N tokens, which look at the patches of all its channels; a learned embedding tells these apart.

    A query starts from a learned mixture of what lies near it in each channel; it begins as their mean. Left as the
    mean, series_fvu stays at 0.85 where the mixture reaches 0.46 (`docs/layouts.md`).
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.together = self.per_token = channels
        self.embedding = nn.Parameter(EMBEDDING_SCALE * torch.randn(channels, width))
        self.mixture = nn.Parameter(torch.eye(width).repeat(1, channels) / channels)

    def gather(self, embedded: Tensor) -> Tensor:
        """See `ChannelHandling.gather`."""
        return (embedded.unflatten(0, (-1, self.per_token)) + self.embedding[:, None]).flatten(1, 2)

    def pool(self, near: Tensor) -> Tensor:
        """See `ChannelHandling.pool`."""
        return functional.linear(per_token(near, self.per_token), self.mixture)


def per_series(values: Tensor, channels: int) -> Tensor:
    """Splits what a token says of its channels: `(rows, tokens, channels · m)` to `(series, tokens, m)`."""
    return values.unflatten(-1, (channels, -1)).transpose(1, 2).flatten(0, 1)


def per_token(values: Tensor, channels: int) -> Tensor:
    """The inverse of `per_series`: `(series, tokens, m)` to `(rows, tokens, channels · m)`."""
    return values.unflatten(0, (-1, channels)).transpose(1, 2).flatten(2)
