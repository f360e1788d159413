"""The nearest-code quantizers of the library vector-quantize-pytorch, behind the interface `codebook.quantizer`.

- `StraightThroughQuantizer` (van den Oord et al. 2017): codes learn from the codebook loss alone.
- `EMAQuantizer` (the same paper, appendix A.1): codes are moving averages of the encoder outputs that chose them.
- `SimQuantizer` (SimVQ, Zhu et al. 2024, arXiv 2411.02038): a frozen book behind one learnt linear map.

With each the task's gradient reaches the encoder alone: passed on as it is, or turned and scaled from the code to the
encoder's output (`rotation_trick`, Fifty et al. 2024, arXiv 2410.06424). The library chooses the code, makes that
gradient and updates the averages. Its own k-means and its own replacement of dead codes are not used: they draw from
torch's global random state. Importing this file costs about a second, so `model.network.building` does it when it is
needed.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from vector_quantize_pytorch import SimVQ, VectorQuantize
from vector_quantize_pytorch.vector_quantize_pytorch import rotate_to

from model.codebook.quantizer import (
    Quantized,
    cluster_centres,
    codebook_loss,
    commitment_loss,
    entropy_loss,
    replacements,
    squared_distances,
)


class StraightThroughQuantizer(nn.Module):
    """Nearest code; codes follow the encoder through the codebook loss, no task loss ever reaches them.

    Args:
        codes: Codes in the book (J).
        dim: Width of a code (d).
        commitment: Weight of the encoder's pull towards the codes.
        entropy: Weight of the entropy term: each choice sure, all codes used.
        rotation_trick: How the gradient reaches the encoder.
    """

    def __init__(self, codes: int, dim: int, commitment: float, entropy: float, rotation_trick: bool = False):
        super().__init__()
        self.book = _book(codes, dim, rotation_trick, learnable_codebook=True, ema_update=False)
        self.commitment, self.entropy = commitment, entropy

    @property
    def codes(self) -> Tensor:
        """The book, `(codes, code_dim)`."""
        return self.book.codebook

    @property
    def learnt_codes(self) -> nn.Parameter:
        """See `Quantizer.learnt_codes`."""
        return self.book._codebook.embed

    def forward(self, z: Tensor) -> Quantized:
        """Quantises `z (..., code_dim)`."""
        quantized, chosen = _choose(self.book, z, self.codes)
        loss = codebook_loss(z, chosen) + self.commitment * commitment_loss(z, chosen)
        return quantized._replace(loss=loss + _entropy(self.entropy, z, self.codes))

    @torch.no_grad()
    def init_codes(self, z: Tensor, seed: int) -> None:
        """K-means; see `Quantizer.init_codes`."""
        self.book.codebook = cluster_centres(z, len(self.codes), seed)

    def ema_update(self, z: Tensor, indices: Tensor) -> None:
        """Nothing: these codes have a gradient."""

    @torch.no_grad()
    def replace_dead_codes(self, usage: Tensor, z: Tensor, below: float, generator: torch.Generator) -> Tensor:
        """See `Quantizer.replace_dead_codes`."""
        dead, drawn = replacements(usage, z, below, generator)
        self.codes[dead] = drawn.to(self.codes.dtype)
        return dead


class EMAQuantizer(nn.Module):
    """Nearest code; codes are moving averages of the encoder outputs that chose them, without any gradient.

    Arguments as for `StraightThroughQuantizer`, and the decay of the averages, per step; the gradient of the entropy
    term reaches the encoder only.
    """

    def __init__(
        self, codes: int, dim: int, commitment: float, entropy: float, rotation_trick: bool = False, decay: float = 0.9
    ):
        super().__init__()
        self.book = _book(codes, dim, rotation_trick, learnable_codebook=False, ema_update=True, decay=decay)
        self.commitment, self.entropy = commitment, entropy

    @property
    def codes(self) -> Tensor:
        """The book, `(codes, code_dim)`."""
        return self.book.codebook

    learnt_codes = None

    def forward(self, z: Tensor) -> Quantized:
        """Quantises `z (..., code_dim)`; the averages stay as they are until `ema_update`."""
        quantized, chosen = _choose(self.book, z, self.codes)
        loss = self.commitment * commitment_loss(z, chosen)
        return quantized._replace(loss=loss + _entropy(self.entropy, z, self.codes))

    @torch.no_grad()
    def init_codes(self, z: Tensor, seed: int) -> None:
        """K-means; the averages begin as if each of its points had been seen in the step before."""
        centres = cluster_centres(z, len(self.codes), seed)
        chosen = squared_distances(z, centres).argmin(-1)
        count = torch.bincount(chosen, minlength=len(centres)).clamp_min(1)
        self._set(torch.arange(len(centres), device=z.device), centres, count.to(centres.dtype))

    @torch.no_grad()
    def ema_update(self, z: Tensor, indices: Tensor) -> None:
        """One step of the averages: count_j and sum_j of the points that chose code j; code_j = sum_j / count_j."""
        self.book.update_indices(z[None], indices[None])

    @torch.no_grad()
    def replace_dead_codes(self, usage: Tensor, z: Tensor, below: float, generator: torch.Generator) -> Tensor:
        """See `Quantizer.replace_dead_codes`; a moved code forgets its past and counts as chosen once."""
        dead, drawn = replacements(usage, z, below, generator)
        self._set(dead, drawn, z.new_ones(len(dead)))
        return dead

    def _set(self, index: Tensor, codes: Tensor, count: Tensor) -> None:
        averages = self.book._codebook
        averages.embed[0, index] = codes.to(averages.embed.dtype)
        averages.cluster_size[0, index] = count.to(averages.cluster_size.dtype)
        averages.embed_avg[0, index] = (codes * count[:, None]).to(averages.embed_avg.dtype)


class SimQuantizer(nn.Module):
    """Nearest code of a frozen book seen through a linear map; every step of the map moves all codes together.

    The map learns from the codebook loss alone: the library cuts the task's gradient off before it. Arguments as for
    `StraightThroughQuantizer`.
    """

    def __init__(self, codes: int, dim: int, commitment: float, entropy: float, rotation_trick: bool = False):
        super().__init__()
        self.book = SimVQ(dim, codes, rotation_trick=rotation_trick, input_to_quantize_commit_loss_weight=commitment)
        self.entropy = entropy

    @property
    def codes(self) -> Tensor:
        """The book as the map shows it, `(codes, code_dim)`."""
        return self.book.codebook

    learnt_codes = None

    def forward(self, z: Tensor) -> Quantized:
        """Quantises `z (..., code_dim)`."""
        quantized, _ = _choose(self.book, z, self.codes)
        return quantized._replace(loss=quantized.loss + _entropy(self.entropy, z, self.codes))

    @torch.no_grad()
    def init_codes(self, z: Tensor, seed: int) -> None:
        """The frozen book becomes the centres of k-means, and the map the identity."""
        self.book.frozen_codebook.copy_(cluster_centres(z, len(self.codes), seed))
        nn.init.eye_(self.book.code_transform.weight)

    def ema_update(self, z: Tensor, indices: Tensor) -> None:
        """Nothing: the map has a gradient."""

    @torch.no_grad()
    def replace_dead_codes(self, usage: Tensor, z: Tensor, below: float, generator: torch.Generator) -> Tensor:
        """See `Quantizer.replace_dead_codes`; a frozen code is set to what the map takes to the drawn point."""
        dead, drawn = replacements(usage, z, below, generator)
        if len(dead):
            # On the CPU: it is small, and the solver of a GPU may round differently from run to run.
            back = torch.linalg.pinv(self.book.code_transform.weight.double().cpu()).to(z.device)
            self.book.frozen_codebook[dead] = (drawn.double() @ back.T).to(self.book.frozen_codebook.dtype)
        return dead


def rotate(z: Tensor, chosen: Tensor) -> Tensor:
    """The value of `chosen`, with the gradient that the rotation trick gives to `z`; both `(..., code_dim)`."""
    return rotate_to(z, chosen)


class _Book(VectorQuantize):
    """The library's codebook, alike in both modes: in evaluation it passes no gradient, and nothing else differs."""

    def train(self, mode: bool = True) -> Self:
        """Stays in training mode."""
        return super().train(True)


