"""Small trained models as a search exports them: each method, several quantizers, separate and fused channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

CLASSES = {
    "sit": ["hold wrist level", "rest arm on lap", "keep trunk upright"],
    "walk": ["swing arm forward", "foot strikes ground", "keep trunk upright"],
    "wave": ["raise hand", "shake wrist", "swing forearm sideways"],
}
FIXED: dict[str, Any] = {
    "vocabulary": {"name": "toy", "classes": CLASSES},
    "num_sub_actions": 7,
    "epochs": 3,
    "threads": 1,
}
SIZES = {"tokens": 8, "width": 16, "heads": 2, "encoder_layers": 1, "tokenizer_layers": 1, "decoder_layers": 1}
# Name to channels, architecture and the rest. Those of one number of channels share a data set, and so a length.
MODELS: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {
    "decoder": (2, {"length": 64}, {"codebook_size": 40, "quantizer": "synchronised"}),
    "head": (
        2,
        {"length": 64, "channels": "fused", "levels": "both"},
        {"codebook_size": 12, "quantizer": "fsq", "method": "action_head", "windows": {"placement": "free"}},
    ),
    "averaged": (
        2,
        {"length": 64, "patches": 20, "levels": "none"},
        {"codebook_size": 4, "quantizer": "ema", "rotation_trick": True, "method": "action_head"},
    ),
    "many": (14, {"length": "native", "channels": "fused"}, {"codebook_size": 6, "quantizer": "sim_vq"}),
}


def write_data(path: Path, channels: int) -> Path:
    """Three classes of different tempo, 24 recordings of 80 samples at 20 per second."""
    rng = np.random.default_rng(channels)
    y, u = np.arange(24) % 3, np.linspace(0, 1, 80)
    x = np.sin(6.28 * (y[:, None, None] * 2 + 1) * u + rng.uniform(0, 6, (24, channels, 1)))
    names = [f"sensor {c} <m/s²>" for c in range(channels)]
    x += 0.1 * rng.normal(size=x.shape)
    np.savez(path, X=x, y=y, labels=np.array(sorted(CLASSES)), rate_hz=np.array(20.0), channels=np.array(names))
    return path


def train_small(folder: Path) -> dict[str, tuple[Path, dict[str, float]]]:
    """Train all of `MODELS` and write each as `NAME/configuration.yaml` and `NAME/model.safetensors`.

    Returns:
        The folder of each, and what its run measured on the validation split.
    """
    from model.study import ShapeActionStudy

    studies: dict[int, ShapeActionStudy] = {}
    made = {}
    for name, (channels, architecture, rest) in MODELS.items():
        npz = folder / f"toy{channels}.npz"
        if channels not in studies:
            write_data(npz, channels)
        values = FIXED | rest | {"data": {"npz": npz.name}, "architecture": SIZES | architecture}
        resolved = ShapeActionStudy.resolve(values, folder)
        if channels not in studies:
            studies[channels] = ShapeActionStudy(resolved)
        run = studies[channels].trial(resolved, "cpu")
        for _ in range(FIXED["epochs"]):
            run.train_epoch()
        run.export(folder / name)
        text = f"# toy: the best {name} of the front, trial 3.\n{yaml.safe_dump(resolved)}"
        (folder / name / "configuration.yaml").write_text(text, encoding="utf-8")
        made[name] = (folder / name, run.evaluate())
    return made
