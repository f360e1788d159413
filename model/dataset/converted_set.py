"""What a converter makes of somebody's files: recordings of one length, and an account of what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from model.dataset.recordings import RawPart
from model.dataset.sources import DataError

Item = TypeVar("Item")
# Lets the command line watch a converter go through its files.
Track = Callable[[Sequence[Item]], Iterable[Item]]


@dataclass(frozen=True)
class ConvertedSet:
    """Recordings of one data set.

    Attributes:
        train: The training part, or all there is; x is float32.
        test: The test part, or None.
        left_out: What the files hold and the set does not: a description and how many of it.
        remarks: What a user should know beside that; sentences.
    """

    train: RawPart
    test: RawPart | None
    left_out: dict[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


class Gathering:
    """Recordings of one part as they come, file by file.

    Args:
        file: Where they come from, for messages.
    """

    def __init__(self, file: str):
        self.file = file
        self.left_out: Counter[str] = Counter()
        self._x: list[np.ndarray] = []
        self._labels: list[str] = []
        self._groups: list[str] = []

    def add(self, x: np.ndarray, label: str, group: str) -> None:
        """Adds recordings of one class and one group, (recordings, channels, samples)."""
        self._x.append(x)
        self._labels += [label] * len(x)
        self._groups += [group] * len(x)

    def part(self, channels: Sequence[str], rate_hz: float | None, grouped: bool = True) -> RawPart:
        """All that was added.

        Raises:
            DataError: Nothing was.
        """
        if not self._labels:
            reasons = "; ".join(f"{what}: {count:,}" for what, count in self.left_out.items() if count)
            raise DataError(f"{self.file}: no recordings are left" + (f" ({reasons})" if reasons else ""))
        groups = np.array(self._groups) if grouped else None
        return RawPart(self.file, np.concatenate(self._x), tuple(self._labels), groups, tuple(channels), rate_hz)
