"""The text of a run: its vocabulary, embedded once, and merged for each trial as that trial wants it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from model.configuration.sections import Merging
from model.network.class_text import ClassText
from model.sub_actions.cut import SubActions, merge_phrases, valid_range
from model.sub_actions.encoder import TextEncoder
from model.sub_actions.scores import embed_titles, nearest_count
from model.sub_actions.vocabulary import Vocabulary
from model.sub_actions.vocabulary_files import VocabularyFiles, vocabulary_files, vocabulary_record

DEFAULT_MERGING = Merging()


class StudyText:
    """Phrases, other wordings and class titles with their embeddings; picklable.

    Attributes:
        vocabulary: Its classes are those of the data, in their order.
        encoder_name: The sentence encoder's.
        embeddings: (phrases, width), in the order of `Vocabulary.all_phrases`.
        titles: What each class is called in words, (classes, width).
        other_wordings: (wordings, width) of each phrase that has others than the first.

    Args:
        vocabulary: As above.
        encoder: Folder or hub name; None for the one that is installed.

    Raises:
        TextEncoderError: The encoder is not there.
    """

    def __init__(self, vocabulary: Vocabulary, encoder: str | None):
        loaded = TextEncoder(encoder)
        self.vocabulary, self.encoder_name = vocabulary, loaded.name
        self.embeddings = loaded.encode(vocabulary.all_phrases())
        self.titles = embed_titles(vocabulary, loaded)
        self.other_wordings: dict[str, np.ndarray] = {
            phrase: loaded.encode(others) for phrase, others in vocabulary.wordings.items()
        }
        self._merged: dict[tuple[int, Merging], SubActions] = {}
        self._files: dict[bytes, VocabularyFiles] = {}

    def merged(self, sub_actions: int, merging: Merging = DEFAULT_MERGING) -> SubActions:
        """The vocabulary merged to exactly `sub_actions` clusters.

        Raises:
            SubActionError: That number is not possible.
        """
        if (sub_actions, merging) not in self._merged:
            self._merged[sub_actions, merging] = merge_phrases(
                self.vocabulary,
                self.embeddings,
                sub_actions,
                linkage=merging.linkage,
                keep_opposites_apart=merging.keep_opposites_apart,
            )
        return self._merged[sub_actions, merging]

    def class_text(self, merged: SubActions) -> ClassText:
        """Embedded phrases of each class with the sub-action of each phrase."""
        embeddings, clusters, others, at = [], [], [], 0
        none = self.embeddings[:0]
        for phrases in self.vocabulary.classes.values():
            rows = slice(at, at + len(phrases))
            embeddings.append(torch.from_numpy(self.embeddings[rows]))
            clusters.append([int(k) for k in merged.cluster[rows]])
            others.append([torch.from_numpy(self.other_wordings.get(phrase, none)) for phrase in phrases])
            at += len(phrases)
        return ClassText(embeddings, clusters, len(merged.names), others)

    def files(self, merged: SubActions) -> VocabularyFiles:
        """What lies beside a checkpoint of these sub-actions: a table of them, and the vocabulary's scores."""
        key = merged.cluster.tobytes()  # whatever merged them so
        if key not in self._files:
            self._files[key] = vocabulary_files(self.vocabulary, merged, self.embeddings, self.titles)
        return self._files[key]

    def record(self, sub_actions: int, merging: Merging = DEFAULT_MERGING) -> dict[str, Any]:
        """What the vocabulary is like at a number of sub-actions, or at the nearest one that is possible."""
        valid = valid_range(self.vocabulary, self.embeddings, merging.linkage, merging.keep_opposites_apart)
        if not valid:
            return vocabulary_record(self.vocabulary, valid, None)
        merged = self.merged(nearest_count(valid, sub_actions), merging)
        return vocabulary_record(self.vocabulary, valid, self.files(merged).scores)
