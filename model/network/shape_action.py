"""The composed model: signal to tokens, codes, shapes and sub-actions, and back to the series.

Everything in `ShapeActionNetwork.forward` sees the signal alone; the text enters only in `ShapeActionNetwork.teacher`,
whose outputs are never quantised or decoded.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.codebook.decoding import decode
from model.codebook.quantizer import Quantized, Quantizer
from model.network.alignment import TextTeacher
from model.network.attributes import AttributeDecoder, AttributeEncoder, Attributes
from model.network.channels import ChannelHandling, per_series
from model.network.heads import ActionDecoder, ActionHead, ClassHeads
from model.network.offset_scale import OffsetScaleEmbedding
from model.network.shapes import ShapeDecoder
from model.network.signal_encoder import AnchoredQueries, PatchEncoder, SeriesDecoder


class SignalOutput(NamedTuple):
    """What the signal alone gives for `S` series (recordings times channels), in `R` rows of `N` tokens.

    A row is a series, or a recording where channels are fused: `R` is then `S / C`.
    """

    tokens: Tensor  # (R, N, width), before they meet the text
    attributes: Attributes
    quantized: Quantized
    shapes: Tensor  # (S, N, shape samples), normalised
    decoded: Tensor  # (S, N, shape samples), scale · shape + offset
    series: Tensor  # (S, T), rebuilt from all attributes
    log_q: Tensor  # (R, N, K), log-probabilities of the sub-actions


class SignalEncoder(nn.Module):
    """Patch encoder, channels and tokenizer in one: `(S, T)` to `(R, N, width)`."""

    def __init__(
        self,
        encoder: PatchEncoder,
        tokenizer: AnchoredQueries,
        channels: ChannelHandling,
        levels: OffsetScaleEmbedding | None = None,
    ):
        super().__init__()
        self.encoder, self.tokenizer, self.channels, self.levels = encoder, tokenizer, channels, levels

    def forward(self, x: Tensor, kept: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Tokens of `x (S, T)`, from all patches or those that `kept (S, kept patches)` names.

        Raises:
            ValueError: The model was built for recordings with `level (S / C, C, 2)`, and none came.
        """
        if self.levels is not None and level is None:
            raise ValueError("this model needs the offset and the scale of each series beside its samples")
        embedded = self.encoder(x, kept, None if self.levels is None else self.levels(level))
        near = self.channels.pool(self.tokenizer.near(embedded, kept))
        return self.tokenizer.attend(near, self.channels.gather(embedded))


class SeriesRebuilder(nn.Module):
    """Attribute encoder and series decoder in one: attributes to `(S, T)`."""

    def __init__(self, attributes: AttributeEncoder, decoder: SeriesDecoder):
        super().__init__()
        self.attributes, self.decoder = attributes, decoder

    def forward(self, code: Tensor, attributes: Attributes) -> Tensor:
        """The series from `code (R, N, code_dim)` and the numbers beside it."""
        return self.decoder(self.attributes(code, attributes))


class ShapeActionNetwork(nn.Module):
    """VQShape with sub-actions.

    Args:
        to_tokens: Series to tokens.
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
        *,
        to_tokens: SignalEncoder,
        attributes: AttributeDecoder,
        quantizer: Quantizer,
        shapes: ShapeDecoder,
        rebuild: SeriesRebuilder,
        action: ActionHead | ActionDecoder,
        teacher: TextTeacher,
        classes: ClassHeads | None = None,
    ):
        super().__init__()
        self.to_tokens, self.attributes, self.quantizer = to_tokens, attributes, quantizer
        self.shapes, self.rebuild, self.action = shapes, rebuild, action
        self.teacher, self.classes = teacher, classes
        self.mixed_precision = False  # True runs the transformers in bfloat16; codes, windows and losses stay float32

    def forward(
        self, x: Tensor, *, level: Tensor | None = None, quantize: bool = True, kept: Tensor | None = None
    ) -> SignalOutput:
        """Runs the signal path.

        Args:
            x: `(S, T)`, normalised series, the channels of a recording side by side.
            level: `(S / C, C, 2)`, offset and scale before normalisation; not read by a model without levels.
            quantize: False decodes the code before quantization, as in the warm-up.
            kept: Optional `(S, kept patches)`, int64, the patches that are seen; None shows all.

        Raises:
            ValueError: The series are not whole recordings of as many channels as the model was built for, or come
                without the level that it needs.
        """
        if len(x) % self.channels_per_token:
            raise ValueError(f"{len(x)} series are no whole recordings of {self.channels_per_token} channels")
        with self._mixed(x):
            tokens = self.to_tokens(x, kept, level)
        tokens = tokens.float() if self.mixed_precision else tokens
        attributes = self.attributes(tokens)
        quantized = self.quantizer(attributes.z)
        if not quantize:
            quantized = Quantized(attributes.z, quantized.indices, quantized.loss.new_zeros(()))
        book = self.quantizer.codes if quantize else None
        shapes = per_series(decode(self.shapes, quantized, book), self.channels_per_token)
        decoded = attributes.scale[..., None] * shapes + attributes.offset[..., None]
        with self._mixed(x):
            series = self.rebuild(quantized.code, attributes)
        log_q = decode(self.action, quantized, book) if self.reads_codes else self.action(tokens)
        return SignalOutput(tokens, attributes, quantized, shapes, decoded, series.to(x.dtype), log_q)

    def _mixed(self, x: Tensor) -> torch.autocast:
        return torch.autocast(x.device.type, torch.bfloat16, enabled=self.mixed_precision)

    @property
    def channels_per_token(self) -> int:
        """Channels that a token describes: 1, or all of a recording where channels are fused."""
        return self.to_tokens.channels.per_token

    @property
    def reads_codes(self) -> bool:
        """Whether sub-actions are predicted from the code (Method 2) and not from the token (Method 1)."""
        return isinstance(self.action, ActionDecoder)
