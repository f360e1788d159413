"""Transformer blocks: what the patch encoder, the tokenizer and the series decoder are made of.

Owns pre-norm blocks (Vaswani et al. 2017; layer norm before each sub-layer, Xiong et al. 2020, arXiv 2002.04745) that
do the arithmetic of torch's own layers without their copies: heads are views of one packed projection, in the layout
that torch's fused attention reads, and the feed-forward block keeps its hidden layer once for the backward pass
instead of twice. `docs/speed.md` has what that is worth.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


def _heads(projected: Tensor, heads: int) -> Tensor:
    """`(batch, items, width)` to `(batch, heads, items, width of a head)`, a view."""
    return projected.unflatten(-1, (heads, -1)).transpose(1, 2)


def _projection(width: int, parts: int) -> nn.Linear:
    """One linear layer for `parts` of query, key and value, started as torch starts its packed one.

    Xavier's bound of the three together: each for itself would start 1.4 times as large and learn more slowly at first.
    """
    layer = nn.Linear(width, parts * width)
    bound = math.sqrt(6 / (width + 3 * width))
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.zeros_(layer.bias)
    return layer


def _output(width: int) -> nn.Linear:
    layer = nn.Linear(width, width)
    nn.init.zeros_(layer.bias)
    return layer


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself; `dropout` is the share of attention weights dropped in training."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.to_query_key_value = _projection(width, 3)
        self.to_output = _output(width)

    def forward(self, x: Tensor) -> Tensor:
        """Attends within `x (batch, items, width)`."""
        query, key, value = (_heads(part, self.heads) for part in self.to_query_key_value(x).chunk(3, dim=-1))
        dropout = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return self.to_output(attended.transpose(1, 2).flatten(2))


class KeyValue(NamedTuple):
    """What a sequence is looked at by: `(batch, heads, others, width of a head)` each."""

    key: Tensor
    value: Tensor


class KeyValueProjection(nn.Module):
    """Projects a sequence to keys and values, once for all blocks that look at it."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_key_value = _projection(width, 2)

    def forward(self, x: Tensor) -> KeyValue:
        """Keys and values of `x (batch, others, width)`."""
        return KeyValue(*(_heads(part, self.heads) for part in self.to_key_value(x).chunk(2, dim=-1)))


class CrossAttention(nn.Module):
    """Multi-head attention of one sequence to another; arguments as for `SelfAttention`."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.to_query = _projection(width, 1)
        self.to_output = _output(width)

    def forward(self, x: Tensor, key_value: KeyValue) -> Tensor:
        """Attends from `x (batch, items, width)` to another sequence."""
        query = _heads(self.to_query(x), self.heads)
        dropout = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key_value.key, key_value.value, dropout_p=dropout)
        return self.to_output(attended.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Linear, GELU, linear, item by item; the hidden layer is `expansion` times as wide."""

    def __init__(self, width: int, expansion: int):
        super().__init__()
        self.widen = nn.Linear(width, expansion * width)
        self.narrow = nn.Linear(expansion * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `x (..., width)`."""
        hidden = self.widen(x)
        # Under autocast the hidden layer comes in low precision, and the weights have to follow.
        weight, bias = (p.to(hidden.dtype) for p in (self.narrow.weight, self.narrow.bias))
        return _GeluLinear.apply(hidden, weight, bias)


class _GeluLinear(torch.autograd.Function):
    """`linear(gelu(x))` that keeps `x` alone for the backward pass; torch's own would keep `gelu(x)` as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return functional.linear(functional.gelu(x), weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        rows = gradients[0].flatten(0, -2).to(x.dtype)
        to_weight = rows.T @ functional.gelu(x).flatten(0, -2)
        to_x = torch.ops.aten.gelu_backward((rows @ weight).view_as(x), x)
        return to_x, to_weight, rows.sum(0)


class BlockSizes(NamedTuple):
    """What all blocks of a stack have in common."""

    width: int  # of an item; a multiple of `heads`
    heads: int  # attention heads
    expansion: int = 2  # hidden width of the feed-forward block, in units of `width`
    dropout: float = 0.0  # share of activations dropped in training


class SelfAttentionBlock(nn.Module):
    """Self-attention and feed-forward, each with a residual and a norm before it."""

    def __init__(self, sizes: BlockSizes):
        super().__init__()
        width, heads, expansion, dropout = sizes
        self.before_attention, self.before_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, dropout)
        self.forward_block = FeedForward(width, expansion)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `x (batch, items, width)`."""
        x = x + self.drop(self.attention(self.before_attention(x)))
        return x + self.drop(self.forward_block(self.before_forward(x)))


class CrossAttentionBlock(nn.Module):
    """A `SelfAttentionBlock` that looks at another sequence between its two halves."""

    def __init__(self, sizes: BlockSizes):
        super().__init__()
        width, heads, expansion, dropout = sizes
        self.before_attention, self.before_cross, self.before_forward = (nn.LayerNorm(width) for _ in range(3))
        self.attention = SelfAttention(width, heads, dropout)
        self.cross = CrossAttention(width, heads, dropout)
        self.forward_block = FeedForward(width, expansion)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, key_value: KeyValue) -> Tensor:
        """Maps `x (batch, items, width)` with a look at another sequence."""
        x = x + self.drop(self.attention(self.before_attention(x)))
        x = x + self.drop(self.cross(self.before_cross(x), key_value))
        return x + self.drop(self.forward_block(self.before_forward(x)))


class SelfAttentionStack(nn.Module):
    """So many `SelfAttentionBlock`s and a last norm."""

    def __init__(self, layers: int, sizes: BlockSizes):
        super().__init__()
        self.blocks = nn.ModuleList(SelfAttentionBlock(sizes) for _ in range(layers))
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `x (batch, items, width)`."""
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class CrossAttentionStack(nn.Module):
    """So many `CrossAttentionBlock`s and a last norm.

    All blocks look at the same keys and values: the sequence that is looked at is the longer one, and to project it
    anew in every block is a tenth of all arithmetic (`docs/speed.md`).
    """

    def __init__(self, layers: int, sizes: BlockSizes):
        super().__init__()
        self.blocks = nn.ModuleList(CrossAttentionBlock(sizes) for _ in range(layers))
        self.to_memory = KeyValueProjection(sizes.width, sizes.heads)
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, x: Tensor, others: Tensor) -> Tensor:
        """Maps `x (batch, items, width)` with a look at `others (batch, others, width)`."""
        key_value = self.to_memory(others)
        for block in self.blocks:
            x = block(x, key_value)
        return self.norm(x)
