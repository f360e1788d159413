"""The sub-action vocabulary: phrases per class, merged to exactly K sub-actions, and which class owns which.

Near-duplicate phrases of all classes are merged by hierarchical clustering on the cosine distance of their embeddings
(`model.sub_actions.tree`), cut at exactly K clusters; a cluster is named by its medoid phrase. The result does not
depend on the order of the classes or phrases. Sentence encoders put opposites ("lift foot", "lower foot") close
together, so the report of the merges names every pair of opposites that ended up in one sub-action. `python -m
model.sub_actions FILE` shows and draws what becomes of a vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model.sub_actions.opposites import opposite_words
from model.sub_actions.tree import Linkage, MergeTree
from model.sub_actions.vocabulary import SubActionError, Vocabulary, load_vocabulary, match_classes

__all__ = [
    "Linkage",
    "Merge",
    "MergeTree",
    "SubActionError",
    "SubActions",
    "Vocabulary",
    "cut_tree",
    "load_vocabulary",
    "match_classes",
    "merge_phrases",
    "valid_cuts",
    "valid_range",
]


class Merge(NamedTuple):
    """Two groups of phrases that became one; `similarity` is their cosine similarity, as the linkage measures it."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    similarity: float


@dataclass(frozen=True)
class SubActions:
    """K sub-actions and what they were made of; phrases in the order of `Vocabulary.all_phrases`.

    Attributes:
        names: Medoid phrase of each sub-action, sorted, (K,).
        cluster: Sub-action of each phrase, (phrases,).
        owned: Whether a class owns a sub-action, bool, (classes, K).
        phrases: All phrases, (phrases,).
        class_of: Class of each phrase, (phrases,).
        class_names: The vocabulary's classes, (classes,).
        merges: Every merge of phrases that differ, the most similar first.
    """

    names: tuple[str, ...]
    cluster: np.ndarray
    owned: np.ndarray
    phrases: tuple[str, ...]
    class_of: np.ndarray
    class_names: tuple[str, ...]
    merges: tuple[Merge, ...]

    @property
    def shared(self) -> dict[str, tuple[str, ...]]:
        """Per class, the sub-actions that another class owns too."""
        return self._names_per_class(self.owned & (self.owned.sum(axis=0) > 1))

    @property
    def own(self) -> dict[str, tuple[str, ...]]:
        """Per class, the sub-actions that no other class owns."""
        return self._names_per_class(self.owned & (self.owned.sum(axis=0) == 1))

    def opposites(self) -> list[tuple[str, str, str]]:
        """Pairs of phrases in one sub-action that say opposite things: (phrase, phrase, "word/word")."""
        found = []
        for members in self._members():
            for i, first in enumerate(members):
                for second in members[i + 1 :]:
                    words = opposite_words(first, second)
                    if words is not None:
                        found.append((first, second, words))
        return found

    def report(self) -> list[str]:
        """Lines of text: counts per class, each merge with its similarity, warnings for opposites."""
        shared, own = self.shared, self.own
        lines = [f"{len(self.phrases)} phrases of {len(self.class_names)} classes, {len(self.names)} sub-actions"]
        lines += [f"{name}: {len(shared[name])} shared, {len(own[name])} own" for name in self.class_names]
        lines += [
            f"merged at similarity {merge.similarity:.2f}: {' | '.join(merge.left)} + {' | '.join(merge.right)}"
            for merge in self.merges
        ]
        lines += [
            f"WARNING: opposites in one sub-action ({words}): {first} + {second}"
            for first, second, words in self.opposites()
        ]
        return lines

    def _members(self) -> Iterator[list[str]]:
        for index in range(len(self.names)):
            yield sorted({self.phrases[i] for i in np.flatnonzero(self.cluster == index)})

    def _names_per_class(self, chosen: np.ndarray) -> dict[str, tuple[str, ...]]:
        return {
            name: tuple(self.names[k] for k in np.flatnonzero(row))
            for name, row in zip(self.class_names, chosen, strict=True)
        }


