"""What the network is given: recordings as tensors on a device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.configuration.reading import ConfigurationError
from model.dataset.loading import Recordings
from model.dataset.preprocessing import series_levels


class Batch(NamedTuple):
    """Recordings of a step."""

    x: Tensor  # (B, C, T), normalised
    y: Tensor  # (B,), classes
    level: Tensor | None = None  # (B, C, 2), offset and scale before normalisation, in the recording's own units
    wording: Tensor | None = None  # (B, M), which wording of each phrase is read; None reads the first

    def take(self, rows: Tensor | slice) -> Batch:
        """Some of the recordings."""
        level, wording = (None if part is None else part[rows] for part in (self.level, self.wording))
        return Batch(self.x[rows], self.y[rows], level, wording)


def by_recording(rows: Tensor, recordings: int) -> Tensor:
    """All tokens of each recording, whatever rows they came in: `(rows, N, width)` to `(recordings, tokens, width)`."""
    return rows.unflatten(0, (recordings, -1)).flatten(1, 2)


def as_batch(part: Recordings, device: str) -> Batch:
    """One part of a data set as tensors on `device`."""
    # In one memory layout whatever the source: sums over another layout differ in the last digit.
    x = torch.tensor(np.ascontiguousarray(part.x), device=device)
    level = torch.tensor(series_levels(part.x, part.mean, part.scale), device=device)
    return Batch(x, torch.tensor(part.y, device=device), level)


def find_device(name: str) -> str:
    """The device that a command line names; auto is a GPU where there is one.

    Raises:
        ConfigurationError: There is no such device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigurationError(f"--device: {name!r} is none; expected auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigurationError(f"--device: {name} is not there; torch sees {torch.cuda.device_count()} GPUs")
    return name
