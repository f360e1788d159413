"""A codebook of two parts: what a piece looks like and what it means each have a code of their own.

The control for the trade between the two: at equal bits, J = J_s · J_a, neither objective can take codes from the
other by moving them. If the front collapses into a corner, the trade was one of the codes' places; if it stays, one of
how many there are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.codebook.quantizer import Quantized, SynchronisedQuantizer


class ProductQuantizer(nn.Module):
    """Two books, each with the nearest code of its part of z; code j is shape code j // J_a with action code j % J_a.

    Args:
        codes: Codes in all (J).
        dim: Width of a code (d); the first half of it, rounded up, is the shape's.
        action_codes: Codes of the action part (J_a), a divisor of J.
        commitment: As in `SynchronisedQuantizer`.
        entropy: As in `SynchronisedQuantizer`.
    """

    def __init__(self, codes: int, dim: int, action_codes: int, commitment: float = 0.25, entropy: float = 0.0):
        super().__init__()
        self.action_codes = action_codes
        self.widths = part_widths(dim)
        self.shape_book = SynchronisedQuantizer(codes // action_codes, self.widths[0], commitment, entropy)
        self.action_book = SynchronisedQuantizer(action_codes, self.widths[1], commitment, entropy)

    @property
    def books(self) -> tuple[SynchronisedQuantizer, SynchronisedQuantizer]:
        """That of shapes and that of actions."""
        return self.shape_book, self.action_book

    @property
    def codes(self) -> Tensor:
        """All pairs, `(codes, code_dim)`."""
        shape, action = (book.codes for book in self.books)
        return torch.cat([shape.repeat_interleave(len(action), dim=0), action.repeat(len(shape), 1)], dim=-1)

    def forward(self, z: Tensor, indices: Tensor | None = None) -> Quantized:
        """See `Quantizer`."""
        asked = (None, None) if indices is None else (indices // self.action_codes, indices % self.action_codes)
        parts = z.split(self.widths, dim=-1)
        shape, action = (book(part, index) for book, part, index in zip(self.books, parts, asked, strict=True))
        code = torch.cat([shape.code, action.code], dim=-1)
        loss = (self.widths[0] * shape.loss + self.widths[1] * action.loss) / sum(self.widths)
        return Quantized(code, shape.indices * self.action_codes + action.indices, loss)

    @torch.no_grad()
    def init_codes(self, z: Tensor, seed: int) -> None:
        """K-means of each part."""
        for book, part in zip(self.books, z.split(self.widths, dim=-1), strict=True):
            book.init_codes(part, seed)

    def ema_update(self, z: Tensor, indices: Tensor) -> None:
        """Nothing: these codes have a gradient."""

    @torch.no_grad()
    def replace_dead_codes(self, usage: Tensor, z: Tensor, below: float, generator: torch.Generator) -> Tensor:
        """See `Quantizer.replace_dead_codes`; each part by itself, and what is returned are the pairs that moved."""
        table = usage.view(-1, self.action_codes)
        moved = torch.zeros_like(table, dtype=torch.bool)
        parts = z.split(self.widths, dim=-1)
        shapes, actions = (
            book.replace_dead_codes(of, part, below, generator)
            for book, of, part in zip(self.books, (table.sum(1), table.sum(0)), parts, strict=True)
        )
        moved[shapes], moved[:, actions] = True, True
        return moved.flatten().nonzero().flatten()


def part_widths(dim: int) -> tuple[int, int]:
    """Numbers of a code that are the shape's, the first of them, and the action's."""
    return dim - dim // 2, dim // 2
