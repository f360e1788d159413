"""Recordings as a file holds them, and the check that they can be used at all.

Recordings are counted from 0, in the order of the file.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np

from model.dataset.preprocessing import constant_channels
from model.dataset.sources import DataError

logger = logging.getLogger(__name__)


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
    """Refuses what cannot be trained on and warns of constant channels.

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
        recording, channel = np.argwhere(constant)[0]
        logger.warning(
            "%s: %d constant channels become zeros (first: recording %d, channel %d)",
            part.file,
            constant.sum(),
            recording,
            channel,
        )


def take(part: RawPart, rows: np.ndarray) -> RawPart:
    """The given recordings of a part."""
    groups = None if part.groups is None else part.groups[rows]
    return part._replace(x=part.x[rows], labels=tuple(part.labels[row] for row in rows), groups=groups)
