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

from model.configuration.reading import Configuration, ConfigurationError, parse_configuration, resolve_configuration
from model.evaluation.names import METRICS

if TYPE_CHECKING:
    from model.dataset.loading import Recordings
    from model.training.losses import Batch
    from model.training.run import ShapeActionRun


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
        from model.dataset.loading import load_dataset
        from model.study_text import StudyText
        from model.sub_actions.cut import load_vocabulary, match_classes

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
            matched = match_classes(vocabulary, self.dataset.class_names)
        with _blaming("text_encoder"):
            self.text = StudyText(matched, c.text_encoder)
        self._configured = c
        # What every trial shares; a trial may not ask for anything else.
        self._shared = self._shared_part(c)
        self._on_device: dict[str, tuple[Batch, Batch]] = {}

    @classmethod
    def resolve(cls, fixed: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Fills in defaults, makes paths absolute and inlines the vocabulary.

        Args:
            fixed: The configuration without the searched parameters; keys as in
                `model.configuration.reading.Configuration`.
            folder: What relative paths are relative to.

        Raises:
            ConfigurationError: Names the dotted key.
        """
        return resolve_configuration(fixed, folder)

    def check(self, configuration: Mapping[str, Any]) -> None:
        """Refuses a point that cannot be trained.

        Raises:
            ValueError: One line that names the key: an unknown key, a value out of range, or a number of sub-actions
                at which two classes own the same set or that `merging` cannot reach.
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
        if c.training.wordings == "drawn" and not self.text.other_wordings:
            raise ConfigurationError(
                f"training.wordings: drawn, but the vocabulary {self.text.vocabulary.name} has one wording of each "
                "phrase; add its key wordings, or take first"
            )
        with _blaming("num_sub_actions"):
            self.text.merged(c.num_sub_actions, c.merging)

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
            "text_encoder": self.text.encoder_name,
            "vocabulary": self.text.record(self._configured.num_sub_actions, self._configured.merging),
        }

    def trial(self, configuration: Mapping[str, Any], device: str) -> ShapeActionRun:
        """A training run of one complete configuration on `device` ("cpu", "cuda" or "cuda:0").

        Where torch's default process group has several members and each begins the same trial, they share the
        recordings of every step.
        """
        import torch

        from model.training.replicas import Replicas
        from model.training.run import ShapeActionRun

        c = parse_configuration(configuration)
        if c.threads is not None:
            torch.set_num_threads(c.threads)
        train, validation = self._batches(device)
        merged, replicas = self.text.merged(c.num_sub_actions, c.merging), Replicas.of_process_group()
        text, files = self.text.class_text(merged), self.text.files(merged)
        return ShapeActionRun(c, train, validation, text, self.about(c), replicas, files)

    def about(self, c: Configuration) -> dict[str, Any]:
        """What an exported model says of itself."""
        merged = self.text.merged(c.num_sub_actions, c.merging)
        return {
            "configuration": json.loads(c.model_dump_json()),
            "classes": list(self.dataset.class_names),
            "channels": list(self.dataset.channel_names),
            "sub_actions": list(merged.names),
            "owned": merged.owned.astype(int).tolist(),
            "dataset": self.dataset.name,
            "samples": int(self.dataset.train.x.shape[-1]),
            "native_samples": self.dataset.native_length,
            "rate_hz": self.dataset.rate_hz,
        }

    def test_split(self, device: str) -> Batch | None:
        """The test part, for a final figure only; None where the data has none."""
        return None if self.dataset.test is None else as_batch(self.dataset.test, device)

    def _batches(self, device: str) -> tuple[Batch, Batch]:
        if device not in self._on_device:
            self._on_device[device] = (
                as_batch(self.dataset.train, device),
                as_batch(self.dataset.validation, device),
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


def as_batch(part: Recordings, device: str) -> Batch:
    """One part of a data set as tensors on `device`."""
    import numpy as np
    import torch

    from model.dataset.preprocessing import series_levels
    from model.training.losses import Batch

    # In one memory layout whatever the source: sums over another layout differ in the last digit.
    x = torch.tensor(np.ascontiguousarray(part.x), device=device)
    level = torch.tensor(series_levels(part.x, part.mean, part.scale), device=device)
    return Batch(x, torch.tensor(part.y, device=device), level)
