"""The band against a printed table of t, and against its promise to hold in 95 of 100 cases."""

import math

import numpy as np
import pytest

from results import RecordError
from results.verify.prediction_interval import prediction_interval

T_975 = {1: 12.706, 2: 4.303, 4: 2.776}  # two-sided 95 %, from any table


def test_the_width_is_that_of_a_printed_table():
    found = prediction_interval([1.0, 2.0, 3.0], [2.0, 2.5, 1.5, 2.0])
    assert found.half_width == pytest.approx(T_975[2] * 1.0 * math.sqrt(1 / 3 + 1 / 4), rel=1e-3)
    assert (found.recorded, found.fresh, found.of_recorded) == (2.0, 2.0, True)
    alone = prediction_interval([4.0], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert alone.half_width == pytest.approx(T_975[4] * math.sqrt(2.5) * math.sqrt(1 + 1 / 5), rel=1e-3)
    assert not alone.of_recorded
    assert alone.inside
    assert prediction_interval([1.0, 2.0], [1.0]).half_width == pytest.approx(
        T_975[1] * math.sqrt(0.5) * math.sqrt(1.5), rel=1e-3
    )


@pytest.mark.parametrize(("recorded", "fresh"), [(1, 5), (1, 2), (3, 5), (2, 1)])
def test_it_keeps_its_promise(recorded, fresh):
    rng = np.random.default_rng(0)
    draws = [
        prediction_interval(rng.normal(3, 2, recorded).tolist(), rng.normal(3, 2, fresh).tolist()).inside
        for _ in range(2000)
    ]
    assert np.mean(draws) == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 2000))


@pytest.mark.slow
def test_two_metrics_together_keep_it_too():
    rng = np.random.default_rng(1)
    both = [
        all(
            prediction_interval(rng.normal(size=3).tolist(), rng.normal(size=4).tolist(), metrics=2).inside
            for _ in range(2)
        )
        for _ in range(2000)
    ]
    assert 0.94 < np.mean(both) < 0.97


def test_a_shift_is_seen_and_wild_seeds_do_not_widen_a_recorded_band():
    assert not prediction_interval([0.30, 0.31, 0.29], [0.6, 0.61, 0.59]).inside
    assert not prediction_interval([0.30, 0.31, 0.29], [0.1, 0.9, 2.0]).inside
    assert not prediction_interval([0.30], [0.6, 0.61, 0.59]).inside


def test_seeds_that_agree_exactly():
    assert prediction_interval([0.5, 0.5], [0.5, 0.5]).inside
    assert not prediction_interval([0.5, 0.5], [0.5, 0.51]).inside


def test_what_is_not_finite_is_outside():
    assert not prediction_interval([0.5, 0.6], [0.5, math.nan]).inside


def test_one_and_one_say_nothing():
    with pytest.raises(RecordError, match="give --seeds 2 or more"):
        prediction_interval([0.5], [0.5])
