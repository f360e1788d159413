"""Owns what a search has cost: the seconds and epochs of its trials, by how they ended."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from results.records.objectives import metric_values
from results.records.tables import STATES

STATE_TITLES = {"finished": "finished", "stopped": "stopped early", "failed": "failed", "interrupted": "interrupted"}


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
        return self.seconds / self.epochs if self.epochs else float("nan")


def costs(trials: pd.DataFrame) -> list[StateCost]:
    """Return the cost of each state that occurs, in the order of `STATES`."""
    found = []
    for state in STATES:
        rows = trials[(trials["state"] == state).to_numpy(dtype=bool)]
        if rows.empty:
            continue
        seconds = metric_values(rows, "seconds")
        known = seconds[np.isfinite(seconds)]
        found.append(
            StateCost(
                state=state,
                trials=len(rows),
                epochs=int(rows["epochs"].fillna(0).sum()),
                seconds=float(known.sum()),
                median_s=float(np.median(known)) if len(known) else float("nan"),
                longest_s=float(known.max()) if len(known) else float("nan"),
            )
        )
    return found
