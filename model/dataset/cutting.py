"""Cutting a continuous signal into windows: short gaps filled, the rate divided, windows of equal length taken."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from model.dataset.preprocessing import constant_channels

Reduction = Literal["every", "mean"]


class Windows(NamedTuple):
    """Windows of one signal, and how many were left out.

    Attributes:
        x: float32, (windows, channels, samples).
        gaps: Windows left out for a missing value.
        still: Windows left out because no channel moves.
    """

    x: np.ndarray
    gaps: int
    still: int


def fill_gaps(series: np.ndarray, longest: int) -> np.ndarray:
    """Interpolates linearly over runs of NaN, channel by channel.

    Args:
        series: (samples, channels).
        longest: Longest run that is filled, in samples. Longer ones stay, and so do those at either end.

    Returns:
        float64, (samples, channels).
    """
    filled = np.array(series, dtype=np.float64)
    for values in filled.T:
        missing = np.isnan(values)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
        for start, end in edges.reshape(-1, 2):
            if start > 0 and end < len(values) and end - start <= longest:
                inside = np.arange(start, end)
                values[inside] = np.interp(inside, [start - 1, end], [values[start - 1], values[end]])
    return filled


def divide_rate(series: np.ndarray, divisor: int, reduction: Reduction) -> np.ndarray:
    """Keeps one value of every `divisor` samples; what is left over at the end is dropped.

    Args:
        series: (samples, channels).
        divisor: 1 leaves the series as it is.
        reduction: "every" takes the first of them, so that movement above half the new rate comes back as a slower
            one; "mean" takes their mean, which weakens it before.

    Returns:
        (samples // divisor, channels).
    """
    whole = series[: len(series) // divisor * divisor].reshape(-1, divisor, series.shape[1])
    return whole[:, 0] if reduction == "every" else whole.mean(axis=1)


def cut(series: np.ndarray, window: int, step: int) -> Windows:
    """Takes windows from the start on, leaving out those with a missing value and those in which nothing moves.

    Args:
        series: (samples, channels).
        window: Samples of a window; a shorter series has none.
        step: Samples from the start of one window to that of the next.
    """
    if len(series) < window:
        return Windows(np.empty((0, series.shape[1], window), dtype=np.float32), 0, 0)
    windows = np.lib.stride_tricks.sliding_window_view(series, window, axis=0)[::step]
    whole = ~np.isnan(windows).any(axis=(1, 2))
    moving = whole.copy()
    moving[whole] = ~constant_channels(windows[whole]).all(axis=1)
    return Windows(windows[moving].astype(np.float32), int((~whole).sum()), int((whole & ~moving).sum()))
