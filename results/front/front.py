"""The Pareto front of a run: who is on it, which points have a name, and how much volume it dominates.

A trial is on the front if it finished, its objectives are finite numbers, it keeps every guard, and no other
such trial is at least as good everywhere and better somewhere. Trials with exactly equal objectives do not
dominate one another: all of them are kept, since two configurations that reach the same point are two findings.
Where a point was trained with several seeds, it counts once, by its means (`results.front.points`).
Non-domination and hypervolume (Zitzler and Thiele 1998) come from moocore.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from results.exceptions import RecordError
from results.front.dominance import GrowingFront, front_extent, on_front, volume
from results.front.knee import knee
from results.front.points import Points, epochs_spent, gather, represent, running_means, trial_order
from results.records.objectives import Guard, Objective, metric_values, minimised, objective_values


class FrontSummary(NamedTuple):
    """Where a search stands: the rows on the front, as `front` gives them, and the volume that they dominate."""

    front: pd.DataFrame
    hypervolume: float


def front(trials: pd.DataFrame, objectives: Sequence[Objective], guards: Sequence[Guard]) -> pd.DataFrame:
    """Return the trials on the front, the best in the first objective first.

    Args:
        trials: Rows as `read_trials` gives them.
        objectives: At least one.
        guards: None to break if empty.

    Returns:
        The rows with a first column `names`: "knee" and the name of each objective that a point is the end of,
        joined by "+", or "". Ties are ordered by the further objectives, then by trial, so the order of the
        rows given does not matter.

    Raises:
        RecordError: A finished trial exists, but no column of an objective or a guard does.

    Example:
        >>> trials = pd.DataFrame({"trial": ["0", "1", "2"], "state": "finished", "m": [1, 2, 3], "n": [3, 2, 4]})
        >>> objectives = [Objective(metric=name, name=name, reference=5) for name in ("m", "n")]
        >>> front(trials, objectives, guards=[])["trial"].tolist()
        ['0', '1']
    """
    candidates = trials[eligible(trials, objectives, guards)]
    points = minimised(objective_values(candidates, objectives), objectives)
    best = on_front(points)
    rows, points = candidates[best], points[best]
    ties = [trial_order(trial) for trial in rows["trial"]]
    order = sorted(range(len(rows)), key=lambda row: (*points[row], ties[row]))
    rows = rows.iloc[order].reset_index(drop=True)
    rows.insert(0, "names", pd.Series(_names(points[order], objectives), dtype="object"))
    return rows


def points_of(
    trials: pd.DataFrame, objectives: Sequence[Objective], guards: Sequence[Guard], parameters: Sequence[str]
) -> Points:
    """Return the points of trials, each shown as the one of its trials that is nearest to its means.

    The parameters tell points apart, here and below as for `results.front.points.point_numbers`.

    Raises:
        RecordError: A finished trial exists, but no column of an objective or a guard does.
    """
    points = gather(trials, objectives, parameters)
    if not points.repeated:
        return points
    best = front(points.table, objectives, guards)
    values = minimised(objective_values(best, objectives), objectives)
    return represent(points, trials, objectives, front_extent(values, reference_point(objectives)))


def eligible(trials: pd.DataFrame, objectives: Sequence[Objective], guards: Sequence[Guard]) -> np.ndarray:
    """Say which trials, (trials,), may be on the front: finished, finite objectives, no guard broken.

    Raises:
        RecordError: A finished trial exists, but no column of an objective or a guard does.
    """
    finished = (trials["state"] == "finished").to_numpy(dtype=bool)
    if finished.any():
        _check_columns(trials, objectives, guards)
    values = objective_values(trials, objectives)
    able = finished & np.isfinite(values).all(axis=1)
    for guard in guards:
        able &= guard.holds(metric_values(trials, guard.metric))
    return able


def broken_guards(trials: pd.DataFrame, guards: Sequence[Guard]) -> list[str]:
    """Return, for each trial, the guards it breaks, joined by ", "; "" where it keeps all."""
    kept = [(str(guard), guard.holds(metric_values(trials, guard.metric))) for guard in guards]
    return [", ".join(text for text, holds in kept if not holds[row]) for row in range(len(trials))]


def hypervolume(rows: pd.DataFrame, objectives: Sequence[Objective]) -> float:
    """Return the volume that rows dominate up to the objectives' reference values.

    Args:
        rows: A front, or any rows with finite objectives; dominated ones add nothing, nor do those beyond
            the reference.
        objectives: At least one.

    Returns:
        The volume in the product of the objectives' units; 0 for no rows.

    Example:
        >>> objectives = [Objective(metric=name, name=name, reference=5) for name in ("m", "n")]
        >>> hypervolume(pd.DataFrame({"m": [1, 2], "n": [3, 2]}), objectives)  # 4 · 2 + 3 · 1
        11.0
    """
    return volume(minimised(objective_values(rows, objectives), objectives), reference_point(objectives))


def hypervolume_history(
    trials: pd.DataFrame, objectives: Sequence[Objective], guards: Sequence[Guard], parameters: Sequence[str] = ()
) -> pd.DataFrame:
    """Return how the front grew: one row after each ended trial, in the order in which they ended.

    Interrupted trials are left out: they run again, and the history of a run that was resumed then continues
    the one it had. Rows without an end come last, in their order. A point counts by the means over the seeds that it
    had by then, so a further seed may let the volume shrink.

    Returns:
        Columns trials (so far), epochs (trained so far), seconds (in which any trial was at work so far), front_size,
        hypervolume.
    """
    ended = trials[(trials["state"] != "interrupted").to_numpy(dtype=bool)]
    ended = ended.sort_values("ended", kind="stable", na_position="last")
    numbers, so_far = running_means(ended, parameters)
    points = minimised(objective_values(so_far, objectives), objectives)
    growth = GrowingFront(len(objectives), lambda kept: volume(kept, reference_point(objectives)))
    sizes, volumes = [], []
    for number, point, counts in zip(numbers, points, eligible(so_far, objectives, guards), strict=True):
        growth.set(int(number), point if counts else None)
        sizes.append(growth.size)
        volumes.append(growth.volume)
    columns = {
        "trials": np.arange(1, len(ended) + 1),
        "epochs": epochs_spent(ended).cumsum().to_numpy(dtype=int),
        "seconds": seconds_of_work(ended),
        "front_size": sizes,
        "hypervolume": volumes,
    }
    return pd.DataFrame(columns)


def seconds_of_work(trials: pd.DataFrame) -> np.ndarray:
    """Return, for the end of each trial, the seconds until then in which any trial was at work, (trials,).

    What lies between the last end before a run was resumed and the first start after it, such as a night, does not
    count. NaN for a trial without start or end.
    """
    start, end = (trials[name] - trials["started"].min() for name in ("started", "ended"))
    starts, ends = (column.dt.total_seconds().to_numpy(dtype=float) for column in (start, end))
    known = np.flatnonzero(np.isfinite(starts) & np.isfinite(ends))
    order = known[np.argsort(starts[known], kind="stable")]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(ends[order])[:-1]]) if len(order) else np.zeros(0)
    idle = np.where(np.isfinite(before), np.maximum(starts[order] - before, 0.0), starts[order])
    # An end lies behind all idle times before trials that began until then.
    place = np.searchsorted(starts[order], ends, side="right")
    lost = np.concatenate([[0.0], np.cumsum(idle)])[place]
    return np.where(np.isfinite(starts), ends - lost, np.nan)


def best_points(rows: pd.DataFrame) -> dict[str, int]:
    """Return the position of each named point of a front, the knee first, then each objective's end."""
    found = {name: position for position, names in enumerate(rows["names"]) for name in names.split("+") if name}
    return dict(sorted(found.items(), key=lambda item: (item[0] != "knee", item[1])))


