"""Which points are trained again with further seeds, once the budget's trials have ended; whose models are not needed.

In rounds, the points on and near the front of means (`results.front.dominance`) get further seeds until each has as
many as `budget.replicates` says. The means that a round changes may bring other points to the front, which the next
round looks at; what a round wants depends on nothing but the trials before its first, so it is the same after an
interruption, and whichever trial ended first.

Two bounds keep it finite: a point is trained at most twice as often as it needs seeds, failures included, and there are
never more replicates than would give every other trial its seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import moocore
import numpy as np
import pandas as pd

from results.front.dominance import near_front
from results.front.front import eligible, reference_point
from results.front.points import Points, gather, point_numbers
from results.records.objectives import minimised, objective_values
from search.space.schema import Space

MOST_ATTEMPTS = 2  # per seed that a point needs


class TrainedPoint(NamedTuple):
    """A trial, as far as replicates go by it."""

    parameters: Mapping[str, Any]  # its point
    state: str  # finished, running, or any other for one that ended without a result
    metrics: Mapping[str, float]  # at least those of objectives and guards, if it finished
    round: int = 0  # in which it was asked for as a replicate, from 1; 0 for a trial of the budget


class MissingReplicates(NamedTuple):
    """What a round still has to ask for."""

    round: int  # its number, from 1
    # Parameters of the next trials, in their order; empty while a round has not ended, and at the end
    points: list[dict[str, Any]]


class Replication:
    """Says what is to be trained again."""

    def __init__(self, space: Space):
        self._space = space
        self._plans: dict[int, list[dict[str, Any]]] = {}

    def missing(self, trials: Sequence[TrainedPoint]) -> MissingReplicates:
        """Return what is to be asked for next, after all trials by number; those of the budget have been asked for."""
        current = max((trial.round for trial in trials), default=0)
        if current:
            asked = [trial.parameters for trial in trials if trial.round == current]
            begin = next(number for number, trial in enumerate(trials) if trial.round == current)
            left = _without(self._plan(trials[:begin]), asked)
            if left:
                return MissingReplicates(current, left)
        if any(trial.state == "running" for trial in trials):
            return MissingReplicates(current, [])
        return MissingReplicates(current + 1, self._plan(trials))

    def _plan(self, trials: Sequence[TrainedPoint]) -> list[dict[str, Any]]:
        """Return what a round that begins after these trials asks for; they have ended, so it does not change."""
        if len(trials) not in self._plans:
            self._plans[len(trials)] = missing(trials, self._space)
        return self._plans[len(trials)]


def missing(trials: Sequence[TrainedPoint], space: Space) -> list[dict[str, Any]]:
    """Return the points that lack seeds, each as often as it lacks one: second seeds first, the front before the rest.

    Args:
        trials: All that have ended; running ones are looked at as if they were not there.
        space: Objectives, guards, and how many seeds are wanted.
    """
    seeds = space.budget.replicates
    ended = [trial for trial in trials if trial.state != "running"]
    if seeds == 1 or not any(trial.state == "finished" for trial in ended):
        return []
    table = table_of(ended, space)
    points = gather(table, space.objectives, space.columns)
    _, first = np.unique(points.owner, return_index=True)
    lacking = _lacking(points, table, space)
    wanted = [
        dict(ended[first[row]].parameters)
        for further in range(seeds)
        for row in _selected(points.table, space)
        if lacking[row] > further
    ]
    had = sum(trial.round > 0 for trial in ended)
    return wanted[: max(0, (len(ended) - had) * (seeds - 1) - had)]


def off_front(trials: Sequence[TrainedPoint], space: Space) -> list[int]:
    """Return the finished trials whose points are neither on nor near the front, nor may come there by replicates.

    The seeds that a point gets may move it off the front. So those count as near as well that would be, were the points
    gone that still lack seeds.

    Args:
        trials: All by number; running ones are looked at as if they were not there.
        space: Objectives, guards, and how many seeds are wanted.
    """
    if not any(trial.state == "finished" for trial in trials):
        return []
    table = table_of(trials, space)
    points = gather(table, space.objectives, space.columns)
    kept = set(_selected(points.table, space))
    lacking = _lacking(points, table, space)
    sure = [row for row in range(len(points.seeds)) if row not in kept or lacking[row] <= 0]
    if space.budget.replicates > 1 and len(sure) < len(points.seeds):
        kept |= {sure[row] for row in _selected(points.table.iloc[sure], space)}
    return [n for n, trial in enumerate(trials) if trial.state == "finished" and points.owner[n] not in kept]


def foreseen_replicates(rows: Sequence[Mapping[str, Any]], space: Space) -> int:
    """Return how many replicates the first round would have, were the rows of `trials.csv` all that there will be."""
    trials = [
        TrainedPoint({name: row[name] for name in space.columns if row.get(name) is not None}, row["state"], row)
        for row in rows
    ]
    return len(missing(trials, space))


def table_of(trials: Sequence[TrainedPoint], space: Space) -> pd.DataFrame:
    """Return trials as a table like `trials.csv`, with what points are told apart and judged by."""
    rows = [
        {
            "trial": number,
            "state": trial.state,
            **{name: trial.parameters.get(name) for name in space.columns},
            **{metric: trial.metrics.get(metric, np.nan) for metric in space.metrics},
        }
        for number, trial in enumerate(trials)
    ]
    return pd.DataFrame(rows)


def _lacking(points: Points, table: pd.DataFrame, space: Space) -> np.ndarray:
    """Return how many seeds each point lacks and may still be given, (points,); 0 or less for none."""
    seeds = space.budget.replicates
    numbers = point_numbers(table.assign(state="finished"), space.columns)
    attempts = np.bincount(numbers)[numbers]  # of each trial's point, whatever came of them
    _, first = np.unique(points.owner, return_index=True)
    return np.minimum(seeds - points.seeds, MOST_ATTEMPTS * seeds - attempts[first])


def _selected(points: pd.DataFrame, space: Space) -> list[int]:
    """Return the rows of the points on the front, then of those near it, each from the first objective's end."""
    values = minimised(objective_values(points, space.objectives), space.objectives)
    able = np.flatnonzero(eligible(points, space.objectives, space.guards))
    if not len(able):
        return []
    best = moocore.is_nondominated(values[able], keep_weakly=True)
    close = near_front(values[able], values[able][best], reference_point(space.objectives))
    order = sorted(able, key=lambda row: (*values[row], row))
    on_front, near = set(able[best]), set(able[close & ~best])
    return [row for row in order if row in on_front] + [row for row in order if row in near]


def _without(wanted: Sequence[dict[str, Any]], asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is wanted, less what has been asked for, one for one."""
    had = [dict(point) for point in asked]
    left = []
    for point in wanted:
        if point in had:
            had.remove(point)
        else:
            left.append(point)
    return left
