"""Read `trials.csv`: rows of text become columns in their own types, and what does not fit is named."""

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
from results.records.names import plain_name
from results.records.space import Parameter, RunSpace
from results.records.tables import BOOKKEEPING, CODE, INHERITED, STATES, TRIAL_COLUMNS, is_taken
from results.records.text import LARGEST, cell, is_number, parsed

# Of the columns that every trial has, and that are not text; all further ones are parameters and metrics.
KINDS = {"trial": "name", "state": "state", "seed": "int", "epochs": "int", INHERITED: "int", "seconds": "float"}
KINDS |= dict.fromkeys(("started", "first_step", "ended"), "moment")
Parser = Callable[[str], Any]


def parse_trials(path: Path, content: Content, space: RunSpace, damage: Damage = refuse) -> pd.DataFrame:
    """Turn rows of text into the columns that `results.records.run.read_trials` returns.

    `damage` is told of every row that does not fit; if it returns, the row is left out.

    Raises:
        RecordError: The header lacks a column.
    """
    leading = (*TRIAL_COLUMNS, *space.parameter_names)
    header = content.header or leading
    absent = [name for name in leading if name not in header]
    if absent:
        raise RecordError(
            f"{path}, line 1: no column {', '.join(absent)}; restore the header or the space.yaml of this run"
        )
    parameters = {parameter.name: parameter for parameter in space.parameters}
    kinds = {name: _kind(name, parameters.get(name)) for name in header}
    parsers = {name: _choice(parameters[name]) if kind == "choice" else PARSERS[kind] for name, kind in kinds.items()}
    rows = _sound_rows(path, content, parsers, damage)
    return pd.DataFrame(
        {name: _column([row[name] for row in rows], kind) for name, kind in kinds.items()}, columns=list(header)
    )


def _sound_rows(path: Path, content: Content, parsers: Mapping[str, Parser], damage: Damage) -> list[dict[str, Any]]:
    """Parse the rows, without those that are damaged; an empty cell is None."""
    sound: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for row, line in zip(content.rows, content.lines, strict=True):
        try:
            values = {n: parsed(n, row[n], parse) if row[n] or n == "state" else None for n, parse in parsers.items()}
        except ValueError as error:
            damage(DamagedLine(path, line, str(error), "correct or delete the line"))
            continue
        trial = row["trial"]
        if not trial or trial in seen:
            problem = f"trial {trial} has a row already in line {seen[trial]}" if trial else "no trial id"
            damage(DamagedLine(path, line, problem, "delete one of the two or name the trial"))
            continue
        seen[trial] = line
        sound.append(values)
    return sound


def without_unknown(path: Path, content: Content, space: RunSpace, left_out: LeftOut) -> Content:
    """Return a table without the columns that are no metric, by their name or their cells; note each."""
    known = {*BOOKKEEPING, *space.parameter_names, *space.judged}
    metrics = [objective.metric for objective in space.objectives]
    why = {}
    for name in (name for name in content.header if name not in known):
        if is_taken(name, metrics):
            why[name] = "has the name of one that tables of trials add themselves"
        elif not _mostly_numbers(content, name):
            why[name] = "is unknown and holds no numbers"
        if name in why:
            left_out.say(f"{path}: column {name!r} {why[name]}; it is left out")
    return content._replace(header=tuple(name for name in content.header if name not in why))


def _mostly_numbers(content: Content, name: str) -> bool:
    """Say whether at least half of a column's cells that are not empty are numbers: then the others are damaged."""
    texts = [row[name] for row in content.rows if row[name]]
    return 2 * sum(is_number(text) for text in texts) >= len(texts)


def _kind(name: str, parameter: Parameter | None) -> str:
    if parameter is not None:
        return {"int": "int", "float": "float", "log": "float"}.get(parameter.type, "choice")
    return KINDS.get(name, "text" if name in (*TRIAL_COLUMNS, CODE) else "float")


def _column(values: list[Any], kind: str) -> Any:
    if kind == "float":
        return np.array([np.nan if value is None else value for value in values], dtype=float)
    if kind == "int":
        return pd.array(values, dtype="Int64")
    if kind == "moment":
        return pd.to_datetime(pd.Series(values, dtype="object"), utc=True)
    if kind in ("text", "name", "state"):
        return np.array([value or "" for value in values], dtype=object)
    return np.array([*values, None], dtype=object)[:-1]  # the None keeps lists from becoming an axis


def _choice(parameter: Parameter) -> Parser:
    values = {cell(value): value for value in parameter.values}
    return lambda text: values[text] if text in values else _scalar(text)


def _scalar(text: str) -> int | float | str:
    for number in (_integer, float):
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
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:  # at an end of the calendar, with an offset
        raise ValueError(str(error)) from error


def _state(text: str) -> str:
    if text not in STATES:
        raise ValueError(f"expected one of {', '.join(STATES)}")
    return text


PARSERS: dict[str, Parser] = {
    "text": str,
    "name": plain_name,
    "state": _state,
    "int": _integer,
    "float": float,
    "moment": _moment,
}
