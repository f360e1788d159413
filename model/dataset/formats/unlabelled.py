"""Recordings that are to be annotated: whatever the project reads data from, but no class need be known.

Owns what a recording is called in an annotation, and bringing the channels into the order that a model knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.dataset.formats.csv_folder import check_like_first, read_recording
from model.dataset.npz import read_unlabelled
from model.dataset.sources import DataError
from model.dataset.ts import find_named, read_ts

LABEL_TABLE = "labels.csv"


class NamedRecording(NamedTuple):
    """One recording: x float64, (channels, samples)."""

    name: str
    x: np.ndarray


class AnnotationData(NamedTuple):
    """What is to be annotated."""

    file: str  # where it was read, for messages
    recordings: Iterator[NamedRecording]  # in their order; a folder's files are read as they come
    total: int
    channels: tuple[str, ...] | None  # None where the source does not say


def open_data(data: str, time: str | None = None) -> AnnotationData:
    """Open a source.

    Args:
        data: An ``.npz`` file (``X``, and ``X_test`` if it is there), a ``.ts`` file, a ``.csv`` file, a folder of
            these (``labels.csv`` aside), or the name of a UEA/UCR data set. Recordings are called by their number,
            counted from 0, those of a test part "test 0", and by their file's name where each has a file.
        time: Column of CSV files that is the time and no channel; None where there is none.

    Raises:
        DataError: It is none of these, or cannot be used; names the file, and the recording where it can.
    """
    path = Path(data)
    if time is not None and not path.is_dir() and path.suffix.lower() != ".csv":
        raise DataError(f"--time {time}: {data} is no CSV file, nor a folder of them")
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() == ".csv" and file.name != LABEL_TABLE)
        if not files:
            raise DataError(f"{path}: has no CSV files beside {LABEL_TABLE}")
        return _csv_files(path, files, time)
    if path.suffix.lower() == ".csv" and path.is_file():
        return _csv_files(path.parent, [path], time)
    if path.suffix == ".npz":
        parts, channels = read_unlabelled(path)
        return _arrays(data, parts, channels)
    if path.suffix == ".ts":
        part = read_ts(path)
        return _arrays(data, [("", part.x)], part.channels)
    if path.name != data or path.exists():
        raise DataError(
            f"{data}: {'cannot be read' if path.exists() else 'no such file or folder'}; give an .npz, .ts or .csv "
            "file, a folder of CSV files, or a data set's name"
        )
    train, test = (read_ts(file) for file in find_named(data, None))
    return _arrays(data, [("", train.x), ("test ", test.x)], train.channels)


def channel_order(data: AnnotationData, expected: Sequence[str]) -> tuple[list[int] | None, str]:
    """Say which channels of the data a model reads that expects these names.

    Returns:
        Rows to take, or None to take all as they are; and a line for the user, "" where there is nothing to say.
    """
    if data.channels is None:
        return None, ""
    if set(expected) <= set(data.channels):
        return [data.channels.index(name) for name in expected], ""
    if len(data.channels) != len(expected):
        return None, ""  # the model will say so
    named = f"{', '.join(data.channels)} stand for {', '.join(expected)}"
    return None, f"{data.file}: channels have other names than in training and are taken in their order: {named}"


def _csv_files(folder: Path, files: Sequence[Path], time: str | None) -> AnnotationData:
    first = read_recording(files[0], time)

    def read() -> Iterator[NamedRecording]:
        for file in files:
            recording = read_recording(file, time)
            check_like_first(file, recording, files[0], first, rates=False)
            yield NamedRecording(file.relative_to(folder).as_posix(), recording.x.T)

    return AnnotationData(str(folder), read(), len(files), first.channels)


def _arrays(file: str, parts: Sequence[tuple[str, np.ndarray]], channels: tuple[str, ...] | None) -> AnnotationData:
    for prefix, x in parts:
        broken = np.argwhere(~np.isfinite(x))
        if len(broken):
            recording, channel, sample = broken[0]
            raise DataError(
                f"{file}: recording {prefix}{recording}, channel {channel}, sample {sample} is no finite number: "
                "fill or remove it"
            )
    named = (NamedRecording(f"{prefix}{number}", one) for prefix, x in parts for number, one in enumerate(x))
    return AnnotationData(file, named, sum(len(x) for _, x in parts), channels)
