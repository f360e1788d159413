"""What a run offers: the knee by either rule, the ends of its front, how sure each is, and the best within bounds."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from results.exceptions import RecordError
from results.export.card import Chosen
from results.front.front import best_points, eligible, front, points_of, reference_point
from results.front.knee import NEAR_STDS, Rule, Stability, knee, nearest_to_utopia, stabilities
from results.front.noise import pooled_spread
from results.front.points import Points, trial_order
from results.front.seeds import seeds_of
from results.records.objectives import Direction, metric_values, minimised, objective_values
from results.records.run import Run, metric_names
from results.records.text import short

KNEE, UTOPIA = "knee", "utopia"
WHAT = {KNEE: "the knee of the front", UTOPIA: "the point of the front that is nearest to the utopia point"}
SIGNS = {"at most": "≤", "at least": "≥"}


class Choice(NamedTuple):
    """One point of a front that a rule chooses.

    Attributes:
        name: "knee", "utopia" or the name of an objective.
        rule: In words.
        row: Of the point in the points' table.
        stability: How sure it is.
    """

    name: str
    rule: str
    row: int
    stability: Stability


def run_points(run: Run) -> Points:
    """Return the points of a run, each shown as the trial that is nearest to its means."""
    return points_of(run.trials, run.space.objectives, run.space.guards, run.space.parameter_names)


def named_choices(run: Run, points: Points) -> list[Choice]:
    """Return the knee by both rules and the end of each objective; none where no point may be on the front."""
    objectives = run.space.objectives
    able = np.flatnonzero(eligible(points.table, objectives, run.space.guards))
    if not len(able):
        return []
    rules: list[tuple[str, str, Rule]] = [
        (KNEE, "farthest below the chord between the ends", knee),
        (UTOPIA, "nearest to the best of every objective", nearest_to_utopia),
    ]
    for column, objective in enumerate(objectives):
        best = "smallest" if objective.direction == "minimise" else "largest"
        rules.append((objective.name, f"{best} {objective.metric}", _end(column)))
    means = minimised(objective_values(points.table, objectives), objectives)[able]
    spread = pooled_spread(seeds_of(run.trials, points.owner, np.ones(len(run.trials), dtype=bool), objectives))
    choose = [rule for _, _, rule in rules]
    sure = stabilities(means, points.seeds[able], spread, reference_point(objectives), choose)
    return [Choice(name, rule, int(able[how.chosen]), how) for (name, rule, _), how in zip(rules, sure, strict=True)]


def front_choices(run: Run) -> list[Chosen]:
    """Return the named points of the front of a run as they are exported."""
    points = run_points(run)
    sure = {choice.name: choice for choice in named_choices(run, points)}
    best = front(points.table, run.space.objectives, run.space.guards)
    rows = {str(trial): row for row, trial in enumerate(points.table["trial"])}
    return [
        chosen_point(run, points, rows[str(best["trial"].iloc[position])], name, what_of(name), _notes(sure.get(name)))
        for name, position in best_points(best).items()
    ]


def chosen_point(run: Run, points: Points, row: int, name: str, what: str, notes: tuple[str, ...] = ()) -> Chosen:
    """Return a row of the points' table as it is exported."""
    finished = (run.trials["state"] == "finished").to_numpy(dtype=bool)
    seeds: pd.DataFrame = run.trials[(points.owner == row) & finished]
    return Chosen(name, what, points.table.iloc[row], seeds, notes)


def what_of(name: str) -> str:
    """Return what a named point is, in words."""
    return WHAT.get(name, f"the best {name} of the front")


def stability_text(how: Stability) -> str:
    """Return how sure a choice is, in words."""
    if math.isnan(how.same):
        return "how sure it is cannot be told: no point was trained with several seeds (`--replicates 3`)"
    return (
        f"were every point trained again with as many seeds, this very point would be chosen in {how.same:.0%} of "
        f"cases, it or one within {NEAR_STDS:g} standard deviations of a seed in {how.near:.0%}"
    )


