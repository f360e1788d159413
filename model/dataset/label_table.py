"""The table that says what each file of a folder of recordings is: `file,label` and optionally `group,part`."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from model.dataset.sources import DataError

NEEDED = ("file", "label")
OPTIONAL = ("group", "part")
PARTS = ("train", "test")


class LabelledFile(NamedTuple):
    """One row of the table.

    Attributes:
        name: As the table writes it.
        path: Where it is.
        label: Class.
        group: None where the table has no such column.
        part: "train" or "test".
    """

    name: str
    path: Path
    label: str
    group: str | None
    part: str


def read_label_table(table: Path, folder: Path) -> list[LabelledFile]:
    """Reads the table and compares it with the folder.

    Args:
        table: A CSV file.
        folder: Where the recordings are; every `.csv` file in it, the table aside, must have a row.

    Raises:
        DataError: Names the table's line and column.
    """
    entries: dict[Path, LabelledFile] = {}
    parts_of_group: dict[str, str] = defaultdict(str)
    for line, row in _rows(table):
        entry = _entry(row, folder, f"{table}: line {line}")
        if entry.path in entries:
            raise DataError(f"{table}: line {line}: {entry.name} has a row already")
        entries[entry.path] = entry
        if entry.group is not None and parts_of_group.setdefault(entry.group, entry.part) != entry.part:
            raise DataError(f"{table}: line {line}: group {entry.group} is in the train and in the test part")
    if not entries:
        raise DataError(f"{table}: has no rows")
    there = {file.resolve() for file in folder.rglob("*") if file.suffix.lower() == ".csv"}
    unlisted = sorted(there - set(entries) - {table.resolve()})
    if unlisted:
        more = f" (and {len(unlisted) - 1} more)" if len(unlisted) > 1 else ""
        raise DataError(f"{unlisted[0]}: has no row in {table}{more}: add one or move the file away")
    return list(entries.values())


def _entry(row: dict[str, str], folder: Path, where: str) -> LabelledFile:
    for column, value in row.items():
        if not value:
            raise DataError(f"{where}, column {column}: is empty")
    root, path = folder.resolve(), (folder / row["file"]).resolve()
    if root not in path.parents:
        raise DataError(f"{where}, column file: {row['file']} is outside {folder}")
    if not path.is_file():
        raise DataError(f"{where}, column file: there is no file {folder / row['file']}")
    part = row.get("part", PARTS[0])
    if part not in PARTS:
        raise DataError(f"{where}, column part: expected train or test, got {part!r}")
    return LabelledFile(row["file"], path, row["label"], row.get("group"), part)


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row by column name, with its line counted from 1."""
    if not table.is_file():
        raise DataError(f"no such file: {table}: it says what each recording is, in the columns file,label")
    lines = csv_lines(table)
    _, header = next(lines, (1, []))
    wrong = [name for name in header if name not in NEEDED + OPTIONAL]
    if wrong or not set(NEEDED) <= set(header) or len(set(header)) < len(header):
        raise DataError(
            f"{table}: line 1: expected the columns file,label and optionally group,part; got {','.join(header)!r:.100}"
        )
    for line, row in lines:
        if len(row) != len(header):
            raise DataError(f"{table}: line {line} has {len(row)} columns, expected {len(header)}")
        yield line, dict(zip(header, row, strict=True))


def csv_lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line that is not empty, without the blanks around them, with its number counted from 1.

    Raises:
        DataError: It is no text.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, skipinitialspace=True)
            for row in reader:
                if row:
                    yield reader.line_num, [cell.strip() for cell in row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: is no CSV file in UTF-8 ({' '.join(str(error).split())})") from None
