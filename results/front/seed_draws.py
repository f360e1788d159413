"""Owns draws of one seed per point, as `results.front.seeds` defines them, for whatever has no closed form."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from results.front.seeds import Seeds

DRAWS = 500
SEED = 0


def draws(seeds: Seeds, most: int = DRAWS) -> Iterator[np.ndarray]:
    """Yield the points of draws, (points that count in it, objectives).

    Args:
        seeds: Of all points.
        most: If there are no more possible draws than this, each comes once; else as many, drawn at random (the same
            ones whenever it is called).
    """
    members = [np.flatnonzero(seeds.owner == point) for point in np.unique(seeds.owner)]
    members = [chosen for chosen in members if seeds.able[chosen].any()]
    for drawn in _choices(members, most):
        yield seeds.values[drawn[seeds.able[drawn]]]


def are_all(seeds: Seeds, most: int = DRAWS) -> bool:
    """Say whether `draws` yields every possible draw."""
    _, counts = np.unique(seeds.owner, return_counts=True)
    return math.prod(counts.tolist()) <= most


def _choices(members: list[np.ndarray], most: int) -> Iterator[np.ndarray]:
    if math.prod(map(len, members)) <= most:
        for chosen in itertools.product(*members):
            yield np.array(chosen, dtype=int)
        return
    rng = np.random.default_rng(SEED)
    for _ in range(most):
        yield np.array([chosen[rng.integers(len(chosen))] for chosen in members])
