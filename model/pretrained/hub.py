"""What lets a model be taken home: written to a folder or to the Hugging Face hub, and loaded from there.

Owns the two hooks of huggingface_hub's mixin and the content of `config.json`. The weights lie in the project's own
checkpoint beside what each code means, so that a trial's folder and an exported one hold the same file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from torch import Tensor

from model.checkpoint import MODEL_FILE, CheckpointError, Stored, load_weights, read_model, save_model
from model.files import replacing

if TYPE_CHECKING:
    from typing import Self

CONFIG_FILE, CARD_FILE = "config.json", "README.md"
ABOUT = "about"  # the one key of config.json: the mixin takes keys that are named as an argument of the model for it
CARD = """---
{{ card_data }}
---

A codebook of shapes that mean sub-actions. `config.json` names the data, the channels and the sub-actions.

```python
from model.shape_action import ShapeAction

model = ShapeAction.from_pretrained("this folder, or its name on the hub")
tokens = model.tokenize(x)  # x: (recordings, channels, samples), raw
```
"""


class HubModel(PyTorchModelHubMixin, library_name="shape-action-search", model_card_template=CARD):
    """Gives a model `from_pretrained`, `save_pretrained` and `push_to_hub`.

    Attributes:
        about: What the model says of itself, plain values; empty until `describe`.
        code_tensors: What its codes mean, by their names in a checkpoint; empty until `describe`.
        card: The model card that lay beside the weights; "" for none.
    """

    about: Mapping[str, Any] = {}
    code_tensors: Mapping[str, Tensor] = {}
    card: str = ""

    def describe(self, about: Mapping[str, Any], code_tensors: Mapping[str, Tensor]) -> None:
        """Tells the model what it is; both go with it wherever it is written."""
        self.about, self.code_tensors = dict(about), dict(code_tensors)
        self._hub_mixin_config = {ABOUT: self.about}

    def write(self, folder: Path) -> None:
        """Writes checkpoint and `config.json`, each whole or not at all.

        Raises:
            ValueError: The model was never described, so nobody could load it.
        """
        if not self.about:
            raise ValueError("this model has no description; let its run export it")
        save_model(folder / MODEL_FILE, self, self.code_tensors, self.about)  # type: ignore[arg-type]
        with replacing(folder / CONFIG_FILE) as part:
            part.write_text(config_text(self.about), encoding="utf-8")

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """The card that came with the model, or a short one."""
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
        model = rebuild(path, stored, (config or {}).get(ABOUT) or stored.about)
        try:
            model.card = _file(model_id, CARD_FILE, source).read_text(encoding="utf-8")
        except (OSError, EntryNotFoundError):
            model.card = ""  # a model may come without a card
        return model.to(map_location).eval()


def config_text(about: Mapping[str, Any]) -> str:
    """The content of `config.json`."""
    return json.dumps({ABOUT: dict(about)}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def rebuild(path: Path, stored: Stored, about: Mapping[str, Any]) -> Any:
    """The model of a checkpoint; neither its data nor its text encoder is needed.

    Args:
        path: Where it was read, for messages.
        stored: Its content.
        about: What it says of itself.

    Raises:
        CheckpointError: It does not say enough, or its parts do not fit.
    """
    from model.configuration.reading import ConfigurationError, parse_configuration
    from model.network.building import build_model
    from model.network.class_text import ClassText

    lacking = [key for key in ("configuration", "channels", "sub_actions") if key not in about]
    of_the_text = ("teacher.text.text", "teacher.text.phrase_to_sub_action")
    lacking += [name for name in of_the_text if name not in stored.weights]
    if lacking:
        raise CheckpointError(f"{path}: lacks {', '.join(lacking)}; it was not written by a run of this project")
    text, phrase_to_sub_action = (stored.weights[name] for name in of_the_text)
    phrases = (phrase_to_sub_action.sum(-1) > 0).sum(-1).tolist()  # the rest is padding
    clusters = [phrase_to_sub_action[y, :count].argmax(-1).tolist() for y, count in enumerate(phrases)]
    embeddings = [text[y, :count] for y, count in enumerate(phrases)]
    try:
        configuration = parse_configuration(about["configuration"])
        class_text = ClassText(embeddings, clusters, phrase_to_sub_action.shape[-1])
        model = build_model(configuration, class_text, len(about["channels"]), about.get("samples"))
    except ConfigurationError as error:
        raise CheckpointError(f"{path}: its configuration cannot be used: {error}") from None
    load_weights(path, model, stored.weights)
    model.describe(about, stored.tensors)
    return model


def _file(model_id: str, name: str, source: Mapping[str, Any]) -> Path:
    """A file of a folder, or of a repository on the hub."""
    if os.path.isdir(model_id):
        return Path(model_id) / name
    return Path(hf_hub_download(repo_id=model_id, filename=name, **source))
