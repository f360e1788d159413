"""What a run folder says of the vocabulary: a record for the run, and two files beside each checkpoint.

`sub_actions.csv` has a row per sub-action, `vocabulary.json` the scores at the trial's number of sub-actions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.files import replacing, write_table
from model.sub_actions.cut import SubActions
from model.sub_actions.measures import nearest_others, read_merged
from model.sub_actions.scores import VocabularyScores, compact_range, score_vocabulary
from model.sub_actions.vocabulary import Vocabulary

SUB_ACTIONS_FILE = "sub_actions.csv"
SCORES_FILE = "vocabulary.json"  # not YAML: beside a checkpoint that is a configuration
HEADER = ("sub_action", "name", "phrases", "classes", "owned", "cosine", "nearest", "nearest_cosine")
BETWEEN = " | "  # phrases have commas


@dataclass(frozen=True, eq=False)
class VocabularyFiles:
    """The two files of one trial.

    Attributes:
        scores: At the trial's number of sub-actions.
        rows: A tuple per sub-action, in the order of `HEADER`.
    """

    scores: VocabularyScores
    rows: tuple[tuple[object, ...], ...]

    def write(self, folder: Path) -> None:
        """Writes both; earlier files of their names are replaced."""
        write_table(folder / SUB_ACTIONS_FILE, HEADER, self.rows)
        with replacing(folder / SCORES_FILE) as part:
            part.write_text(json.dumps(self.scores.as_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def vocabulary_files(
    vocabulary: Vocabulary, merged: SubActions, embeddings: np.ndarray, titles: np.ndarray
) -> VocabularyFiles:
    """Measures what the files of a trial say; arguments as for `score_vocabulary`."""
    scores = score_vocabulary(vocabulary, merged, embeddings, titles)
    return VocabularyFiles(scores, tuple(_rows(merged, embeddings, titles)))


def vocabulary_record(vocabulary: Vocabulary, valid: Sequence[int], scores: VocabularyScores | None) -> dict[str, Any]:
    """What the record of a run says of its vocabulary, in plain values.

    Args:
        vocabulary: The phrases of each class.
        valid: Every number of sub-actions at which all classes own different ones.
        scores: At one of them; None where there is none.
    """
    measured = {} if scores is None else scores.as_dict()
    return {
        "name": vocabulary.name,
        "style": vocabulary.style,
        "phrases": len(vocabulary.all_phrases()),
        "different_phrases": len(set(vocabulary.all_phrases())),
        "valid_num_sub_actions": compact_range(valid),
        "scores": {k: v for k, v in measured.items() if k not in ("vocabulary", "classes", "phrases")},
    }


def _rows(merged: SubActions, embeddings: np.ndarray, titles: np.ndarray) -> list[tuple[object, ...]]:
    """One row per sub-action; `cosine` is the mean over its different phrases of that with its name."""
    text = read_merged(merged, embeddings, titles)
    nearest, closeness = nearest_others(text.positions)
    rows: list[tuple[object, ...]] = []
    for k, name in enumerate(merged.names):
        row_of = {text.texts[i]: i for i in np.flatnonzero(text.cluster == k)}
        phrases = sorted(row_of)
        owners = [merged.class_names[y] for y in np.flatnonzero(merged.owned[:, k])]
        cosine = float((text.phrases[[row_of[phrase] for phrase in phrases]] @ text.positions[k]).mean())
        owned = "shared" if len(owners) > 1 else "own"
        neighbour = (merged.names[nearest[k]], f"{closeness[k]:.3f}")
        rows.append((k, name, BETWEEN.join(phrases), BETWEEN.join(owners), owned, f"{cosine:.3f}", *neighbour))
    return rows
