"""The nearest-code quantizers of the library vector-quantize-pytorch, behind the interface `codebook.quantizer`.

- `StraightThroughQuantizer` (van den Oord et al. 2017): codes learn from the codebook loss alone.
- `EMAQuantizer` (the same paper, appendix A.1): codes are moving averages of the encoder outputs that chose them.
- `SimQuantizer` (SimVQ, Zhu et al. 2024, arXiv 2411.02038): a frozen book behind one learnt linear map.

With each the task's gradient reaches the encoder alone: passed on as it is, or turned and scaled from the code to the
encoder's output (`rotation_trick`, Fifty et al. 2024, arXiv 2410.06424). The library makes that turn and updates the
averages. Codes are chosen here, since a token may be given another code than the nearest; and the library's k-means and
its replacement of dead codes are not used: they draw from torch's global random state. Importing this file costs about
a second, so `model.network.building` does it when it is needed.
"""

from __future__ import annotations

from typing import NamedTuple

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
        self.book = _book(codes, dim, learnable_codebook=True, ema_update=False)
        self.commitment, self.entropy, self.rotation_trick = commitment, entropy, rotation_trick

    @property
    def codes(self) -> Tensor:
        """The book, `(codes, code_dim)`."""
        return self.book.codebook

    def forward(self, z: Tensor, indices: Tensor | None = None) -> Quantized:
        """See `Quantizer`."""
        chosen = _choose(z, self.codes, indices, self.rotation_trick)
        loss = codebook_loss(z, chosen.at) + self.commitment * commitment_loss(z, chosen.at)
        return Quantized(chosen.code, chosen.indices, loss + _entropy(self.entropy, z, self.codes))

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
        self.book = _book(codes, dim, learnable_codebook=False, ema_update=True, decay=decay)
        self.commitment, self.entropy, self.rotation_trick = commitment, entropy, rotation_trick

    @property
    def codes(self) -> Tensor:
        """The book, `(codes, code_dim)`."""
        return self.book.codebook

    def forward(self, z: Tensor, indices: Tensor | None = None) -> Quantized:
        """See `Quantizer`; the averages stay as they are until `ema_update`."""
        chosen = _choose(z, self.codes, indices, self.rotation_trick)
        loss = self.commitment * commitment_loss(z, chosen.at)
        return Quantized(chosen.code, chosen.indices, loss + _entropy(self.entropy, z, self.codes))

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

    The map learns from the codebook loss alone, as in the library. Arguments as for `StraightThroughQuantizer`.
    """

    def __init__(self, codes: int, dim: int, commitment: float, entropy: float, rotation_trick: bool = False):
        super().__init__()
        self.book = SimVQ(dim, codes)
        self.commitment, self.entropy, self.rotation_trick = commitment, entropy, rotation_trick

    @property
    def codes(self) -> Tensor:
        """The book as the map shows it, `(codes, code_dim)`."""
        return self.book.codebook

    def forward(self, z: Tensor, indices: Tensor | None = None) -> Quantized:
        """See `Quantizer`."""
        codes = self.codes
        chosen = _choose(z, codes, indices, self.rotation_trick)
        loss = codebook_loss(z, chosen.at) + self.commitment * commitment_loss(z, chosen.at)
        return Quantized(chosen.code, chosen.indices, loss + _entropy(self.entropy, z, codes))

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


class _Choice(NamedTuple):
    """What tokens are given: the codes with the gradient that the encoder gets, those with the book's own, and rows."""

    code: Tensor  # (..., code_dim)
    at: Tensor  # (..., code_dim)
    indices: Tensor  # (...,)


def _choose(z: Tensor, codes: Tensor, indices: Tensor | None, rotation_trick: bool) -> _Choice:
    index = squared_distances(z, codes).argmin(-1) if indices is None else indices
    chosen = functional.embedding(index, codes)
    path = rotate(z, chosen.detach()) if rotation_trick else z
    # Exactly the code: what was rotated has gone through rounding.
    return _Choice(path + (chosen - path).detach(), chosen, index)


def _book(codes: int, dim: int, **kind: bool | float) -> VectorQuantize:
    """The library's codebook, with everything switched off that would change it unasked."""
    book = VectorQuantize(
        dim,
        codes,
        commitment_weight=0.0,  # the losses are ours, so that codebook and commitment have weights of their own
        threshold_ema_dead_code=0,
        freeze_codebook=True,
        sync_codebook=False,
        **kind,
    )
    # A buffer that the averages read as a bool, for which a GPU would have to be waited for; always true here.
    del book._codebook.initted
    book._codebook.initted = True
    return book


def _entropy(weight: float, z: Tensor, codes: Tensor) -> Tensor:
    return weight * entropy_loss(squared_distances(z, codes)) if weight else z.new_zeros(())