def _book(codes: int, dim: int, rotation_trick: bool, **kind: bool | float) -> VectorQuantize:
    """The library's codebook, with everything switched off that would change it in the forward pass."""
    book = _Book(
        dim,
        codes,
        rotation_trick=rotation_trick,
        commitment_weight=0.0,  # the losses are ours, so that codebook and commitment have weights of their own
        threshold_ema_dead_code=0,
        freeze_codebook=True,
        sync_codebook=False,
        **kind,
    )
    # A buffer that each forward pass reads as a bool, for which a GPU would have to be waited for; always true here.
    del book._codebook.initted
    book._codebook.initted = True
    return book


def _choose(book: nn.Module, z: Tensor, codes: Tensor) -> tuple[Quantized, Tensor]:
    """Lets the library choose; gives what it says, and the chosen codes with their own gradient.

    The value of `Quantized.code` is exactly the code; the library's has gone through a rotation or through float32.
    """
    path, index, loss = book(z.reshape(1, -1, z.shape[-1]))
    path, index = path.view_as(z), index.view(z.shape[:-1])
    chosen = functional.embedding(index, codes)
    return Quantized(path + (chosen - path).detach(), index, loss), chosen


def _entropy(weight: float, z: Tensor, codes: Tensor) -> Tensor:
    return weight * entropy_loss(squared_distances(z, codes)) if weight else z.new_zeros(())
