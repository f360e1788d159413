"""The seeds of points: draws of one seed per point, and how often a point is on the front of such a draw.

A *draw* takes one finished seed of every point, each with equal probability and independently of those of the other
points: the trials of a search in which each configuration had been trained once. A seed that breaks a guard, or has no
finite objectives, is drawn like the others, but is then nowhere: it is not on the front and dominates nothing. The
probability of a point is the share of all possible draws in which it is on the front, non-dominated as in
`results.front.front` (equal points do not dominate one another). More seeds make it no surer: it is about single
trainings. How probable it is that a point's mean is on the front, `results.front.noise` says. A point of one seed is
that seed in every draw; as this says nothing of how the point varies, tables leave its probability empty.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from results.records.objectives import Objective, minimised, objective_values

SINGLE_RUN_COLUMN = "single_run_probability"
DRAWS = 500
SEED = 0


class Seeds(NamedTuple):
    """The finished trials of a run, or of several together, by point.

    Attributes:
        values: Objectives, to be minimised, (seeds, objectives).
        able: Which may be on a front, (seeds,).
        owner: Row of each one's point in the points' table, (seeds,).
    """

    values: np.ndarray
    able: np.ndarray
    owner: np.ndarray


def seeds_of(trials: pd.DataFrame, owner: np.ndarray, able: np.ndarray, objectives: Sequence[Objective]) -> Seeds:
    """Pick the finished trials.

    `owner` is the row of each trial's point in the points' table, (trials,), and `able` says which may be on a front,
    (trials,), as `results.front.front.eligible` does.
    """
    finished = (trials["state"] == "finished").to_numpy(dtype=bool)
    values = minimised(objective_values(trials, objectives), objectives)
    return Seeds(values[finished], able[finished], owner[finished])


def single_run_probability(seeds: Seeds, point: int) -> float:
    """Return the probability that a point is non-dominated in a draw, which is exact.

    The draws of points are independent, so it is, averaged over the point's seeds, the product over all other points
    of the share of their seeds that do not dominate it: no draw has to be made. The point is a row of the points' table
    with at least one finished trial.
    """
    others = seeds.owner != point
    numbers, place, counts = np.unique(seeds.owner[others], return_inverse=True, return_counts=True)
    values, able = seeds.values[others], seeds.able[others]
    probabilities = []
    for own, counted in zip(seeds.values[~others], seeds.able[~others], strict=True):
        dominating = able & (values <= own).all(axis=1) & (values < own).any(axis=1)
        beaten = np.bincount(place[dominating], minlength=len(numbers)) / counts
        probabilities.append(float(np.prod(1.0 - beaten)) if counted else 0.0)
    return math.fsum(probabilities) / len(probabilities)


def draws(seeds: Seeds, most: int = DRAWS) -> Iterator[np.ndarray]:
    """Yield the points of draws, (points that count in it, objectives).

    If there are no more possible draws than `most`, each comes once; else as many, drawn at random (the same ones
    whenever it is called).
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
