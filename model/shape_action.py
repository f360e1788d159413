"""The composed model: signal to tokens, codes, shapes and sub-actions, and back to the series.

Owns the order of the steps and what is trained by what. Everything in `ShapeAction.forward` sees the signal alone;
the text enters only in `ShapeAction.teacher`, whose outputs are never quantised or decoded.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.actions import ActionDecoder, ActionHead
from model.alignment import TextTeacher
from model.attributes import AttributeDecoder, AttributeEncoder, Attributes
from model.classification import ClassHeads
from model.codebook_decoding import decode
from model.quantizer import Quantized, Quantizer
from model.shapes import ShapeDecoder
from model.signal_encoder import PatchEncoder, SeriesDecoder, Tokenizer


class SignalOutput(NamedTuple):
    """What the signal alone gives; `S` series (recordings times channels), `N` tokens each."""

    tokens: Tensor  # (S, N, width), unfused
    attributes: Attributes
    quantized: Quantized
    shapes: Tensor  # (S, N, shape samples), normalised
    decoded: Tensor  # (S, N, shape samples), scale · shape + offset
    series: Tensor  # (S, T), rebuilt from all attributes
    log_q: Tensor  # (S, N, K), log-probabilities of the sub-actions


class SignalTokenizer(nn.Module):
    """Patch encoder and tokenizer in one: `(S, T)` to `(S, N, width)`."""

    def __init__(self, encoder: PatchEncoder, tokenizer: Tokenizer):
        super().__init__()
        self.encoder, self.tokenizer = encoder, tokenizer

    def forward(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        """Tokens of `x (S, T)`, from all patches or those that `kept (S, kept patches)` names."""
        return self.tokenizer(self.encoder(x, kept), kept)


class SeriesRebuilder(nn.Module):
    """Attribute encoder and series decoder in one: attributes to `(S, T)`."""

    def __init__(self, attributes: AttributeEncoder, decoder: SeriesDecoder):
        super().__init__()
        self.attributes, self.decoder = attributes, decoder

    def forward(self, code: Tensor, attributes: Attributes) -> Tensor:
        """The series from `code (S, N, code_dim)` and the four numbers beside it."""
        return self.decoder(self.attributes(code, attributes))


class ShapeAction(nn.Module):
    """VQShape with sub-actions.

    Args:
        tokenize: Series to tokens.
        attributes: Token to attributes.
        quantizer: The codebook.
        shapes: Code to shape.
        rebuild: Attributes to series.
        action: What predicts sub-actions; a head on the token (Method 1) or a decoder of the code (Method 2).
        teacher: Signal meets text; gives the contrastive loss and the soft labels.
        classes: Optional classification from codes, tokens or both.
    """

    def __init__(
        self,
        tokenize: SignalTokenizer,
        attributes: AttributeDecoder,
        quantizer: Quantizer,
        shapes: ShapeDecoder,
        rebuild: SeriesRebuilder,
        action: ActionHead | ActionDecoder,
        teacher: TextTeacher,
        classes: ClassHeads | None = None,
    ):
        super().__init__()
        self.tokenize, self.attributes, self.quantizer = tokenize, attributes, quantizer
        self.shapes, self.rebuild, self.action = shapes, rebuild, action
        self.teacher, self.classes = teacher, classes
        self.mixed_precision = False  # True runs the transformers in bfloat16; codes, windows and losses stay float32

    def forward(self, x: Tensor, *, quantize: bool = True, kept: Tensor | None = None) -> SignalOutput:
        """Runs the signal path.

        Args:
            x: `(S, T)`, normalised series, each channel by itself.
            quantize: False decodes the code before quantization, as in the warm-up.
            kept: Optional `(S, kept patches)`, int64, the patches that are seen; None shows all.
        """
        with self._mixed(x):
            tokens = self.tokenize(x, kept)
        tokens = tokens.float() if self.mixed_precision else tokens
        attributes = self.attributes(tokens)
        quantized = self.quantizer(attributes.z)
        if not quantize:
            quantized = Quantized(attributes.z, quantized.indices, quantized.loss.new_zeros(()))
        book = self.quantizer.codes if quantize else None
        shapes = decode(self.shapes, quantized, book)
        decoded = attributes.scale[..., None] * shapes + attributes.offset[..., None]
        with self._mixed(x):
            series = self.rebuild(quantized.code, attributes)
        log_q = decode(self.action, quantized, book) if self.reads_codes else self.action(tokens)
        return SignalOutput(tokens, attributes, quantized, shapes, decoded, series.to(x.dtype), log_q)

    def _mixed(self, x: Tensor) -> torch.autocast:
        return torch.autocast(x.device.type, torch.bfloat16, enabled=self.mixed_precision)

    @property
    def reads_codes(self) -> bool:
        """Whether sub-actions are predicted from the code (Method 2) and not from the token (Method 1)."""
        return isinstance(self.action, ActionDecoder)