def _notes(choice: Choice | None) -> tuple[str, ...]:
    return () if choice is None else (f"The rule was: {choice.rule}; {stability_text(choice.stability)}.",)


def _end(column: int) -> Callable[[np.ndarray, np.ndarray], int]:
    return lambda points, _: int(np.argmin(points[:, column]))


class Bound(NamedTuple):
    """A bound on a metric, or on a parameter that is a number."""

    metric: str
    kind: Literal["at most", "at least"]
    value: float

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Say which values, (points,), keep it; NaN does not."""
        return values <= self.value if self.kind == "at most" else values >= self.value

    def __str__(self) -> str:
        return f"{self.metric} {SIGNS[self.kind]} {self.value:g}"


def check_name(run: Run, metric: str) -> None:
    """Refuse what was not measured.

    Raises:
        RecordError: Names the nearest metric there is.
    """
    known = metric_names(run.trials, run.space)
    known += [p.name for p in run.space.parameters if p.type != "line" and (p.type != "choice" or _numbers(p.values))]
    if metric not in known:
        close = difflib.get_close_matches(metric, known, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise RecordError(f"{metric}: no trial of {run.folder} has such a metric; {hint}")


def within(run: Run, table: pd.DataFrame, able: np.ndarray, bounds: Sequence[Bound]) -> np.ndarray:
    """Return the rows of the points' table that keep every bound, at least one row.

    The bounds are of metrics that exist; rows that are `able`, (points,), have finished and keep the guards.

    Raises:
        RecordError: None does; says the nearest value there is to each bound that is not kept.
    """
    if not able.any():
        raise RecordError(f"{run.folder}: no trial has finished and keeps the guards, so there is nothing to pick")
    kept = [bound.holds(metric_values(table, bound.metric)) for bound in bounds]
    inside = np.logical_and.reduce([able, *kept])
    if inside.any():
        return np.flatnonzero(inside)
    alone = [bound for bound, holds in zip(bounds, kept, strict=True) if not (able & holds).any()]
    if alone:
        told = [f"{bound}: the nearest is {_nearest(table, able, bound)}" for bound in alone]
    else:  # each is kept by some trial, but not by one that keeps the others
        told = []
        for number, bound in enumerate(bounds):
            others = np.logical_and.reduce([able, *(holds for n, holds in enumerate(kept) if n != number)])
            if others.any():
                told.append(f"{bound}: the nearest with the other bounds kept is {_nearest(table, others, bound)}")
        told = told or ["no trial keeps all but one of the bounds; give fewer"]
    raise RecordError(f"{run.folder}: no trial within the bounds; {'; '.join(told)}")


def best_row(run: Run, table: pd.DataFrame, rows: np.ndarray, metric: str, direction: Direction) -> int:
    """Return the row with the best value; among equals the better in the objectives, then the earlier trial.

    Raises:
        RecordError: None of the rows has a finite value.
    """
    signed = {metric: 1.0 if direction == "minimise" else -1.0}
    signed |= {o.metric: o.sign for o in run.space.objectives if o.metric != metric}
    columns = [sign * metric_values(table, name)[rows] for name, sign in signed.items()]
    finite = np.isfinite(columns[0])
    if not finite.any():
        raise RecordError(f"{run.folder}: no trial within the bounds has a finite {metric}")
    keys = [tuple(column[position] for column in columns) for position in range(len(rows))]
    order = [trial_order(trial) for trial in table["trial"].iloc[rows]]
    best = min(np.flatnonzero(finite), key=lambda position: (*keys[position], order[position]))
    return int(rows[best])


def _nearest(table: pd.DataFrame, among: np.ndarray, bound: Bound) -> str:
    values = np.where(among, metric_values(table, bound.metric), np.nan)
    if not np.isfinite(values).any():
        return "not there: none has a finite value"
    position = int(np.nanargmin(np.abs(values - bound.value)))
    return f"{short(float(values[position]))} (trial {table['trial'].iloc[position]})"


def _numbers(values: Sequence[object]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
