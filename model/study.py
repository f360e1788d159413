"""The study that a search explores: shapes against actions.

What all trials of a run share (the data set, the vocabulary and its embeddings, each loaded once), and one point of
the search turned into a training run. Importing it loads no torch, so that a configuration is checked at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from model.configuration.reading import Configuration, ConfigurationError, parse_configuration, resolve_configuration
from model.configuration.sections import Merging
from model.dataset.loading import Dataset, draw_validation, load_dataset
from model.evaluation.names import METRICS
from model.sub_actions.alternatives import ownership_sets
from model.sub_actions.cut import SubActions, merge_phrases, valid_range
from model.sub_actions.scores import VocabularyFiles, nearest_count, vocabulary_files, vocabulary_record
from model.sub_actions.vocabulary import Vocabulary, load_vocabulary, match_classes

if TYPE_CHECKING:
    from model.checkpoint import Stored
    from model.network.alignment import ClassText
    from model.network.batch import Batch
    from model.network.teacher import AnswerKey
    from model.training.run import ShapeActionRun

DEFAULT_MERGING = Merging()


class StudyText:
    """Phrases, other wordings and class titles with their embeddings; picklable.

    The encoder is a folder or a hub name; None is the one that is installed.

    Attributes:
        vocabulary: Its classes are those of the data, in their order.
        encoder_name: The sentence encoder's.
        embeddings: (phrases, width), in the order of `Vocabulary.all_phrases`.
        titles: What each class is called in words, (classes, width).
        other_wordings: (wordings, width) of each phrase that has others than the first.

    Raises:
        TextEncoderError: The encoder is not there.
    """

    def __init__(self, vocabulary: Vocabulary, encoder: str | None):
        from model.sub_actions.encoder import TextEncoder

        loaded = TextEncoder(encoder)
        self.vocabulary, self.encoder_name = vocabulary, loaded.name
        self.embeddings = loaded.encode(vocabulary.all_phrases())
        self.titles = loaded.encode(vocabulary.class_titles())
        self.other_wordings: dict[str, np.ndarray] = {
            phrase: loaded.encode(others) for phrase, others in vocabulary.wordings.items()
        }
        self._merged: dict[tuple[int, Merging], SubActions] = {}
        self._files: dict[bytes, VocabularyFiles] = {}

    def merged(self, sub_actions: int, merging: Merging = DEFAULT_MERGING) -> SubActions:
        """Return the vocabulary merged to exactly `sub_actions` clusters.

        Raises:
            SubActionError: That number is not possible.
        """
        if (sub_actions, merging) not in self._merged:
            self._merged[sub_actions, merging] = merge_phrases(
                self.vocabulary, self.embeddings, sub_actions, merging.linkage, merging.apart
            )
        return self._merged[sub_actions, merging]

    def class_text(self, merged: SubActions) -> ClassText:
        """Return the embedded phrases of each class with the sub-action of each phrase."""
        import torch

        from model.network.alignment import ClassText

        of_class = list(self.vocabulary.classes.values())
        ends = np.cumsum([len(phrases) for phrases in of_class])[:-1]
        embeddings = [torch.tensor(rows) for rows in np.split(self.embeddings, ends)]
        clusters = [rows.tolist() for rows in np.split(merged.cluster, ends)]
        none = self.embeddings[:0]
        others = [[torch.tensor(self.other_wordings.get(p, none)) for p in phrases] for phrases in of_class]
        return ClassText(embeddings, clusters, len(merged.names), others)

    def files(self, merged: SubActions) -> VocabularyFiles:
        """Return what lies beside a checkpoint of these sub-actions: a table of them, and the vocabulary's scores."""
        key = merged.cluster.tobytes()  # whatever merged them so
        if key not in self._files:
            self._files[key] = vocabulary_files(self.vocabulary, merged, self.embeddings, self.titles)
        return self._files[key]

    def record(self, sub_actions: int, merging: Merging = DEFAULT_MERGING) -> dict[str, Any]:
        """Return what the vocabulary is like at a number of sub-actions, or at the nearest one that is possible."""
        valid = valid_range(self.vocabulary, self.embeddings, merging.linkage, merging.apart)
        if not valid:
            return vocabulary_record(self.vocabulary, valid, None)
        merged = self.merged(nearest_count(valid, sub_actions), merging)
        return vocabulary_record(self.vocabulary, valid, self.files(merged).scores)


