"""The reference implementation: VQShape (Wen et al., NeurIPS 2024), imported from a clone, and its training step.

Around its model stands what its `vqshape/pretrain.py` does per step (its loss, AdamW, gradient clipping, its
schedule), with the weights of its `scripts/pretrain.sh`. Sizes are ours, under its names.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.trainer.steps import (
    ENDLESS_EPOCHS,
    BenchmarkError,
    Sizes,
    count_parameters,
    our_configuration,
    synthetic_series,
)
from model.configuration.sections import Architecture


class Schedule(NamedTuple):
    """The reference's learning rate: a linear rise from nearly 0, then a cosine down to `FINAL_RATE`."""

    rate: float = 1e-4
    warmup_steps: int = 1000
    steps: int = ENDLESS_EPOCHS  # rise included


ENDLESS = Schedule()


class ReferenceTrainer:
    """The reference's training step.

    On CUDA it runs under bfloat16 autocast, which its training script asks for and ours uses too; on the CPU both
    compute in float32.

    Args:
        model: The reference's model, as `build_reference` gives it.
        batches: Series `(series, samples)` of one step after another, on the model's device.
        schedule: Of the learning rate.

    Attributes:
        loss: Weighted sum of the last step, from before the step was taken.
        rebuilding: The part of it that says how well series and shapes are rebuilt.
    """

    LOSS_WEIGHTS = (("ts_loss", 1.0), ("vq_loss", 1.0), ("shape_loss", 1.0), ("dist_loss", 0.8))
    REBUILDING = ("ts_loss", "shape_loss")
    FINAL_RATE = 1e-5

    def __init__(self, model: nn.Module, batches: Iterator[Tensor], schedule: Schedule = ENDLESS):
        self.model, self.batches = model.train(), batches
        self.loss = self.rebuilding = torch.tensor(torch.nan)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=schedule.rate, weight_decay=0.01)
        rise = torch.optim.lr_scheduler.LinearLR(self.optimizer, 1e-4, 1.0, schedule.warmup_steps)
        fall = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, max(1, schedule.steps - schedule.warmup_steps), eta_min=min(self.FINAL_RATE, schedule.rate)
        )
        self.schedule = torch.optim.lr_scheduler.SequentialLR(self.optimizer, [rise, fall], [schedule.warmup_steps])

    @property
    def parameters(self) -> int:
        """Learnt numbers."""
        return count_parameters(self.model)

    def step(self) -> None:
        """One optimiser step."""
        x = next(self.batches)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=x.device.type == "cuda"):
            _, terms = self.model(x, mode="pretrain")
            parts = {name: weight * terms[name].mean() for name, weight in self.LOSS_WEIGHTS}
            loss = torch.stack(list(parts.values())).sum()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.loss, self.rebuilding = loss.detach(), sum(parts[name].detach() for name in self.REBUILDING)


def reference_trainer(vqshape: type[nn.Module], sizes: Sizes, device: torch.device) -> ReferenceTrainer:
    """The reference at these sizes, which trains for ever on one synthetic batch.

    Args:
        vqshape: The class `VQShape` of the clone.
        sizes: Of the model and the batch.
        device: Where it trains.
    """
    architecture = our_configuration(sizes).architecture
    x = synthetic_series(sizes.series, architecture.layout().samples).to(device)
    model = build_reference(vqshape, architecture, sizes.codes)
    return ReferenceTrainer(model.to(device), itertools.repeat(x))


def build_reference(vqshape: type[nn.Module], architecture: Architecture, codes: int, seed: int = 0) -> nn.Module:
    """The reference's model at our sizes, with what its training script sets besides.

    Args:
        vqshape: The class `VQShape` of the clone.
        architecture: Our sizes.
        codes: Codes in the codebook (J).
        seed: Of the weights, and of what is drawn in training after this call (masks, dropout).
    """
    torch.manual_seed(seed)
    return vqshape(**_reference_arguments(architecture, codes))


def _reference_arguments(a: Architecture, codes: int) -> dict[str, Any]:
    """Our sizes under the reference's names, and what its training script sets besides."""
    layout = a.layout()
    return {
        "len_input": layout.samples,
        "dim_embedding": a.width,
        "patch_size": layout.patch_samples,
        "num_patch": layout.patches,
        "num_token": a.tokens,
        **dict.fromkeys(("num_enc_head", "num_tokenizer_head", "num_dec_head"), a.heads),
        "num_enc_layer": a.encoder_layers,
        "num_tokenizer_layer": a.tokenizer_layers,
        "num_dec_layer": a.decoder_layers,
        "len_s": a.shape_samples,
        "num_code": codes,
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
