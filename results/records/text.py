"""How a value reads: exact in a record, short in a table or a hover text.

Floats are recorded with `repr`, the shortest text that reads back as the same number, so the same run gives the same
bytes. A cell never holds a line break: one line of a file is one row, which is what makes a row that was cut off by a
crash recognisable.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import pandas as pd

ARROW = " > "  # between the values that a line has gone through
LARGEST = 2**63 - 1  # whole number in a table
MISSING = "–"  # of a parameter that a point does not have
Value = TypeVar("Value")


def cell(value: object) -> str:
    """Return the text of one value.

    None and pandas' missing values (NA, NaT) become the empty cell; a float NaN is written as `nan`, since a
    metric that came out as NaN is not the same finding as one that was never measured.
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()  # a numpy scalar: its repr would be "np.float64(0.5)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment.isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    text = " ".join(str(value).replace("\0", " ").splitlines())
    return text.encode("utf-8", "backslashreplace").decode()


def recorded(value: Any) -> Any:
    """Return a value of a choice as tables hold it: null, since an empty cell says another thing, and lists as JSON.

    A whole number that no column of numbers can hold is a text.
    """
    if isinstance(value, int) and abs(value) > LARGEST:
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str) if value is None or isinstance(value, list) else value


def parsed(name: str, text: str, parse: Callable[[str], Value]) -> Value:
    """Return the value of a cell.

    Raises:
        ValueError: It does not fit; names the column and the text.
    """
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{name}: {text!r} does not fit ({error})") from error


def short(value: object) -> str:
    """Return a value for reading: floats, those of a line too, with four significant digits, "" for a missing one.

    What does not print is escaped.
    """
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    if isinstance(value, str) and ARROW in value and all(map(is_number, value.split(ARROW))):
        return ARROW.join(f"{float(part):.4g}" for part in value.split(ARROW))
    return printing(cell(value))


def printing(text: str) -> str:
    """Return a text with escapes for what does not print: a terminal would take it for commands."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def is_number(text: str) -> bool:
    """Say whether a text reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
