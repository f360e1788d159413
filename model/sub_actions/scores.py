"""How good the phrases of a vocabulary are: its scores, for people and for files.

The formulas are those of `model.sub_actions.measures`; they need embeddings of phrases and of class titles, no labels
and no recordings. `python -m model.sub_actions.scores FILE...` shows them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.sub_actions.cut import SubActions
from model.sub_actions.measures import (
    KEPT_COSINE,
    NEAR_COSINE,
    Coverage,
    Redundancy,
    Separation,
    TitleRebuilt,
    measure_coverage,
    measure_redundancy,
    measure_separation,
    measure_titles,
    read_merged,
)
from model.sub_actions.vocabulary import Vocabulary

if TYPE_CHECKING:
    from model.sub_actions.encoder import TextEncoder

DECIMALS = 4  # in files: embeddings of two machines differ further down


@dataclass(frozen=True)
class VocabularyScores:
    """The scores of one vocabulary at one number of sub-actions; `model.sub_actions.measures` has the formulas.

    Attributes:
        titles: What each class is called in words; `lines` names classes by it.
    """

    vocabulary: str
    titles: dict[str, str]
    classes: int
    phrases: int
    sub_actions: int
    separation: Separation
    title_rebuilt: TitleRebuilt
    coverage: Coverage
    redundancy: Redundancy

    def lines(self) -> list[str]:
        """Text for people: each score, which direction is good, and what a vocabulary without meaning gets."""
        s, t, c, r = self.separation, self.title_rebuilt, self.coverage, self.redundancy
        least, near, missed = (
            [self.titles[name] for name in names]
            for names in (s.least_set_classes, s.least_meaning_classes, t.not_found)
        )
        return [
            f"scores of {self.vocabulary} at {self.sub_actions} sub-actions, from the text alone",
            f"separation (higher is better): silhouette {s.silhouette:z.2f}; "
            f"{s.silhouette_shuffled:z.2f} with the phrases shuffled between classes",
            f"  sets of two classes differ by {s.set_distance:z.2f} on average, 1 if nothing is shared; "
            f"least {s.least_set_distance:z.2f}, {' and '.join(least)}",
            f"  in meaning by {s.meaning_distance:z.2f}; least {s.least_meaning_distance:z.2f}, {' and '.join(near)}",
            f"title rebuilt (higher is better): {round(t.top1 * self.classes)} of {self.classes} classes find their "
            f"own title, chance 1; mean rank {t.rank:.1f}, chance {t.rank_chance:.1f}, best 1",
            f"  cosine {t.cosine:z.2f} with the own title, {t.cosine_others:z.2f} with the others; "
            f"{t.as_good_by_chance:.1%} of all assignments of titles do as well",
            *([f"  not found: {', '.join(missed)}"] if missed else []),
            f"coverage (higher is better): cosine {c.cosine:z.2f} of a phrase with its sub-action's name; "
            f"{c.cosine_any_two:z.2f} for any two phrases; {c.kept:.0%} at least {KEPT_COSINE}",
            f"redundancy (lower is better): cosine {r.nearest_cosine:z.2f} with the nearest other sub-action; "
            f"{r.near_duplicates:.0%} above {NEAR_COSINE}; {r.repeated_in_class:.0%} of phrases repeat their class",
        ]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for files: strings, whole numbers, numbers of `DECIMALS` digits, and pairs of class names."""
        return {
            "vocabulary": self.vocabulary,
            "classes": self.classes,
            "phrases": self.phrases,
            "sub_actions": self.sub_actions,
            "separation": _plain(self.separation._asdict()),
            "title_rebuilt": _plain(self.title_rebuilt._asdict()),
            "coverage": _plain(self.coverage._asdict()),
            "redundancy": _plain(self.redundancy._asdict()),
        }


def score_vocabulary(
    vocabulary: Vocabulary, merged: SubActions, embeddings: np.ndarray, titles: np.ndarray
) -> VocabularyScores:
    """Scores a vocabulary as it is at one number of sub-actions; the order of classes and phrases does not matter.

    Args:
        vocabulary: The phrases of each class.
        merged: The same phrases, merged.
        embeddings: (phrases, width), in the order of `Vocabulary.all_phrases`.
        titles: (classes, width), embedding of each class's title, as `embed_titles` gives them.

    Raises:
        ValueError: The embeddings do not fit the phrases or the classes.
    """
    text = read_merged(merged, embeddings, titles)
    return VocabularyScores(
        vocabulary=vocabulary.name,
        titles={name: vocabulary.title(name) for name in vocabulary.class_names},
        classes=len(text.class_names),
        phrases=len(text.texts),
        sub_actions=len(merged.names),
        separation=measure_separation(text),
        title_rebuilt=measure_titles(text),
        coverage=measure_coverage(text),
        redundancy=measure_redundancy(text),
    )


def embed_titles(vocabulary: Vocabulary, encoder: TextEncoder) -> np.ndarray:
    """The embedding of what each class is called in words, (classes, width)."""
    return encoder.encode([vocabulary.title(name) for name in vocabulary.class_names])


def usual_count(classes: int) -> int:
    """How many sub-actions to score a vocabulary at where nobody says it."""
    return max(12, 2 * classes)


def nearest_count(valid: Sequence[int], wanted: int) -> int:
    """The valid number of sub-actions nearest to the wanted one, the larger of two that are as near.

    Args:
        valid: As `model.sub_actions.cut.valid_range` gives it, not empty.
        wanted: Any number.
    """
    return min(valid, key=lambda k: (abs(k - wanted), -k))


def compact_range(numbers: Sequence[int]) -> str:
    """Ascending numbers with a dash for those that follow each other, such as "4, 7-32"; "none" for none."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs) or "none"


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, DECIMALS) if isinstance(v, float) else list(v) for k, v in values.items()}


if __name__ == "__main__":
    from model.sub_actions.scores_command import main

    sys.exit(main())
