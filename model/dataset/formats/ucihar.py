"""UCI-HAR (Anguita and others, 2013) as its authors distribute it: `UCI HAR Dataset` with its parts train and test.

A row of each file in `Inertial Signals` is a window of 128 samples, 50 per second, of one of nine channels; neighbours
overlap by half. `y_*.txt` has each window's activity, `subject_*.txt` who it was, `activity_labels.txt` the names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from model.dataset.archives import find_folder, read_numbers, split_lines
from model.dataset.recordings import ConvertedSet, RawPart, Track
from model.dataset.sources import DataError

RATE_HZ = 50.0
SAMPLES = 128
SIGNALS = tuple(f"{signal}_{axis}" for signal in ("body_acc", "body_gyro", "total_acc") for axis in "xyz")
CHANNELS = tuple(signal.replace("_", " ") for signal in SIGNALS)


def read_ucihar(folder: Path, track: Track[str] = iter) -> ConvertedSet:
    """Read both parts, a subject being a group; the archive's test part stays the test part. `track` sees them go by.

    Raises:
        DataError: The files are not there or are not UCI-HAR's.
    """
    root = find_folder(folder, ("UCI HAR Dataset",), "train/y_train.txt")
    names = _activity_names(root / "activity_labels.txt")
    train, test = (_read_part(root / part, part, names) for part in track(("train", "test")))
    return ConvertedSet(train, test)


def _activity_names(file: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    _expect(file)
    for number, words in split_lines(file):
        if len(words) != 2 or not words[0].isdecimal():
            raise DataError(f"{file}: line {number}: expected a number and a name, got {' '.join(words)!r:.60}")
        names[int(words[0])] = words[1]
    return names


def _read_part(folder: Path, part: str, names: dict[int, str]) -> RawPart:
    activities = _whole_numbers(folder / f"y_{part}.txt")
    subjects = _whole_numbers(folder / f"subject_{part}.txt")
    for row, activity in enumerate(activities):
        if activity not in names:
            known = ", ".join(map(str, names))
            raise DataError(f"{folder / f'y_{part}.txt'}: row {row + 1} is {activity}, not one of {known}")
    files = [folder / "Inertial Signals" / f"{signal}_{part}.txt" for signal in SIGNALS]
    _same_rows(folder / f"subject_{part}.txt", len(subjects), folder / f"y_{part}.txt", len(activities))
    x = np.empty((len(activities), len(files), SAMPLES), dtype=np.float32)
    for channel, file in enumerate(files):
        values = _numbers(file, SAMPLES)
        _same_rows(file, len(values), folder / f"y_{part}.txt", len(activities))
        x[:, channel] = values
    groups = np.array([f"subject {subject}" for subject in subjects])
    return RawPart(str(folder), x, tuple(names[activity] for activity in activities), groups, CHANNELS, RATE_HZ)


def _same_rows(file: Path, rows: int, other: Path, others: int) -> None:
    if rows != others:
        raise DataError(f"{file}: has {rows} rows, but {other.name} has {others}: unpack the archive again")


def _whole_numbers(file: Path) -> list[int]:
    values = _numbers(file, 1)[:, 0]
    broken = np.flatnonzero(values != np.floor(values))
    if len(broken):
        raise DataError(f"{file}: row {broken[0] + 1} is {values[broken[0]]}, not a whole number")
    return [int(value) for value in values]


def _numbers(file: Path, columns: int) -> np.ndarray:
    """Return all numbers of a file, float64, (rows, columns)."""
    _expect(file)
    return read_numbers(file, columns)


def _expect(file: Path) -> None:
    if not file.is_file():
        raise DataError(f"no such file: {file}: unpack the archive again")
    if not file.stat().st_size:
        raise DataError(f"{file}: is empty: unpack the archive again")
