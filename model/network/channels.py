"""How the channels of a recording meet the tokens: each with tokens of its own, or all in one row of tokens.

Owns the two ways, `SeparateChannels` and `FusedChannels`, and the change between what is kept per token and what is
kept per series (one channel of one recording). Everywhere the series of a recording lie side by side: series b · C + c
is channel c of recording b. A *row* is a sequence of N tokens: a series, or with fused channels a recording.
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

    per_token: int  # channels that one token describes

    def gather(self, embedded: Tensor) -> Tensor:
        """Patch embeddings `(series, patches, width)` to those a row looks at, `(rows, patches of a row, width)`."""
        ...

    def pool(self, near: Tensor) -> Tensor:
        """What lies near each query, `(series, tokens, width)`, to what it starts from, `(rows, tokens, width)`."""
        ...


class SeparateChannels(nn.Module):
    """Each channel has N tokens of its own; where a width is given, a learned embedding says which channel it is.

    The embedding is added to what a row looks at and to what its queries start from.
    """

    per_token = 1

    def __init__(self, channels: int = 1, width: int | None = None):
        super().__init__()
        self.embedding: nn.Parameter | None = None
        if width is not None and channels > 1:
            self.embedding = nn.Parameter(SMALL_EMBEDDING_SCALE * torch.randn(channels, width))

    def gather(self, embedded: Tensor) -> Tensor:
        """See `ChannelHandling.gather`."""
        return self._told(embedded)

    def pool(self, near: Tensor) -> Tensor:
        """See `ChannelHandling.pool`."""
        return self._told(near)

    def _told(self, values: Tensor) -> Tensor:
        if self.embedding is None:
            return values
        return (values.unflatten(0, (-1, len(self.embedding))) + self.embedding[:, None]).flatten(0, 1)


class FusedChannels(nn.Module):
    """A recording has N tokens, which look at the patches of all its channels; a learned embedding tells these apart.

    A query starts from a learned mixture of what lies near it in each channel; it begins as their mean. Left as the
    mean, series_fvu stays at 0.85 where the mixture reaches 0.46 (`docs/layouts.md`).
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.per_token = channels
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
