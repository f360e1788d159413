"""How good the phrases of a vocabulary are: its scores, for people and for files, and the command line that shows them.

`python -m model.vocabulary_scores FILE...` prints one table over vocabulary files. The formulas are those of
`model.vocabulary_measures`; they need the text encoder and nothing else, no labels and no recordings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model.sub_actions import SubActionError, SubActions, load_vocabulary, merge_phrases, valid_range
from model.vocabulary import Vocabulary
from model.vocabulary_measures import (
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

if TYPE_CHECKING:
    from model.text_encoder import TextEncoder

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
USUAL_K = 12  # as in model.configuration
DECIMALS = 4  # in files: embeddings of two machines differ further down
TABLE_WIDTH = 170  # in a narrower terminal lines go on in the next one, and no figure is cut


@dataclass(frozen=True)
class VocabularyScores:
    """The scores of one vocabulary at one number of sub-actions; `model.vocabulary_measures` has the formulas."""

    vocabulary: str
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
        least, near = " and ".join(s.least_set_classes), " and ".join(s.least_meaning_classes)
        return [
            f"scores of {self.vocabulary} at {self.sub_actions} sub-actions, from the text alone",
            f"separation (higher is better): silhouette {s.silhouette:.2f}; "
            f"{s.silhouette_shuffled:.2f} with the phrases shuffled between classes",
            f"  sets of two classes differ by {s.set_distance:.2f} on average, 1 if nothing is shared; "
            f"least {s.least_set_distance:.2f}, {least}",
            f"  in meaning by {s.meaning_distance:.2f}; least {s.least_meaning_distance:.2f}, {near}",
            f"title rebuilt (higher is better): {round(t.top1 * self.classes)} of {self.classes} classes find their "
            f"own title, chance 1; mean rank {t.rank:.1f}, chance {t.rank_chance:.1f}, best 1",
            f"  cosine {t.cosine:.2f} with the own title, {t.cosine_others:.2f} with the others; "
            f"{t.as_good_by_chance:.1%} of all assignments of titles do as well",
            f"coverage (higher is better): cosine {c.cosine:.2f} of a phrase with its sub-action's name; "
            f"{c.cosine_any_two:.2f} for any two phrases; {c.kept:.0%} at least {KEPT_COSINE}",
            f"redundancy (lower is better): cosine {r.nearest_cosine:.2f} with the nearest other sub-action; "
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


def nearest_count(valid: Sequence[int], wanted: int) -> int:
    """The valid number of sub-actions nearest to the wanted one, the larger of two that are as near.

    Args:
        valid: As `model.sub_actions.valid_range` gives it, not empty.
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        The exit code: 0, 2 for input that cannot be used, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        return _show(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.vocabulary_scores", description="Score the phrases of vocabulary files, from text alone."
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="for example spaces/sub_actions/*.yaml")
    parser.add_argument("--k", type=int, help=f"sub-actions; without it the valid number nearest to {USUAL_K}")
    parser.add_argument("--text-encoder", help="folder or name on the hub, instead of the one that is installed")
    return parser


def _show(options: argparse.Namespace) -> int:
    vocabularies = [load_vocabulary(file) for file in options.files]  # all, before the encoder takes its time

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from model.text_encoder import TextEncoder

    encoder = TextEncoder(options.text_encoder)
    table = Table("vocabulary", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for file, vocabulary in zip(options.files, vocabularies, strict=True):
        try:
            scores, valid = _score(vocabulary, encoder, options.k)
        except ValueError as error:
            raise SubActionError(f"{file}: {error}") from None
        table.add_row(file.stem, *_row(scores, valid))
    console = Console(width=max(Console().width, TABLE_WIDTH))
    console.print(table)
    if len(vocabularies) == 1:
        for line in scores.lines():
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _score(vocabulary: Vocabulary, encoder: TextEncoder, k: int | None) -> tuple[VocabularyScores, list[int]]:
    embeddings, titles = encoder.encode(vocabulary.all_phrases()), embed_titles(vocabulary, encoder)
    valid = valid_range(vocabulary, embeddings)
    if not valid:
        k = len(set(vocabulary.all_phrases()))  # merging to it says which classes are the same
    merged = merge_phrases(vocabulary, embeddings, nearest_count(valid, USUAL_K) if k is None else k)
    return score_vocabulary(vocabulary, merged, embeddings, titles), valid


COLUMNS = (
    "classes",
    "phrases",
    "valid K",
    "K",
    "silhouette\n(shuffled)",
    "sets differ\nmean, least",
    "meaning\nmean, least",
    "own title\nfound",
    "rank\n(chance)",
    "as good\nby chance",
    f"coverage\n≥ {KEPT_COSINE}",
    f"nearest\n> {NEAR_COSINE}",
    "repeated\nin class",
)


def _row(scores: VocabularyScores, valid: list[int]) -> list[str]:
    s, t, c, r = scores.separation, scores.title_rebuilt, scores.coverage, scores.redundancy
    return [
        str(scores.classes),
        str(scores.phrases),
        compact_range(valid),
        str(scores.sub_actions),
        f"{s.silhouette:.2f} ({s.silhouette_shuffled:.2f})",
        f"{s.set_distance:.2f}, {s.least_set_distance:.2f}",
        f"{s.meaning_distance:.2f}, {s.least_meaning_distance:.2f}",
        f"{round(t.top1 * scores.classes)} of {scores.classes}",
        f"{t.rank:.1f} ({t.rank_chance:.1f})",
        f"{t.as_good_by_chance:.1%}",
        f"{c.cosine:.2f} {c.kept:.0%}",
        f"{r.nearest_cosine:.2f} {r.near_duplicates:.0%}",
        f"{r.repeated_in_class:.0%}",
    ]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, DECIMALS) if isinstance(v, float) else list(v) for k, v in values.items()}


if __name__ == "__main__":
    sys.exit(main())
