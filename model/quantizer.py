"""The codebook: nearest-code quantization, its losses, its start and the revival of dead codes.

Owns the codes and two ways in which they learn (van den Oord et al. 2017 for the first):

- `StraightThroughQuantizer`: the task's gradient passes the codes by and reaches the encoder alone; codes follow the
  encoder through the
  codebook loss. No action loss ever reaches a code.
- `SynchronisedQuantizer`: the same value, but the task's gradient goes to the chosen code as well as to the encoder,
  so that the shape and
  the action objective both move the codes.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn
from torch.nn import functional


class Quantized(NamedTuple):
    """What quantization gives for `z (..., code_dim)`."""

    code: Tensor  # (..., code_dim), the chosen codes, with the gradient that the quantizer defines
    indices: Tensor  # (...,), int64
    loss: Tensor  # scalar: codebook + commitment + entropy


class StraightThroughQuantizer(nn.Module):
    """Nearest code, straight-through gradient.

    Args:
        codes: Codes in the book (J).
        dim: Width of a code (d).
        commitment: Weight of the encoder's pull towards the codes.
        entropy: Weight of the entropy term: each choice sure, all codes used.
    """

    def __init__(self, codes: int, dim: int, commitment: float = 0.25, entropy: float = 0.0):
        super().__init__()
        self.codes = nn.Parameter(torch.randn(codes, dim) / dim**0.5)
        self.commitment, self.entropy = commitment, entropy

    def forward(self, z: Tensor) -> Quantized:
        """Quantises `z (..., code_dim)`."""
        distance = self.distances(z)
        index = distance.argmin(-1)
        chosen = functional.embedding(index, self.codes)
        loss = (chosen - z.detach()).square().mean()
        loss = loss + self.commitment * (chosen.detach() - z).square().mean()
        if self.entropy:
            loss = loss + self.entropy * entropy_loss(distance)
        return Quantized(self.pass_gradient(z, chosen), index, loss)

    def pass_gradient(self, z: Tensor, chosen: Tensor) -> Tensor:
        """The value of `chosen` with the gradient of `z`."""
        return z + (chosen - z).detach()

    def distances(self, z: Tensor) -> Tensor:
        """Squared distances `(..., codes)` of `z (..., code_dim)` to every code."""
        return z.square().sum(-1, keepdim=True) - 2 * z @ self.codes.T + self.codes.square().sum(-1)

    @torch.no_grad()
    def start(self, z: Tensor, seed: int) -> None:
        """Puts the codes where the data is: k-means++ and Lloyd's iterations.

        Args:
            z: `(points, code_dim)`.
            seed: Seed of the start.
        """
        rng = np.random.default_rng(seed)
        points = z.detach().double().cpu().numpy()
        # Fewer distinct points than codes would leave k-means++ without a choice.
        points = points + rng.normal(scale=1e-6 * points.std() + 1e-9, size=points.shape)
        with warnings.catch_warnings():
            # A cluster that ran empty keeps its centre and is left to `revive`.
            warnings.filterwarnings("ignore", message="One of the clusters is empty")
            centres, _ = kmeans2(points, len(self.codes), iter=25, minit="++", rng=rng, missing="warn")
        self.codes.copy_(torch.from_numpy(centres))

    @torch.no_grad()
    def revive(self, usage: Tensor, z: Tensor, below: float, generator: torch.Generator) -> int:
        """Moves codes that are hardly used onto encoder outputs drawn at random.

        Args:
            usage: `(codes,)`, how often each code was chosen lately.
            z: `(points, code_dim)`, recent encoder outputs.
            below: A code is dead when its share is below `below / J`.
            generator: Source of the draw (CPU).

        Returns:
            How many codes were moved.
        """
        dead = (usage < below * usage.sum() / len(usage)).nonzero().flatten()
        if len(dead):
            drawn = torch.randint(len(z), (len(dead),), generator=generator).to(z.device)
            self.codes[dead] = z[drawn].to(self.codes.dtype)
        return len(dead)


class SynchronisedQuantizer(StraightThroughQuantizer):
    """Nearest code; the task's gradient reaches the encoder and the chosen code alike."""

    def pass_gradient(self, z: Tensor, chosen: Tensor) -> Tensor:
        """The value of `chosen` with the gradient of `z` and of `chosen`."""
        return chosen + (z - z.detach())


def entropy_loss(distance: Tensor, temperature: float = 0.1) -> Tensor:
    """Mean entropy of the soft choices minus the entropy of their mean, in nats, relative to ln J.

    Args:
        distance: `(..., codes)`, squared.
        temperature: Of the softmin, in units of the mean distance to the codes.

    Returns:
        Scalar in [−1, 0]; −1 when every choice is sure and all codes are used alike.
    """
    scaled = distance / (temperature * distance.detach().mean().clamp_min(1e-12))
    log_p = functional.log_softmax(-scaled.flatten(0, -2), dim=-1)
    p = log_p.exp()
    sure = -(p * log_p).sum(-1).mean()
    mean = p.mean(0)
    spread = -(mean * mean.clamp_min(1e-12).log()).sum()
    return (sure - spread) / np.log(distance.shape[-1])
