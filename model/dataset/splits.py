"""Holding a part of the recordings out: stratified by class, or by group, no group on both sides."""

from __future__ import annotations

import itertools
import math

import numpy as np

from model.exceptions import InputError

EXHAUSTIVE_GROUPS = 10  # 2**10 subsets are scored in milliseconds; above this, seeded greedy candidates
GREEDY_CANDIDATES = 256


class SplitError(InputError):
    """The recordings cannot be split as asked."""


def hold_out(y: np.ndarray, groups: np.ndarray | None, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits recordings into a kept and a held-out part, the same way every time for the same seed.

    Without groups, each class gives the fraction of its recordings, rounded half up, at least one and never
    its last one: a class with a single recording stays in the kept part. With groups, whole groups are held
    out, chosen so that, in this order, no class is missing in the kept part, few are missing in the held-out
    part, and each class's held-out fraction is close to the one asked for.

    Args:
        y: Class of each recording, (recordings,).
        groups: Group of each recording, (recordings,), or None.
        fraction: Part to hold out, between 0 and 1, both excluded.
        seed: Decides which recordings, or which of several equally good sets of groups.

    Returns:
        Sorted indices of the kept and of the held-out recordings.

    Raises:
        SplitError: There is nothing to hold out (one group only, or no class with two recordings).
    """
    if not 0.0 < fraction < 1.0:
        raise SplitError(f"the held-out fraction must be between 0 and 1, both excluded; got {fraction}")
    generator = np.random.default_rng(seed)
    held = _stratified(y, fraction, generator) if groups is None else _grouped(y, groups, fraction, generator)
    if not held.any() or held.all():
        raise SplitError("no class has two recordings, so none can be held out")
    return np.flatnonzero(~held), np.flatnonzero(held)


def _stratified(y: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    held = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        count = min(max(1, math.floor(fraction * len(members) + 0.5)), len(members) - 1)
        held[generator.permutation(members)[:count]] = True
    return held


def _grouped(y: np.ndarray, groups: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise SplitError(f"all recordings are of one group ({names[0]}), so no group can be held out")
    labels = np.unique(y)
    counts = np.array([[np.sum((group == g) & (y == label)) for label in labels] for g in range(len(names))])
    if len(names) <= EXHAUSTIVE_GROUPS:
        candidates = _all_subsets(len(names), generator)
    else:
        candidates = _greedy_subsets(counts, fraction, generator)
    chosen = min(candidates, key=lambda subset: _score(counts, subset, fraction))
    return chosen[group]


def _all_subsets(groups: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Every subset but the empty and the full one, in an order drawn from the generator."""
    subsets = [np.array(bits, dtype=bool) for bits in itertools.product([False, True], repeat=groups)][1:-1]
    return [subsets[i] for i in generator.permutation(len(subsets))]


def _greedy_subsets(counts: np.ndarray, fraction: float, generator: np.random.Generator) -> list[np.ndarray]:
    """Subsets grown from random orders of the groups, taking a group only where that betters the score."""
    candidates = []
    for _ in range(GREEDY_CANDIDATES):
        order = generator.permutation(len(counts))
        subset = np.zeros(len(counts), dtype=bool)
        subset[order[0]] = True
        best = _score(counts, subset, fraction)
        for g in order[1:-1]:
            subset[g] = True
            score = _score(counts, subset, fraction)
            if score < best:
                best = score
            else:
                subset[g] = False
        candidates.append(subset)
    return candidates


def _score(counts: np.ndarray, subset: np.ndarray, fraction: float) -> tuple[int, int, float]:
    """Classes missing in the kept part, classes missing in the held-out part, distance from the fraction."""
    held = counts[subset].sum(axis=0)
    total = counts.sum(axis=0)
    return int(np.sum(held == total)), int(np.sum(held == 0)), float(np.sum((held / total - fraction) ** 2))
