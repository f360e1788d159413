"""How a value reads: exact in a record, short in a table or a hover text.

Floats are recorded with `repr`, the shortest text that reads back as the same number, so the same run gives the same
bytes. A cell never holds a line break: one line of a file is one row, which is what makes a row that was cut off by a
crash recognisable.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import pandas as pd

MISSING = "–"  # of a parameter that a point does not have


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
    return " ".join(str(value).replace("\0", " ").splitlines())


MISSING = "–"  # of a parameter that a point does not have


def short(value: object) -> str:
    """Return a value for reading: floats with four significant digits, "" for a missing one."""
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return cell(value)
