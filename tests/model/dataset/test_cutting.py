import numpy as np
import pytest

from model.dataset.cutting import cut, divide_rate, fill_gaps

NAN = float("nan")


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
