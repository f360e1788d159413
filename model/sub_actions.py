"""The sub-action vocabulary: phrases per class, merged to exactly K sub-actions, and which class owns which.

Near-duplicate phrases of all classes are merged by average-linkage clustering on the cosine distance of their
embeddings, cut at exactly K clusters; a cluster is named by its medoid phrase. The result does not depend on
the order of the classes or phrases. Sentence encoders put opposites ("lift foot", "lower foot") close
together, so the report of the merges names every pair of opposites that ended up in one sub-action.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from model.opposites import opposite_words
from model.vocabulary import SubActionError, Vocabulary, load_vocabulary, match_classes

__all__ = [
    "Merge",
    "SubActionError",
    "SubActions",
    "Vocabulary",
    "load_vocabulary",
    "match_classes",
    "merge_phrases",
    "valid_range",
]

DISTANCE_DECIMALS = 6  # float32 embeddings repeat to about 1e-7; coarser distances make ties exact


class Merge(NamedTuple):
    """Two groups of phrases that became one; `similarity` is the mean cosine similarity between them."""

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
    vocabulary: Vocabulary, embeddings: np.ndarray, k: int | None, threshold: float | None = None
) -> SubActions:
    """Merges the phrases of all classes to exactly `k` sub-actions, or as far as `threshold` allows.

    Args:
        vocabulary: The phrases of each class.
        embeddings: (phrases, width), in the order of `Vocabulary.all_phrases`.
        k: Number of sub-actions; None where `threshold` decides.
        threshold: Merge while the mean cosine similarity of two groups is at least this; None where `k`
            decides.

    Raises:
        SubActionError: `k` is out of range, or two classes would own the same sub-actions.
    """
    tree = _Tree(vocabulary, embeddings)
    if (k is None) == (threshold is None):
        raise SubActionError("give either the number of sub-actions or a similarity threshold")
    if k is None:
        assert threshold is not None
        k = tree.count_at(threshold)
    if not 1 <= k <= tree.distinct:
        raise SubActionError(
            f"{k} sub-actions cannot be made of {tree.distinct} different phrases: choose between 1 and {tree.distinct}"
        )
    actions = tree.cut(k)
    twins = _twins(actions.owned)
    if twins is not None:
        first, second = (vocabulary.class_names[index] for index in twins)
        raise SubActionError(
            f"with {k} sub-actions the classes {first} and {second} own the same ones "
            "and cannot be told apart: choose another number, or give them phrases that differ more"
        )
    return actions


def valid_range(vocabulary: Vocabulary, embeddings: np.ndarray) -> list[int]:
    """Every number of sub-actions at which all classes own different ones, ascending."""
    tree = _Tree(vocabulary, embeddings)
    return [k for k in range(1, tree.distinct + 1) if _twins(tree.cut(k).owned) is None]


class _Tree:
    """The clustering of all phrases, in sorted order, from single phrases to one cluster."""

    def __init__(self, vocabulary: Vocabulary, embeddings: np.ndarray) -> None:
        self._vocabulary = vocabulary
        phrases = vocabulary.all_phrases()
        unit = _unit_rows(embeddings, phrases)
        self._order = np.array(sorted(range(len(phrases)), key=lambda i: phrases[i]))
        self._phrases = [phrases[i] for i in self._order]
        self._similarity = unit[self._order] @ unit[self._order].T
        self.distinct = len(set(phrases))
        self._links = self._link()

    def _link(self) -> np.ndarray:
        """Rows of two cluster ids and their distance, nearest first, identical phrases before all others."""
        if len(self._phrases) < 2:
            return np.zeros((0, 4))
        distance = np.round(np.maximum(1.0 - self._similarity, 10.0**-DISTANCE_DECIMALS), DISTANCE_DECIMALS)
        texts = np.array(self._phrases)
        distance[texts[:, None] == texts[None, :]] = 0.0
        return linkage(squareform(distance, checks=False), method="average")

    def count_at(self, threshold: float) -> int:
        """How many clusters are left when everything at least this similar is merged."""
        merged = int(np.sum(self._links[:, 2] <= 1.0 - threshold + 0.5 * 10.0**-DISTANCE_DECIMALS))
        return min(len(self._phrases) - merged, self.distinct)

    def cut(self, k: int) -> SubActions:
        """Merges until exactly `k` clusters are left (scipy's maxclust gives fewer where distances tie)."""
        clusters = {i: [i] for i in range(len(self._phrases))}
        merges = []
        for step, (left, right, distance, _) in enumerate(self._links[: len(self._phrases) - k]):
            sides = sorted((self._texts(clusters[int(left)]), self._texts(clusters[int(right)])))
            clusters[len(self._phrases) + step] = clusters.pop(int(left)) + clusters.pop(int(right))
            if sides[0] != sides[1]:
                merges.append(Merge(sides[0], sides[1], 1.0 - float(distance)))
        named = sorted((self._medoid(members), members) for members in clusters.values())
        cluster = np.empty(len(self._phrases), dtype=np.int64)
        for index, (_, members) in enumerate(named):
            cluster[self._order[members]] = index
        return self._assemble(tuple(name for name, _ in named), cluster, tuple(merges))

    def _assemble(self, names: tuple[str, ...], cluster: np.ndarray, merges: tuple[Merge, ...]) -> SubActions:
        class_of = self._vocabulary.class_of()
        owned = np.zeros((len(self._vocabulary.classes), len(names)), dtype=bool)
        owned[class_of, cluster] = True
        return SubActions(
            names=names,
            cluster=cluster,
            owned=owned,
            phrases=self._vocabulary.all_phrases(),
            class_of=class_of,
            class_names=self._vocabulary.class_names,
            merges=merges,
        )

    def _texts(self, members: list[int]) -> tuple[str, ...]:
        return tuple(sorted({self._phrases[i] for i in members}))

    def _medoid(self, members: list[int]) -> str:
        """The phrase most similar to all of its cluster, repeated phrases counted as often as they occur."""
        closeness = np.round(self._similarity[np.ix_(members, members)].sum(axis=1), DISTANCE_DECIMALS - 1)
        return min(zip(-closeness, (self._phrases[i] for i in members), strict=True))[1]


def _unit_rows(embeddings: np.ndarray, phrases: tuple[str, ...]) -> np.ndarray:
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(phrases):
        raise SubActionError(f"expected one embedding for each of {len(phrases)} phrases, got shape {rows.shape}")
    length = np.linalg.norm(rows, axis=1)
    broken = np.flatnonzero(~np.isfinite(length) | (length == 0.0))
    if len(broken):
        raise SubActionError(f"the embedding of the phrase '{phrases[broken[0]]}' is zero or not finite")
    return rows / length[:, None]


def _twins(owned: np.ndarray) -> tuple[int, int] | None:
    """The first two classes that own the same sub-actions."""
    for first in range(len(owned)):
        for second in range(first + 1, len(owned)):
            if np.array_equal(owned[first], owned[second]):
                return first, second
    return None
