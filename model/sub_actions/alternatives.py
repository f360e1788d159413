"""Sub-actions that exactly the same classes own: nothing tells them apart, so people read them as alternatives.

Recordings have a class and no other label, so exchanging two such sub-actions changes no loss and no metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

BETWEEN = " | "  # phrases have commas
MOST_NAMES = 3  # of a set; of a larger one two and how many more, "a | b | +2"


def ownership_sets(owned: np.ndarray) -> np.ndarray:
    """Number the different ownerships of `owned (classes, K)`, by their first sub-action: int64, (K,).

    >>> ownership_sets(np.array([[1, 0, 1, 1], [0, 1, 0, 1]]))
    array([0, 1, 0, 2])
    """
    _, first, which = np.unique(np.asarray(owned, dtype=bool), axis=1, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which.ravel()].astype(np.int64)


class Alternatives(NamedTuple):
    """K sub-actions in S ownership sets.

    Attributes:
        set_of: int64, (K,), the set of each, from 0.
        names: What people read, (K,): a sub-action's name and, after it, the others of its set: "a | b" and "b | a".
    """

    set_of: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str], owned: np.ndarray) -> Alternatives:
        """Group sub-actions, (K,), by the classes that own them, (classes, K).

        >>> Alternatives.of(["sit", "rest", "walk"], np.array([[1, 1, 0], [0, 0, 1]])).names
        ('sit | rest', 'rest | sit', 'walk')
        """
        set_of = ownership_sets(owned)
        others = [[names[i] for i in np.flatnonzero(set_of == s) if i != k] for k, s in enumerate(set_of)]
        return cls(set_of, tuple(_written([name, *more]) for name, more in zip(names, others, strict=True)))

    def joined(self, p: np.ndarray) -> np.ndarray:
        """Add probabilities `(..., K)` up over each set, (..., S)."""
        return np.stack([p[..., self.set_of == s].sum(-1) for s in range(self.set_of.max() + 1)], axis=-1)

    def leaders(self, p: np.ndarray) -> np.ndarray:
        """Return the likeliest sub-action of each set by probabilities `(K,)`: int64, (S,)."""
        return np.array([np.where(self.set_of == s, p, -1.0).argmax() for s in range(self.set_of.max() + 1)])

    def likeliest(self, p: np.ndarray, n: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Choose the `n` likeliest sets by probabilities `(..., K)`, ties in the order of the sets.

        Returns:
            The likeliest sub-action of each set, int64, and the probability of the set, (..., n) each.
        """
        joined = self.joined(p)
        sets = np.argsort(-joined, axis=-1, kind="stable")[..., :n]
        inside = self.set_of == sets[..., None]
        return np.where(inside, p[..., None, :], -1.0).argmax(-1), np.take_along_axis(joined, sets, axis=-1)


def _written(names: list[str]) -> str:
    cut = names if len(names) <= MOST_NAMES else [*names[:2], f"+{len(names) - 2}"]
    return BETWEEN.join(cut)