def summarise(
    rows: Iterable[Mapping[str, Any]],
    objectives: Sequence[Objective],
    guards: Sequence[Guard],
    parameters: Sequence[str] = (),
) -> FrontSummary:
    """Return front and hypervolume of trials that are in memory, cheaply enough for a live display.

    A trial has at least `trial` and `state`, a finished one its metrics.

    Raises:
        RecordError: A finished trial exists, but none has the metric of an objective or a guard.
    """
    trials = pd.DataFrame(list(rows))
    if trials.empty:
        trials = pd.DataFrame({"trial": [], "state": []}, dtype=object)
    best = front(points_of(trials, objectives, guards, parameters).table, objectives, guards)
    return FrontSummary(best, hypervolume(best, objectives))


def reference_point(objectives: Sequence[Objective]) -> np.ndarray:
    """Return the reference point of the hypervolume, to be minimised, (objectives,)."""
    return minimised(np.array([objective.reference for objective in objectives]), objectives)


def _names(points: np.ndarray, objectives: Sequence[Objective]) -> list[str]:
    """Name the points of a sorted front; the first among equals gets the name."""
    names: list[list[str]] = [[] for _ in points]
    if len(points):
        names[knee(points, reference_point(objectives))].append("knee")
        for column, objective in enumerate(objectives):
            names[int(np.argmin(points[:, column]))].append(objective.name)
    return ["+".join(line) for line in names]


def _check_columns(trials: pd.DataFrame, objectives: Sequence[Objective], guards: Sequence[Guard]) -> None:
    wanted = [("objective", objective.metric) for objective in objectives]
    wanted += [("guard", guard.metric) for guard in guards]
    for role, metric in wanted:
        if metric not in trials:
            raise RecordError(
                f"{role} {metric!r}: no trial recorded this metric; "
                f"correct its name in the space, or make the study measure it"
            )
