"""One training step, ours and the reference's, as something that can be called again and again.

Owns the synthetic data, the sizes, and the two trainers. Ours is `model.training.ShapeActionRun` as a search uses it: a
step is one epoch over a single batch, so what an epoch does besides its steps (order, revival of codes, means of the
losses) is charged to the step. The reference is VQShape (Wen et al., NeurIPS 2024), imported from a clone; around its
model stands what its `vqshape/pretrain.py` does per step (its loss, AdamW, gradient clipping, its schedule), with the
weights of its `scripts/pretrain.sh`.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from model.alignment import ClassText
from model.configuration import Configuration
from model.configuration_sections import Architecture
from model.losses import Batch
from model.training import ShapeActionRun

CLASSES, PHRASES, TEXT_WIDTH = 4, 5, 384
DEEP_FROM_WIDTH = 256  # 4 layers from this width on, 2 below
ENDLESS_EPOCHS = 1_000_000


class BenchmarkError(ValueError):
    """The benchmark cannot run as asked; the message is one line that says what to do."""


class Sizes(NamedTuple):
    """What is varied; everything else is the configuration's default, for both."""

    width: int  # D
    series: int  # per step: recordings · channels, here 1 channel
    codes: int  # J

    @property
    def layers(self) -> int:
        """Layers of encoder, tokenizer and decoder each."""
        return 4 if self.width >= DEEP_FROM_WIDTH else 2


class Trainer(Protocol):
    """Something that trains; `step` does one optimiser step on one batch."""

    @property
    def parameters(self) -> int:
        """Learnt numbers."""
        ...

    def step(self) -> None:
        """One step; work on a GPU may still be under way when it returns."""
        ...


def synthetic_series(series: int, samples: int, seed: int = 0) -> Tensor:
    """Random walks `(series, samples)`, each with mean 0 and variance 1."""
    walk = torch.randn(series, samples, generator=torch.Generator().manual_seed(seed)).cumsum(-1)
    return (walk - walk.mean(-1, keepdim=True)) / walk.std(-1, keepdim=True)


