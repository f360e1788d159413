"""PAMAP2 (Reiss and Stricker, 2012) as its authors distribute it: `PAMAP2_Dataset/Protocol/subject101.dat` and on.

A file is one subject's session at 100 samples per second, 54 columns separated by spaces: time (s), activity, heart
rate, then 17 columns for each of three sensors: temperature, acceleration up to 16 g, acceleration up to 6 g (both
m/s², x y z), rotation (rad/s), magnetic field (µT), and an orientation that the authors call invalid. A missing value
is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from model.dataset.archives import find_folder, read_numbers
from model.dataset.preprocessing import Reduction, cut, divide_rate, fill_gaps
from model.dataset.recordings import ConvertedSet, Gathering, Track
from model.dataset.sources import DataError

RATE_HZ = 100
COLUMNS = 54
SUBJECTS = tuple(f"subject{number}" for number in range(101, 110))
PLACES = {"hand": 3, "chest": 20, "ankle": 37}  # first column, counted from 0
SENSORS = {"acc16": 1, "acc6": 4, "gyro": 7, "mag": 10}  # first column, counted from the place's first
DEFAULT_SENSORS = ("acc16", "gyro")  # the other acceleration ends at 6 g, which running exceeds
DEFAULT_COLUMNS = (*PLACES, *DEFAULT_SENSORS)
CHANNELS = {
    f"{place} {sensor} {axis}": first + offset + index
    for place, first in PLACES.items()
    for sensor, offset in SENSORS.items()
    for index, axis in enumerate("xyz")
}
ACTIVITIES = {
    1: "lying",
    2: "sitting",
    3: "standing",
    4: "walking",
    5: "running",
    6: "cycling",
    7: "Nordic walking",
    12: "ascending stairs",
    13: "descending stairs",
    16: "vacuum cleaning",
    17: "ironing",
    24: "rope jumping",
}


def read_pamap2(
    folder: Path,
    columns: Sequence[str] = DEFAULT_COLUMNS,
    *,
    window: int = 100,
    step: int = 22,
    rate_divisor: int = 3,
    reduction: Reduction = "every",
    longest_gap: int = 20,
    track: Track[Path] = iter,
) -> ConvertedSet:
    """Cut the protocol sessions into windows of one activity each, a subject being a group.

    Args:
        folder: The unpacked archive.
        columns: What is kept, see `select_channels`.
        window: Samples of a window, after the rate was divided.
        step: Samples from one window's start to the next one's, after the rate was divided.
        rate_divisor: 3 makes 33.3 of 100 samples per second.
        reduction: How, see `model.dataset.preprocessing.divide_rate`.
        longest_gap: Longest run of missing values that is interpolated, in samples at 100 per second.
        track: Sees the files go by.

    Raises:
        DataError: The files are not there or are not PAMAP2's.
    """
    channels = select_channels(columns)
    protocol = find_folder(folder, ("PAMAP2_Dataset", "Protocol"), "subject10?.dat")
    found = [file for name in SUBJECTS if (file := protocol / f"{name}.dat").is_file()]  # no "subject101 (1).dat"
    gathering = Gathering(str(protocol))
    for file in track(found):
        for activity, series in _stretches(file, channels, gathering):
            reduced = divide_rate(fill_gaps(series, longest_gap), rate_divisor, reduction)
            windows = cut(reduced, window, step)
            gathering.add(windows.x, activity, file.stem)
            gathering.left_out["windows with a gap too long to fill"] += windows.gaps
            gathering.left_out["windows in which nothing moves"] += windows.still
            gathering.left_out["stretches of an activity shorter than a window"] += len(reduced) < window
    missing = sorted(set(SUBJECTS) - {file.stem for file in found})
    remarks = (f"{len(missing)} of the 9 subjects are not there: {', '.join(missing)}",) if missing else ()
    return ConvertedSet(gathering.part(channels, RATE_HZ / rate_divisor), None, dict(gathering.left_out), remarks)


def select_channels(columns: Sequence[str]) -> tuple[str, ...]:
    """Name the channels to keep, in the order of the file.

    Args:
        columns: Single words are a place or a sensor and together mean each such sensor at each such place; without
            a place all three, without a sensor those of the default. An argument of several words, such as
            "hand mag" or "hand mag x", adds just the channels that have these words in their name.

    Raises:
        DataError: A word is no part of a channel's name.
    """
    known = {*PLACES, *SENSORS}
    split = [tuple(argument.split()) for argument in columns]
    for words in split:
        wrong = [word for word in words if word not in (known | set("xyz") if len(words) > 1 else known)]
        if wrong or not words:
            raise DataError(
                f"--columns: {' '.join(words)!r} is none; expected words of {', '.join(PLACES)} and "
                f"{', '.join(SENSORS)}, or a quoted name such as 'hand mag x'"
            )
    single = {words[0] for words in split if len(words) == 1}
    places, sensors = single & set(PLACES) or set(PLACES), single & set(SENSORS) or set(DEFAULT_SENSORS)
    exact = [set(words) for words in split if len(words) > 1]
    chosen = []
    for name in CHANNELS:
        place, sensor, _ = parts = name.split()
        if (single and place in places and sensor in sensors) or any(words <= set(parts) for words in exact):
            chosen.append(name)
    if not chosen:
        raise DataError(f"--columns: no channel is called {' or '.join(repr(' '.join(w)) for w in split)}")
    return tuple(chosen)


def _stretches(file: Path, channels: Sequence[str], gathering: Gathering) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each run of rows of one protocol activity without a jump in time, (samples, channels)."""
    table = _read(file, channels)
    time, activity, series = table[:, 0], table[:, 1], table[:, 2:]
    passed = np.diff(time)
    jump = ~((passed > 0) & (passed < 1.5 / RATE_HZ))
    breaks = np.flatnonzero((np.diff(activity) != 0) | jump) + 1
    for start, end in zip([0, *breaks], [*breaks, len(table)], strict=True):
        name = ACTIVITIES.get(int(activity[start]))
        if name is None:
            gathering.left_out["samples of no protocol activity"] += int(end - start)
        else:
            yield name, series[start:end]


def _read(file: Path, channels: Sequence[str]) -> np.ndarray:
    """Return time, activity and the channels, float64, (samples, 2 + channels)."""
    columns = [CHANNELS[name] for name in channels]
    return read_numbers(file, COLUMNS, used=[0, 1, *columns], may_miss=columns)
