"""Checkpoints: a finished model as safetensors, and the state of an unfinished training run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from model.exceptions import InputError
from model.files import replacing

TRAINING_FILE = "training.pt"


class CheckpointError(InputError):
    """A checkpoint that cannot be used; the message names the file and what is wrong with it."""


def save_model(path: Path, model: nn.Module, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write weights, further tensors and a description, whole or not at all.

    The state of the model is stored under `model.<name>`, tensors under their own names, and what is said `about` them,
    plain values, as JSON in the metadata of the `.safetensors` file.
    """
    state = {f"model.{name}": value for name, value in model.state_dict().items()} | dict(tensors)
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with replacing(path) as part:
        save_file(plain, part, metadata={"about": json.dumps(dict(about), ensure_ascii=False, sort_keys=True)})


class Stored(NamedTuple):
    """What a file of `save_model` holds: weights and further tensors by name, and the description."""

    weights: dict[str, Tensor]
    tensors: dict[str, Tensor]
    about: dict[str, Any]


def read_model(path: Path) -> Stored:
    """Read a file of `save_model`.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = json.loads((file.metadata() or {}).get("about", "{}"))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read as a checkpoint ({error})") from None
    weights = {name.removeprefix("model."): t for name, t in stored.items() if name.startswith("model.")}
    return Stored(weights, {name: t for name, t in stored.items() if not name.startswith("model.")}, about)


def load_weights(path: Path, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put the weights that were read from `path` into `model`.

    Raises:
        CheckpointError: They belong to a model of other sizes.
    """
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise CheckpointError(f"{path}: does not fit this configuration ({first})") from None


def load_model(path: Path, model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file of `save_model` into `model`, and return the further tensors and the description.

    Raises:
        CheckpointError: The file is missing or damaged, or belongs to a model of other sizes.
    """
    stored = read_model(path)
    load_weights(path, model, stored.weights)
    return stored.tensors, stored.about


def save_training(folder: Path, state: Mapping[str, Any]) -> None:
    """Write what is needed to continue (weights, optimiser, random state), whole or not at all."""
    with replacing(folder / TRAINING_FILE) as part:
        torch.save(dict(state), part)


def load_training(folder: Path) -> dict[str, Any]:
    """Read what `save_training` wrote.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    path = folder / TRAINING_FILE
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged archive
        raise CheckpointError(f"{path}: cannot be continued from ({error})") from error
