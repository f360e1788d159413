"""Which trials are worth more epochs: asynchronous successive halving with several objectives.

At each rung, a number of epochs, the values that trials had there are ranked by non-domination and only the best 1/η go
on; nobody waits for the others (ASHA, Li et al. 2020, arXiv 1810.05934). A front that is cut is cut so that what is
left is spread out, by an epsilon-net (MO-ASHA, Schmucker et al. 2021, arXiv 2106.12639). Trials that break a guard
stand behind all that keep them, the worst last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import moocore
import numpy as np

from results.records.objectives import Guard, Objective, minimised
from search.policy.guards import relative_violation


class Halving:
    """Decides at each evaluation whether a trial goes on."""

    def __init__(
        self,
        rungs: Sequence[int],
        reduction: float,
        startup_trials: int,
        objectives: Sequence[Objective],
        guards: Sequence[Guard],
        lag: int = 0,
    ):
        """Begin with empty rungs.

        Args:
            rungs: Epochs after which trials are ranked, ascending.
            reduction: η, above 1: the best 1/η of the trials that were seen at a rung go on.
            startup_trials: So many trials pass each rung whatever their values.
            objectives: What they are ranked by.
            guards: What they have to keep.
            lag: A trial is compared only with trials whose number is smaller by at least this. Where trials are
                proposed in batches of so many, those have all ended, and no decision depends on timing.
        """
        self.rungs = tuple(rungs)
        self._reduction = reduction
        self._startup = startup_trials
        self._objectives = objectives
        self._guards = guards
        self._lag = lag
        self._seen: dict[int, dict[int, tuple[np.ndarray, float]]] = {rung: {} for rung in rungs}

    def goes_on(self, trial: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Record the metrics after so many epochs, and say whether the trial goes on.

        A trial counts once per rung, at its first evaluation there or later; its last rung decides.
        """
        passed = [rung for rung in self.rungs if rung <= epoch and trial not in self._seen[rung]]
        if not passed:
            return True
        values = minimised(np.array([metrics[objective.metric] for objective in self._objectives]), self._objectives)
        for rung in passed:
            self._seen[rung][trial] = values, relative_violation(self._guards, metrics)
        return self._is_promising(trial, passed[-1])

    def forget(self, trial: int, after: int) -> None:
        """Take a trial out of the rungs after an epoch: it goes on from there, and what it passed stays passed."""
        for rung, seen in self._seen.items():
            if rung > after:
                seen.pop(trial, None)

    def _is_promising(self, trial: int, rung: int) -> bool:
        seen = self._seen[rung]
        if self._lag:
            seen = {number: entry for number, entry in seen.items() if number == trial or number <= trial - self._lag}
        if len(seen) <= self._startup:
            return True
        points, excess = (np.array(part) for part in zip(*seen.values(), strict=True))
        place = standing(points, excess).tolist().index(list(seen).index(trial))
        return place < math.ceil(len(seen) / self._reduction)


def standing(points: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """Return the order of merit of points, best first, as positions, (points,).

    Args:
        points: Objectives, all to be minimised, (points, objectives).
        excess: By how much each breaks its guards; 0 for none, (points,).
    """
    kept = np.flatnonzero(excess == 0)
    order: list[int] = []
    if len(kept):
        ranks = moocore.pareto_rank(points[kept])
        for rank in np.unique(ranks):
            front = kept[ranks == rank]
            order += front[spread(points[front])].tolist()
    broken = np.flatnonzero(excess > 0)
    return np.array(order + broken[np.argsort(excess[broken], kind="stable")].tolist(), dtype=int)


def spread(front: np.ndarray) -> np.ndarray:
    """Return an order in which every beginning of a front covers it well: (points, objectives) to positions, (points,).

    The ends come first, one per objective, then always the point that is farthest from all before it, in units of the
    front's own range.
    """
    extent = np.ptp(front, axis=0)
    scaled = (front - front.min(axis=0)) / np.where(extent > 0, extent, 1.0)
    order = list(dict.fromkeys(int(np.argmin(column)) for column in scaled.T))
    distance = np.min([np.linalg.norm(scaled - scaled[chosen], axis=1) for chosen in order], axis=0)
    distance[order] = -1.0
    while len(order) < len(front):
        farthest = int(np.argmax(distance))
        order.append(farthest)
        distance = np.minimum(distance, np.linalg.norm(scaled - scaled[farthest], axis=1))
        distance[order] = -1.0
    return np.array(order, dtype=int)
