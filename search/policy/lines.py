"""Which finished trainings go on, at another value of the parameter that the space sweeps.

A line is a training that has gone on once or more. By default those go on that are on the front when it is asked, so a
line is followed as long as it extends the front. What is wanted depends on nothing but the trials before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import moocore
import numpy as np

from results.front.front import eligible, reference_point
from results.records.objectives import minimised, objective_values
from search.policy.replication import TrainedPoint, table_of
from search.space.schema import Space


class Continuation(NamedTuple):
    """A line that is wanted."""

    parent: int  # number of the trial from whose end it goes on
    parameters: dict[str, Any]


def continuations(trials: Sequence[TrainedPoint], space: Space) -> list[Continuation]:
    """Return the lines that are wanted and have not been asked for, those of the first trials first.

    Args:
        trials: All by number, running ones too; replicates have no lines of their own.
        space: With a sweep.
    """
    sweep = space.sweep
    if sweep is None:
        return []
    able = [n for n, trial in enumerate(trials) if trial.state == "finished" and not trial.round]
    if sweep.of == "front":
        able = [able[row] for row in _on_front([trials[n] for n in able], space)]
    known = [trial.parameters for trial in trials]
    wanted = [Continuation(n, line) for n in able for line in next_lines(trials[n].parameters, space)]
    return [line for line in wanted if line.parameters not in known]


def next_lines(parameters: Mapping[str, Any], space: Space) -> list[dict[str, Any]]:
    """Return the parameters of the lines from a training: one in each direction, of a line in its own, in the range."""
    sweep = space.sweep
    assert sweep is not None, "without a sweep there are no lines"
    if sweep.parameter not in parameters:
        return []
    values = space.line_values(parameters)
    if len(values) > sweep.most:
        return []
    amounts = sweep.amounts
    if len(values) > 1:
        amounts = (min(amounts, key=lambda amount: abs(sweep.moved(values[-2], amount) - values[-1])),)
    found = []
    for amount in amounts:
        value = space.in_range(sweep.parameter, sweep.moved(values[-1], amount))
        if value is not None and not math.isclose(value, values[-1]):
            found.append(space.with_line(parameters, (*values, value)))
    return found


def _on_front(trials: Sequence[TrainedPoint], space: Space) -> list[int]:
    """Return the rows of the trials on the front, better than the reference point and with every guard kept."""
    if not trials:
        return []
    table = table_of(trials, space)
    values = minimised(objective_values(table, space.objectives), space.objectives)
    inside = (values < reference_point(space.objectives)).all(axis=1)
    rows = np.flatnonzero(eligible(table, space.objectives, space.guards) & inside)
    return [int(row) for row in rows[moocore.is_nondominated(values[rows])]] if len(rows) else []
