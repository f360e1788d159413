import numpy as np
import pytest

from model.dataset.preprocessing import constant_channels, cut, divide_rate, fill_gaps, normalise, resample

NAN = float("nan")
SERIES = np.random.default_rng(0).normal(size=(3, 2, 101))


@pytest.mark.parametrize("native", [2, 3, 100, 206, 511, 512, 513, 1000, 3001])
@pytest.mark.parametrize("length", [2, 64, 512])
def test_a_straight_line_is_exact(native, length):
    line = 3.0 - 0.25 * np.arange(native)
    expected = np.linspace(line[0], line[-1], length)
    np.testing.assert_allclose(resample(line, length), expected, rtol=1e-10, atol=1e-9)


def test_upsampling_is_linear_interpolation():
    expected = [np.interp(np.linspace(0, 100, 512), np.arange(101), row) for row in SERIES.reshape(6, 101)]
    np.testing.assert_allclose(resample(SERIES, 512).reshape(6, 512), expected, atol=1e-12)


def test_downsampling_is_the_mean_over_each_interval():
    length = 30
    result = resample(SERIES, length).reshape(6, length)
    step = 100 / (length - 1)
    for row, answer in zip(SERIES.reshape(6, 101), result, strict=True):
        for i in range(length):
            reach = min(step / 2, i * step, 100 - i * step)
            fine = i * step + reach * (np.arange(20000) + 0.5) / 10000 - reach
            assert answer[i] == pytest.approx(np.interp(fine, np.arange(101), row).mean(), abs=1e-4)


def test_no_ringing_at_a_jump():
    jump = np.repeat([0.0, 1.0], 50)
    for length in (30, 512):
        answer = resample(jump, length)
        assert answer.min() >= -1e-12
        assert answer.max() <= 1.0 + 1e-12
        assert (np.diff(answer) >= -1e-12).all()


def test_downsampling_does_not_alias():
    fast = np.cos(np.pi * np.arange(2000))  # turns at every sample: nothing of it can be kept at 512
    assert np.abs(resample(fast, 512)[5:-5]).max() < 0.3


def test_same_length_is_a_copy():
    answer = resample(SERIES, 101)
    np.testing.assert_array_equal(answer, SERIES)
    assert not np.shares_memory(answer, SERIES)


def test_normalise_gives_the_series_back():
    series = SERIES * 7.0 + 40.0
    x, mean, scale = normalise(series)
    assert x.dtype == mean.dtype == scale.dtype == np.float32
    np.testing.assert_allclose(x * scale[..., None] + mean[..., None], series, rtol=1e-5)
    np.testing.assert_allclose(mean, series.mean(-1), rtol=1e-6)
    np.testing.assert_allclose(scale, np.sqrt(((series - series.mean(-1, keepdims=True)) ** 2).mean(-1)), rtol=1e-6)


def test_normalised_values_do_not_depend_on_offset_and_scale():
    np.testing.assert_allclose(normalise(SERIES)[0], normalise(SERIES * 1e-6 + 5.0)[0], atol=1e-4)


def test_constant_channels_are_zeros_with_scale_one():
    series = SERIES.copy()
    series[0, 1] = 9.81
    series[1, 0] = 0.0
    series[2, 0] = 0.1 + 1e-17 * np.arange(101)
    x, mean, scale = normalise(series)
    np.testing.assert_array_equal(constant_channels(series), [[False, True], [True, False], [True, False]])
    for recording, channel in ((0, 1), (1, 0), (2, 0)):
        assert not x[recording, channel].any()
        assert scale[recording, channel] == 1.0
    np.testing.assert_allclose(mean[[0, 1, 2], [1, 0, 0]], [9.81, 0.0, 0.1], rtol=1e-6)
    assert np.isfinite(x).all()


def test_short_gaps_lie_on_the_line_and_long_ones_stay():
    series = np.array([[NAN, 0.0], [1.0, 1.0], [NAN, NAN], [NAN, 5.0], [4.0, NAN], [NAN, NAN], [NAN, NAN], [7.0, NAN]])
    filled = fill_gaps(series, 2)
    np.testing.assert_array_equal(filled[:, 0], [NAN, 1, 2, 3, 4, 5, 6, 7])
    np.testing.assert_array_equal(filled[:, 1], [0, 1, 3, 5, NAN, NAN, NAN, NAN])
    np.testing.assert_array_equal(fill_gaps(series, 1)[:, 0], series[:, 0])
    assert np.isnan(series[2, 0])


@pytest.mark.parametrize("divisor", [1, 2, 3])
def test_the_rate_is_divided_by_picking_or_by_the_mean(divisor):
    series = np.random.default_rng(0).normal(size=(11, 2))
    count = 11 // divisor
    picked = [series[i * divisor] for i in range(count)]
    means = [sum(series[i * divisor + j] for j in range(divisor)) / divisor for i in range(count)]
    np.testing.assert_array_equal(divide_rate(series, divisor, "every"), picked)
    np.testing.assert_allclose(divide_rate(series, divisor, "mean"), means)


def test_the_mean_weakens_what_would_come_back_as_a_slower_movement():
    time = np.arange(3000) / 100
    fast = np.sin(2 * np.pi * 30 * time)[:, None]  # comes back at 3.3 per second
    assert divide_rate(fast, 3, "every").std() == pytest.approx(fast.std(), rel=0.01)
    # |sin(3a) / (3 sin a)| with a = pi 30 / 100
    assert divide_rate(fast, 3, "mean").std() == pytest.approx(0.127 * fast.std(), rel=0.02)


def test_windows_start_every_step_and_hold_neither_gaps_nor_standstill():
    series = np.arange(40.0).reshape(20, 2)
    series[4, 1] = NAN
    series[12:] = 3.0
    windows = cut(series, 4, 3)
    expected = [series[start : start + 4].T for start in (0, 6, 9)]
    np.testing.assert_array_equal(windows.x, expected)
    assert windows.x.dtype == np.float32
    # Starts 0 3 6 9 12 15: the window at 3 holds the gap, those at 12 and 15 do not move.
    assert (windows.gaps, windows.still) == (1, 2)
    assert cut(series, 21, 1).x.shape == (0, 2, 21)
    assert len(cut(series[:4], 4, 3).x) == 1
