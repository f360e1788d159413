"""Decodes the codebook instead of the tokens: J codes once and a gather, with exact gradients.

After quantization a token's code is one of J vectors, so a decoder of codes gives only J different outputs. The
decoder's parameters get their gradient through the gathered table. The code of a token gets gᵀ · ∂decoder/∂code at its
code, from J Jacobians that are made in the backward pass by d forward-mode passes over the book; from there the
quantizer's own gradient takes it to the encoder, to the chosen code or to both, as it does when every token is
decoded. What it costs, and from where on it pays: `docs/codebook_decoding.md`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import jvp, vmap
from torch.nn import functional

from model.codebook.quantizer import Quantized

# In tokens of the direct form, one CPU thread; the measurements are in docs/codebook_decoding.md.
TRAINING_TOKENS = 2000  # what a step with the table costs whatever the sizes
TRAINING_WEIGHTS = 6e6  # divided by the decoder's weights: the same cost is worth more tokens of a smaller decoder
TRAINING_TOKENS_PER_PASS = 1.25  # what one pass over one code costs; there are J · (d + 1)
INFERENCE_TOKENS_PER_CODE = 2  # without gradients the table costs J tokens and a gather


def decode(decoder: nn.Module, quantized: Quantized, codes: Tensor | None) -> Tensor:
    """Decodes the codes of all tokens in the cheaper of two ways; values and gradients agree up to rounding.

    Args:
        decoder: Code to output; each row by itself, without anything random.
        quantized: The codes of the tokens, `(..., code_dim)`, with their gradient, and their indices `(...)`.
        codes: The book `(codes, code_dim)` that `quantized` was chosen from, as it was then. None says that
            `quantized.code` is no code of a book, as before quantization begins: every token is decoded.

    Returns:
        `(..., outputs)`.
    """
    if codes is None or not table_pays(decoder, quantized, codes):
        return decoder(quantized.code)
    return decode_by_table(decoder, quantized, codes)


def table_pays(decoder: nn.Module, quantized: Quantized, codes: Tensor) -> bool:
    """Whether the table costs less than decoding every token; depends on sizes alone. Arguments as in `decode`."""
    tokens, (book, dim) = quantized.indices.numel(), codes.shape
    if not torch.is_grad_enabled():
        return tokens >= INFERENCE_TOKENS_PER_CODE * book
    if codes.device.type != "cpu":
        # About a hundred small operations; where each is a kernel launch, a small decoder should be faster on all
        # tokens. Not measured.
        return False
    weights = max(1, sum(p.numel() for p in decoder.parameters()))
    return tokens >= TRAINING_TOKENS + TRAINING_WEIGHTS / weights + TRAINING_TOKENS_PER_PASS * book * (dim + 1)


def decode_by_table(decoder: nn.Module, quantized: Quantized, codes: Tensor) -> Tensor:
    """Decodes each code of the book once and gathers; arguments as in `decode`.

    The gradients are those of `decoder(quantized.code)`, but can be taken only once: a second derivative with respect
    to a code is refused with an error.
    """
    book = codes.detach()  # a code's gradient arrives through `quantized.code`, if the quantizer lets it
    values = functional.embedding(quantized.indices, decoder(book))
    if torch.is_grad_enabled() and quantized.code.requires_grad:
        return _GradientToCodes.apply(values, quantized.code, quantized.indices, book, decoder)
    return values


class _GradientToCodes(torch.autograd.Function):
    """Leaves the decoded values as they are and gives each token's code its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, code: Tensor, indices: Tensor, book: Tensor, decoder: nn.Module) -> Tensor:
        ctx.decoder = decoder
        # The parameters are kept so that changing them in place before the backward pass is noticed.
        ctx.save_for_backward(indices, book, *decoder.parameters())
        return values.view_as(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        indices, book, *_ = ctx.saved_tensors
        # In the precision of the codes, even where a caller starts the backward pass inside autocast.
        with torch.autocast(book.device.type, enabled=False):
            jacobians = code_jacobians(ctx.decoder, book)
            rows = gradients[0].flatten(0, -2).to(jacobians.dtype)
            to_code = multiply_by_code(rows, indices.flatten(), jacobians)
        return gradients[0], to_code.view(*indices.shape, -1), None, None, None


@torch.no_grad()
def code_jacobians(decoder: nn.Module, codes: Tensor) -> Tensor:
    """Jacobians `(codes, outputs, code_dim)` of a decoder at each of `codes (codes, code_dim)`.

    One forward-mode pass per dimension of a code.
    """

    def along(direction: Tensor) -> Tensor:
        return jvp(decoder, (codes,), (direction.expand_as(codes),))[1]

    return vmap(along, out_dims=-1)(torch.eye(codes.shape[-1], dtype=codes.dtype, device=codes.device))


def multiply_by_code(rows: Tensor, index: Tensor, matrices: Tensor) -> Tensor:
    """Multiplies each row by the matrix of its code, without a copy of the matrix for each row: `(tokens, code_dim)`.

    Rows are sorted into blocks of one code each, and the blocks are multiplied together. Their number has a bound that
    depends on sizes alone, so no count ever leaves the device. The rows are `(tokens, outputs)`, their codes
    `index (tokens,)`, int64, and the matrices `(codes, outputs, code_dim)`.
    """
    tokens, codes = len(rows), len(matrices)
    size = max(4, min(64, 1 << (tokens // codes).bit_length()))
    most_blocks = tokens // size + codes  # each code fills at most one block in part
    count = torch.zeros(codes, dtype=torch.long, device=index.device).index_add_(0, index, torch.ones_like(index))
    blocks = (count + size - 1) // size
    end_block = blocks.cumsum(0)
    order = index.argsort(stable=True)
    # From a row's rank among all sorted rows to its place in the blocks.
    shift = (end_block - blocks) * size - (count.cumsum(0) - count)
    place = torch.empty_like(index)
    place[order] = torch.arange(tokens, device=index.device) + shift[index[order]]
    block = torch.arange(most_blocks, device=index.device)
    owner = torch.searchsorted(end_block, block, right=True).clamp_max(codes - 1)
    padded = rows.new_zeros(most_blocks * size, rows.shape[-1])
    padded[place] = rows
    product = torch.bmm(padded.view(most_blocks, size, -1), matrices[owner])
    return product.flatten(0, 1)[place]
