"""A folder of recordings, one CSV file each: columns are channels, rows are samples, the header names the channels.

A table, `file,label` and optionally `group,part`, says what each file is.
"""

from __future__ import annotations

import csv
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.dataset.archives import find_fault, parse_number
from model.dataset.preprocessing import constant_channels, cut, resample
from model.dataset.recordings import ConvertedSet, Gathering, Track
from model.dataset.sources import DataError

SAME_RATE = 0.01  # clocks differ by less, and rates that are meant to differ by more
LONGEST_PAUSE = 2.5  # times the usual interval: one missing sample is let pass
LENGTHS_LISTED = 6

NEEDED = ("file", "label")
OPTIONAL = ("group", "part")
PARTS = ("train", "test")


class LabelledFile(NamedTuple):
    """One row of the table."""

    name: str  # as the table writes it
    path: Path
    label: str
    group: str | None  # None where the table has no such column
    part: str  # "train" or "test"


class Recording(NamedTuple):
    """A file's content: x float64, (samples, channels); rate_hz None without a time column."""

    x: np.ndarray
    channels: tuple[str, ...]
    rate_hz: float | None


def read_csv_recordings(
    folder: Path,
    labels: Path | None = None,
    *,
    time: str | None = None,
    rate_hz: float | None = None,
    length: int | None = None,
    window: int | None = None,
    step: int | None = None,
    track: Track[LabelledFile] = iter,
) -> ConvertedSet:
    """Read every file that the label table names.

    Args:
        folder: Where they are.
        labels: The label table; None is `labels.csv` in the folder.
        time: Name of a column that is the time in seconds and no channel; None where there is none.
        rate_hz: Samples per second; None takes it from the time column, if there is one.
        length: Resamples every recording to so many samples; None leaves them.
        window: Cuts every recording into windows of so many samples; None leaves them whole.
        step: Samples from one window's start to the next one's; None is `window`.
        track: Sees the files go by.

    Raises:
        DataError: One line that names the file, and line and column where it can.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: {'is no folder' if folder.exists() else 'no such folder'}")
    entries = read_label_table(labels or folder / "labels.csv", folder)
    parts = {part: Gathering(f"{folder} ({part})") for part in sorted({entry.part for entry in entries} | {"train"})}
    first: Recording | None = None
    lengths: dict[str, int] = {}
    for entry in track(entries):
        recording = read_recording(entry.path, time)
        first = first or recording
        check_like_first(entry.path, recording, entries[0].name, first, rates=rate_hz is None and length is None)
        lengths[entry.name] = len(recording.x)
        _add(parts[entry.part], entry, recording.x, length, (window, step or window) if window else None)
    if length is None and window is None:
        _check_lengths(lengths)
    assert first is not None
    rate = rate_hz or (first.rate_hz if length is None else None)
    grouped = window is not None or entries[0].group is not None
    made = {name: part.part(first.channels, rate, grouped) for name, part in parts.items()}
    left_out = sum((part.left_out for part in parts.values()), Counter[str]())
    lost = sorted({entry.label for entry in entries} - {label for part in made.values() for label in part.labels})
    remarks = (f"nothing is left of {', '.join(lost)}",) if lost else ()
    return ConvertedSet(made["train"], made.get("test"), dict(left_out), remarks)


def _add(
    part: Gathering, entry: LabelledFile, x: np.ndarray, length: int | None, cutting: tuple[int, int] | None
) -> None:
    """Add a recording, whole, resampled or in windows; where windows have no group, their recording is one."""
    group = entry.group or entry.name
    if cutting is not None:
        windows = cut(x, *cutting)
        part.add(windows.x, entry.label, group)
        part.left_out["windows in which nothing moves"] += windows.still
        part.left_out["recordings shorter than a window"] += len(x) < cutting[0]
        return
    if constant_channels(x.T[None]).all():
        raise DataError(f"{entry.path}: does not move in any channel: remove it and its row")
    whole = x.T if length is None else resample(x.T, length)
    part.add(whole[None].astype(np.float32), entry.label, group)


def read_recording(file: Path, time: str | None) -> Recording:
    """Read a CSV file whose header names the channels; `time` names a column of seconds that is none, if there is one.

    Raises:
        DataError: One line that names the file, and line and column where it can.
    """
    _, header = next(csv_lines(file), (1, []))
    _check_header(file, header)
    values = _numbers(file, header)
    if time is None:
        return Recording(values, tuple(header), None)
    if time not in header:
        raise DataError(f"{file}: line 1: there is no column {time} (--time); it has {', '.join(header)}")
    if len(header) == 1:
        raise DataError(f"{file}: has no channel beside the time")
    at = header.index(time)
    channels = (*header[:at], *header[at + 1 :])
    return Recording(np.delete(values, at, axis=1), channels, _rate(file, values[:, at], time))


def _check_header(file: Path, header: Sequence[str]) -> None:
    if not header:
        raise DataError(f"{file}: is empty")
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise DataError(f"{file}: line 1: one column {header[0]!r:.60}: separate columns by commas")
    for column, name in enumerate(header, start=1):
        if not name or header.count(name) > 1:
            raise DataError(f"{file}: line 1, column {column}: {'twice ' + name if name else 'the name is missing'}")
    if all(parse_number(name) is not None for name in header):
        raise DataError(f"{file}: line 1: expected the channels' names, got numbers")


def _numbers(file: Path, header: Sequence[str]) -> np.ndarray:
    """Return all rows below the header, float64, (samples, columns)."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no rows below the header: said below
            next(csv.reader(lines))  # the header may be quoted over several lines
            values = np.loadtxt(lines, delimiter=",", quotechar='"', comments=None, ndmin=2)
    except ValueError as error:
        problem = " ".join(str(error).split())
    else:
        if len(values) < 2:
            raise DataError(f"{file}: has {len(values)} samples, at least 2 are needed")
        if values.shape[1] == len(header) and np.isfinite(values).all():
            return values
        problem = f"line 2 has {values.shape[1]} columns, expected {len(header)}"
    lines_below = csv_lines(file)
    next(lines_below)
    raise DataError(f"{file}: {find_fault(lines_below, header) or problem}")


