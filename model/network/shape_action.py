"""The composed model: signal to tokens, codes, shapes and sub-actions, and back to the series.

Everything in `ShapeActionNetwork.forward` sees the signal alone; the text enters only in `ShapeActionNetwork.teacher`,
whose outputs are never quantised or decoded.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.codebook.decoding import decode
from model.codebook.quantizer import Quantized, Quantizer, squared_distances
from model.network.attributes import AttributeDecoder, AttributeEncoder, Attributes
from model.network.batch import by_recording
from model.network.channels import ChannelHandling, per_series
from model.network.heads import ActionDecoder, ActionHead, ClassHeads
from model.network.offset_scale import OffsetScaleEmbedding
from model.network.shapes import ShapeDecoder, extract_pieces, fit_offset_scale, shape_errors
from model.network.signal_encoder import AnchoredQueries, PatchEncoder, SeriesDecoder
from model.network.teacher import TextTeacher


class SignalOutput(NamedTuple):
    """What the signal alone gives for `S` series (recordings times channels), in `R` rows of `N` tokens.

    A row is a series, or a recording where channels are fused: `R` is then `S / C`.
    """

    tokens: Tensor  # (R, N, width), before they meet the text
    attributes: Attributes
    pieces: Tensor  # (S, N, shape samples), what lies in each window
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

    def forward(self, code: Tensor, attributes: Attributes, log_q: Tensor) -> Tensor:
        """The series from `code (R, N, code_dim)` and what stands beside it."""
        return self.decoder(self.attributes(code, attributes, log_q))


class ShapeActionNetwork(nn.Module):
    """VQShape with sub-actions.

    Args:
        to_tokens: Series to tokens.
        attributes: Token to code and window.
        quantizer: The codebook.
        shapes: Code to shape.
        rebuild: Attributes to series.
        action: What predicts sub-actions; a head on the token (Method 1) or a decoder of the code (Method 2).
        teacher: Signal meets text; gives the contrastive loss and the soft labels.
        synthesis: γ, how much the choice of a code looks at what it draws: it takes the least of
            ‖z − c_j‖² / Var(c) + γ · e_j, e_j the error of its shape at the best offset and scale. 0 takes the nearest.
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
        synthesis: float = 0.0,
        classes: ClassHeads | None = None,
    ):
        super().__init__()
        self.synthesis = synthesis
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
        together = self.to_tokens.channels.together
        if len(x) % together:
            raise ValueError(f"{len(x)} series are no whole recordings of {together} channels")
        with self._mixed(x):
            tokens = self.to_tokens(x, kept, level)
        tokens = tokens.float() if self.mixed_precision else tokens
        z, start, length = self.attributes(tokens)
        pieces = extract_pieces(x, start, length, self.shapes.samples)
        quantized = self.quantizer(z, self._choice(z, pieces))
        if not quantize:
            quantized = Quantized(z, quantized.indices, quantized.loss.new_zeros(()))
        book = self.quantizer.codes if quantize else None
        shapes = per_series(decode(self.shapes, quantized, book), self.channels_per_token)
        attributes = Attributes(z, start, length, *fit_offset_scale(shapes, pieces))
        decoded = attributes.scale[..., None] * shapes + attributes.offset[..., None]
        log_q = decode(self.action, quantized, book) if self.reads_codes else self.action(tokens)
        with self._mixed(x):
            series = self.rebuild(quantized.code, attributes, log_q)
        return SignalOutput(tokens, attributes, pieces, quantized, shapes, decoded, series.to(x.dtype), log_q)

    @torch.no_grad()
    def _choice(self, z: Tensor, pieces: Tensor) -> Tensor | None:
        """The code of each token, `(R, N)`; None is the nearest."""
        if not self.synthesis:
            return None
        codes = self.quantizer.codes.detach()
        errors = shape_errors(self.shapes(codes), pieces, self.channels_per_token)
        spread = codes.var(0, correction=0).sum().clamp_min(1e-12)
        return (squared_distances(z, codes) / spread + self.synthesis * errors).argmin(-1)

    def _mixed(self, x: Tensor) -> torch.autocast:
        return torch.autocast(x.device.type, torch.bfloat16, enabled=self.mixed_precision)

    def windows(self, attributes: Attributes, recordings: int) -> tuple[Tensor, Tensor]:
        """Start and length of the windows of so many recordings, each `(recordings, tokens of a recording)`."""
        # The series of a row share its windows, so the first of them says it.
        of_row = (part[:: self.channels_per_token] for part in (attributes.start, attributes.length))
        start, length = (by_recording(part[..., None], recordings)[..., 0] for part in of_row)
        return start, length

    @property
    def channels_per_token(self) -> int:
        """Channels that a token describes: 1, or all of a recording where channels are fused."""
        return self.to_tokens.channels.per_token

    @property
    def reads_codes(self) -> bool:
        """Whether sub-actions are predicted from the code (Method 2) and not from the token (Method 1)."""
        return isinstance(self.action, ActionDecoder)
