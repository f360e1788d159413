"""From codes and tokens to sub-actions and classes: heads, their losses, and the accumulated map.

Method 1 predicts from the token (`ActionHead`) and reads a code's meaning off the training split
(`accumulate_meanings`). Method 2 predicts from the quantised code (`ActionDecoder`), so that each code has a meaning
of its own.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


class ActionHead(nn.Module):
    """Token to a distribution over sub-actions (Method 1)."""

    def __init__(self, width: int, sub_actions: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, sub_actions))

    def forward(self, tokens: Tensor) -> Tensor:
        """Log-probabilities `(..., sub_actions)` of `tokens (..., width)`."""
        return functional.log_softmax(self.layers(tokens).float(), dim=-1)


class ActionDecoder(nn.Module):
    """Code to a distribution over sub-actions (Method 2)."""

    def __init__(self, code_dim: int, sub_actions: int, hidden: int = 64, reads: int | None = None):
        """Of a code its last `reads` numbers are read, or all."""
        super().__init__()
        self.reads = reads or code_dim
        self.layers = nn.Sequential(nn.Linear(self.reads, hidden), nn.GELU(), nn.Linear(hidden, sub_actions))

    def forward(self, code: Tensor) -> Tensor:
        """Log-probabilities `(..., sub_actions)` of `code (..., code_dim)`."""
        return functional.log_softmax(self.layers(code[..., -self.reads :]).float(), dim=-1)


class ClassHeads(nn.Module):
    """Linear classifiers whose loss shapes the codes, the tokens or both."""

    def __init__(self, attach: Literal["codes", "tokens", "both"], code_dim: int, width: int, classes: int):
        super().__init__()
        self.codes = nn.Linear(code_dim, classes) if attach in ("codes", "both") else None
        self.tokens = nn.Linear(width, classes) if attach in ("tokens", "both") else None

    def forward(self, code: Tensor, tokens: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy in nats, the mean over the attached heads.

        Of `code (B, signal tokens, code_dim)`, `tokens (B, signal tokens, width)` and the classes `y (B,)`.
        """
        pairs = [(self.codes, code), (self.tokens, tokens)]
        losses = [functional.cross_entropy(head(x.mean(1)).float(), y) for head, x in pairs if head is not None]
        return sum(losses[1:], losses[0]) / len(losses)


def kl_divergence(p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p ‖ q) in nats `(...,)`, with 0 · log 0 = 0.

    Rows of `p (..., sub_actions)` sum to 1; `log_q` is broadcastable to it, and finite wherever `p > 0`.
    """
    return (torch.xlogy(p, p) - p * log_q.clamp_min(-1e4)).sum(-1)


def accumulate_meanings(index: Tensor, p: Tensor, codes: int, prior: float = 1.0) -> Tensor:
    """What each code means, `(codes, sub_actions)`: q_j = (Σ_{n: code n = j} p_n + α p̄) / (N_j + α).

    A code that no token chose means p̄, the mean soft label, whose weight α is `prior`. `index (tokens,)`, int64, are
    the codes that tokens chose, `p (tokens, sub_actions)` their soft labels.
    """
    total = p.new_zeros(codes, p.shape[-1]).index_add_(0, index, p)
    count = torch.bincount(index, minlength=codes).to(p.dtype)
    return (total + prior * p.mean(0)) / (count + prior)[:, None]
