"""Build the network from a configuration: the place where configuration stops."""

from __future__ import annotations

from typing import Any

import torch

from model.codebook.product import ProductQuantizer, part_widths
from model.codebook.quantizer import Quantizer, SynchronisedQuantizer
from model.configuration.layout import Layout
from model.configuration.reading import Configuration, ConfigurationError
from model.network.alignment import Aligner, ClassText
from model.network.attributes import AnchoredWindows, AttributeDecoder, AttributeEncoder, FreeWindows, Placement
from model.network.channels import ChannelHandling, FusedChannels, IndependentChannels, SeparateChannels
from model.network.heads import ActionDecoder, ActionHead, ClassHeads
from model.network.offset_scale import OffsetScaleEmbedding
from model.network.shape_action import SeriesRebuilder, ShapeActionNetwork, SignalEncoder
from model.network.shapes import ShapeDecoder
from model.network.signal_encoder import AnchoredQueries, PatchEncoder, SeriesDecoder
from model.network.teacher import AnswerKey, TextTeacher
from model.network.transformer import BlockSizes


def build_model(
    configuration: Configuration, text: ClassText, channels: int = 1, samples: int | None = None
) -> ShapeActionNetwork:
    """Build the network with weights drawn from `configuration.seed`; the global random state is left as it was.

    The text is merged to `num_sub_actions`. Where the samples of a series are None, the configuration's
    `architecture.length` says them.

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
    """Return the upper bound of a window's length, as a fraction of the series."""
    if configuration.windows.placement == "free":
        return 1.0
    return min(1.0, 2 / configuration.architecture.tokens * configuration.windows.stretch)


def build_quantizer(configuration: Configuration) -> Quantizer:
    """Build the codebook. The library is imported only where it is used: that takes a second."""
    name, rotation = configuration.quantizer, configuration.rotation_trick
    sizes: dict[str, Any] = {"codes": configuration.codebook_size, "dim": configuration.architecture.code_dim}
    weights: dict[str, Any] = {"commitment": configuration.losses.commitment, "entropy": configuration.losses.entropy}
    if name == "synchronised" and not rotation:
        return SynchronisedQuantizer(**sizes, **weights)
    if name == "product":
        return ProductQuantizer(**sizes, **weights, action_codes=configuration.codes_of_actions)
    if name == "fsq":
        from model.codebook.finite_scalar import FiniteScalarQuantizer

        return FiniteScalarQuantizer(**sizes)
    from model.codebook import library

    if name == "synchronised":
        return SynchronisedQuantizer(**sizes, **weights, to_encoder=library.rotate)
    kinds = {
        "straight_through": library.StraightThroughQuantizer,
        "ema": library.EMAQuantizer,
        "sim_vq": library.SimQuantizer,
    }
    return kinds[name](**sizes, **weights, rotation_trick=rotation)


def _assemble(configuration: Configuration, text: ClassText, channels: int, layout: Layout) -> ShapeActionNetwork:
    """Make the parts in a fixed order: each draws its weights from the same random state."""
    sizes, alignment = configuration.architecture, configuration.alignment
    blocks = BlockSizes(sizes.width, sizes.heads, sizes.expansion, sizes.dropout)
    length, patches, patch_samples = layout
    encoder = PatchEncoder(length, patches, blocks, sizes.encoder_layers, patch_samples)
    queries = AnchoredQueries(patches, sizes.tokens, blocks, sizes.tokenizer_layers, layout.filled_patches)
    handling: ChannelHandling = IndependentChannels()
    if sizes.channels != "independent" and channels > 1:
        kind = FusedChannels if sizes.channels == "fused" else SeparateChannels
        handling = kind(channels, sizes.width)
    each = handling.per_token
    decoder = SeriesDecoder(length, sizes.tokens, blocks, sizes.decoder_layers, each)
    of_shape, of_action = part_widths(sizes.code_dim) if configuration.quantizer == "product" else (None, None)
    sub_actions = configuration.num_sub_actions
    action: ActionDecoder | ActionHead = ActionDecoder(sizes.code_dim, sub_actions, reads=of_action)
    of_head = 0
    if configuration.method == "action_head":
        of_head = sub_actions
        action = ActionHead(sizes.width, of_head)
    aligner = Aligner(
        sizes.width, text.text.shape[-1], alignment.width, alignment.heads, alignment.attention_temperature
    )
    own = alignment.key == "own"
    classes = offset_scale = None
    if configuration.classify != "none":
        classes = ClassHeads(configuration.classify, sizes.code_dim, sizes.width, len(text.text))
    if sizes.levels != "none":
        offset_scale = OffsetScaleEmbedding(channels, sizes.width, sizes.levels)
    return ShapeActionNetwork(
        to_tokens=SignalEncoder(encoder, queries, handling, offset_scale),
        attributes=AttributeDecoder(sizes.width, sizes.code_dim, placement(configuration), each),
        quantizer=build_quantizer(configuration),
        shapes=ShapeDecoder(sizes.code_dim, sizes.shape_samples, sizes.shape_hidden, each, of_shape),
        rebuild=SeriesRebuilder(AttributeEncoder(sizes.width, sizes.code_dim, each, of_head), decoder),
        action=action,
        teacher=TextTeacher(aligner, text, AnswerKey(text, channels), alignment.momentum if own else None),
        synthesis=traded_synthesis(configuration.synthesis, configuration.action_weight),
        classes=classes,
    )


def traded_synthesis(synthesis: float, action_weight: float) -> float:
    """Return γ at a weight w: as the losses are traded, so is the choice of codes."""
    return synthesis * (1 - action_weight) / action_weight


def placement(configuration: Configuration) -> Placement:
    """Return where windows may lie."""
    windows = configuration.windows
    if windows.placement == "free":
        return FreeWindows()
    return AnchoredWindows(configuration.architecture.tokens, windows.shift, windows.stretch)
