"""The command line `python -m model.sub_actions FILE`: shows and draws what becomes of a vocabulary's phrases."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, get_args

from rich.console import Console

from model.command import run_command
from model.configuration.reading import Configuration
from model.configuration.sections import Merging
from model.sub_actions.cut import SubActionError, SubActions, cut_tree, load_vocabulary, valid_cuts
from model.sub_actions.scores import compact_range, embed_titles, nearest_count
from model.sub_actions.tables import counts, remarks, tables, warnings
from model.sub_actions.tree import Linkage, MergeTree
from model.sub_actions.vocabulary import Vocabulary
from model.sub_actions.vocabulary_files import SCORES_FILE, SUB_ACTIONS_FILE, VocabularyFiles, vocabulary_files

OUT = Path("runs/vocabularies")
PIPE_WIDTH = 160  # columns where the output is no terminal
USUAL_COUNT: int = Configuration.model_fields["num_sub_actions"].default
USUAL = Merging()


class _OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other mistake."""

    def error(self, message: str) -> NoReturn:
        raise SubActionError(f"{message} (--help lists the options)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        The exit code: 0, 2 for input that cannot be used, 130 after Ctrl-C.
    """
    return run_command(lambda: _run(_parser().parse_args(arguments)), stopped="stopped")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="python -m model.sub_actions",
        description="Merge the phrases of a vocabulary to sub-actions and show how.",
    )
    parser.add_argument("file", type=Path, help="a vocabulary, for example spaces/sub_actions/basic_motions.yaml")
    stop = parser.add_mutually_exclusive_group()
    stop.add_argument("--k", type=_count, help=f"number of sub-actions (default: {USUAL_COUNT}, as in training)")
    stop.add_argument("--threshold", type=_similarity, help="merge what is at least this similar, from -1 to 1")
    parser.add_argument("--linkage", default=USUAL.linkage, choices=get_args(Linkage), help="default: %(default)s")
    parser.add_argument("--keep-opposites-apart", action="store_true", help="never merge opposites such as lift, lower")
    parser.add_argument("--text-encoder", metavar="NAME", help="folder or hub name (default: the one installed)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=f"for pictures and table (default: {OUT}/<file>)")
    return parser


def _run(options: argparse.Namespace) -> int:
    vocabulary = load_vocabulary(options.file)
    if options.linkage == "single" and options.keep_opposites_apart:
        raise SubActionError("--keep-opposites-apart: needs --linkage average or complete, not single")
    from model.sub_actions.encoder import TextEncoder

    phrases, encoder = vocabulary.all_phrases(), TextEncoder(options.text_encoder)
    embeddings = encoder.encode(phrases)
    tree = MergeTree(phrases, embeddings, options.linkage, options.keep_opposites_apart)
    try:
        k, valid, note = _choose(options, vocabulary, tree)
        merged = cut_tree(vocabulary, tree, k)
    except SubActionError as error:
        raise SubActionError(f"{options.file}: {error}") from None
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    how = f"{tree.linkage} linkage{', opposites kept apart' if options.keep_opposites_apart else ''}"
    console.print(f"{counts(merged)} ({how})", markup=False)
    if note:
        console.print(f"note: {note}", style="yellow", markup=False)
    for table in tables(vocabulary, tree, merged):
        console.print(table)
    for line in remarks(tree, merged, valid):
        console.print(line, markup=False)
    for line in warnings(tree, merged, options.keep_opposites_apart):
        console.print(f"warning: {line}", style="yellow", markup=False)
    files = vocabulary_files(vocabulary, merged, embeddings, embed_titles(vocabulary, encoder))
    for line in files.scores.lines():
        console.print(line, markup=False)
    out = options.out or OUT / options.file.stem
    _write(out, vocabulary, tree, merged, files)
    made = f"similarity, dendrogram and ownership as .png and .svg, {SUB_ACTIONS_FILE}, {SCORES_FILE}"
    console.print(f"written to {out}: {made}", markup=False)
    return 0


def _choose(options: argparse.Namespace, vocabulary: Vocabulary, tree: MergeTree) -> tuple[int, list[int], str]:
    """How many sub-actions, which numbers are possible, and what to say where it is not what was expected."""
    valid = valid_cuts(vocabulary, tree)
    if not valid:
        cut_tree(vocabulary, tree, len(tree.phrases))  # says which classes have the same phrases
    if options.threshold is not None:
        k = tree.count_at(options.threshold)
        if k not in valid:
            raise SubActionError(
                f"--threshold {options.threshold:g} leaves {k} sub-actions, too few to tell all classes apart: "
                f"take a higher one, or --k {compact_range(valid)}"
            )
        return k, valid, f"the threshold {options.threshold:g} leaves {k} sub-actions"
    if options.k is not None:
        if options.k not in valid:
            try:
                cut_tree(vocabulary, tree, options.k)
            except SubActionError as error:
                raise SubActionError(f"--k: {error} (possible here: {compact_range(valid)})") from None
        return options.k, valid, ""
    k = nearest_count(valid, USUAL_COUNT)
    if k == USUAL_COUNT:
        return k, valid, ""
    return (
        k,
        valid,
        (
            f"{USUAL_COUNT} sub-actions, the default of training, are not possible here ({compact_range(valid)} are); "
            f"these are {k}, so set num_sub_actions: {k} to train with them"
        ),
    )


def _write(out: Path, vocabulary: Vocabulary, tree: MergeTree, merged: SubActions, files: VocabularyFiles) -> None:
    from model.sub_actions.pictures import draw_dendrogram, draw_ownership, draw_similarity

    try:
        out.mkdir(parents=True, exist_ok=True)
        files.write(out)
        draw_similarity(tree, merged, out / "similarity")
        draw_dendrogram(tree, merged, out / "dendrogram")
        draw_ownership(vocabulary, merged, out / "ownership")
    except OSError as error:
        raise SubActionError(f"--out: {out} cannot be written to ({error.strerror or error})") from None


def _count(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of sub-actions such as 12, got {text!r}") from None


def _similarity(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -1.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"expected a similarity from -1 to 1 such as 0.7, got {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
