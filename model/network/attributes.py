"""The attributes of an abstracted shape: code, start, length, offset and scale (VQShape, arXiv 2411.01006, section 3).

Owns the decoder from a token to its attributes, the encoder back to a token, where windows may lie, and the loss that
keeps the windows of a series apart. Windows are fractions of the series: a start `t` and a length `l` with `t + l <=
1`.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.network.channels import per_token

MIN_LENGTH_FRACTION = 1 / 64  # l_min of the paper


class Attributes(NamedTuple):
    """Attributes of each token, as seen from each series: every field but `z` has shape `(series, tokens)`.

    Tokens that describe several channels have one window, repeated for each of them.
    """

    z: Tensor  # (rows, tokens, code_dim), before quantization
    start: Tensor  # t, fraction of the series
    length: Tensor  # l, fraction of the series
    offset: Tensor  # μ, in units of the normalised signal
    scale: Tensor  # σ > 0, in units of the normalised signal


class Placement(Protocol):
    """Turns two free numbers per token into a window inside the series."""

    def place(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """`(series, tokens, 2)` to start and length, each `(series, tokens)`."""
        ...


class FreeWindows:
    """Windows anywhere: t = sigm(·)(1 − l_min), l = sigm(·)(1 − t − l_min) + l_min, so that t + l never passes 1."""

    def place(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """See `Placement.place`."""
        share = raw.sigmoid()
        start = share[..., 0] * (1 - MIN_LENGTH_FRACTION)
        length = share[..., 1] * (1 - start - MIN_LENGTH_FRACTION) + MIN_LENGTH_FRACTION
        return start, length


def anchor_shares(tokens: int, device: torch.device | None = None) -> Tensor:
    """How far along the anchors of N windows lie, `(tokens,)`: evenly from the first place, 0, to the last, 1.

    A window of length l stands at share · (1 − l); a single one at 0.
    """
    return torch.arange(tokens, device=device) / max(1, tokens - 1)


class AnchoredWindows:
    """Windows bounded around their anchors t = n (1 − l) / (N − 1), where l = 2 / N until it is stretched.

    A window that may go anywhere serves the series decoder as two free numbers and loses the piece that its shape
    must fit. A stretched window grows to both sides, to the inner one alone at the ends of the series.

    Args:
        tokens: Tokens of a series (N).
        shift: How far a start may move, in units of 1 / N.
        stretch: The length lies within [2 / N / stretch, 2 / N · stretch].
    """

    def __init__(self, tokens: int, shift: float = 1.0, stretch: float = 2.0):
        self.tokens, self.shift, self.log_stretch = tokens, shift, math.log(stretch)

    def place(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """See `Placement.place`."""
        n = self.tokens
        bounded = raw.tanh()
        length = (2 / n * torch.exp(bounded[..., 1] * self.log_stretch)).clamp_max(1.0)
        last = 1 - length
        start = anchor_shares(n, raw.device) * last + bounded[..., 0] * (self.shift / n)
        # A start that lies on a bound keeps its gradient.
        return start.clamp_min(0.0).clamp_max(last), length


def _head(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, outputs))


class AttributeDecoder(nn.Module):
    """Token to code and window; offset and scale are not decoded, they follow from the piece in the window."""

    def __init__(self, width: int, code_dim: int, placement: Placement, channels: int = 1):
        super().__init__()
        self.placement, self.channels = placement, channels
        self.to_code = _head(width, code_dim)
        self.to_window = _head(width, 2)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`z`, `start` and `length` of `Attributes`, of `tokens (rows, tokens, width)`."""
        window = self.placement.place(self.to_window(tokens))
        start, length = (part.repeat_interleave(self.channels, dim=0) for part in window)
        return self.to_code(tokens), start, length


class AttributeEncoder(nn.Module):
    """Attributes, with the quantised code, back to a token.

    Args:
        width: Of a token.
        code_dim: Width of a code.
        channels: Channels that a token describes.
        sub_actions: Sub-actions whose probabilities a token carries beside its code (Method 1); 0 for none.
    """

    def __init__(self, width: int, code_dim: int, channels: int = 1, sub_actions: int = 0):
        super().__init__()
        self.channels, self.sub_actions = channels, sub_actions
        self.project = nn.Linear(code_dim + 2 + 2 * channels + sub_actions, width)

    def forward(self, code: Tensor, attributes: Attributes, log_q: Tensor) -> Tensor:
        """Tokens `(rows, tokens, width)` of codes `(rows, tokens, code_dim)` and what stands beside them.

        `log_q (rows, tokens, K)` is left out where a token carries no probabilities.
        """
        # All channels of a token share its window, so one of them says it.
        window = torch.stack([attributes.start, attributes.length], dim=-1)[:: self.channels]
        levels = per_token(torch.stack([attributes.offset, attributes.scale], dim=-1), self.channels)
        actions = [log_q.exp()] if self.sub_actions else []
        return self.project(torch.cat([code, window, levels, *actions], dim=-1))


def diversity_loss(start: Tensor, length: Tensor, margin: float = 0.2) -> Tensor:
    """Keeps the windows of a series apart.

    Mean over pairs of relu(ε − ‖κ_i − κ_j‖), with κ = [cos πt, sin πt] · ln l / ln l_min and the margin ε; pairs of a
    window with itself count 0. Both `start` and `length` are `(series, tokens)`, fractions of the series.
    """
    reach = length.clamp_min(1e-6).log() / math.log(MIN_LENGTH_FRACTION)
    kappa = torch.stack([(math.pi * start).cos(), (math.pi * start).sin()], dim=-1) * reach[..., None]
    gap = kappa[:, :, None] - kappa[:, None, :]
    # The root has no gradient at 0, where a pair coincides (also each window with itself).
    distance = (gap.square().sum(-1) + 1e-12).sqrt()
    itself = torch.eye(start.shape[-1], dtype=torch.bool, device=start.device)
    return functional.relu(margin - distance).masked_fill(itself, 0.0).mean()
