"""The signal path: patches, patch encoder, tokenizer, and the decoder back to the series.

Follows VQShape (Wen et al., NeurIPS 2024, arXiv 2411.01006): a transformer over patches, learned queries that turn
them into N tokens by cross-attention, and a transformer over the tokens that rebuilds the series. Two choices differ,
because they learn sooner on small data: the blocks normalise before each sub-layer, and query n starts from the
patches around its anchor window.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.network.attributes import anchor_shares
from model.network.channels import per_series
from model.network.transformer import BlockSizes, CrossAttentionStack, SelfAttentionStack


def sinusoidal_positions(positions: Tensor, width: int) -> Tensor:
    """Sine and cosine embedding (Vaswani et al. 2017), of even width, of `positions (n,)` in patches: `(n, width)`."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width))
    angles = positions[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]


class PatchEncoder(nn.Module):
    """Series to patch embeddings, each channel by itself.

    Args:
        length: Samples of a series.
        patches: Patches it is cut into.
        sizes: Of an embedding, and of the transformer.
        layers: Transformer layers.
        patch_samples: Samples of a patch; None takes as few as cover the series. What patches reach beyond its end
            repeats its last sample: a jump to 0 would be a movement that nobody made.
    """

    def __init__(self, length: int, patches: int, sizes: BlockSizes, layers: int, patch_samples: int | None = None):
        super().__init__()
        self.patches = patches
        self.patch_samples = patch_samples or -(-length // patches)
        self.length = length
        self.project = nn.Linear(self.patch_samples, sizes.width)
        self.positions = nn.Parameter(sinusoidal_positions(torch.arange(patches).float(), sizes.width))
        self.blocks = SelfAttentionStack(layers, sizes)

    def forward(self, x: Tensor, kept: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Embeds the patches of `x (series, length)`: `(series, patches, width)`, or `(series, kept patches, width)`.

        Of each series only the patches that `kept (series, kept patches)` names, int64, where it is given: the others
        are not seen and cost nothing. All are told `level (series, width)` beside their samples.

        Raises:
            ValueError: The series have another length.
        """
        if x.shape[-1] != self.length:
            raise ValueError(f"series of {x.shape[-1]} samples came to an encoder of {self.length}")
        missing = self.patches * self.patch_samples - self.length
        if missing:
            x = functional.pad(x, (0, missing), mode="replicate")
        embedded = self.project(x.unflatten(-1, (self.patches, -1))) + self.positions
        if level is not None:
            embedded = embedded + level[:, None]
        if kept is not None:
            embedded = embedded.gather(1, kept[..., None].expand(-1, -1, embedded.shape[-1]))
        return self.blocks(embedded)


class AnchoredQueries(nn.Module):
    """Patch embeddings to N tokens: learned queries, started at their anchors, over the patches.

    Args:
        patches: Patches of a series.
        tokens: Queries (N). Query n stands for the anchor window n of `AnchoredWindows`.
        sizes: Of embeddings and tokens, and of the transformer decoder.
        layers: Transformer decoder layers.
        filled_patches: Patches that the series itself fills, over which the anchors are spread; None is all.
    """

    def __init__(self, patches: int, tokens: int, sizes: BlockSizes, layers: int, filled_patches: float | None = None):
        super().__init__()
        filled = filled_patches or patches
        length = min(1.0, 2 / tokens)
        centres = (anchor_shares(tokens) * (1 - length) + length / 2) * filled - 0.5
        self.queries = nn.Parameter(sinusoidal_positions(centres, sizes.width))
        # A triangle over the anchor window: the query starts from what lies there.
        distance = (torch.arange(patches)[None, :] - centres[:, None]).abs() * 2 / (length * filled)
        nearness = (1.0 - distance).clamp_min(0.0) + 1e-6
        self.register_buffer("nearness", nearness / nearness.sum(-1, keepdim=True), persistent=False)
        self.nearness: Tensor
        self.blocks = CrossAttentionStack(layers, sizes)

    def forward(self, embedded: Tensor, kept: Tensor | None = None) -> Tensor:
        """Tokens `(series, tokens, width)` of `embedded (series, patches, width)`.

        Of all patches, or of those that `kept (series, kept patches)` names, int64.
        """
        return self.attend(self.near(embedded, kept), embedded)

    def near(self, embedded: Tensor, kept: Tensor | None = None) -> Tensor:
        """What lies near the anchor of each query, `(series, tokens, width)`; arguments as for `forward`."""
        nearness = self.nearness
        if kept is not None:
            near = nearness.T[kept].transpose(1, 2)
            nearness = near / near.sum(-1, keepdim=True)
        return nearness @ embedded

    def attend(self, near: Tensor, embedded: Tensor) -> Tensor:
        """Tokens of queries that start from `near (rows, tokens, width)` and look at `embedded (rows, any, width)`."""
        return self.blocks(self.queries + near, embedded)


class SeriesDecoder(nn.Module):
    """Tokens back to the series; token n becomes samples [n · T / N, (n + 1) · T / N).

    Args:
        length: Samples of a series.
        tokens: Tokens of a row. Each gives T / N samples, rounded up; what is too much at its end is cut off.
        sizes: Of a token, and of the transformer.
        layers: Transformer layers.
        channels: Channels that a token describes.
    """

    def __init__(self, length: int, tokens: int, sizes: BlockSizes, layers: int, channels: int = 1):
        super().__init__()
        self.channels, self.length = channels, length
        each = -(-length // tokens)
        sample = torch.arange(length)
        token = sample * tokens // length
        first = -(-token * length // tokens)
        self.register_buffer("sample", token * each + sample - first, persistent=False)
        self.sample: Tensor  # (length,), where each sample lies among those of all tokens
        self.positions = nn.Parameter(sinusoidal_positions(torch.arange(tokens).float(), sizes.width))
        self.blocks = SelfAttentionStack(layers, sizes)
        self.to_samples = nn.Linear(sizes.width, channels * each)

    def forward(self, tokens: Tensor) -> Tensor:
        """Rebuilds the series `(series, length)` from `tokens (rows, tokens, width)`."""
        samples = self.to_samples(self.blocks(tokens + self.positions))
        rebuilt = per_series(samples, self.channels).flatten(-2)
        return rebuilt if rebuilt.shape[-1] == self.length else rebuilt[:, self.sample]
