"""The points of a search: all finished trials with equal parameters, seen as one.

The seeds of a point differ in nothing but chance, so a point is judged by its means over them, guards included, and
shown as one of its trials, the representative: the one nearest to the means, in units of the front's extent. A point
of one seed is its trial, unchanged. Sums are exact (`math.fsum`, `statistics`), so nothing depends on the order in
which seeds ended.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from results.records.objectives import Objective, metric_values, objective_values
from results.records.tables import BOOKKEEPING, INHERITED, STD
from results.records.text import cell

SEEDS_COLUMN = "seeds"
TIE = 1e-9  # in units of the front's extent; with two seeds both are equally far from their mean, but for rounding


class Points(NamedTuple):
    """The points of some trials.

    Attributes:
        table: One row per point, and one per trial that did not finish, in the order of their first trials. As the
            trials' own where every point has one seed; otherwise metrics are means, and there are the columns
            `seeds` and `<metric>_std` per objective.
        seeds: Finished trials of each row, (rows,); 0 for a trial that did not finish.
        std: Sample standard deviation of each objective, (rows, objectives); NaN for fewer than two seeds.
        owner: Row of each trial, (trials,).
    """

    table: pd.DataFrame
    seeds: np.ndarray
    std: np.ndarray
    owner: np.ndarray

    @property
    def repeated(self) -> bool:
        """Whether any point has more than one seed."""
        return bool((self.seeds > 1).any())


def std_column(objective: Objective) -> str:
    """Return the name of the column that holds an objective's standard deviation over seeds."""
    return objective.metric + STD


def point_numbers(trials: pd.DataFrame, parameters: Sequence[str]) -> np.ndarray:
    """Return the number of each trial's point, (trials,), from 0 by first appearance.

    Points are told apart by the columns `parameters`; none of these makes every trial a point of its own. A trial that
    did not finish is one always.
    """
    if not parameters:
        return np.arange(len(trials))
    finished = (trials["state"] == "finished").to_numpy(dtype=bool)
    columns = [
        [_text(value) for value in trials[name]] if name in trials else [""] * len(trials) for name in parameters
    ]
    numbers: dict[tuple[object, ...], int] = {}
    found = []
    for position, values in enumerate(zip(*columns, strict=True)):
        key = values if finished[position] else (position,)
        found.append(numbers.setdefault(key, len(numbers)))
    return np.array(found, dtype=int)


def gather(trials: pd.DataFrame, objectives: Sequence[Objective], parameters: Sequence[str]) -> Points:
    """Pool trials into points, as `point_numbers` does; the first of each stands for it until `represent` chooses."""
    owner = point_numbers(trials, parameters)
    finished = (trials["state"] == "finished").to_numpy(dtype=bool)
    rows = int(owner.max()) + 1 if len(owner) else 0
    seeds = np.bincount(owner[finished], minlength=rows)
    std = np.full((rows, len(objectives)), np.nan)
    if not (seeds > 1).any():
        return Points(trials, seeds, std, owner)
    _, first = np.unique(owner, return_index=True)
    table = trials.iloc[first].reset_index(drop=True)
    members = {row: np.flatnonzero(owner == row) for row in np.flatnonzero(seeds > 1)}
    for name in _metrics(trials, parameters):
        values, means = metric_values(trials, name), metric_values(table, name).copy()
        for row, chosen in members.items():
            means[row] = mean(values[chosen])
        table[name] = means
    values = objective_values(trials, objectives)
    for row, chosen in members.items():
        std[row] = [_deviation(column) for column in values[chosen].T]
    return with_spread(Points(table, seeds, std, owner), objectives)


def represent(points: Points, trials: pd.DataFrame, objectives: Sequence[Objective], unit: np.ndarray) -> Points:
    """Let each point be shown as the trial that is nearest to its means; `unit` is a length of 1, (objectives,).

    Returns:
        The points with the bookkeeping (trial, seed, times) of their representatives.
    """
    values, means = objective_values(trials, objectives), objective_values(points.table, objectives)
    _, chosen = np.unique(points.owner, return_index=True)
    for row in np.flatnonzero(points.seeds > 1):
        members = np.flatnonzero(points.owner == row)
        away = np.linalg.norm((values[members] - means[row]) / unit, axis=1)
        steps = np.round(np.where(np.isfinite(away), away, 0.0) / TIE)
        order = sorted(zip(steps, map(trial_order, trials["trial"].iloc[members]), members, strict=True))
        chosen[row] = order[0][-1]
    table = points.table.copy()
    for name in BOOKKEEPING:
        if name in trials:
            table[name] = trials[name].iloc[chosen].array
    return points._replace(table=table)


def with_spread(points: Points, objectives: Sequence[Objective]) -> Points:
    """Return points whose table has the columns about seeds, if any point has more than one.

    A column that the study has recorded under such a name stays what it is.
    """
    if not points.repeated:
        return points
    table = points.table.copy()
    places = [("trial", SEEDS_COLUMN, points.seeds)]
    places += [(o.metric, std_column(o), points.std[:, number]) for number, o in enumerate(objectives)]
    for beside, name, column in places:
        if name not in table and beside in table:
            table.insert(list(table.columns).index(beside) + 1, name, column)
    return points._replace(table=table)


def epochs_spent(trials: pd.DataFrame) -> pd.Series:
    """Return the epochs that each trial was trained itself, (trials,): a line spends none on what it inherited."""
    inherited = trials[INHERITED].fillna(0) if INHERITED in trials else 0
    return (trials["epochs"].fillna(0) - inherited).astype(int)


def running_means(trials: pd.DataFrame, parameters: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Return how points looked while their seeds ended; the trials are in the order in which they did.

    Returns:
        The number of each trial's point, (trials,), and the trials with every metric replaced by its mean over the
        seeds of the point so far.
    """
    numbers = point_numbers(trials, parameters)
    if len(np.unique(numbers)) == len(numbers):
        return numbers, trials
    table = trials.copy()
    members = [np.flatnonzero(numbers[: row + 1] == number) for row, number in enumerate(numbers)]
    for name in _metrics(trials, parameters):
        values = metric_values(trials, name)
        table[name] = [mean(values[chosen]) for chosen in members]
    return numbers, table


def mean(values: np.ndarray) -> float:
    """Return the mean of some seeds, correctly rounded; NaN where a value is not finite."""
    if len(values) == 1:
        return float(values[0])
    return math.fsum(values) / len(values) if np.isfinite(values).all() else math.nan


def trial_order(trial: object) -> tuple[int, str]:
    """Return the sort key of a trial id: 9 before 10, and stable for any other ids."""
    text = str(trial)
    return len(text), text


def _metrics(trials: pd.DataFrame, parameters: Sequence[str]) -> list[str]:
    return [name for name in trials.columns if name not in {*BOOKKEEPING, *parameters}]


def _deviation(values: np.ndarray) -> float:
    return statistics.stdev(values.tolist()) if np.isfinite(values).all() else math.nan


def _text(value: object) -> str:
    """Return a value as a part of a key; a parameter that is not there is "" however its column says so."""
    text = cell(value)
    return "" if text == "nan" else text
