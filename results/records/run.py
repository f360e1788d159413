"""Read a run folder: what was searched, every trial, every learning curve.

The roles of the columns of `trials.csv` are not guessed: bookkeeping columns are a fixed list, parameters are
named by `space.yaml`, all others are metrics.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from results.records.append_table import read_content
from results.records.curves import parse_curves, read_for_report
from results.records.files import LeftOut, beside
from results.records.space import RunSpace, read_space
from results.records.tables import BOOKKEEPING, CODE, CURVES_FILE, TRIALS_FILE
from results.records.trials import parse_trials, without_unknown

log = logging.getLogger(__name__)


class Run(NamedTuple):
    """A run folder, read.

    Attributes:
        folder: Where it is.
        space: What was searched.
        trials: One row per ended trial.
        curves: One row per trial and epoch; of the metrics the objectives alone, `read_curves` has all.
        warnings: One line per thing that was read with a loss.
    """

    folder: Path
    space: RunSpace
    trials: pd.DataFrame
    curves: pd.DataFrame
    warnings: tuple[str, ...]

    @property
    def title(self) -> str:
        """The name of its folder."""
        return self.folder.resolve().name

    def shown(self, path: Path) -> str:
        """The path of something in the folder as it reads beside the folder, wherever that lies."""
        return beside(self.folder, str(path))


def read_run(folder: Path | str) -> Run:
    """Read all records of a run, for a report: damage costs the lines that it is in, and each loss is a warning.

    Raises:
        RecordError: The folder is not a run folder, or a file in it cannot be read at all.
    """
    folder = Path(folder)
    left_out = LeftOut(folder)
    space = read_space(folder)
    path = folder / TRIALS_FILE
    content = read_content(path, left_out)
    left_out.say(content.cut)
    trials = parse_trials(path, without_unknown(path, content, space, left_out), space, left_out)
    if CODE in trials and (trials[CODE] != "").any():
        counts = ", ".join(f"{count} {mark or 'as begun'}" for mark, count in trials[CODE].value_counts().items())
        left_out.say(f"{path}: this run went on with changed code, so its trials are of several codes ({counts})")
    curves = read_for_report(folder / CURVES_FILE, left_out, [objective.metric for objective in space.objectives])
    return Run(folder, space, trials, curves, left_out.warnings)


def read_trials(folder: Path | str, space: RunSpace | None = None) -> pd.DataFrame:
    """Read `trials.csv`.

    Args:
        folder: The run folder.
        space: What was searched; None reads it from the folder.

    Returns:
        One row per ended trial in the order of the file: trial, state, reason and slot as text, seed and epochs
        as integers that may be missing, times in UTC, parameters in their own types, metrics as floats.
        No rows if the file does not exist yet. A last line that was cut off is left out, with a warning.

    Raises:
        RecordError: The file is damaged; the message names the line.
    """
    path = Path(folder) / TRIALS_FILE
    content = read_content(path)
    if content.cut:
        log.warning(content.cut)
    return parse_trials(path, content, space or read_space(folder))


def read_curves(folder: Path | str) -> pd.DataFrame:
    """Read `curves.csv`: trial as text, epoch, seconds and metrics as floats, NaN where not measured.

    Raises:
        RecordError: The file is damaged; the message names the line.
    """
    frame, cut = parse_curves(Path(folder) / CURVES_FILE)
    if cut:
        log.warning(cut)
    return frame


def metric_names(trials: pd.DataFrame, space: RunSpace) -> list[str]:
    """Return the metric columns of the trials of a run, in order."""
    known = {*BOOKKEEPING, *space.parameter_names}
    return [name for name in trials.columns if name not in known]
