"""One training step of either trainer on synthetic series, as something that can be called again and again.

Ours is `model.training.run.ShapeActionRun` as a search uses it: a step is one epoch over a single batch, so what an
epoch does besides its steps (order, revival of codes, means of the losses) is charged to the step.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple, Protocol

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from benchmarks.command_line import BenchmarkError
from benchmarks.reference import ENDLESS, ReferenceTrainer, build_reference, count_parameters
from model.configuration.reading import Configuration
from model.configuration.sections import Architecture
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.training.run import ShapeActionRun

KINDS = ("quantised", "warm_up", "reference")  # ours with codes and in the phase before, and the other one
CLASSES, PHRASES, TEXT_WIDTH = 4, 5, 384
DEEP_FROM_WIDTH = 256  # 4 layers from this width on, 2 below


class Sizes(NamedTuple):
    """What is varied; everything else is the configuration's default, for both."""

    width: int  # D
    series: int  # per step: recordings · channels, here 1 channel
    codes: int  # J
    expansion: int = Architecture().expansion  # of our feed-forward blocks; the reference has 4

    @property
    def layers(self) -> int:
        """Layers of encoder, tokenizer and decoder each."""
        return 4 if self.width >= DEEP_FROM_WIDTH else 2


class Trainer(Protocol):
    """Something that trains; work on a GPU may still be under way when a step returns."""

    parameters: int

    def step(self) -> None:
        """Take one optimiser step on one batch."""


def synthetic_series(series: int, samples: int, seed: int = 0) -> Tensor:
    """Return random walks `(series, samples)`, each with mean 0 and variance 1."""
    walk = torch.randn(series, samples, generator=torch.Generator().manual_seed(seed)).cumsum(-1)
    return (walk - walk.mean(-1, keepdim=True)) / walk.std(-1, keepdim=True)


def synthetic_text(sub_actions: int, seed: int = 0) -> ClassText:
    """Return phrases of a few classes, with random embeddings and the sub-actions dealt out in turn."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = [torch.randn(PHRASES, TEXT_WIDTH, generator=generator) for _ in range(CLASSES)]
    clusters = [[(y * PHRASES + m) % sub_actions for m in range(PHRASES)] for y in range(CLASSES)]
    return ClassText(embeddings, clusters, sub_actions)


def our_configuration(sizes: Sizes, quantised: bool = True) -> Configuration:
    """Return the default configuration at these sizes, for ever in one phase.

    Raises:
        BenchmarkError: The sizes do not fit together.
    """
    layers = dict.fromkeys(("encoder_layers", "tokenizer_layers", "decoder_layers"), sizes.layers)
    values = {
        "vocabulary": {},
        "codebook_size": sizes.codes,
        "epochs": ENDLESS,
        "architecture": {"width": sizes.width, "expansion": sizes.expansion, **layers},
        "training": {"batch_size": sizes.series, "unquantized_fraction": 0.0 if quantised else 1.0},
    }
    try:
        return Configuration.model_validate(values)
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(str(part) for part in detail["loc"])
        raise BenchmarkError(f"{sizes}: {key}: {detail['msg']}; choose other sizes") from None


class OurTrainer:
    """Our training step: with codes, or in the phase before, in which every token is decoded."""

    def __init__(self, sizes: Sizes, device: torch.device, quantised: bool):
        configuration = our_configuration(sizes, quantised)
        x = synthetic_series(sizes.series, configuration.architecture.layout().samples)[:, None]
        level = torch.rand(sizes.series, 1, 2, generator=torch.Generator().manual_seed(1)) + 0.5
        split = Batch(x.to(device), (torch.arange(sizes.series) % CLASSES).to(device), level.to(device))
        self.run = ShapeActionRun(configuration, split, split, synthetic_text(configuration.num_sub_actions))
        self.parameters = count_parameters(self.run.model)

    def step(self) -> None:
        """Train one epoch of one batch."""
        self.run.train_epoch()


def build_trainer(kind: str, sizes: Sizes, device: torch.device, vqshape: type[nn.Module] | None) -> Trainer:
    """Return one of `KINDS` at these sizes; the reference too trains for ever on one synthetic batch."""
    if kind != "reference":
        return OurTrainer(sizes, device, quantised=kind == "quantised")
    if vqshape is None:
        raise BenchmarkError("the reference can only be measured with --reference DIR")
    architecture = our_configuration(sizes).architecture
    x = synthetic_series(sizes.series, architecture.layout().samples).to(device)
    return ReferenceTrainer(build_reference(vqshape, architecture, sizes.codes).to(device), itertools.repeat(x))
