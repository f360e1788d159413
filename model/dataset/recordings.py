"""Recordings as files hold them: one part of a data set, what a converter makes of files, and whether it can be used.

Recordings are counted from 0, in the order of the file.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np

from model.dataset.preprocessing import constant_channels
from model.dataset.sources import DataError

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
# Lets the command line watch a converter go through its files.
Track = Callable[[Sequence[Item]], Iterable[Item]]


class RawPart(NamedTuple):
    """Recordings as they are in a file.

    Attributes:
        file: Where they were read, for messages.
        x: float64, (recordings, channels, length).
        labels: Class name of each recording.
        groups: Group of each recording, (recordings,), or None.
        channels: Name of each channel, or None where the file does not say.
        rate_hz: Samples per second, or None where the file does not say.
    """

    file: str
    x: np.ndarray
    labels: tuple[str, ...]
    groups: np.ndarray | None
    channels: tuple[str, ...] | None = None
    rate_hz: float | None = None


def check_part(part: RawPart) -> None:
    """Refuse what cannot be trained on and warn of constant channels.

    Raises:
        DataError: A value is missing, infinite or beyond float32, or a recording does not move at all.
    """
    if 0 in part.x.shape:
        raise DataError(f"{part.file}: no data: (recordings, channels, length) is {part.x.shape}")
    if part.x.shape[2] < 2:
        raise DataError(f"{part.file}: recordings need at least 2 samples, these have {part.x.shape[2]}")
    broken = np.argwhere(~np.isfinite(part.x))
    if len(broken):
        recording, channel, sample = broken[0]
        raise DataError(
            f"{part.file}: recording {recording}, channel {channel}, sample {sample} is "
            f"{part.x[recording, channel, sample]}: fill or remove it "
            f"({len(np.unique(broken[:, 0]))} recordings have missing or infinite values)"
        )
    with np.errstate(over="ignore"):
        largest = np.abs(part.x).max(axis=(1, 2)) > np.finfo(np.float32).max
    if largest.any():
        raise DataError(f"{part.file}: recording {np.argmax(largest)} has values beyond float32's range: rescale them")
    constant = constant_channels(part.x)
    still = np.flatnonzero(constant.all(axis=1))
    if len(still):
        raise DataError(f"{part.file}: recording {still[0]} does not move in any channel: remove it")
    if constant.any():
        first = np.argwhere(constant)[0]
        message = "%s: %d constant channels become zeros (first: recording %d, channel %d)"
        logger.warning(message, part.file, constant.sum(), *first)


def take(part: RawPart, rows: np.ndarray) -> RawPart:
    """Return the given recordings of a part."""
    groups = None if part.groups is None else part.groups[rows]
    return part._replace(x=part.x[rows], labels=tuple(part.labels[row] for row in rows), groups=groups)


@dataclass(frozen=True)
class ConvertedSet:
    """Recordings of one data set."""

    train: RawPart  # the training part, or all there is; x is float32
    test: RawPart | None
    left_out: dict[str, int] = field(default_factory=dict)  # what the files hold and the set does not, and how many
    remarks: tuple[str, ...] = ()  # what a user should know beside that; sentences


class Gathering:
    """Recordings of one part as they come, file by file; `file` is where they come from, for messages."""

    def __init__(self, file: str):
        self.file = file
        self.left_out: Counter[str] = Counter()
        self._x: list[np.ndarray] = []
        self._labels: list[str] = []
        self._groups: list[str] = []

    def add(self, x: np.ndarray, label: str, group: str) -> None:
        """Add recordings of one class and one group, (recordings, channels, samples)."""
        self._x.append(x)
        self._labels += [label] * len(x)
        self._groups += [group] * len(x)

    def part(self, channels: Sequence[str], rate_hz: float | None, grouped: bool = True) -> RawPart:
        """Return all that was added.

        Raises:
            DataError: Nothing was.
        """
        if not self._labels:
            reasons = "; ".join(f"{what}: {count:,}" for what, count in self.left_out.items() if count)
            raise DataError(f"{self.file}: no recordings are left" + (f" ({reasons})" if reasons else ""))
        groups = np.array(self._groups) if grouped else None
        return RawPart(self.file, np.concatenate(self._x), tuple(self._labels), groups, tuple(channels), rate_hz)
