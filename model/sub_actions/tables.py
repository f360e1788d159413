"""What became of the phrases of a vocabulary, for people: tables, warnings and near misses.

Owns the texts of `python -m model.sub_actions`; `model.sub_actions.pictures` draws the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from rich.table import Table
from rich.text import Text

from model.sub_actions.cut import SubActions
from model.sub_actions.opposites import opposite_words
from model.sub_actions.scores import compact_range
from model.sub_actions.tree import MergeTree
from model.sub_actions.vocabulary import Vocabulary

SHOWN_PHRASES = 3  # of a group in the list of merges; the table of the sub-actions has them all
SHOWN_PAIRS = 10
CLOSE_CALL = 0.01  # two similarities that differ by less are next to arbitrary for a sentence encoder


def tables(vocabulary: Vocabulary, tree: MergeTree, merged: SubActions) -> list[Table]:
    """The sub-actions, the merges, and what each class shares and owns alone."""
    merges = [_merges(merged)] if merged.merges else []
    return [_sub_actions(vocabulary, tree, merged), *merges, _classes(vocabulary, merged)]


def counts(merged: SubActions) -> str:
    """One line: how many phrases, classes and sub-actions."""
    shared = int((merged.owned.sum(axis=0) > 1).sum())
    different = len(set(merged.phrases))
    return (
        f"{len(merged.phrases)} phrases ({different} different) of {len(merged.class_names)} classes: "
        f"{len(merged.names)} sub-actions, {shared} shared by several classes, {len(merged.names) - shared} not"
    )


def remarks(tree: MergeTree, merged: SubActions, valid: Sequence[int]) -> list[str]:
    """Lines of text: the numbers of sub-actions that are possible, classes with nothing of their own, near misses."""
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
    return lines


def warnings(tree: MergeTree, merged: SubActions, kept_apart: bool) -> list[str]:
    """Lines of text: opposites in one sub-action, or those that stand apart only because they must."""
    if not kept_apart:
        found = [f"opposites in one sub-action ({words}): {one} + {other}" for one, other, words in merged.opposites()]
        hint = ["--keep-opposites-apart forbids it, merging.keep_opposites_apart: true in a configuration"]
        return _at_most(found, SHOWN_PAIRS) + hint * bool(found)
    return _at_most([f"kept apart, though {line}" for line in _near_opposites(tree, merged)], SHOWN_PAIRS)


def phrases_of(merged: SubActions, index: int) -> list[str]:
    """The different phrases of a sub-action, sorted."""
    return sorted({merged.phrases[i] for i in np.flatnonzero(merged.cluster == index)})


def owners_of(merged: SubActions, index: int) -> list[str]:
    """The classes that own a sub-action."""
    return [merged.class_names[c] for c in np.flatnonzero(merged.owned[:, index])]


def _sub_actions(vocabulary: Vocabulary, tree: MergeTree, merged: SubActions) -> Table:
    last: dict[str, str] = {}
    for group, members in tree.alive(len(merged.names)).items():
        if group >= len(tree.phrases):
            last[tree.phrases[tree.medoid(sorted(members))]] = (
                f"{1.0 - tree.steps[group - len(tree.phrases)].distance:.2f}"
            )
    table = Table("", "sub-action", "phrases merged into it", "last merge at", "classes", title="Sub-actions")
    for index, name in enumerate(merged.names):
        others = [phrase for phrase in phrases_of(merged, index) if phrase != name]
        titles = ", ".join(vocabulary.title(owner) for owner in owners_of(merged, index))
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


def _near_opposites(tree: MergeTree, merged: SubActions) -> list[str]:
    """Opposites in different sub-actions, at least as similar as the last merge made; the most similar first."""
    least = min((merge.similarity for merge in merged.merges), default=1.0)
    where = dict(zip(merged.phrases, merged.cluster, strict=True))
    found = []
    for i, j in combinations(range(len(tree.phrases)), 2):
        one, other = tree.phrases[i], tree.phrases[j]
        if tree.similarity[i, j] >= least and where[one] != where[other]:
            words = opposite_words(one, other)
            if words is not None:
                found.append((-tree.similarity[i, j], f"({words}): {one} + {other}"))
    return [f"at similarity {-similarity:.2f} {text}" for similarity, text in sorted(found)]


def _at_most(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"... and {len(lines) - most} more like these"]


def _shortened(texts: Sequence[str]) -> str:
    more = len(texts) - SHOWN_PHRASES
    return " | ".join(texts[:SHOWN_PHRASES]) + (f" | ... {more} more" if more > 0 else "")