def synthetic_text(sub_actions: int, seed: int = 0) -> ClassText:
    """Phrases of a few classes, with random embeddings and the sub-actions dealt out in turn."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = [torch.randn(PHRASES, TEXT_WIDTH, generator=generator) for _ in range(CLASSES)]
    clusters = [[(y * PHRASES + m) % sub_actions for m in range(PHRASES)] for y in range(CLASSES)]
    return ClassText(embeddings, clusters, sub_actions)


def our_configuration(sizes: Sizes, quantised: bool = True) -> Configuration:
    """The default configuration at these sizes, for ever in one phase.

    Raises:
        BenchmarkError: The sizes do not fit together.
    """
    layers = dict.fromkeys(("encoder_layers", "tokenizer_layers", "decoder_layers"), sizes.layers)
    try:
        return Configuration.model_validate(
            {
                "vocabulary": {},
                "codebook_size": sizes.codes,
                "epochs": ENDLESS_EPOCHS,
                "architecture": {"width": sizes.width, **layers},
                "training": {"batch_size": sizes.series, "unquantized_fraction": 0.0 if quantised else 1.0},
            }
        )
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(str(part) for part in detail["loc"])
        raise BenchmarkError(f"{sizes}: {key}: {detail['msg']}; choose other sizes") from None


class OurTrainer:
    """Our training step.

    Args:
        sizes: Of the model and the batch.
        device: Where it trains.
        quantised: True trains with codes; False is the phase before, in which every token is decoded.
    """

    def __init__(self, sizes: Sizes, device: torch.device, quantised: bool = True):
        configuration = our_configuration(sizes, quantised)
        x = synthetic_series(sizes.series, configuration.architecture.length)[:, None]
        split = Batch(x.to(device), (torch.arange(sizes.series) % CLASSES).to(device))
        self.run = ShapeActionRun(configuration, split, split, synthetic_text(configuration.num_sub_actions))

    @property
    def parameters(self) -> int:
        """Learnt numbers."""
        return _count(self.run.model)

    def step(self) -> None:
        """One epoch of one batch."""
        self.run.train_epoch()


class ReferenceTrainer:
    """The reference's training step.

    On CUDA it runs under bfloat16 autocast, which its training script asks for and ours uses too; on the CPU both
    compute in float32.

    Args:
        vqshape: The class `VQShape` of the clone.
        sizes: Of the model and the batch.
        device: Where it trains.
    """

    LOSS_WEIGHTS = (("ts_loss", 1.0), ("vq_loss", 1.0), ("shape_loss", 1.0), ("dist_loss", 0.8))
    WARMUP_STEPS = 1000

    def __init__(self, vqshape: type[nn.Module], sizes: Sizes, device: torch.device):
        architecture = our_configuration(sizes).architecture
        self.device = device
        self.x = synthetic_series(sizes.series, architecture.length).to(device)
        torch.manual_seed(0)
        self.model = vqshape(**_reference_arguments(architecture, sizes)).to(device).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, weight_decay=0.01)
        rise = torch.optim.lr_scheduler.LinearLR(self.optimizer, 1e-4, 1.0, self.WARMUP_STEPS)
        fall = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, ENDLESS_EPOCHS, eta_min=1e-5)
        self.schedule = torch.optim.lr_scheduler.SequentialLR(self.optimizer, [rise, fall], [self.WARMUP_STEPS])

    @property
    def parameters(self) -> int:
        """Learnt numbers."""
        return _count(self.model)

    def step(self) -> None:
        """One optimiser step."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            _, terms = self.model(self.x, mode="pretrain")
            loss = torch.stack([weight * terms[name].mean() for name, weight in self.LOSS_WEIGHTS]).sum()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()


def _reference_arguments(a: Architecture, sizes: Sizes) -> dict[str, Any]:
    """Our sizes under the reference's names, and what its training script sets besides."""
    return {
        "len_input": a.length,
        "dim_embedding": a.width,
        "patch_size": a.length // a.patches,
        "num_patch": a.patches,
        "num_token": a.tokens,
        **dict.fromkeys(("num_enc_head", "num_tokenizer_head", "num_dec_head"), a.heads),
        **dict.fromkeys(("num_enc_layer", "num_tokenizer_layer", "num_dec_layer"), sizes.layers),
        "len_s": a.shape_samples,
        "num_code": sizes.codes,
        "dim_code": a.code_dim,
        "s_smooth_factor": 1,
        "codebook_type": "standard",
        "lambda_commit": 0.25,
        "lambda_entropy": 0.1,
        "entropy_gamma": 1.0,
        "mask_ratio": 0.25,
    }


def load_reference(folder: Path) -> type[nn.Module]:
    """Imports `VQShape` from a clone of the reference implementation.

    Raises:
        BenchmarkError: There is no such folder, no `vqshape` package in it, or something that it needs is missing.
    """
    if not folder.is_dir():
        raise BenchmarkError(f"--reference {folder}: no such folder; give a clone of github.com/YunshiWen/VQShape")
    if not (folder / "vqshape" / "model.py").is_file():
        raise BenchmarkError(
            f"--reference {folder}: has no vqshape/model.py; give a clone of github.com/YunshiWen/VQShape"
        )
    with _importable(folder):
        try:
            return importlib.import_module("vqshape.model").VQShape
        except ModuleNotFoundError as error:
            raise BenchmarkError(
                f"--reference {folder}: needs the package {error.name}; pip install {error.name}"
            ) from None
        except (ImportError, AttributeError) as error:
            raise BenchmarkError(f"--reference {folder}: vqshape/model.py gives no class VQShape ({error})") from None


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Puts a folder first on the import path, for the time of one import: the clone has folders with common names."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
