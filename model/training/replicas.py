"""Data-parallel training: several processes share the recordings of each step and give what one process would give.

Owns the division of a step among the replicas and the two exchanges that it needs. Each replica runs the model on its
part of the recordings and then sees what the model gave for all of them (`Replicas.gather`), so the loss is that of
the whole batch, also where it is no mean over recordings: the contrastive loss compares recordings, and the entropy of
the codebook and the relative shape error are ratios of sums. The process group is the caller's: Ray Train starts one,
and so does `torch.distributed.init_process_group`. Dropout is the exception: each replica draws its own masks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Replicas(NamedTuple):
    """Which of how many replicas this process is."""

    rank: int = 0
    size: int = 1

    @classmethod
    def of_process_group(cls) -> Replicas:
        """The replicas of torch's default process group; a single one where there is none."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    def share(self, recordings: int) -> slice:
        """The part of a step's recordings that this replica runs.

        Parts are contiguous, and their sizes differ by one at most. Fewer recordings than replicas are not divided:
        every replica runs them all.
        """
        sizes = self._sizes(recordings)
        if len(sizes) == 1:
            return slice(0, recordings)
        return slice(sum(sizes[: self.rank]), sum(sizes[: self.rank + 1]))

    def gather(self, part: Tensor, recordings: int) -> Tensor:
        """Puts the parts of all replicas together, in order; differentiable.

        `part (rows of this replica, ...)` has the same number of rows for each of its recordings, and becomes
        `(rows of the step, ...)`. Its gradient reaches this replica's part, times the number of replicas, so that
        the mean of the replicas' gradients is the gradient of the whole batch, both for what lies before the
        gathering and for what follows it.
        """
        sizes = self._sizes(recordings)
        if len(sizes) == 1:
            return part
        rows = len(part) // sizes[self.rank]
        return _Gather.apply(part, [rows * size for size in sizes], self.rank)

    def mean_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces each gradient by its mean over the replicas, in one exchange."""
        if self.size == 1:
            return
        learnt = [p for p in parameters if p.requires_grad]
        # Which parameters have a gradient is decided by the configuration, so it is the same on every replica.
        gradients = [p.grad for p in learnt if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([g.numel() for g in gradients])
        torch._foreach_copy_(gradients, [part.view_as(g) for part, g in zip(parts, gradients, strict=True)])

    @torch.no_grad()
    def agree(self, tensors: Iterable[Tensor]) -> None:
        """Gives every replica the values that the first one has, in place.

        For what is computed alike on each of them but not summed up among them, and may round differently.
        """
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def _sizes(self, recordings: int) -> list[int]:
        if recordings < self.size or self.size == 1:
            return [recordings]
        each, over = divmod(recordings, self.size)
        return [each + (rank < over) for rank in range(self.size)]


class _Gather(torch.autograd.Function):
    """All parts in the order of the ranks; parts may differ in their number of rows."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, sizes: list[int], rank: int) -> Tensor:
        ctx.sizes, ctx.rank = sizes, rank
        most = max(sizes)
        padded = part.new_zeros(most, *part.shape[1:])
        padded[: len(part)] = part
        everyone = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(everyone, padded)
        return torch.cat([whole[:size] for whole, size in zip(everyone, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        first = sum(ctx.sizes[: ctx.rank])
        return gradients[0][first : first + ctx.sizes[ctx.rank]] * len(ctx.sizes), None, None