def merge_phrases(
    vocabulary: Vocabulary,
    embeddings: np.ndarray,
    k: int | None,
    threshold: float | None = None,
    linkage: Linkage = "average",
    keep_opposites_apart: bool = False,
) -> SubActions:
    """Merges the phrases of all classes to exactly `k` sub-actions, or as far as `threshold` allows.

    Args:
        vocabulary: The phrases of each class.
        embeddings: (phrases, width), in the order of `Vocabulary.all_phrases`.
        k: Number of sub-actions; None where `threshold` decides.
        threshold: Merge while the cosine similarity of two groups is at least this; None where `k` decides.
        linkage: Similarity of two groups: the mean over their pairs of phrases, the smallest (complete), or the
            largest (single).
        keep_opposites_apart: Never puts opposites, as `model.sub_actions.opposites` finds them, in one sub-action.

    Raises:
        SubActionError: `k` is out of range, or two classes would own the same sub-actions.
    """
    tree = MergeTree(vocabulary.all_phrases(), embeddings, linkage, keep_opposites_apart)
    if (k is None) == (threshold is None):
        raise SubActionError("give either the number of sub-actions or a similarity threshold")
    if k is None:
        assert threshold is not None
        k = tree.count_at(threshold)
    return cut_tree(vocabulary, tree, k)


def valid_range(
    vocabulary: Vocabulary,
    embeddings: np.ndarray,
    linkage: Linkage = "average",
    keep_opposites_apart: bool = False,
) -> list[int]:
    """Every number of sub-actions at which all classes own different ones, ascending."""
    return valid_cuts(vocabulary, MergeTree(vocabulary.all_phrases(), embeddings, linkage, keep_opposites_apart))


def cut_tree(vocabulary: Vocabulary, tree: MergeTree, k: int) -> SubActions:
    """The `k` sub-actions of a tree that was made of the vocabulary's phrases.

    Raises:
        SubActionError: `k` is out of range, or two classes would own the same sub-actions.
    """
    _check_count(tree, k)
    named = sorted((tree.phrases[tree.medoid(members)], members) for members in tree.groups(k))
    of_phrase = {tree.phrases[i]: index for index, (_, members) in enumerate(named) for i in members}
    cluster = np.array([of_phrase[phrase] for phrase in vocabulary.all_phrases()], dtype=np.int64)
    owned = np.zeros((len(vocabulary.classes), k), dtype=bool)
    owned[vocabulary.class_of(), cluster] = True
    twins = _twins(owned)
    if twins is not None:
        first, second = (vocabulary.class_names[index] for index in twins)
        if k == len(tree.phrases):
            raise SubActionError(f"the classes {first} and {second} have the same phrases: give them some that differ")
        raise SubActionError(
            f"with {k} sub-actions the classes {first} and {second} own the same ones "
            "and cannot be told apart: choose another number, or give them phrases that differ more"
        )
    return SubActions(
        names=tuple(name for name, _ in named),
        cluster=cluster,
        owned=owned,
        phrases=vocabulary.all_phrases(),
        class_of=vocabulary.class_of(),
        class_names=vocabulary.class_names,
        merges=tuple(
            Merge(left, right, 1.0 - step.distance)
            for step in tree.steps[: len(tree.phrases) - k]
            for left, right in [sorted((tree.texts(step.left), tree.texts(step.right)))]
        ),
    )


def valid_cuts(vocabulary: Vocabulary, tree: MergeTree) -> list[int]:
    """Every number of sub-actions of a tree at which all classes own different ones, ascending."""
    owners = {phrase: np.zeros(len(vocabulary.classes), dtype=bool) for phrase in tree.phrases}
    for phrase, index in zip(vocabulary.all_phrases(), vocabulary.class_of(), strict=True):
        owners[phrase][index] = True
    columns = dict(enumerate(owners.values()))
    valid = []
    for index, step in enumerate((*tree.steps, None)):
        if _twins(np.stack(list(columns.values()), axis=1)) is None:
            valid.append(len(columns))
        if step is None or not step.allowed:
            break
        columns[len(tree.phrases) + index] = columns.pop(step.left) | columns.pop(step.right)
    return valid[::-1]


def _check_count(tree: MergeTree, k: int) -> None:
    if not 1 <= k <= len(tree.phrases):
        raise SubActionError(
            f"{k} sub-actions cannot be made of {len(tree.phrases)} different phrases: "
            f"choose between {tree.fewest} and {len(tree.phrases)}"
        )
    obstacle = tree.obstacle()
    if k < tree.fewest and obstacle is not None:
        first, second, words = obstacle
        raise SubActionError(
            f"{k} sub-actions cannot keep opposites apart: at {tree.fewest} only opposites are left to merge, "
            f"such as '{first}' and '{second}' ({words}); choose {tree.fewest} or more, or let opposites merge"
        )


def _twins(owned: np.ndarray) -> tuple[int, int] | None:
    """The first two classes that own the same sub-actions."""
    for first in range(len(owned)):
        for second in range(first + 1, len(owned)):
            if np.array_equal(owned[first], owned[second]):
                return first, second
    return None
