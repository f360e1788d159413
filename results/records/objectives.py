"""What a trial is judged by: objectives with their directions, and guards with their bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from results.records.numbers import Number

SPELLINGS = {"minimize": "minimise", "maximize": "maximise"}
COMPARISONS = {"<": np.less, "≤": np.less_equal, ">": np.greater, "≥": np.greater_equal}

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$"  # of what becomes the name of a file or a folder
LONGEST_NAME = 100

Direction = Annotated[
    Literal["minimise", "maximise"],
    BeforeValidator(lambda value: SPELLINGS.get(value, value) if isinstance(value, str) else value),
]


class Objective(BaseModel):
    """One thing to make small, or large.

    Attributes:
        metric: The column that holds it.
        name: Short name; also the file name of its best point, so letters, digits, `_`, `-` and `.` only.
        direction: Whether smaller or larger is better.
        reference: Value from which a point counts for the hypervolume.
        unit: Unit for axes and tables, "" for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    name: str = Field(pattern=NAME, max_length=LONGEST_NAME)
    direction: Direction = "minimise"
    reference: Number
    unit: str = ""

    @model_validator(mode="after")
    def _name_is_free(self) -> Objective:
        if self.name == "knee":
            raise ValueError("an objective cannot be named 'knee', the name of the compromise; choose another")
        return self

    @property
    def sign(self) -> float:
        """1 for an objective to minimise, -1 for one to maximise."""
        return 1.0 if self.direction == "minimise" else -1.0

    @property
    def label(self) -> str:
        """The metric with its unit, for an axis."""
        return f"{self.metric} ({self.unit})" if self.unit else self.metric

    @property
    def better(self) -> str:
        """Which way is better, for an axis."""
        return "lower is better" if self.direction == "minimise" else "higher is better"


class Guard(BaseModel):
    """Bounds that a metric has to keep for a trial to count; None where there is no such bound."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    below: Number | None = None
    at_most: Number | None = None
    above: Number | None = None
    at_least: Number | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Guard:
        if not self._bounds():
            raise ValueError(f"guard {self.metric!r} has no bound; give below, at_most, above or at_least")
        highest = min(bound for bound in (self.below, self.at_most, math.inf) if bound is not None)
        lowest = max(bound for bound in (self.above, self.at_least, -math.inf) if bound is not None)
        if highest < lowest or (highest == lowest and highest in (self.below, self.above)):
            raise ValueError(f"no value is both {' and '.join(f'{sign} {bound:g}' for sign, bound in self._bounds())}")
        return self

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Say which values, (trials,), keep every bound; NaN keeps none."""
        kept = ~np.isnan(values)
        for sign, bound in self._bounds():
            kept &= COMPARISONS[sign](values, bound)
        return kept

    def edges(self) -> list[tuple[str, float, float]]:
        """Return each bound in words, its value, and 1 if values have to lie below it, else -1."""
        return [
            (f"{self.metric} {sign} {bound:g}", bound, 1.0 if sign in "<≤" else -1.0) for sign, bound in self._bounds()
        ]

    def _bounds(self) -> list[tuple[str, float]]:
        bounds = zip(COMPARISONS, (self.below, self.at_most, self.above, self.at_least), strict=True)
        return [(sign, bound) for sign, bound in bounds if bound is not None]

    @property
    def bounds(self) -> str:
        """What the metric has to keep, such as "≥ 8"."""
        return ", ".join(f"{sign} {bound:g}" for sign, bound in self._bounds())

    def __str__(self) -> str:
        return ", ".join(text for text, _, _ in self.edges())


def minimised(values: np.ndarray, objectives: Sequence[Objective]) -> np.ndarray:
    """Return values, (points, objectives) or (objectives,) for one point, with the columns to maximise negated.

    The only place where a direction is looked at; reference points go through it as well.
    """
    return np.asarray(values, dtype=float) * np.array([objective.sign for objective in objectives])


def objective_values(trials: pd.DataFrame, objectives: Sequence[Objective]) -> np.ndarray:
    """Return the trials' objectives as measured, (trials, objectives), NaN where there is none."""
    columns = [metric_values(trials, objective.metric) for objective in objectives]
    return np.stack(columns, axis=1) if columns else np.empty((len(trials), 0))


def metric_values(trials: pd.DataFrame, metric: str) -> np.ndarray:
    """Return one metric, (trials,), as floats; NaN where it is missing."""
    if metric not in trials:
        return np.full(len(trials), np.nan)
    return pd.to_numeric(trials[metric], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
