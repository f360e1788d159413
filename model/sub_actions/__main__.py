"""The command line `python -m model.sub_actions FILE`: what becomes of a vocabulary's phrases, shown and drawn.

Of several vocabularies it shows the scores in one table.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, get_args

import click

from model.command import PATH, NumberRange, at_most_one, console, run_command
from model.configuration.reading import Configuration
from model.configuration.sections import Merging
from model.sub_actions.cut import SubActions, compact_range, cut_tree, valid_cuts
from model.sub_actions.scores import (
    SCORES_FILE,
    SUB_ACTIONS_FILE,
    VocabularyFiles,
    nearest_count,
    usual_count,
    vocabulary_files,
)
from model.sub_actions.tables import counts, remarks, scores_table, tables, warnings
from model.sub_actions.tree import Linkage, MergeTree
from model.sub_actions.vocabulary import SubActionError, Vocabulary, load_vocabulary

OUT = Path("runs/vocabularies")
TABLE_WIDTH = 180  # of the scores; in a narrower terminal lines go on in the next one, and no figure is cut
USUAL_COUNT: int = Configuration.model_fields["num_sub_actions"].default
USUAL = Merging()


class Merged(NamedTuple):
    """A vocabulary, merged as the options say; `note` says where that is not what was expected."""

    vocabulary: Vocabulary
    tree: MergeTree
    merged: SubActions
    valid: list[int]
    note: str
    files: VocabularyFiles


DEFAULT = f"{USUAL_COUNT}, as in training; of several files about that, or 2 a class if that is more"


@click.command("python -m model.sub_actions")
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
@click.option("--k", type=int, help=f"number of sub-actions (default: {DEFAULT})")
@click.option("--threshold", type=NumberRange(-1.0, 1.0), help="merge what is at least this similar, from -1 to 1")
@click.option("--linkage", default=USUAL.linkage, type=click.Choice(get_args(Linkage)), help="default: average")
@click.option(
    "--keep-opposites-apart/--merge-opposites",
    default=None,
    help="opposites such as lift, lower: apart by default, but with single linkage, which cannot",
)
@click.option("--text-encoder", metavar="NAME", help="folder or hub name (default: the one installed)")
@click.option("--out", type=PATH, metavar="FOLDER", help=f"for pictures and table (default: {OUT}/<file>)")
def sub_actions(**options: Any) -> int:
    """Merge the phrases of a vocabulary to sub-actions and show how, or score several from text alone.

    FILE is a vocabulary such as spaces/sub_actions/basic_motions.yaml; several make a table of their scores.
    """
    at_most_one(k=options["k"], threshold=options["threshold"])
    return _run(SimpleNamespace(**options))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run_command(sub_actions, arguments, stopped="stopped")


def _run(options: SimpleNamespace) -> int:
    vocabularies = [load_vocabulary(file) for file in options.files]  # all, before the encoder takes its time
    if options.linkage == "single" and options.keep_opposites_apart:
        raise SubActionError("--keep-opposites-apart: needs --linkage average or complete, not single")
    if len(vocabularies) > 1 and options.out is not None:
        raise SubActionError("--out: is for one vocabulary; of several the scores are shown, and nothing is written")
    from model.sub_actions.encoder import TextEncoder

    apart = Merging(linkage=options.linkage, keep_opposites_apart=options.keep_opposites_apart).apart
    encoder, made = TextEncoder(options.text_encoder), []
    for file, vocabulary in zip(options.files, vocabularies, strict=True):
        try:
            embeddings = encoder.encode(vocabulary.all_phrases())
            tree = MergeTree(vocabulary.all_phrases(), embeddings, options.linkage, apart)
            k, valid, note = _choose(options, vocabulary, tree)
            merged = cut_tree(vocabulary, tree, k)
            files = vocabulary_files(vocabulary, merged, embeddings, encoder.encode(vocabulary.class_titles()))
        except ValueError as error:
            raise SubActionError(f"{file}: {error}") from None
        made.append(Merged(vocabulary, tree, merged, valid, note, files))
    if len(made) == 1:
        return _show(options, made[0])
    rows = ((file.stem, one.files.scores, one.valid) for file, one in zip(options.files, made, strict=True))
    console(least_width=TABLE_WIDTH).print(scores_table(rows))
    return 0


def _show(options: SimpleNamespace, made: Merged) -> int:
    vocabulary, tree, merged, valid, note, files = made
    screen = console()
    how = f"{tree.linkage} linkage{', opposites kept apart' if tree.kept_apart else ''}"
    screen.print(f"{counts(merged)} ({how})")
    if note:
        screen.print(f"note: {note}", style="yellow")
    for table in tables(vocabulary, tree, merged):
        screen.print(table)
    for line in remarks(tree, merged, valid):
        screen.print(line)
    for line in warnings(merged):
        screen.print(f"warning: {line}", style="yellow")
    for line in files.scores.lines():
        screen.print(line)
    out = options.out or OUT / options.files[0].stem
    _write(out, made)
    written = f"similarity, dendrogram and ownership as .png and .svg, {SUB_ACTIONS_FILE}, {SCORES_FILE}"
    screen.print(f"written to {out}: {written}")
    return 0


def _choose(options: SimpleNamespace, vocabulary: Vocabulary, tree: MergeTree) -> tuple[int, list[int], str]:
    """Return how many sub-actions, which numbers are possible, and what to say where it is not what was expected."""
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
        try:
            cut_tree(vocabulary, tree, options.k)
        except SubActionError as error:
            raise SubActionError(f"--k: {error}") from None
        return options.k, valid, ""
    usual = USUAL_COUNT if len(options.files) == 1 else usual_count(len(vocabulary.classes))
    k = nearest_count(valid, usual)
    if k == usual:
        return k, valid, ""
    note = (
        f"{usual} sub-actions, the default of training, are not possible here ({compact_range(valid)} are); "
        f"these are {k}, so set num_sub_actions: {k} to train with them"
    )
    return k, valid, note


def _write(out: Path, made: Merged) -> None:
    from model.sub_actions.pictures import draw_dendrogram, draw_ownership, draw_similarity

    try:
        out.mkdir(parents=True, exist_ok=True)
        made.files.write(out)
        draw_similarity(made.tree, made.merged, out / "similarity")
        draw_dendrogram(made.tree, made.merged, out / "dendrogram")
        draw_ownership(made.vocabulary, made.merged, out / "ownership")
    except OSError as error:
        raise SubActionError(f"--out: {out} cannot be written to ({error.strerror or error})") from None


if __name__ == "__main__":
    sys.exit(main())
