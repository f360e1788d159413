"""How good the phrases of a vocabulary are, for people and for files.

The formulas are those of `model.sub_actions.measures`; they need embeddings of phrases and of class titles, no labels
and no recordings. A run folder says it in a record for the run, and in two files beside each checkpoint:
`sub_actions.csv` has a row per sub-action, `vocabulary.json` the scores at the trial's number of sub-actions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from model.files import replacing, write_table
from model.sub_actions.alternatives import BETWEEN, ownership_sets
from model.sub_actions.cut import SubActions, compact_range
from model.sub_actions.measures import (
    KEPT_COSINE,
    NEAR_COSINE,
    Coverage,
    Redundancy,
    Separation,
    TitleRebuilt,
    measure_coverage,
    measure_identified,
    measure_redundancy,
    measure_separation,
    measure_titles,
    nearest_others,
    read_merged,
)
from model.sub_actions.vocabulary import Vocabulary

SUB_ACTIONS_FILE = "sub_actions.csv"
SCORES_FILE = "vocabulary.json"  # not YAML: beside a checkpoint that is a configuration
HEADER = ("sub_action", "name", "phrases", "classes", "owned", "alternatives", "cosine", "nearest", "nearest_cosine")
DECIMALS = 4  # in files: embeddings of two machines differ further down


class Alike(NamedTuple):
    """Sub-actions that exactly the same classes own, by name, and these classes."""

    sub_actions: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class VocabularyScores:
    """The scores of one vocabulary at one number of sub-actions; `model.sub_actions.measures` has the formulas."""

    vocabulary: str
    titles: dict[str, str]  # what each class is called in words; `lines` names classes by it
    classes: int
    phrases: int
    sub_actions: int
    identifiable: float  # different ownership sets / sub-actions
    alike: tuple[Alike, ...]
    separation: Separation
    title_rebuilt: TitleRebuilt
    coverage: Coverage
    redundancy: Redundancy

    def lines(self) -> list[str]:
        """Return text for people: each score, which direction is good, and what a vocabulary without meaning gets."""
        s, t, c, r = self.separation, self.title_rebuilt, self.coverage, self.redundancy
        least, near, missed = (
            [self.titles[name] for name in names]
            for names in (s.least_set_classes, s.least_meaning_classes, t.not_found)
        )
        return [
            f"scores of {self.vocabulary} at {self.sub_actions} sub-actions, from the text alone",
            f"identifiable (higher is better): {self._identified()}",
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

    def _identified(self) -> str:
        alike = (
            f"{BETWEEN.join(map(repr, one.sub_actions))} ({', '.join(self.titles[name] for name in one.classes)})"
            for one in self.alike
        )
        told = f"{round(self.identifiable * self.sub_actions)} different ownerships of {self.sub_actions} sub-actions"
        return f"{told}; cannot be told apart: {'; '.join(alike)}" if self.alike else told

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for files: strings, numbers of at most `DECIMALS` digits, and lists of class names."""
        measures = ("separation", "title_rebuilt", "coverage", "redundancy")
        return {
            **{name: getattr(self, name) for name in ("vocabulary", "classes", "phrases", "sub_actions")},
            "identifiable": round(self.identifiable, DECIMALS),
            "alternatives": [list(one.sub_actions) for one in self.alike],
            **{name: _plain(getattr(self, name)._asdict()) for name in measures},
        }


def score_vocabulary(
    vocabulary: Vocabulary, merged: SubActions, embeddings: np.ndarray, titles: np.ndarray
) -> VocabularyScores:
    """Score a vocabulary as it is at one number of sub-actions; the order of classes and phrases does not matter.

    Args:
        vocabulary: The phrases of each class.
        merged: The same phrases, merged.
        embeddings: (phrases, width), in the order of `Vocabulary.all_phrases`.
        titles: (classes, width), embeddings of `Vocabulary.class_titles`.

    Raises:
        ValueError: The embeddings do not fit the phrases or the classes.
    """
    text = read_merged(merged, embeddings, titles)
    identified = measure_identified(text)
    return VocabularyScores(
        vocabulary=vocabulary.name,
        titles={name: vocabulary.title(name) for name in vocabulary.class_names},
        classes=len(text.class_names),
        phrases=len(text.texts),
        sub_actions=len(merged.names),
        identifiable=identified.share,
        alike=tuple(
            Alike(
                tuple(merged.names[k] for k in members),
                tuple(text.class_names[y] for y in np.flatnonzero(text.owned[:, members[0]])),
            )
            for members in identified.together
        ),
        separation=measure_separation(text),
        title_rebuilt=measure_titles(text),
        coverage=measure_coverage(text),
        redundancy=measure_redundancy(text),
    )


@dataclass(frozen=True, eq=False)
class VocabularyFiles:
    """The two files of one trial."""

    scores: VocabularyScores  # at the trial's number of sub-actions
    rows: tuple[tuple[object, ...], ...]  # one per sub-action, in the order of `HEADER`

    def write(self, folder: Path) -> None:
        """Write both; earlier files of their names are replaced."""
        write_table(folder / SUB_ACTIONS_FILE, HEADER, self.rows)
        with replacing(folder / SCORES_FILE) as part:
            part.write_text(json.dumps(self.scores.as_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def vocabulary_files(
    vocabulary: Vocabulary, merged: SubActions, embeddings: np.ndarray, titles: np.ndarray
) -> VocabularyFiles:
    """Measure what the files of a trial say; arguments as for `score_vocabulary`."""
    scores = score_vocabulary(vocabulary, merged, embeddings, titles)
    return VocabularyFiles(scores, tuple(_rows(merged, embeddings, titles)))


def vocabulary_record(vocabulary: Vocabulary, valid: Sequence[int], scores: VocabularyScores | None) -> dict[str, Any]:
    """Return what the record of a run says of its vocabulary, in plain values.

    All classes own different sub-actions at each `valid` number of them; the scores are those at one of these, or None.
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


def usual_count(classes: int) -> int:
    """Return how many sub-actions to score a vocabulary at where nobody says it."""
    return max(12, 2 * classes)


def nearest_count(valid: Sequence[int], wanted: int) -> int:
    """Return which valid number, of at least one, is nearest to the wanted one: the larger of two that are as near."""
    return min(valid, key=lambda k: (abs(k - wanted), -k))


def _rows(merged: SubActions, embeddings: np.ndarray, titles: np.ndarray) -> Iterator[tuple[object, ...]]:
    """Yield a row per sub-action; `cosine` is the mean over its different phrases of that with its name."""
    text = read_merged(merged, embeddings, titles)
    nearest, closeness = nearest_others(text.positions)
    set_of = ownership_sets(text.owned)
    for k, name in enumerate(merged.names):
        row_of = {text.texts[i]: i for i in np.flatnonzero(text.cluster == k)}
        phrases, owners = merged.phrases_of(k), merged.owners_of(k)
        cosine = float((text.phrases[[row_of[phrase] for phrase in phrases]] @ text.positions[k]).mean())
        alike = [merged.names[i] for i in np.flatnonzero(set_of == set_of[k]) if i != k]
        owned = "shared" if len(owners) > 1 else "own"
        neighbour = (merged.names[nearest[k]], f"{closeness[k]:.3f}")
        who = (BETWEEN.join(owners), owned, BETWEEN.join(alike))
        yield k, name, BETWEEN.join(phrases), *who, f"{cosine:.3f}", *neighbour


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, DECIMALS) if isinstance(v, float) else list(v) for k, v in values.items()}
