"""How the hypervolume grew: over ended trials, over time and over epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from results.charts.encoding import MOST_NAMES, named_look
from results.front.overview import Overview

TIME_UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


def run_looks(view: Overview) -> list[tuple[str, str, int]]:
    """Return each run's label, the colour of its line, and the number of its kind of line."""
    return [(label, *named_look(number)) for number, label in enumerate(view.histories)]


def listed_runs(view: Overview) -> list[tuple[str, str, int]]:
    """Return what a legend lists of `run_looks`: all that differ, and how many more there are."""
    looks = run_looks(view)
    more = len(looks) - MOST_NAMES
    return looks if more <= 0 else [*looks[:MOST_NAMES], (f"and {more} more", *named_look(MOST_NAMES))]


def progress_axes(view: Overview) -> list[tuple[str, str, float]]:
    """Return what the hypervolume is drawn over: title, column of the histories, and the column's unit."""
    longest = max((float(h["seconds"].max()) for h in view.histories.values() if len(h)), default=0.0)
    name, unit = next((entry for entry in TIME_UNITS if longest >= 3 * entry[1]), TIME_UNITS[-1])
    return [("ended trials", "trials", 1.0), (f"{name} of search", "seconds", unit), ("epochs", "epochs", 1.0)]


def growth(history: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the rows of a history at which its staircase changes, without those that have no value in the column."""
    known = history[np.isfinite(history[column].to_numpy(dtype=float))]
    return known.iloc[steps(known["hypervolume"].to_numpy(dtype=float))]


def steps(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the positions at which a staircase changes, with both its ends: drawn as steps they are the same line."""
    values = np.asarray(values, dtype=float)
    if len(values) < 3:
        return np.arange(len(values))
    changed = np.flatnonzero(np.diff(values) != 0) + 1
    return np.unique(np.concatenate([[0], changed, [len(values) - 1]]))
