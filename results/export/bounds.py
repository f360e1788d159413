"""Owns finding the best point of a run within bounds on what was measured."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from results.front.points import trial_order
from results.records.errors import RecordError
from results.records.objectives import Direction, metric_values
from results.records.run import Run, metric_names
from results.records.text import short

SIGNS = {"at most": "≤", "at least": "≥"}


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
    known += [p.name for p in run.space.parameters if p.type != "choice" or _numbers(p.values)]
    if metric not in known:
        close = difflib.get_close_matches(metric, known, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise RecordError(f"{metric}: no trial of {run.folder} has such a metric; {hint}")


def within(run: Run, table: pd.DataFrame, able: np.ndarray, bounds: Sequence[Bound]) -> np.ndarray:
    """Return the rows that keep every bound, at least one.

    Args:
        run: For messages.
        table: Points, metrics as means over seeds.
        able: Which of them, (points,), finished and keep the guards.
        bounds: Of metrics that exist.

    Raises:
        RecordError: None does; says the nearest value there is to each bound that is not kept.
    """
    if not able.any():
        raise RecordError(f"{run.folder}: no trial has finished and keeps the guards, so there is nothing to pick")
    kept = [bound.holds(metric_values(table, bound.metric)) for bound in bounds]
    inside = able & np.logical_and.reduce([able, *kept])
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
