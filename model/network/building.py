"""Builds the composed model from a configuration: the place where configuration stops."""

from __future__ import annotations

import torch

from model.codebook.quantizer import Quantizer, SynchronisedQuantizer
from model.configuration.layout import Layout
from model.configuration.reading import Configuration, ConfigurationError
from model.network.alignment import Aligner, ClassText, TextTeacher
from model.network.attributes import AnchoredWindows, AttributeDecoder, AttributeEncoder, FreeWindows, Placement
from model.network.channels import FusedChannels, SeparateChannels
from model.network.heads import ActionDecoder, ActionHead, ClassHeads
from model.network.offset_scale import OffsetScaleEmbedding
from model.network.shape_action import SeriesRebuilder, ShapeActionNetwork, SignalEncoder
from model.network.shapes import ShapeDecoder
from model.network.signal_encoder import AnchoredQueries, PatchEncoder, SeriesDecoder


def build_model(
    configuration: Configuration,
    text: ClassText,
    channels: int = 1,
    samples: int | None = None,
) -> ShapeActionNetwork:
    """Builds the model with weights drawn from `configuration.seed`; the global random state is left as it was.

    Args:
        configuration: Sizes, method and quantizer.
        text: The embedded phrases of each class, merged to `num_sub_actions`.
        channels: Channels of a recording.
        samples: Samples of a series; None takes the `architecture.length` of the configuration.

    Raises:
        ConfigurationError: The architecture does not fit series of this length.
    """
    try:
        layout = configuration.architecture.layout(samples)
    except ValueError as error:
        raise ConfigurationError(f"architecture.{error}") from None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(configuration.seed)
        return _assemble(configuration, text, channels, layout)


def longest_window(configuration: Configuration) -> float:
    """Upper bound of a window's length, as a fraction of the series."""
    if configuration.windows.placement == "free":
        return 1.0
    return min(1.0, 2 / configuration.architecture.tokens * configuration.windows.stretch)


def build_quantizer(c: Configuration) -> Quantizer:
    """The codebook. The library is imported only where it is used: that takes a second."""
    codes, dim, commitment, entropy = c.codebook_size, c.architecture.code_dim, c.losses.commitment, c.losses.entropy
    if c.quantizer == "synchronised" and not c.rotation_trick:
        return SynchronisedQuantizer(codes, dim, commitment, entropy)
    if c.quantizer == "fsq":
        from model.codebook.finite_scalar import FiniteScalarQuantizer

        return FiniteScalarQuantizer(codes, dim)
    from model.codebook import library

    if c.quantizer == "synchronised":
        return SynchronisedQuantizer(codes, dim, commitment, entropy, library.rotate)
    kinds = {
        "straight_through": library.StraightThroughQuantizer,
        "ema": library.EMAQuantizer,
        "sim_vq": library.SimQuantizer,
    }
    return kinds[c.quantizer](codes, dim, commitment, entropy, c.rotation_trick)


def _assemble(c: Configuration, text: ClassText, channels: int, layout: Layout) -> ShapeActionNetwork:
    a = c.architecture
    length, patches, size = layout
    encoder = PatchEncoder(length, patches, a.width, a.heads, a.encoder_layers, a.expansion, a.dropout, size)
    tokenizer = AnchoredQueries(
        patches, a.tokens, a.width, a.heads, a.tokenizer_layers, a.expansion, a.dropout, layout.filled_patches
    )
    handling = FusedChannels(channels, a.width) if a.channels == "fused" and channels > 1 else SeparateChannels()
    each = handling.per_token
    decoder = SeriesDecoder(length, a.tokens, a.width, a.heads, a.decoder_layers, a.expansion, a.dropout, each)
    action = (
        ActionDecoder(a.code_dim, c.num_sub_actions)
        if c.method == "action_decoder"
        else ActionHead(a.width, c.num_sub_actions)
    )
    al = c.alignment
    aligner = Aligner(a.width, text.text.shape[-1], al.width, al.heads, al.attention_temperature)
    classes = None
    if c.classify != "none":
        classes = ClassHeads(c.classify, a.code_dim, a.width, len(text.text))
    return ShapeActionNetwork(
        SignalEncoder(encoder, tokenizer, handling, _levels(c, channels)),
        AttributeDecoder(a.width, a.code_dim, _placement(c), each),
        build_quantizer(c),
        ShapeDecoder(a.code_dim, a.shape_samples, a.shape_hidden, each),
        SeriesRebuilder(AttributeEncoder(a.width, a.code_dim, each), decoder),
        action,
        TextTeacher(aligner, text, al.momentum),
        classes,
    )


def _levels(c: Configuration, channels: int) -> OffsetScaleEmbedding | None:
    used = c.architecture.levels
    return None if used == "none" else OffsetScaleEmbedding(channels, c.architecture.width, used)


def _placement(c: Configuration) -> Placement:
    if c.windows.placement == "free":
        return FreeWindows()
    return AnchoredWindows(c.architecture.tokens, c.windows.shift, c.windows.stretch)
