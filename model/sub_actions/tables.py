"""The texts of `python -m model.sub_actions`: tables, warnings and near misses; and the table of several vocabularies.

`model.sub_actions.pictures` draws the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from rich import box
from rich.table import Table
from rich.text import Text

from model.sub_actions.cut import SubActions, compact_range
from model.sub_actions.measures import KEPT_COSINE, NEAR_COSINE
from model.sub_actions.opposites import opposite_words
from model.sub_actions.scores import VocabularyScores
from model.sub_actions.tree import MergeTree
from model.sub_actions.vocabulary import Vocabulary

SHOWN_PHRASES = 3  # of a group in the list of merges; the table of the sub-actions has them all
SHOWN_PAIRS = 10
CLOSE_CALL = 0.01  # two similarities that differ by less are next to arbitrary for a sentence encoder


def tables(vocabulary: Vocabulary, tree: MergeTree, merged: SubActions) -> list[Table]:
    """Return three tables: the sub-actions, the merges, and what each class shares and owns alone."""
    merges = [_merges(merged)] if merged.merges else []
    return [_sub_actions(vocabulary, tree, merged), *merges, _classes(vocabulary, merged)]


def counts(merged: SubActions) -> str:
    """Return one line: how many phrases, classes and sub-actions."""
    shared = int((merged.owned.sum(axis=0) > 1).sum())
    different = len(set(merged.phrases))
    return (
        f"{len(merged.phrases)} phrases ({different} different) of {len(merged.class_names)} classes: "
        f"{len(merged.names)} sub-actions, {shared} shared by several classes, {len(merged.names) - shared} not"
    )


def remarks(tree: MergeTree, merged: SubActions, valid: Sequence[int]) -> list[str]:
    """Return lines of text: which numbers are possible, classes with no sub-action of their own, and near misses."""
    lines = [f"numbers of sub-actions at which every class is distinct: {compact_range(valid)}"]
    lines += [f"{name} has no sub-action of its own" for name in merged.class_names if not merged.own[name]]
    done = len(tree.phrases) - len(merged.names)
    following = tree.steps[done] if done < len(tree.steps) else None
    if following is not None and following.allowed:
        left, right = (_shortened(tree.texts(group)) for group in (following.left, following.right))
        lines.append(f"first merge not made, at similarity {1.0 - following.distance:.3f}: {left} + {right}")
        if done and abs(following.distance - tree.steps[done - 1].distance) < CLOSE_CALL:
            last = 1.0 - tree.steps[done - 1].distance
            lines.append(f"a close call: the last merge made was at {last:.3f}; look at both, and at the next numbers")
    obstacle = tree.obstacle()
    if len(merged.names) == tree.fewest and obstacle is not None:
        lines.append(f"nothing is left to merge but opposites, such as {obstacle[0]} + {obstacle[1]} ({obstacle[2]})")
    near = [f"kept apart, though {line}" for line in _near_opposites(tree, merged)] if tree.kept_apart else []
    return lines + _at_most(near, SHOWN_PAIRS)


def warnings(merged: SubActions) -> list[str]:
    """Return lines of text: opposites in one sub-action."""
    found = [f"opposites in one sub-action ({words}): {one} + {other}" for one, other, words in merged.opposites()]
    hint = ["--keep-opposites-apart forbids it; it is the default of all linkages that can"]
    return _at_most(found, SHOWN_PAIRS) + hint * bool(found)


def scores_table(rows: Iterable[tuple[str, VocabularyScores, Sequence[int]]]) -> Table:
    """Return a table with a row per vocabulary: name, scores, and which numbers of sub-actions are possible."""
    table = Table("vocabulary", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, scores, valid in rows:
        cells = _scores_cells(scores, valid)
        if not table.rows:
            for column in cells:
                table.add_column(column, justify="right")
        table.add_row(name, *cells.values())
    return table


def _sub_actions(vocabulary: Vocabulary, tree: MergeTree, merged: SubActions) -> Table:
    single = len(tree.phrases)  # groups below this are phrases that never merged
    last = {
        tree.phrases[tree.medoid(sorted(members))]: f"{1.0 - tree.steps[group - single].distance:.2f}"
        for group, members in tree.alive(len(merged.names)).items()
        if group >= single
    }
    table = Table("", "sub-action", "phrases merged into it", "last merge at", "classes", title="Sub-actions")
    for index, name in enumerate(merged.names):
        others = [phrase for phrase in merged.phrases_of(index) if phrase != name]
        titles = ", ".join(vocabulary.title(owner) for owner in merged.owners_of(index))
        table.add_row(str(index + 1), *map(Text, (name, " | ".join(others), last.get(name, ""), titles)))
    return table


def _merges(merged: SubActions) -> Table:
    table = Table("similarity", "phrases", "with", title="Merges, the closest first")
    for merge in merged.merges:
        table.add_row(*map(Text, (f"{merge.similarity:.2f}", _shortened(merge.left), _shortened(merge.right))))
    return table


def _classes(vocabulary: Vocabulary, merged: SubActions) -> Table:
    table = Table("class", "shared with other classes", "own", title="Classes")
    for name in merged.class_names:
        cells = (f"{len(names)}: {' | '.join(names)}".rstrip(": ") for names in (merged.shared[name], merged.own[name]))
        table.add_row(*map(Text, (vocabulary.title(name), *cells)))
    return table


def _scores_cells(scores: VocabularyScores, valid: Sequence[int]) -> dict[str, str]:
    s, t, c, r = scores.separation, scores.title_rebuilt, scores.coverage, scores.redundancy
    return {
        "classes": str(scores.classes),
        "phrases": str(scores.phrases),
        "valid K": compact_range(valid),
        "K": str(scores.sub_actions),
        "identi-\nfiable": f"{scores.identifiable:.2f}",
        "silhouette\n(shuffled)": f"{s.silhouette:z.2f} ({s.silhouette_shuffled:z.2f})",
        "sets differ\nmean, least": f"{s.set_distance:z.2f}, {s.least_set_distance:z.2f}",
        "meaning\nmean, least": f"{s.meaning_distance:z.2f}, {s.least_meaning_distance:z.2f}",
        "own title\nfound": f"{round(t.top1 * scores.classes)} of {scores.classes}",
        "rank\n(chance)": f"{t.rank:.1f} ({t.rank_chance:.1f})",
        "as good\nby chance": f"{t.as_good_by_chance:.1%}",
        f"coverage\n≥ {KEPT_COSINE}": f"{c.cosine:z.2f} {c.kept:.0%}",
        f"nearest\n> {NEAR_COSINE}": f"{r.nearest_cosine:z.2f} {r.near_duplicates:.0%}",
        "repeated\nin class": f"{r.repeated_in_class:.0%}",
    }


def _near_opposites(tree: MergeTree, merged: SubActions) -> list[str]:
    """Return opposites in different sub-actions, at least as similar as the last merge made; the most similar first."""
    least = min((merge.similarity for merge in merged.merges), default=1.0)
    where = dict(zip(merged.phrases, merged.cluster, strict=True))
    found = []
    for i, j in combinations(range(len(tree.phrases)), 2):
        one, other = tree.phrases[i], tree.phrases[j]
        near = tree.similarity[i, j] >= least and where[one] != where[other]
        if near and (words := opposite_words(one, other)):
            found.append((-tree.similarity[i, j], f"({words}): {one} + {other}"))
    return [f"at similarity {-similarity:.2f} {text}" for similarity, text in sorted(found)]


def _at_most(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"... and {len(lines) - most} more like these"]


def _shortened(texts: Sequence[str]) -> str:
    more = len(texts) - SHOWN_PHRASES
    return " | ".join(texts[:SHOWN_PHRASES]) + (f" | ... {more} more" if more > 0 else "")
