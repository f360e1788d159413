"""Write `trials.csv` and `curves.csv`: one row per ended trial, one row per trained epoch."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from results.exceptions import RecordError
from results.records.append_table import AppendTable, read_content

TRIALS_FILE = "trials.csv"
CURVES_FILE = "curves.csv"
STATES = ("finished", "stopped", "failed", "interrupted")
TRIAL_COLUMNS = ("trial", "state", "reason", "seed", "epochs", "slot", "seconds", "started", "first_step", "ended")
INHERITED = "inherited_epochs"  # of those of a line, the ones that its parent was trained; no column without lines
CODE = "code"  # mark of the code of a trial where a run went on with changed code; no column without
BOOKKEEPING = (*TRIAL_COLUMNS, INHERITED, CODE)
LINE = "line"  # column of the values that a line has gone through, where the space has a sweep
CURVE_COLUMNS = ("trial", "epoch", "seconds")
# Columns that tables and charts of trials add; with those above, names that no parameter, loss or metric can have
DERIVED: tuple[str, ...] = ("names", "run", "runs", "seeds", "trials", "points", "front_size", "percent")
DERIVED += ("contribution", "on_front_probability", "single_run_probability")
DERIVED += ("expected_hypervolume", "hypervolume", "hypervolume_share", "hypervolume_mean", "hypervolume_std")
DERIVED += ("additive_epsilon", "igd_plus", "union_points", "union_share")
TAKEN = frozenset({*BOOKKEEPING, LINE, *CURVE_COLUMNS, *DERIVED})
# After the metric of an objective: the spread over the seeds of a point, and the mean of those that did not choose it
STD, AGAIN = "_std", "_again"
NAME = re.compile(r"[^\W\d][\w-]*(\.[\w-]+)*")


def is_taken(name: str, judged: Collection[str]) -> bool:
    """Say whether tables of trials have a column of this name themselves, where the objectives have these metrics."""
    return name in TAKEN or any(name.endswith(end) and name.removesuffix(end) in judged for end in (STD, AGAIN))


def name_trouble(name: str, judged: Collection[str] = ()) -> str:
    """Return why a parameter, a loss or a metric cannot have this name, as in "is the name of ..."; "" if it can.

    `judged` are the metrics of the objectives.
    """
    if is_taken(name, judged):
        return "is the name of a column of the tables of trials"
    if not NAME.fullmatch(name):
        return "has something else in its name than letters, digits, - and _, in parts joined by dots"
    return ""


class TrialTable(AppendTable):
    """Writer of `trials.csv`; every row is on the disk before `append` returns."""

    def __init__(self, folder: Path | str, parameters: Sequence[str]):
        """Open the table of a run folder, mending a last line that was cut off (see `repaired`).

        Args:
            folder: The run folder; it must exist.
            parameters: Parameter columns, in the space's order.

        Raises:
            RecordError: The file is damaged or was written for other parameters, or a parameter has the name
                of a bookkeeping column.
        """
        path = Path(folder) / TRIALS_FILE
        taken = sorted(set(parameters) & set(TRIAL_COLUMNS))
        if taken:
            raise RecordError(
                f"{path}: parameter {taken[0]!r} has the name of a column that every trial has "
                f"({', '.join(TRIAL_COLUMNS)}); rename the parameter"
            )
        super().__init__(path, (*TRIAL_COLUMNS, *parameters), durable=True)
        self._trials = {row["trial"] for row in read_content(path).rows}

    @property
    def trials(self) -> frozenset[str]:
        """Ids of the trials that have a row."""
        return frozenset(self._trials)

    def append(self, row: Mapping[str, object]) -> None:
        """Write the row of an ended trial.

        Args:
            row: `trial`, `state` and whatever else is known: bookkeeping columns, parameters and metrics.
                A key that is neither of the first two is a metric. Missing ones and None leave the cell empty.

        Raises:
            RecordError: The row has no trial or no known state, or the trial has a row already.
        """
        trial = str(row.get("trial", ""))
        if not trial or row.get("state") not in STATES:
            raise RecordError(
                f"{self.path}: a row needs a trial and a state out of {', '.join(STATES)}, "
                f"found trial {trial!r}, state {row.get('state')!r}; correct the row"
            )
        if trial in self._trials:
            raise RecordError(
                f"{self.path}: trial {trial} has a row already; give the new one another id, "
                "or drop the interrupted rows first"
            )
        self.write(row)
        self._trials.add(trial)

    def drop_interrupted(self, also: Collection[str] = ()) -> tuple[str, ...]:
        """Remove the rows of interrupted trials, and of some others, in one step; they will be run again.

        Returns:
            The ids of the removed trials.
        """
        dropped = tuple(
            row["trial"] for row in self.remove(lambda row: row["state"] == "interrupted" or row["trial"] in also)
        )
        self._trials.difference_update(dropped)
        return dropped


class CurveTable(AppendTable):
    """Writer of `curves.csv`; rows are not forced to the disk, a crash of the machine may cost the last ones."""

    def __init__(self, folder: Path | str):
        """Open the table of a run folder, mending a last line that was cut off (see `repaired`).

        Raises:
            RecordError: The file is damaged.
        """
        super().__init__(Path(folder) / CURVES_FILE, CURVE_COLUMNS, durable=False)

    def append(self, row: Mapping[str, object]) -> None:
        """Write one epoch of a trial: `trial`, `epoch`, `seconds` since the trial's start, and its metrics.

        Raises:
            RecordError: The row has no trial or no epoch.
        """
        if row.get("trial") in (None, "") or row.get("epoch") is None:
            raise RecordError(f"{self.path}: a row needs a trial and an epoch, found {dict(row)!r}; add them")
        self.write(row)

    def drop(self, trials: Collection[object]) -> int:
        """Remove the curves of trials that will be run again, in one step.

        Returns:
            How many rows were removed.
        """
        unwanted = {str(trial) for trial in trials}
        return len(self.remove(lambda row: row["trial"] in unwanted))
