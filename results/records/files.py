"""Owns how a value becomes text in a record, and how a record reaches the disk.

Floats are written with `repr`, the shortest text that reads back as the same number, so the same run gives
the same bytes. A cell never holds a line break: one line of a file is one row, which is what makes a row that
was cut off by a crash recognisable.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd


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


def csv_lines(rows: Iterable[Iterable[str]]) -> str:
    """Return rows of cells as CSV text, each line ended by a line feed."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def frame_text(frame: pd.DataFrame) -> str:
    """Return a data frame as CSV text in the form of the records; a missing number is an empty cell."""
    rows = (
        ["" if isinstance(value, float) and value != value else cell(value) for value in row]
        for row in frame.itertuples(index=False, name=None)
    )
    return csv_lines([[str(name) for name in frame.columns], *rows])


def write_atomically(path: Path, data: str | bytes) -> None:
    """Replace a file in one step: a reader, or a crash, meets the old content or the new, never a part."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new or replaced directory entry survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
