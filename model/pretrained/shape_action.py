"""What a user holds: a trained network that says what it is, turns recordings into tokens and can be taken anywhere.

A folder, or a repository on the Hugging Face hub, has the project's own checkpoint, `config.json` and a model card. A
trial's folder and an exported one hold the same files, so that both can be loaded, and neither the data nor a text
encoder is needed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from torch import Tensor

from model.checkpoint import CheckpointError, Stored, load_weights, read_model, save_model
from model.configuration.reading import ConfigurationError, parse_configuration
from model.files import MODEL_FILE, replacing
from model.network.alignment import ClassText
from model.network.building import build_model
from model.network.shape_action import ShapeActionNetwork
from model.pretrained.tokens import Tokens, tokenize

CONFIG_FILE, CARD_FILE = "config.json", "README.md"
# The one key of config.json, named as no argument of `ShapeAction`: the mixin would take it for that argument.
ABOUT = "about"
CARD = """---
{{ card_data }}
---

A codebook of shapes that mean sub-actions. `config.json` names the data, the channels and the sub-actions.

```python
from model.pretrained import ShapeAction

model = ShapeAction.from_pretrained("this folder, or its name on the hub")
tokens = model.tokenize(x)  # x: (recordings, channels, samples), raw
```
"""


class ShapeAction(PyTorchModelHubMixin, library_name="shape-action-search", model_card_template=CARD):
    """A trained network with `from_pretrained`, `save_pretrained`, `push_to_hub` and `tokenize`.

    Args:
        network: The weights.
        metadata: What the model says of itself, plain values; it goes with it wherever it is written.
        code_tensors: What its codes mean, by their names in a checkpoint.
        card: The model card that lay beside the weights; "" for a short one.

    >>> import tempfile, torch
    >>> from model.configuration.reading import parse_configuration
    >>> sizes = {"length": 32, "patches": 8, "tokens": 4, "width": 8, "heads": 2, "code_dim": 4}
    >>> c = parse_configuration({"vocabulary": {}, "num_sub_actions": 3, "architecture": sizes})
    >>> text = ClassText([torch.rand(2, 6), torch.rand(1, 6)], [[0, 1], [2]], sub_actions=3)
    >>> names = {"channels": ["x", "y"], "sub_actions": ["raise arm", "hold", "walk"]}
    >>> metadata = {"configuration": c.model_dump(mode="json"), **names}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = ShapeAction(build_model(c, text, channels=2), metadata).save_pretrained(folder)
    ...     model = ShapeAction.from_pretrained(folder)
    >>> tokens = model.tokenize(np.random.default_rng(0).normal(size=(5, 2, 100)))
    >>> tokens.codes.shape, tokens.probabilities.shape, tokens.names[2]
    ((5, 2, 4), (5, 2, 4, 3), 'walk')
    """

    def __init__(
        self,
        network: ShapeActionNetwork,
        metadata: Mapping[str, Any],
        code_tensors: Mapping[str, Tensor] | None = None,
        card: str = "",
    ):
        self.network, self.metadata, self.code_tensors, self.card = network, metadata, code_tensors or {}, card

    def tokenize(self, x: np.ndarray | Tensor) -> Tokens:
        """Read new recordings, resampled and normalised as in training.

        Args:
            x: `(recordings, channels, samples)`, raw, with the channels of the training data in their order; any number
                of samples where the model resamples.

        Returns:
            Codes, windows and sub-actions, see `model.pretrained.tokens.Tokens`.

        Raises:
            ValueError: Other channels or another length than the model can take, or a value that is no finite number.
        """
        return tokenize(self.network, self.metadata, x)

    def to(self, device: str | torch.device) -> Self:
        """Move the network to a device."""
        self.network.to(device)
        return self

    def write(self, folder: Path) -> None:
        """Write checkpoint and `config.json`, each whole or not at all."""
        save_model(folder / MODEL_FILE, self.network, self.code_tensors, self.metadata)
        text = json.dumps({ABOUT: dict(self.metadata)}, indent=2, ensure_ascii=False, sort_keys=True)
        with replacing(folder / CONFIG_FILE) as part:
            part.write_text(f"{text}\n", encoding="utf-8")

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """Return the card that came with the model, or a short one."""
        return ModelCard(self.card) if self.card else super().generate_model_card(*args, **kwargs)

    def _save_pretrained(self, save_directory: Path) -> None:
        self.write(save_directory)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        config: Mapping[str, Any] | None = None,
        map_location: str | torch.device = "cpu",
        **source: Any,
    ) -> Self:
        path = _file(model_id, MODEL_FILE, source)
        stored = read_model(path)
        metadata = (config or {}).get(ABOUT) or stored.about
        network = rebuild(path, stored, metadata).to(map_location).eval()
        try:
            card = _file(model_id, CARD_FILE, source).read_text(encoding="utf-8")
        except (OSError, EntryNotFoundError):
            card = ""  # a model may come without a card
        return cls(network, metadata, stored.tensors, card)


def rebuild(path: Path, stored: Stored, metadata: Mapping[str, Any]) -> ShapeActionNetwork:
    """Build the network of a checkpoint that was read from `path`.

    Raises:
        CheckpointError: It does not say enough, or its parts do not fit.
    """
    lacking = [key for key in ("configuration", "channels", "sub_actions") if key not in metadata]
    of_the_text = ("teacher.text.text", "teacher.text.phrase_to_sub_action")
    lacking += [name for name in of_the_text if name not in stored.weights]
    if lacking:
        raise CheckpointError(f"{path}: lacks {', '.join(lacking)}; it was not written by a run of this project")
    text, phrase_to_sub_action = (stored.weights[name] for name in of_the_text)
    phrases = (phrase_to_sub_action.sum(-1) > 0).sum(-1).tolist()  # the rest is padding
    clusters = [phrase_to_sub_action[y, :count].argmax(-1).tolist() for y, count in enumerate(phrases)]
    embeddings = [text[y, :count] for y, count in enumerate(phrases)]
    try:
        configuration = parse_configuration(metadata["configuration"])
        class_text = ClassText(embeddings, clusters, phrase_to_sub_action.shape[-1])
        network = build_model(configuration, class_text, len(metadata["channels"]), metadata.get("samples"))
    except ConfigurationError as error:
        raise CheckpointError(f"{path}: its configuration cannot be used: {error}") from None
    load_weights(path, network, stored.weights)
    return network


def _file(model_id: str, name: str, source: Mapping[str, Any]) -> Path:
    """A file of a folder, or of a repository on the hub."""
    if os.path.isdir(model_id):
        return Path(model_id) / name
    return Path(hf_hub_download(repo_id=model_id, filename=name, **source))
