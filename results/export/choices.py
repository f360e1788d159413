"""Owns what a run offers to be taken home: the knee by either rule and the ends of its front, and how sure each is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from results.export.best import Chosen
from results.front.front import best_points, eligible, front, points_of, reference_point
from results.front.knee import knee, nearest_to_utopia
from results.front.knee_stability import RESAMPLES, Rule, Stability, stabilities
from results.front.near import NEAR_FRACTION
from results.front.points import Points
from results.records.objectives import minimised, objective_values
from results.records.run import Run

KNEE, UTOPIA = "knee", "utopia"


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
    values = minimised(objective_values(run.trials, objectives), objectives)
    finished = (run.trials["state"] == "finished").to_numpy(dtype=bool)
    seeds = [values[(points.owner == row) & finished] for row in able]
    reference = reference_point(objectives)
    sure = stabilities(seeds, reference, [choose for _, _, choose in rules])
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
    if name == KNEE:
        return "the knee of the front"
    if name == UTOPIA:
        return "the point of the front that is nearest to the utopia point"
    return f"the best {name} of the front"


def sureness(how: Stability) -> str:
    """Return how sure a choice is, in words."""
    return (
        f"of {RESAMPLES} bootstrap resamples of the trials and their seeds {how.near:.0%} choose this point or one "
        f"within {NEAR_FRACTION:.0%} of the front's extent, {how.same:.0%} this very point, which {how.held:.0%} hold"
    )


def _notes(choice: Choice | None) -> tuple[str, ...]:
    return () if choice is None else (f"The rule was: {choice.rule}; {sureness(choice.stability)}.",)


def _end(column: int) -> Callable[[np.ndarray, np.ndarray], int]:
    return lambda points, _: int(np.argmin(points[:, column]))