class ShapeActionStudy:
    """Data, vocabulary and text embeddings of a run; picklable, and made once.

    With `data.split_seed: drawn` each training has the validation part that its seed draws, see `split_of`; `dataset`,
    what is recorded of it and the test part are the same for all.

    Args:
        resolved: A configuration as `resolve` gives it; parameters of the search may be missing.

    Raises:
        ValueError: The data, the vocabulary or the text encoder cannot be used; one line that says why.
    """

    metrics: ClassVar[tuple[str, ...]] = METRICS  # names of what a trial measures
    continuable: ClassVar[tuple[str, ...]] = ("action_weight",)  # what may change from stage to stage
    pictures: ClassVar[str] = "results.atlas"  # draws an exported model

    def __init__(self, resolved: Mapping[str, Any]):
        c = parse_configuration(resolved)
        with _blaming("data"):
            self.dataset = load_dataset(
                c.data.source,
                length=c.architecture.length,
                validation_fraction=c.data.validation_fraction,
                split_seed=c.data.shared_seed,
            )
        with _blaming("vocabulary"):
            vocabulary = load_vocabulary(c.vocabulary)
            matched = match_classes(vocabulary, self.dataset.class_names)
        with _blaming("text_encoder"):
            self.text = StudyText(matched, c.text_encoder)
        self._configured = c
        # What every trial shares; a trial may not ask for anything else.
        self._shared = self._shared_part(c)
        self._on_device: dict[str, tuple[Batch, Batch]] = {}
        self._keys: dict[str, Stored] = {}  # answer keys by name, with what they are worth
        self._drawn: tuple[int, Dataset] | None = None

    @classmethod
    def resolve(cls, fixed: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Fill in defaults, make paths, which are relative to `folder`, absolute, and inline the vocabulary.

        `fixed` is the configuration without the searched parameters; keys as in
        `model.configuration.reading.Configuration`.

        Raises:
            ConfigurationError: Names the dotted key.
        """
        return resolve_configuration(fixed, folder)

    def check(self, configuration: Mapping[str, Any]) -> None:
        """Refuse a point that cannot be trained.

        Raises:
            ValueError: One line that names the key: an unknown key, a value out of range, or a number of sub-actions
                at which two classes own the same set or that `merging` cannot reach.
        """
        c = parse_configuration(configuration)
        if self._shared_part(c) != self._shared:
            raise ConfigurationError(
                "data, vocabulary, text_encoder, architecture.length and alignment.key_steps are shared by all trials "
                "of a run: they cannot be searched"
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

    def prepare(self, configurations: Sequence[Mapping[str, Any]], folder: Path) -> list[str]:
        """Train the answer keys that these configurations need, or find them in `folder`; `answer_key` has more.

        Returns:
            A line per number of sub-actions: how many can be told apart, and what its key is worth.
        """
        asked = {self._key_name(c): c for c in map(parse_configuration, configurations)}
        lines = []
        for c in sorted(asked.values(), key=lambda one: one.num_sub_actions):
            self.answer_key(c, folder)
            distinct = len(set(ownership_sets(self.text.merged(c.num_sub_actions, c.merging).owned)))
            quality = self._keys[self._key_name(c)].about
            lines.append(
                f"K = {c.num_sub_actions}: {distinct} sub-actions have different owners; answer key: information "
                f"{quality['information']:.2f}, beyond the class {quality['specificity']:.2f}, "
                f"{quality['agreement']:.0%} named alike by another seed"
            )
        return lines

    def answer_key(self, c: Configuration, folder: Path | None = None) -> AnswerKey:
        """Return the key that marks a configuration's trials, on the CPU: the same for all with the same sub-actions.

        It depends on the data, on the vocabulary and its merging, and on the number and the kind of windows, and on
        nothing else that a search may change. In `folder`, where one is given, it is looked for and kept.
        """
        from model.network.batch import as_batch
        from model.training.answer_key import provide_key

        text = self.text.class_text(self.text.merged(c.num_sub_actions, c.merging))
        split = as_batch(self.dataset.train, "cpu"), as_batch(self.dataset.validation, "cpu")  # never a drawn one
        return provide_key(self._keys, self._key_name(c), c, text, split, folder)

    def _key_name(self, c: Configuration) -> str:
        merged = self.text.merged(c.num_sub_actions, c.merging)
        asked = [merged.cluster.tolist(), c.architecture.tokens, c.windows.placement, c.alignment.key_steps]
        digest = hashlib.sha256(json.dumps([asked, self.dataset.fingerprint, self._shared]).encode()).hexdigest()
        return f"answer_key_{c.num_sub_actions}_{digest[:12]}"

    def provenance(self) -> dict[str, Any]:
        """Return where the data and the text come from, for the run's record."""
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
        """Return a training run of one complete configuration on `device` ("cpu", "cuda" or "cuda:0").

        Where torch's default process group has several members and each begins the same trial, they share the
        recordings of every step.
        """
        import torch

        from model.training.replicas import Replicas
        from model.training.run import ShapeActionRun

        c = parse_configuration(configuration)
        if c.threads is not None:
            torch.set_num_threads(c.threads)
        train, validation = self._batches(c, device)
        merged, replicas = self.text.merged(c.num_sub_actions, c.merging), Replicas.of_process_group()
        text, files = self.text.class_text(merged), self.text.files(merged)
        return ShapeActionRun(c, train, validation, text, self.metadata(c), replicas, files, self.answer_key(c))

    def metadata(self, c: Configuration) -> dict[str, Any]:
        """Return what an exported model says of itself."""
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
        """Return the test part, for a final figure only; None where the data has none."""
        from model.network.batch import as_batch

        return None if self.dataset.test is None else as_batch(self.dataset.test, device)

    def split_of(self, c: Configuration) -> Dataset:
        """Return the data as a training with this configuration sees them; the last drawn split is kept.

        Raises:
            ConfigurationError: No split can be drawn with its seed.
        """
        if c.data.split_seed != "drawn":
            return self.dataset
        if self._drawn is None or self._drawn[0] != c.seed:
            with _blaming("data"):
                self._drawn = c.seed, draw_validation(self.dataset, c.data.validation_fraction, c.seed)
            self._on_device = {}
        return self._drawn[1]

    def _batches(self, c: Configuration, device: str) -> tuple[Batch, Batch]:
        from model.network.batch import as_batch

        data = self.split_of(c)
        if device not in self._on_device:
            self._on_device[device] = (as_batch(data.train, device), as_batch(data.validation, device))
        return self._on_device[device]

    def _shared_part(self, c: Configuration) -> dict[str, Any]:
        return {
            "data": c.data.model_dump(mode="json"),
            "vocabulary": c.vocabulary,
            "text_encoder": c.text_encoder,
            "length": c.architecture.length,
            "key_steps": c.alignment.key_steps,
        }

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_on_device": {}, "_drawn": None}


@contextmanager
def _blaming(key: str) -> Iterator[None]:
    """Put the dotted key in front of whatever is wrong with its value."""
    try:
        yield
    except ValueError as error:
        raise ConfigurationError(f"{key}: {error}") from error
