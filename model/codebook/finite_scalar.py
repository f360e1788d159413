"""Finite scalar quantization (Mentzer et al. 2023, arXiv 2309.15505), by the library vector-quantize-pytorch.

Owns the projections around the library's grid and the choice of its levels. There is no codebook to learn: z is
projected to a few numbers, each is rounded to one of a few levels, and a projection takes the grid point back to a
code. The rounding is symmetric (arXiv 2411.19842, section 3.2), which allows for 2 levels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from vector_quantize_pytorch import FSQ

from model.codebook.quantizer import Quantized

LEVELS_PER_NUMBER = 4  # about; a grid of 16 codes is 4 × 4
NORMAL_TO_EVEN = math.sqrt(2 / math.pi)  # tanh(√(2/π) u) is nearly evenly spread when u is normal


class FiniteScalarQuantizer(nn.Module):
    """A grid seen through a projection; the task's gradient moves both projections, and so the codes.

    There is no quantization loss: rounding cannot leave a code behind, and nothing ties a code to the z that chose it.
    """

    def __init__(self, codes: int, dim: int):
        super().__init__()
        self.levels = split_levels(codes, dim)
        self.grid = FSQ(list(self.levels), preserve_symmetry=True)
        # Our own projections: the library leaves them out where the widths happen to agree, and then no code can move.
        self.project_in, self.project_out = nn.Linear(dim, len(self.levels)), nn.Linear(len(self.levels), dim)

    @property
    def codes(self) -> Tensor:
        """The grid through the projection, `(codes, code_dim)`."""
        return self.project_out(self.grid.implicit_codebook)

    def forward(self, z: Tensor, indices: Tensor | None = None) -> Quantized:
        """Rounds `z (..., code_dim)`, or takes it where `indices (...)` say, with the gradient of rounding."""
        point, index = self._round(z, indices)
        return Quantized(self.project_out(point), index, z.new_zeros(()))

    def _round(self, z: Tensor, indices: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Grid points `(..., numbers)` with the gradient of straight-through rounding, and their indices `(...,)`."""
        point, index = self.grid(self.project_in(z).reshape(1, -1, len(self.levels)))
        # Bounded, since the index of a NaN could be anything.
        index = index.view(z.shape[:-1]).long().clamp(0, len(self.grid.implicit_codebook) - 1)
        index = index if indices is None else indices
        point = point.view(*z.shape[:-1], len(self.levels))
        # Exactly the grid's value; the library's rounding leaves a trace of what was rounded.
        return point + (self.grid.implicit_codebook[index] - point).detach(), index

    @torch.no_grad()
    def init_codes(self, z: Tensor, seed: int) -> None:
        """Lays the grid along the principal directions of `z (points, code_dim)`; nothing is drawn.

        The projection in spreads each direction evenly over its levels, the longest over the most; the projection out
        is the least-squares way back from the chosen grid points to z.
        """
        points = z.detach().double().cpu()
        mean = points.mean(0)
        variance, direction = torch.linalg.eigh(torch.cov((points - mean).T, correction=0).view(len(mean), -1))
        longest = variance.argsort(descending=True, stable=True)[: len(self.levels)]
        spread = variance[longest].clamp_min(1e-12).sqrt()
        into = NORMAL_TO_EVEN * (direction[:, longest] / spread).T
        self.project_in.weight.copy_(into)
        self.project_in.bias.copy_(-into @ mean)
        chosen = self._round(z)[0].double().cpu()
        seen = torch.cat([chosen, chosen.new_ones(len(chosen), 1)], dim=1)
        back = torch.linalg.pinv(seen) @ points
        self.project_out.weight.copy_(back[:-1].T)
        self.project_out.bias.copy_(back[-1])

    def ema_update(self, z: Tensor, indices: Tensor) -> None:
        """Nothing: the projections have a gradient."""

    def replace_dead_codes(self, usage: Tensor, z: Tensor, below: float, generator: torch.Generator) -> Tensor:
        """Nothing, and nothing is drawn: no point of a grid can be moved by itself."""
        return torch.empty(0, dtype=torch.long, device=z.device)


def split_levels(codes: int, dim: int) -> tuple[int, ...]:
    """Levels whose product is exactly `codes` (J ≥ 2), about 4 each and as equal as possible, the largest first.

    As many numbers as levels of 4 would need, rounded up, at most `dim`; fewer where the number of codes does not split
    into so many. Of the ways to split, the one with the smallest largest level, then with the largest smallest one. A
    prime number of codes gives a single number with that many levels.
    """
    most = math.ceil(math.log(codes, LEVELS_PER_NUMBER) - 1e-9)
    for count in range(max(1, min(most, dim)), 0, -1):
        if ways := list(_factorisations(codes, count, codes)):
            return min(ways, key=lambda levels: (levels[0], -levels[-1], levels))
    raise AssertionError(f"{codes} codes are their own level")


def _factorisations(product: int, count: int, most: int) -> Iterator[tuple[int, ...]]:
    """All `count` factors in falling order, each from 2 to `most`, whose product is `product`."""
    if count == 1:
        if 2 <= product <= most:
            yield (product,)
        return
    for first in range(min(product // 2, most), 1, -1):
        if product % first == 0:
            for rest in _factorisations(product // first, count - 1, first):
                yield (first, *rest)
