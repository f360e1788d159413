"""Bringing recordings to one length and scale: gaps filled, windows cut, linear resampling, normalisation."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

CONSTANT_FRACTION = 1e-10  # a deviation below this part of the largest value is float64 rounding, not movement
CONSTANT_FLOOR = 1e-30  # and below this, its inverse leaves float32's range
Reduction = Literal["every", "mean"]


def resample(series: np.ndarray, length: int) -> np.ndarray:
    """Resample `series (..., native length)` to `(..., length)`, float64, the first and last sample staying in place.

    Linear interpolation: unlike Fourier resampling (`scipy.signal.resample`, which takes the series as
    periodic and rings at its jump from end to start) and unlike splines it never leaves the range of its two
    neighbours. To a shorter length, each sample is the mean of the interpolated series over one new sampling
    interval, narrower where the series ends, so that fast movements are averaged instead of aliased.
    Straight lines come out exactly. Both lengths are at least 2 samples.
    """
    series = np.asarray(series, dtype=np.float64)
    native = series.shape[-1]
    if native == length:
        return series.copy()
    position = np.linspace(0.0, native - 1.0, length)
    if native < length:
        return _interpolate(series, position)
    reach = np.minimum(0.5 * (native - 1) / (length - 1), np.minimum(position, native - 1 - position))
    inner = reach > 0
    resampled = _interpolate(series, position)
    low, high = (position - reach)[inner], (position + reach)[inner]
    resampled[..., inner] = (_integral(series, high) - _integral(series, low)) / (2.0 * reach[inner])
    return resampled


def _interpolate(series: np.ndarray, position: np.ndarray) -> np.ndarray:
    left = np.clip(np.floor(position).astype(int), 0, series.shape[-1] - 2)
    weight = position - left
    return series[..., left] * (1.0 - weight) + series[..., left + 1] * weight


def _integral(series: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the integral of the piecewise linear series from 0 to each position."""
    pieces = np.cumsum(0.5 * (series[..., 1:] + series[..., :-1]), axis=-1)
    whole = np.concatenate([np.zeros_like(series[..., :1]), pieces], axis=-1)
    left = np.clip(np.floor(position).astype(int), 0, series.shape[-1] - 2)
    weight = position - left
    start, slope = series[..., left], series[..., left + 1] - series[..., left]
    return whole[..., left] + start * weight + 0.5 * slope * weight**2


def normalise(series: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take the own mean and standard deviation out of each channel of `series (recordings, channels, length)`.

    A constant channel has no scale: it becomes zeros, with scale 1, so that ``x * scale + mean`` still gives
    the series back.

    Returns:
        x float32 (recordings, channels, length), mean and scale float32 (recordings, channels).
    """
    series = np.asarray(series, dtype=np.float64)
    mean = series.mean(axis=-1)
    constant = constant_channels(series)
    scale = np.where(constant, 1.0, series.std(axis=-1))
    x = (series - mean[..., None]) / scale[..., None]
    x[constant] = 0.0
    return x.astype(np.float32), mean.astype(np.float32), scale.astype(np.float32)


def series_levels(x: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the offset and scale of each series, as the encoder is told them: float32, (recordings, channels, 2).

    All three come from `normalise`; a constant channel, which has scale 1 there and only zeros in x, has the scale 0
    here.
    """
    moving = np.abs(x).max(axis=-1) > 0
    return np.stack([mean, np.where(moving, scale, 0.0)], axis=-1).astype(np.float32)


def constant_channels(series: np.ndarray) -> np.ndarray:
    """Return which channels do not move, by the rule of `normalise`: bool, (recordings, channels)."""
    largest = np.abs(series).max(axis=-1)
    return series.std(axis=-1) <= np.maximum(CONSTANT_FRACTION * largest, CONSTANT_FLOOR)


class WindowCut(NamedTuple):
    """Windows of one signal, and how many were left out."""

    x: np.ndarray  # float32, (windows, channels, samples)
    gaps: int  # windows left out for a missing value
    still: int  # windows left out because no channel moves


def fill_gaps(series: np.ndarray, longest: int) -> np.ndarray:
    """Interpolate `series (samples, channels)` linearly over runs of NaN, channel by channel; float64.

    Runs longer than `longest` samples stay, and so do those at either end.
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
    """Keep one value of every `divisor` samples of `series (samples, channels)`: (samples // divisor, channels).

    What is left over at the end is dropped. "every" takes the first of them, so that movement above half the new rate
    comes back as a slower one; "mean" takes their mean, which weakens it before.
    """
    whole = series[: len(series) // divisor * divisor].reshape(-1, divisor, series.shape[1])
    return whole[:, 0] if reduction == "every" else whole.mean(axis=1)


def cut(series: np.ndarray, window: int, step: int) -> WindowCut:
    """Take windows from the start on, leaving out those with a missing value and those in which nothing moves.

    `series` is (samples, channels); one that is shorter than `window` has none, and the next starts `step` samples
    later.
    """
    if len(series) < window:
        return WindowCut(np.empty((0, series.shape[1], window), dtype=np.float32), 0, 0)
    windows = np.lib.stride_tricks.sliding_window_view(series, window, axis=0)[::step]
    whole = ~np.isnan(windows).any(axis=(1, 2))
    moving = whole.copy()
    moving[whole] = ~constant_channels(windows[whole]).all(axis=1)
    return WindowCut(windows[moving].astype(np.float32), int((~whole).sum()), int((whole & ~moving).sum()))
