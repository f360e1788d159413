"""What a search has cost: seconds and epochs of its trials, by how they ended, and why trials did not count."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from results.front.front import broken_guards
from results.front.overview import Overview
from results.front.points import epochs_spent
from results.records.objectives import metric_values
from results.records.tables import STATES

STATE_TITLES = {"finished": "finished", "stopped": "stopped early", "failed": "failed", "interrupted": "interrupted"}
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(\.\d+)?(e[-+]?\d+)?(?![\w.])")


class StateCost(NamedTuple):
    """The cost of the trials that ended in one way.

    Attributes:
        state: As recorded.
        trials: How many there are.
        epochs: Epochs trained.
        seconds: Seconds of work, summed over the trials; those without a time count 0.
        median_s: Of one trial; NaN if none has a time.
        longest_s: Of one trial; NaN if none has a time.
    """

    state: str
    trials: int
    epochs: int
    seconds: float
    median_s: float
    longest_s: float

    @property
    def title(self) -> str:
        """The state in words."""
        return STATE_TITLES[self.state]

    @property
    def seconds_per_epoch(self) -> float:
        """NaN where no epoch was trained."""
        return self.seconds / self.epochs if self.epochs else math.nan


def costs(trials: pd.DataFrame) -> list[StateCost]:
    """Return the cost of each state that occurs, in the order of `STATES`."""
    by_state = []
    for state in STATES:
        rows = trials[(trials["state"] == state).to_numpy(dtype=bool)]
        if rows.empty:
            continue
        seconds = metric_values(rows, "seconds")
        known = seconds[np.isfinite(seconds)]
        median_s, longest_s = (float(np.median(known)), float(known.max())) if len(known) else (math.nan, math.nan)
        epochs = int(epochs_spent(rows).sum())
        by_state.append(StateCost(state, len(rows), epochs, float(known.sum()), median_s, longest_s))
    return by_state


class NotCounted(NamedTuple):
    """A trial, or a point with several seeds, that is no candidate for the front; epochs are pandas' NA if unknown."""

    run: str
    trial: str
    state: str
    reason: str
    epochs: object


class Reason(NamedTuple):
    """A reason and the trials that it holds for, in the order of the record.

    In its text, numbers that differ from trial to trial are "…".
    """

    state: str
    text: str
    trials: list[NotCounted]


def not_counted(view: Overview) -> list[NotCounted]:
    """Return every trial, or point with several seeds, that is no candidate for the front, with the reason."""
    trials = []
    for label, run in view.runs.items():
        points = view.points.table[view.run_of(view.points.table) == label]
        broken = broken_guards(points, run.space.guards)
        counts = view.points.seeds[points.index.to_numpy()]
        for (_, row), guards, seeds in zip(points.iterrows(), broken, counts, strict=True):
            of = f" by the means of {seeds} seeds" if seeds > 1 else ""
            missing = [o.metric for o in view.objectives if not abs(row.get(o.metric, math.nan)) < math.inf]
            if row["state"] != "finished" or guards or missing:
                kept = f"guard not kept{of}: {guards}" if guards else f"no finite {', '.join(missing)}"
                reason = row["reason"] or (kept if row["state"] == "finished" else "no reason recorded")
                trials.append(NotCounted(label, str(row["trial"]), str(row["state"]), reason, row["epochs"]))
    return trials


def reasons(trials: Sequence[NotCounted]) -> list[Reason]:
    """Put trials with the same reason together, the most frequent first.

    Of a failure the numbers do not count: "nan at epoch 3" and "nan at epoch 7" are one reason. Those of a guard do.
    """
    grouped: dict[tuple[str, str], list[NotCounted]] = {}
    for trial in trials:
        text = trial.reason if trial.state == "finished" else NUMBER.sub("…", trial.reason)
        grouped.setdefault((trial.state, text), []).append(trial)
    counted = []
    for (state, text), members in grouped.items():
        exact = {member.reason for member in members}
        counted.append(Reason(state, exact.pop() if len(exact) == 1 else text, members))
    return sorted(counted, key=lambda reason: -len(reason.trials))