def _rate(file: Path, time: np.ndarray, name: str) -> float:
    """Return the samples per second by a time column in seconds."""
    passed = np.diff(time)
    usual = float(np.median(passed))
    wrong = np.flatnonzero((passed <= 0) | (passed > LONGEST_PAUSE * max(usual, 0.0)))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{file}: line {row + 3}, column {name}: {passed[row]:.6g} s after the line before, usual is {usual:.6g}: "
            "bring the recording to equal steps or divide it"
        )
    return float(1.0 / passed.mean())


def check_like_first(file: Path, recording: Recording, first_name: object, first: Recording, rates: bool) -> None:
    """Raise `DataError` for a recording with other channels than the first one, or, if `rates` count, another rate."""
    if recording.channels != first.channels:
        raise DataError(
            f"{file}: line 1: the channels are {', '.join(recording.channels)}, but those of {first_name} "
            f"{', '.join(first.channels)}"
        )
    rate, expected = recording.rate_hz, first.rate_hz
    if rates and rate is not None and expected is not None and abs(rate / expected - 1.0) > SAME_RATE:
        raise DataError(
            f"{file}: {rate:.4g} samples per second, but {first_name} has {expected:.4g}: bring all to one rate"
        )


def _check_lengths(lengths: dict[str, int]) -> None:
    files: defaultdict[int, list[str]] = defaultdict(list)
    for name, length in lengths.items():
        files[length].append(name)
    if len(files) > 1:
        listed = [
            f"{length} ({names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''})"
            for length, names in sorted(files.items())
        ]
        more = f" and {len(listed) - LENGTHS_LISTED} other lengths" if len(listed) > LENGTHS_LISTED else ""
        raise DataError(
            f"recordings differ in length: {', '.join(listed[:LENGTHS_LISTED])}{more} samples: give --length N to "
            "resample every one, or --window N --step M to cut each into windows"
        )


def read_label_table(table: Path, folder: Path) -> list[LabelledFile]:
    """Read the table and compare it with the folder of the recordings.

    Every `.csv` file in the folder, the table aside, must have a row.

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
    if unlisted := sorted(there - set(entries) - {table.resolve()}):
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
    """Yield each row by column name, with its line counted from 1."""
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
    """Yield the cells of each line that is not empty, without the blanks around them, with its number counted from 1.

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
