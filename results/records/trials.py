"""Owns reading `trials.csv`: rows of text become columns in their own types, and what does not fit is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from results.exceptions import DamagedLine, RecordError
from results.records.append_table import Content
from results.records.files import Damage, LeftOut, refuse
from results.records.space import Parameter, RunSpace
from results.records.tables import STATES, TRIAL_COLUMNS
from results.records.text import cell

REQUIRED = ("trial", "state")
LARGEST = 2**63 - 1
Parser = Callable[[str], Any]


def parse_trials(path: Path, content: Content, space: RunSpace, damage: Damage = refuse) -> pd.DataFrame:
    """Turn rows of text into columns.

    Args:
        path: Where they are from.
        content: The rows.
        space: Names the parameters.
        damage: Told of every row that does not fit. If it returns, the row is left out.

    Returns:
        As `results.records.run.read_trials`.

    Raises:
        RecordError: The header lacks a column.
    """
    leading = (*TRIAL_COLUMNS, *space.parameter_names)
    header = content.header or leading
    absent = [name for name in leading if name not in header]
    if damage is not refuse:  # `completed` has added what it could
        absent = [name for name in REQUIRED if name not in header]
    if absent:
        raise RecordError(
            f"{path}, line 1: no column {', '.join(absent)}; restore the header or the space.yaml of this run"
        )
    parameters = {parameter.name: parameter for parameter in space.parameters}
    parsers = {name: _column_parser(name, parameters.get(name)) for name in header}
    rows = _sound_rows(path, content, parsers, damage)
    return pd.DataFrame(
        {name: _column([row[name] for row in rows], name, parameters.get(name)) for name in header},
        columns=list(header),
    )


def _sound_rows(path: Path, content: Content, parsers: Mapping[str, Parser], damage: Damage) -> list[dict[str, Any]]:
    """Parse the rows, without those that are damaged; an empty cell is None."""
    sound: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for row, line in zip(content.rows, content.lines, strict=True):
        try:
            parsed = _parsed(row, parsers)
        except ValueError as error:
            damage(DamagedLine(path, line, str(error), "correct or delete the line"))
            continue
        trial = row["trial"]
        if not trial or trial in seen:
            problem = f"trial {trial} has a row already in line {seen[trial]}" if trial else "no trial id"
            damage(DamagedLine(path, line, problem, "delete one of the two or name the trial"))
            continue
        seen[trial] = line
        sound.append(parsed)
    return sound


def _parsed(row: Mapping[str, str], parsers: Mapping[str, Parser]) -> dict[str, Any]:
    name = "state"
    parsed: dict[str, Any] = {}
    try:
        if not row["state"]:
            raise ValueError(f"expected one of {', '.join(STATES)}")
        for name, parse in parsers.items():
            parsed[name] = parse(row[name]) if row[name] else None
    except ValueError as error:
        raise ValueError(f"{name}: {row[name]!r} does not fit ({error})") from error
    return parsed


def completed(path: Path, content: Content, space: RunSpace, left_out: LeftOut) -> tuple[Content, RunSpace]:
    """Make a table of another version fit for `parse_trials`, as far as that is possible; what is lost is noted.

    Returns:
        The table with every column of `TRIAL_COLUMNS` and without unknown columns of text, and the space without the
        parameters that the table does not have.
    """
    if not content.header:
        return content, space
    lacked = [name for name in TRIAL_COLUMNS if name not in content.header]
    if set(REQUIRED) & set(lacked):
        return content, space  # there is no reading it: `parse_trials` refuses
    if lacked:
        left_out.say(
            f"{path}: no column {', '.join(lacked)}, as an older version may have written it; read as not recorded"
        )
    unsearched = [name for name in space.parameter_names if name not in content.header]
    if unsearched:
        left_out.say(
            f"{path}: no column {', '.join(unsearched)}, which the space searches; reported without, so trials that "
            "differ in nothing else count as seeds of one point"
        )
        kept = tuple(parameter for parameter in space.parameters if parameter.name not in unsearched)
        space = space.model_copy(update={"parameters": kept})
    judged = {*(objective.metric for objective in space.objectives), *(guard.metric for guard in space.guards)}
    known = {*TRIAL_COLUMNS, *space.parameter_names, *judged}
    texts = [name for name in content.header if name not in known and not _mostly_numbers(content, name)]
    for name in texts:
        left_out.say(f"{path}: column {name!r} is unknown and holds no numbers; it is left out")
    header = (*TRIAL_COLUMNS, *(name for name in content.header if name not in {*TRIAL_COLUMNS, *texts}))
    rows = [{name: row.get(name, "") for name in header} for row in content.rows]
    return content._replace(header=header, rows=rows), space


def _mostly_numbers(content: Content, name: str) -> bool:
    """Say whether at least half of a column's cells that are not empty are numbers: then the others are damaged."""
    texts = [row[name] for row in content.rows if row[name]]
    return 2 * sum(_is_number(text) for text in texts) >= len(texts)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _column(values: list[Any], name: str, parameter: Parameter | None) -> Any:
    if parameter is not None:
        return _array(values, parameter.type)
    if name in ("seed", "epochs"):
        return _array(values, "int")
    if name in ("started", "first_step", "ended"):
        return pd.to_datetime(pd.Series(values, dtype="object"), utc=True)
    if name in TRIAL_COLUMNS and name != "seconds":
        return np.array([value or "" for value in values], dtype=object)
    return _array(values, "float")


def _column_parser(name: str, parameter: Parameter | None) -> Parser:
    if parameter is not None:
        return _parameter_parser(parameter)
    if name in ("seed", "epochs"):
        return _integer
    if name in ("started", "first_step", "ended"):
        return _moment
    if name == "state":
        return _state
    return str if name in TRIAL_COLUMNS and name != "seconds" else float


def _array(values: list[Any], type_name: str) -> Any:
    if type_name in ("float", "log"):
        return np.array([np.nan if value is None else value for value in values], dtype=float)
    if type_name == "int":
        return pd.array(values, dtype="Int64")
    return np.array([*values, None], dtype=object)[:-1]  # the None keeps lists from becoming an axis


def _parameter_parser(parameter: Parameter) -> Parser:
    if parameter.type == "int":
        return _integer
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


def _integer(text: str) -> int:
    value = int(text)
    if abs(value) > LARGEST:
        raise ValueError("too large")
    return value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _state(text: str) -> str:
    if text not in STATES:
        raise ValueError(f"expected one of {', '.join(STATES)}")
    return text
