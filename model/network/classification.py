"""The optional classification loss: linear heads on the mean code, the mean token, or both."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional


class ClassHeads(nn.Module):
    """Linear classifiers whose loss shapes the codes, the tokens or both.

    Args:
        attach: Where the loss is attached.
        code_dim: Width of a code.
        width: Width of a token.
        classes: Classes of the data set.
    """

    def __init__(self, attach: Literal["codes", "tokens", "both"], code_dim: int, width: int, classes: int):
        super().__init__()
        self.codes = nn.Linear(code_dim, classes) if attach in ("codes", "both") else None
        self.tokens = nn.Linear(width, classes) if attach in ("tokens", "both") else None

    def forward(self, code: Tensor, tokens: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy in nats, the mean over the attached heads.

        Args:
            code: `(B, signal tokens, code_dim)`.
            tokens: `(B, signal tokens, width)`.
            y: `(B,)`, classes.
        """
        pairs = [(self.codes, code), (self.tokens, tokens)]
        losses = [functional.cross_entropy(head(x.mean(1)).float(), y) for head, x in pairs if head is not None]
        return sum(losses[1:], losses[0]) / len(losses)
