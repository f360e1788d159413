"""Owns reading a run folder: what was searched, every trial, every learning curve.

The roles of the columns of `trials.csv` are not guessed: bookkeeping columns are a fixed list, parameters are
named by `space.yaml`, all others are metrics.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from results.append_table import Content, read_content, truncation_message
from results.cells import cell
from results.errors import RecordError
from results.run_space import Parameter, RunSpace, read_space
from results.trial_table import (
    CURVE_COLUMNS,
    CURVES_FILE,
    STATES,
    TRIAL_COLUMNS,
    TRIALS_FILE,
    CurveTable,
    TrialTable,
)

__all__ = [
    "CURVE_COLUMNS",
    "STATES",
    "TRIAL_COLUMNS",
    "CurveTable",
    "RecordError",
    "Run",
    "RunSpace",
    "TrialTable",
    "metric_names",
    "read_curves",
    "read_run",
    "read_space",
    "read_trials",
]

log = logging.getLogger(__name__)


class Run(NamedTuple):
    """A run folder, read.

    Attributes:
        folder: Where it is.
        space: What was searched.
        trials: One row per ended trial.
        curves: One row per trial and epoch.
        warnings: One line per thing that was read with a loss.
    """

    folder: Path
    space: RunSpace
    trials: pd.DataFrame
    curves: pd.DataFrame
    warnings: tuple[str, ...]


def read_run(folder: Path | str) -> Run:
    """Read all records of a run.

    Raises:
        RecordError: The folder is not a run folder, or a file in it is damaged.
    """
    folder = Path(folder)
    space = read_space(folder)
    trials, curves = read_content(folder / TRIALS_FILE), read_content(folder / CURVES_FILE)
    return Run(
        folder,
        space,
        _trials(folder / TRIALS_FILE, trials, space),
        _curves(folder / CURVES_FILE, curves),
        tuple(
            truncation_message(folder / name, content)
            for name, content in ((TRIALS_FILE, trials), (CURVES_FILE, curves))
            if content.tail
        ),
    )


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
    return _trials(path, _content(path), space or read_space(folder))


def read_curves(folder: Path | str) -> pd.DataFrame:
    """Read `curves.csv`: trial as text, epoch, seconds and metrics as floats, NaN where not measured.

    Raises:
        RecordError: The file is damaged; the message names the line.
    """
    path = Path(folder) / CURVES_FILE
    return _curves(path, _content(path))


def metric_names(trials: pd.DataFrame, space: RunSpace) -> list[str]:
    """Return the metric columns of the trials of a run, in order."""
    known = {*TRIAL_COLUMNS, *space.parameter_names}
    return [name for name in trials.columns if name not in known]


def _content(path: Path) -> Content:
    content = read_content(path)
    if content.tail:
        log.warning(truncation_message(path, content))
    return content


def _trials(path: Path, content: Content, space: RunSpace) -> pd.DataFrame:
    leading = (*TRIAL_COLUMNS, *space.parameter_names)
    header = content.header or leading
    absent = [name for name in leading if name not in header]
    if absent:
        raise RecordError(
            f"{path}, line 1: no column {', '.join(absent)}; restore the header or the space.yaml of this run"
        )
    parameters = {parameter.name: parameter for parameter in space.parameters}
    frame = pd.DataFrame(
        {name: _trial_column(path, content, name, parameters.get(name)) for name in header},
        columns=list(header),
    )
    _check_ids(path, content)
    return frame


def _trial_column(path: Path, content: Content, name: str, parameter: Parameter | None) -> Any:
    if parameter is not None:
        values = _values(path, content, name, _parser(parameter))
        return _array(values, parameter.type)
    if name in ("seed", "epochs"):
        return pd.array(_values(path, content, name, int), dtype="Int64")
    if name in ("started", "first_step", "ended"):
        return pd.to_datetime(pd.Series(_values(path, content, name, _moment), dtype="object"), utc=True)
    if name == "state":
        return np.array(_values(path, content, name, _state), dtype=object)
    if name in TRIAL_COLUMNS and name != "seconds":
        return np.array([row[name] for row in content.rows], dtype=object)
    return _array(_values(path, content, name, float), "float")


def _curves(path: Path, content: Content) -> pd.DataFrame:
    header = content.header or CURVE_COLUMNS
    if header[: len(CURVE_COLUMNS)] != CURVE_COLUMNS:
        raise RecordError(f"{path}, line 1: expected {', '.join(CURVE_COLUMNS)} first; restore the header")
    columns: dict[str, Any] = {
        name: _array(_values(path, content, name, float), "float") for name in header if name != "trial"
    }
    columns["trial"] = np.array([row["trial"] for row in content.rows], dtype=object)
    return pd.DataFrame({name: columns[name] for name in header}, columns=list(header))


def _values(path: Path, content: Content, name: str, parse: Callable[[str], Any]) -> list[Any]:
    """Parse one column; an empty cell is None."""
    values = []
    for row, line in zip(content.rows, content.lines, strict=True):
        try:
            values.append(parse(row[name]) if row[name] else None)
        except ValueError as error:
            raise RecordError(
                f"{path}, line {line}: {name}: {row[name]!r} does not fit ({error}); correct or delete the line"
            ) from error
    return values


def _array(values: list[Any], type_name: str) -> Any:
    if type_name in ("float", "log"):
        return np.array([np.nan if value is None else value for value in values], dtype=float)
    if type_name == "int":
        return pd.array(values, dtype="Int64")
    return np.array([*values, None], dtype=object)[:-1]  # the None keeps lists from becoming an axis


def _parser(parameter: Parameter) -> Callable[[str], Any]:
    if parameter.type == "int":
        return int
    if parameter.type in ("float", "log"):
        return float
    values = {cell(value): value for value in parameter.values}
    return lambda text: values[text] if text in values else _scalar(text)


def _scalar(text: str) -> int | float | str:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _state(text: str) -> str:
    if text not in STATES:
        raise ValueError(f"expected one of {', '.join(STATES)}")
    return text


def _check_ids(path: Path, content: Content) -> None:
    seen: dict[str, int] = {}
    for row, line in zip(content.rows, content.lines, strict=True):
        trial = row["trial"]
        if not trial or trial in seen:
            problem = f"trial {trial} has a row already in line {seen[trial]}" if trial else "no trial id"
            raise RecordError(f"{path}, line {line}: {problem}; delete one of the two or name the trial")
        seen[trial] = line
