"""The codebook: what every quantizer offers, and the default one, whose codes learn from the task.

Owns the interface `Quantizer`, its two losses, the choice of dead codes, and `SynchronisedQuantizer`: the task's
gradient goes to the encoder and to the chosen code alike, so that the shape and the action objective both move the
codes. The other quantizers are those of a library, see `model.codebook.library` and `model.codebook.finite_scalar`;
which loss moves which codes: `docs/quantizers.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional


class Quantized(NamedTuple):
    """What quantization gives for `z (..., code_dim)`."""

    code: Tensor  # (..., code_dim), the chosen codes, with the gradient that the quantizer defines
    indices: Tensor  # (...,), int64
    loss: Tensor  # scalar: codebook + commitment + entropy, as far as the quantizer has them


class Quantizer(Protocol):
    """A codebook of J codes. Its forward pass changes nothing, draws nothing and is the same in both modes."""

    @property
    def codes(self) -> Tensor:
        """The book, `(codes, code_dim)`; `Quantized.indices` are its rows, `Quantized.code` their values."""
        ...

    def __call__(self, z: Tensor, indices: Tensor | None = None) -> Quantized:
        """Quantises `z (..., code_dim)`: to the codes that `indices (...)` name, or where it is None to the nearest."""
        ...

    def init_codes(self, z: Tensor, seed: int) -> None:
        """Puts the codes where the data is.

        Args:
            z: `(points, code_dim)`, encoder outputs of the training split.
            seed: Seed of the start.
        """
        ...

    def ema_update(self, z: Tensor, indices: Tensor) -> None:
        """Moves codes that learn without a gradient; called once after each optimiser step that used codes.

        Args:
            z: `(points, code_dim)`, the encoder outputs of the step.
            indices: `(points,)`, the codes that they chose.
        """
        ...

    def replace_dead_codes(self, usage: Tensor, z: Tensor, below: float, generator: torch.Generator) -> Tensor:
        """Moves codes that are hardly used onto encoder outputs drawn at random.

        Args:
            usage: `(codes,)`, how often each code was chosen lately.
            z: `(points, code_dim)`, recent encoder outputs.
            below: A code is dead when its share is below `below / J`.
            generator: Source of the draw (CPU).

        Returns:
            Which codes were moved, `(moved,)`, int64.
        """
        ...


class SynchronisedQuantizer(nn.Module):
    """Nearest code; the task's gradient reaches the encoder and the chosen code alike.

    Args:
        codes: Codes in the book (J).
        dim: Width of a code (d).
        commitment: Weight of the encoder's pull towards the codes.
        entropy: Weight of the entropy term: each choice sure, all codes used.
        to_encoder: From z and the chosen codes to something whose gradient is the encoder's; None is straight-through.
    """

    def __init__(
        self,
        codes: int,
        dim: int,
        commitment: float = 0.25,
        entropy: float = 0.0,
        to_encoder: Callable[[Tensor, Tensor], Tensor] | None = None,
    ):
        super().__init__()
        self.codes = nn.Parameter(torch.randn(codes, dim) / dim**0.5)
        self.commitment, self.entropy, self.to_encoder = commitment, entropy, to_encoder

    def forward(self, z: Tensor, indices: Tensor | None = None) -> Quantized:
        """See `Quantizer`."""
        distance = squared_distances(z, self.codes)
        index = distance.argmin(-1) if indices is None else indices
        chosen = functional.embedding(index, self.codes)
        loss = codebook_loss(z, chosen) + self.commitment * commitment_loss(z, chosen)
        if self.entropy:
            loss = loss + self.entropy * entropy_loss(distance)
        path = z if self.to_encoder is None else self.to_encoder(z, chosen.detach())
        return Quantized(chosen + (path - path.detach()), index, loss)

    @torch.no_grad()
    def init_codes(self, z: Tensor, seed: int) -> None:
        """K-means; see `Quantizer.init_codes`."""
        self.codes.copy_(cluster_centres(z, len(self.codes), seed))

    def ema_update(self, z: Tensor, indices: Tensor) -> None:
        """Nothing: these codes have a gradient."""

    @torch.no_grad()
    def replace_dead_codes(self, usage: Tensor, z: Tensor, below: float, generator: torch.Generator) -> Tensor:
        """See `Quantizer.replace_dead_codes`."""
        dead, drawn = replacements(usage, z, below, generator)
        self.codes[dead] = drawn.to(self.codes.dtype)
        return dead


@torch.no_grad()
def cluster_centres(z: Tensor, codes: int, seed: int) -> Tensor:
    """Centres of k-means `(codes, code_dim)`, with the type and device of `z (points, code_dim)`.

    K-means++ and at most 25 of Lloyd's iterations, the same bit for bit for a seed. Fewer points than codes, or fewer
    distinct ones, still give one centre per code.
    """
    points = z.detach().double().cpu().numpy()
    points = np.tile(points, (-(-codes // len(points)), 1))
    # A trace of noise: fewer distinct points than codes would leave k-means++ without a choice.
    rng = np.random.default_rng(seed)
    points = points + rng.normal(scale=1e-6 * points.std() + 1e-9, size=points.shape)
    # One thread: sums split over threads differ in the last digit, and then so do the clusters.
    with threadpool_limits(limits=1):
        found = KMeans(codes, n_init=1, max_iter=25, random_state=seed).fit(points)
    return torch.from_numpy(found.cluster_centers_).to(z)


def squared_distances(z: Tensor, codes: Tensor) -> Tensor:
    """Squared distances `(..., codes)` of `z (..., code_dim)` to every one of `codes (codes, code_dim)`."""
    return z.square().sum(-1, keepdim=True) - 2 * z @ codes.T + codes.square().sum(-1)


def codebook_loss(z: Tensor, chosen: Tensor) -> Tensor:
    """Pulls the chosen codes towards the encoder's outputs; both `(..., code_dim)`."""
    return (chosen - z.detach()).square().mean()


def commitment_loss(z: Tensor, chosen: Tensor) -> Tensor:
    """Pulls the encoder's outputs towards the chosen codes; both `(..., code_dim)`."""
    return (chosen.detach() - z).square().mean()


def replacements(usage: Tensor, z: Tensor, below: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which codes are dead, `(dead,)`, and an encoder output drawn for each, `(dead, code_dim)`.

    Arguments as in `Quantizer.replace_dead_codes`; without dead codes nothing is drawn.
    """
    dead = (usage < below * usage.sum() / len(usage)).nonzero().flatten()
    if not len(dead):
        return dead, z[:0]
    return dead, z[torch.randint(len(z), (len(dead),), generator=generator).to(z.device)]


def entropy_loss(distance: Tensor, temperature: float = 0.1) -> Tensor:
    """Mean entropy of the soft choices minus the entropy of their mean, in nats, relative to ln J.

    A choice is a softmin of squared `distance (..., codes)`, whose temperature is in units of the mean distance to the
    codes. A scalar in [−1, 0]; −1 when every choice is sure and all codes are used alike.
    """
    scaled = distance / (temperature * distance.detach().mean().clamp_min(1e-12))
    log_p = functional.log_softmax(-scaled.flatten(0, -2), dim=-1)
    p = log_p.exp()
    sure = -(p * log_p).sum(-1).mean()
    mean = p.mean(0)
    spread = -(mean * mean.clamp_min(1e-12).log()).sum()
    return (sure - spread) / np.log(distance.shape[-1])
