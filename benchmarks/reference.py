"""The reference implementation: VQShape (Wen et al., NeurIPS 2024), imported from a clone, and its training step.

Around its model stands what its `vqshape/pretrain.py` does per step (its loss, AdamW, gradient clipping, its
schedule), with the weights of its `scripts/pretrain.sh`. Sizes are ours, under its names.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.command_line import BenchmarkError
from model.configuration.sections import Architecture

CLONE = "give a clone of github.com/YunshiWen/VQShape"
ENDLESS = 1_000_000  # steps or epochs


class Schedule(NamedTuple):
    """The reference's learning rate: a linear rise from nearly 0, then a cosine down to `FINAL_RATE`."""

    rate: float = 1e-4
    warmup_steps: int = 1000
    steps: int = ENDLESS  # rise included


class ReferenceTrainer:
    """The reference's training step, on batches `(series, samples)`, one after another, on the model's device.

    On CUDA it runs under bfloat16 autocast, which its training script asks for and ours uses too; on the CPU both
    compute in float32. `loss` is the weighted sum of the last step, from before the step was taken, and `rebuilding`
    the part of it that says how well series and shapes are rebuilt.
    """

    LOSS_WEIGHTS = (("ts_loss", 1.0), ("vq_loss", 1.0), ("shape_loss", 1.0), ("dist_loss", 0.8))
    REBUILDING = ("ts_loss", "shape_loss")
    FINAL_RATE = 1e-5

    def __init__(self, model: nn.Module, batches: Iterator[Tensor], schedule: Schedule | None = None):
        rate, warmup_steps, steps = schedule or Schedule()
        self.model, self.batches, self.parameters = model.train(), batches, count_parameters(model)
        self.loss = self.rebuilding = torch.tensor(torch.nan)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
        rise = torch.optim.lr_scheduler.LinearLR(self.optimizer, 1e-4, 1.0, warmup_steps)
        fall = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, max(1, steps - warmup_steps), eta_min=min(self.FINAL_RATE, rate)
        )
        self.schedule = torch.optim.lr_scheduler.SequentialLR(self.optimizer, [rise, fall], [warmup_steps])

    def step(self) -> None:
        """Take one optimiser step."""
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


def count_parameters(module: nn.Module) -> int:
    """Return how many numbers a model learns."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def build_reference(vqshape: type[nn.Module], a: Architecture, codes: int, seed: int = 0) -> nn.Module:
    """Build the clone's `VQShape` at our sizes, with what its training script sets besides.

    The seed is that of the weights, and of what is drawn in training after this call (masks, dropout).
    """
    torch.manual_seed(seed)
    layout = a.layout()
    return vqshape(
        len_input=layout.samples,
        dim_embedding=a.width,
        patch_size=layout.patch_samples,
        num_patch=layout.patches,
        num_token=a.tokens,
        **dict.fromkeys(("num_enc_head", "num_tokenizer_head", "num_dec_head"), a.heads),
        num_enc_layer=a.encoder_layers,
        num_tokenizer_layer=a.tokenizer_layers,
        num_dec_layer=a.decoder_layers,
        len_s=a.shape_samples,
        num_code=codes,
        dim_code=a.code_dim,
        s_smooth_factor=1,
        codebook_type="standard",
        lambda_commit=0.25,
        lambda_entropy=0.1,
        entropy_gamma=1.0,
        mask_ratio=0.25,
    )


def load_reference(folder: Path) -> type[nn.Module]:
    """Import `VQShape` from a clone of the reference implementation.

    Raises:
        BenchmarkError: There is no such folder, no `vqshape` package in it, or something that it needs is missing.
    """
    if not folder.is_dir():
        raise BenchmarkError(f"--reference {folder}: no such folder; {CLONE}")
    if not (folder / "vqshape" / "model.py").is_file():
        raise BenchmarkError(f"--reference {folder}: has no vqshape/model.py; {CLONE}")
    entry = str(folder.resolve())
    sys.path.insert(0, entry)  # for this import alone: the clone has folders with common names
    try:
        return importlib.import_module("vqshape.model").VQShape
    except ModuleNotFoundError as error:
        raise BenchmarkError(
            f"--reference {folder}: needs the package {error.name}; pip install {error.name}"
        ) from None
    except (ImportError, AttributeError) as error:
        raise BenchmarkError(f"--reference {folder}: vqshape/model.py gives no class VQShape ({error})") from None
    finally:
        sys.path.remove(entry)
