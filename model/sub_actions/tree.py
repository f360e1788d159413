"""The tree of merges: which groups of phrases become one, in which order, and how close they were.

Agglomeration from single phrases to one group, by average, complete or single linkage on the cosine distance,
optionally with opposites kept apart. Embeddings of two machines differ in the last digits, so distances
closer than `TIE` count as equal and the alphabet decides: the same phrases give the same tree everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations, takewhile
from typing import Literal, NamedTuple, get_args

import numpy as np

from model.sub_actions.opposites import opposite_words
from model.sub_actions.vocabulary import SubActionError

Linkage = Literal["average", "complete", "single"]

# Similarities repeat to about 3e-7 over threads, batches and float64 (measured in test_shipped_vocabularies.py), so a
# merge hinges on the machine only where a difference of distances lies that close to this.
TIE = 1e-5


class Step(NamedTuple):
    """Two groups that become one."""

    left: int  # the one with the alphabetically first phrase: index of a phrase, or phrases + index of a step
    right: int
    distance: float  # cosine distance of the two, as the linkage measures it
    allowed: bool  # False where it joins opposites to be kept apart; from there on none is allowed


class MergeTree:
    """All merges of a set of phrases, nearest first; a phrase that occurs often weighs as often.

    Constrained merging is greedy: the nearest two groups between which there are no opposites become one, until
    there are none. The remaining steps go on without the constraint, for those who draw the whole tree.

    Attributes:
        phrases: The different phrases, sorted, (n,).
        occurrences: How often each occurs, (n,).
        similarity: Cosine similarity of the phrases, (n, n).
        steps: All merges, (n - 1,).
        linkage: How the distance of two groups is measured.
        fewest: To how many groups the phrases can be merged: 1 without the constraint.

    Args:
        phrases: Phrases in any order, repeated or not, (phrases,).
        embeddings: One for each, (phrases, width).
        linkage: Distance of two groups: the mean over their pairs of phrases, the largest, or the smallest.
        keep_opposites_apart: Never merges groups between which there are opposites; not for single linkage.

    Raises:
        SubActionError: The embeddings cannot be used, or the linkage is unknown or cannot keep opposites apart.
    """

    def __init__(
        self,
        phrases: Sequence[str],
        embeddings: np.ndarray,
        linkage: Linkage = "average",
        keep_opposites_apart: bool = False,
    ) -> None:
        if linkage not in get_args(Linkage):
            raise SubActionError(f"linkage {linkage} is unknown: choose {', '.join(get_args(Linkage))}")
        if linkage == "single" and keep_opposites_apart:
            raise SubActionError(
                "single linkage cannot keep opposites apart, as it joins groups by chains of phrases "
                "whatever stands at their ends: choose average or complete linkage"
            )
        self.linkage, self.kept_apart = linkage, keep_opposites_apart
        unit = _unit_rows(embeddings, phrases)
        texts, which, occurrences = np.unique(np.array(phrases, dtype=object), return_inverse=True, return_counts=True)
        self.phrases: tuple[str, ...] = tuple(texts)
        self.occurrences = occurrences
        mean = np.zeros((len(texts), unit.shape[1]))
        np.add.at(mean, which, unit)
        mean /= occurrences[:, None]
        self.similarity = mean @ mean.T
        apart = _opposites(self.phrases) if keep_opposites_apart else np.zeros(self.similarity.shape, dtype=bool)
        self.steps = _agglomerate(1.0 - self.similarity, occurrences, apart, linkage)
        self.fewest = len(texts) - sum(step.allowed for step in self.steps)

    def groups(self, k: int) -> list[list[int]]:
        """Return the indices of the phrases of each of `k` groups, each group and the list of groups sorted."""
        return sorted(sorted(members) for members in self.alive(k).values())

    def members(self, group: int) -> list[int]:
        """Return the indices of the phrases of one group: those of a phrase, or of phrases + index of a step."""
        return sorted(self._leaves(group))

    def texts(self, group: int) -> tuple[str, ...]:
        """Return the phrases of one group."""
        return tuple(self.phrases[i] for i in self.members(group))

    def count_at(self, threshold: float) -> int:
        """Return how many groups are left when everything at least this similar is merged, as far as allowed."""
        limit = 1.0 - threshold + TIE
        merged = takewhile(lambda step: step.allowed and step.distance <= limit, self.steps)
        return len(self.phrases) - len(list(merged))

    def medoid(self, members: Sequence[int]) -> int:
        """Return the phrase most similar to all of its group; of those closer than `TIE`, the alphabetically first."""
        weight = self.occurrences[list(members)]
        closeness = self.similarity[np.ix_(members, members)] @ weight / weight.sum()
        return members[int(np.flatnonzero(closeness >= closeness.max() - TIE)[0])]

    def obstacle(self) -> tuple[str, str, str] | None:
        """Return the nearest opposites that stop the merging: phrase, phrase, "word/word"; None where nothing does."""
        if self.fewest < 2:
            return None
        step = self.steps[len(self.phrases) - self.fewest]
        pairs = ((self.similarity[i, j], i, j) for i in self.members(step.left) for j in self.members(step.right))
        for _, i, j in sorted(((similarity, *sorted(pair)) for similarity, *pair in pairs), reverse=True):
            if words := opposite_words(self.phrases[i], self.phrases[j]):
                return self.phrases[i], self.phrases[j], words
        raise AssertionError("a merge that is not allowed has opposites")

    def leaf_order(self) -> list[int]:
        """Return the phrases in an order in which every group is together."""
        return self._leaves(len(self.phrases) + len(self.steps) - 1)

    def alive(self, k: int) -> dict[int, list[int]]:
        """Return the groups left at `k`, and the indices of the phrases of each."""
        alive = {i: [i] for i in range(len(self.phrases))}
        for index, step in enumerate(self.steps[: len(self.phrases) - k]):
            alive[len(self.phrases) + index] = alive.pop(step.left) + alive.pop(step.right)
        return alive

    def _leaves(self, group: int) -> list[int]:
        leaves: list[int] = []
        waiting = [group]
        while waiting:
            group = waiting.pop()
            if group < len(self.phrases):
                leaves.append(group)
            else:
                step = self.steps[group - len(self.phrases)]
                waiting += [step.right, step.left]
        return leaves


@lru_cache(maxsize=8)  # for 97 phrases it takes ten times what the merging does
def _opposites(phrases: tuple[str, ...]) -> np.ndarray:
    """Return which phrases are opposites, bool, (n, n)."""
    apart = np.zeros((len(phrases), len(phrases)), dtype=bool)
    for (i, one), (j, other) in combinations(enumerate(phrases), 2):
        apart[i, j] = apart[j, i] = opposite_words(one, other) is not None
    return apart


def _agglomerate(distance: np.ndarray, size: np.ndarray, apart: np.ndarray, linkage: Linkage) -> tuple[Step, ...]:
    """Join the nearest two groups, again and again; of ties, those whose first phrases come first.

    Scipy's `linkage` is not used, for it breaks ties by the last digit of a distance.
    """
    count = len(distance)
    far, apart, size = distance.copy(), apart.copy(), size.astype(np.float64)
    np.fill_diagonal(far, np.inf)
    group, steps, allowed, constrained = np.arange(count), [], True, bool(apart.any())
    for index in range(count - 1):
        reach = np.where(apart, np.inf, far) if constrained and allowed else far
        if allowed and np.isinf(reach.min()):
            allowed, reach = False, far
        # A group stands at the index of its first phrase; a symmetric matrix has its first hit above the diagonal.
        i, j = divmod(int(np.argmax(reach <= reach.min() + TIE)), count)
        steps.append(Step(int(group[i]), int(group[j]), float(far[i, j]), allowed))
        far[i] = far[:, i] = _joined(far[i], far[j], size[i], size[j], linkage)
        far[j] = far[:, j] = far[i, i] = np.inf
        apart[i] = apart[:, i] = apart[i] | apart[j]
        group[i], size[i] = count + index, size[i] + size[j]
    return tuple(steps)


def _joined(one: np.ndarray, other: np.ndarray, weight: float, against: float, linkage: Linkage) -> np.ndarray:
    """Return the distances of two groups together, from those of each."""
    if linkage == "average":
        return (weight * one + against * other) / (weight + against)
    return np.maximum(one, other) if linkage == "complete" else np.minimum(one, other)


def _unit_rows(embeddings: np.ndarray, phrases: Sequence[str]) -> np.ndarray:
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(phrases):
        raise SubActionError(f"expected one embedding for each of {len(phrases)} phrases, got shape {rows.shape}")
    length = np.linalg.norm(rows, axis=1)
    broken = np.flatnonzero(~np.isfinite(length) | (length == 0.0))
    if len(broken):
        raise SubActionError(f"the embedding of the phrase '{phrases[broken[0]]}' is zero or not finite")
    return rows / length[:, None]
