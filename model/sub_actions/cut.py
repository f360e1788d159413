"""The phrases of all classes, merged to exactly K sub-actions, and which class owns which.

Near-duplicate phrases are merged by hierarchical clustering on the cosine distance of their embeddings
(`model.sub_actions.tree`), cut at exactly K clusters; a cluster is named by its medoid phrase. The result does not
depend on the order of the classes or phrases. Sentence encoders put opposites ("lift foot", "lower foot") close
together, so `SubActions.opposites` names every pair of them that ended up in one sub-action.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from model.sub_actions.opposites import opposite_words
from model.sub_actions.tree import Linkage, MergeTree
from model.sub_actions.vocabulary import SubActionError, Vocabulary


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

    def phrases_of(self, sub_action: int) -> list[str]:
        """Return the different phrases of a sub-action, sorted."""
        return sorted({self.phrases[i] for i in np.flatnonzero(self.cluster == sub_action)})

    def owners_of(self, sub_action: int) -> list[str]:
        """Return the classes that own a sub-action."""
        return [self.class_names[y] for y in np.flatnonzero(self.owned[:, sub_action])]

    def opposites(self) -> list[tuple[str, str, str]]:
        """Return the pairs of phrases in one sub-action that say opposite things: (phrase, phrase, "word/word")."""
        pairs = (pair for k in range(len(self.names)) for pair in combinations(self.phrases_of(k), 2))
        return [(*pair, words) for pair in pairs if (words := opposite_words(*pair)) is not None]

    def _names_per_class(self, chosen: np.ndarray) -> dict[str, tuple[str, ...]]:
        return {
            name: tuple(self.names[k] for k in np.flatnonzero(row))
            for name, row in zip(self.class_names, chosen, strict=True)
        }


def merge_phrases(
    vocabulary: Vocabulary,
    embeddings: np.ndarray,
    k: int,
    linkage: Linkage = "average",
    keep_opposites_apart: bool = False,
) -> SubActions:
    """Merge the phrases of all classes to exactly `k` sub-actions.

    >>> from model.sub_actions.vocabulary import load_vocabulary
    >>> classes = {"walk": ["swing arm", "step forward"], "sit": ["swing the arm", "lower hips"]}
    >>> vocabulary = load_vocabulary({"name": "mine", "classes": classes})
    >>> embeddings = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.8, 0.0, 0.6], [-1.0, 0.0, 0.0]])
    >>> merged = merge_phrases(vocabulary, embeddings, k=3)
    >>> merged.names, merged.shared["sit"], merged.own["sit"]
    (('lower hips', 'step forward', 'swing arm'), ('swing arm',), ('lower hips',))

    Args:
        vocabulary: The phrases of each class.
        embeddings: (phrases, width), in the order of `Vocabulary.all_phrases`.
        k: Number of sub-actions.
        linkage: Similarity of two groups: the mean over their pairs of phrases, the smallest (complete), or the
            largest (single).
        keep_opposites_apart: Never puts opposites, as `model.sub_actions.opposites` finds them, in one sub-action.

    Raises:
        SubActionError: `k` is out of range, or two classes would own the same sub-actions.
    """
    return cut_tree(vocabulary, MergeTree(vocabulary.all_phrases(), embeddings, linkage, keep_opposites_apart), k)


def valid_range(
    vocabulary: Vocabulary, embeddings: np.ndarray, linkage: Linkage = "average", keep_opposites_apart: bool = False
) -> list[int]:
    """Return every number of sub-actions at which all classes own different ones, ascending."""
    return valid_cuts(vocabulary, MergeTree(vocabulary.all_phrases(), embeddings, linkage, keep_opposites_apart))


def cut_tree(vocabulary: Vocabulary, tree: MergeTree, k: int) -> SubActions:
    """Cut `k` sub-actions from a tree that was made of the vocabulary's phrases.

    Raises:
        SubActionError: `k` is out of range, or two classes would own the same sub-actions.
    """
    _check_count(vocabulary, tree, k)
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
            f"and cannot be told apart: {_possible(vocabulary, tree)}, "
            "or give them phrases that differ more"
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
    """Return every number of sub-actions of a tree at which all classes own different ones, ascending."""
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


def compact_range(numbers: Sequence[int]) -> str:
    """Write ascending numbers with a dash for those that follow each other, as in "4, 7-32"; "none" for none."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs) or "none"


def _possible(vocabulary: Vocabulary, tree: MergeTree) -> str:
    return f"possible are {compact_range(valid_cuts(vocabulary, tree))}"


def _check_count(vocabulary: Vocabulary, tree: MergeTree, k: int) -> None:
    if not 1 <= k <= len(tree.phrases):
        raise SubActionError(
            f"{k} sub-actions cannot be made of {len(tree.phrases)} different phrases: {_possible(vocabulary, tree)}"
        )
    obstacle = tree.obstacle()
    if k < tree.fewest and obstacle is not None:
        first, second, words = obstacle
        raise SubActionError(
            f"{k} sub-actions cannot keep opposites apart: at {tree.fewest} only opposites are left to merge, "
            f"such as '{first}' and '{second}' ({words}); {_possible(vocabulary, tree)}, "
            "or let opposites merge"
        )


def _twins(owned: np.ndarray) -> tuple[int, int] | None:
    """Return the first two classes that own the same sub-actions."""
    pairs = combinations(range(len(owned)), 2)
    return next(((y, z) for y, z in pairs if np.array_equal(owned[y], owned[z])), None)
