"""Shows the scores of vocabulary files in one table: `python -m model.sub_actions.scores FILE...`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model.command import run_command
from model.sub_actions.cut import SubActionError, Vocabulary, load_vocabulary, merge_phrases, valid_range
from model.sub_actions.measures import KEPT_COSINE, NEAR_COSINE
from model.sub_actions.scores import (
    VocabularyScores,
    compact_range,
    embed_titles,
    nearest_count,
    score_vocabulary,
    usual_count,
)

if TYPE_CHECKING:
    from model.sub_actions.encoder import TextEncoder

TABLE_WIDTH = 170  # in a narrower terminal lines go on in the next one, and no figure is cut
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        The exit code: 0, 2 for input that cannot be used, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    return run_command(lambda: _show(options), stopped="stopped")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.sub_actions.scores", description="Score the phrases of vocabulary files, from text alone."
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="for example spaces/sub_actions/*.yaml")
    parser.add_argument("--k", type=int, help="sub-actions; without it about 12, or 2 a class if that is more")
    parser.add_argument("--text-encoder", help="folder or name on the hub, instead of the one that is installed")
    return parser


def _show(options: argparse.Namespace) -> int:
    vocabularies = [load_vocabulary(file) for file in options.files]  # all, before the encoder takes its time

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from model.sub_actions.encoder import TextEncoder

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
    usual = usual_count(len(vocabulary.classes))
    merged = merge_phrases(vocabulary, embeddings, nearest_count(valid, usual) if k is None else k)
    return score_vocabulary(vocabulary, merged, embeddings, titles), valid


def _row(scores: VocabularyScores, valid: list[int]) -> list[str]:
    s, t, c, r = scores.separation, scores.title_rebuilt, scores.coverage, scores.redundancy
    return [
        str(scores.classes),
        str(scores.phrases),
        compact_range(valid),
        str(scores.sub_actions),
        f"{s.silhouette:z.2f} ({s.silhouette_shuffled:z.2f})",
        f"{s.set_distance:z.2f}, {s.least_set_distance:z.2f}",
        f"{s.meaning_distance:z.2f}, {s.least_meaning_distance:z.2f}",
        f"{round(t.top1 * scores.classes)} of {scores.classes}",
        f"{t.rank:.1f} ({t.rank_chance:.1f})",
        f"{t.as_good_by_chance:.1%}",
        f"{c.cosine:z.2f} {c.kept:.0%}",
        f"{r.nearest_cosine:z.2f} {r.near_duplicates:.0%}",
        f"{r.repeated_in_class:.0%}",
    ]
