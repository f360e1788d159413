"""The limit against a printed table of t, and against its promise: false alarms at their level, faults seen."""

import math

import numpy as np
import pytest

from results import RecordError
from results.verify.prediction_interval import Limit, Scatter, one_sided_limit

T_95 = {2: 2.920, 4: 2.132, 10: 1.812}  # one-sided 95 %, from any table


def test_the_room_is_that_of_a_printed_table():
    found = one_sided_limit(2.0, 3, [2.0, 2.5, 1.5, 2.0], Scatter(1.0, 10), 1.0)
    assert found.limit == pytest.approx(2.0 + T_95[10] * 1.0 * math.sqrt(1 / 3 + 1 / 4), rel=1e-3)
    assert (found.fresh, found.kept, found.of_recorded) == (2.0, True, True)
    larger = one_sided_limit(2.0, 3, [2.0], Scatter(1.0, 10), -1.0)
    assert larger.limit == pytest.approx(2.0 - T_95[10] * math.sqrt(1 / 3 + 1), abs=1e-3)
    alone = one_sided_limit(4.0, 1, [1.0, 2.0, 3.0, 4.0, 5.0], None, 1.0)
    assert alone.limit == pytest.approx(4.0 + T_95[4] * math.sqrt(2.5) * math.sqrt(1 + 1 / 5), rel=1e-3)
    assert not alone.of_recorded
    bound = one_sided_limit(4.0, 0, [1.0, 2.0, 3.0], None, 1.0)
    assert bound.limit == pytest.approx(4.0 + T_95[2] * math.sqrt(1 / 3), rel=1e-3)


def alarms(shift, of=2000, guards=1, seeds=3, fresh=5, points=6, on_bound=0.0, pooled=True):
    """How often a configuration is found behind that is `shift` standard deviations worse than recorded."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(of):
        recorded = rng.normal(size=(points, seeds, 1 + guards))
        freedom = points * (seeds - 1)
        scatter = [Scatter(float(s), freedom) for s in np.sqrt(recorded.var(axis=1, ddof=1).mean(axis=0))]
        again = rng.normal(shift, 1.0, size=(fresh, 1 + guards))
        expected = [(recorded[0, :, 0].mean(), seeds), *[(on_bound, 0)] * guards]
        limits = [
            one_sided_limit(mean, known, again[:, n].tolist(), scatter[n] if pooled else None, 1.0, 1 + guards)
            for n, (mean, known) in enumerate(expected)
        ]
        found += not all(limit.kept for limit in limits)
    return found / of


@pytest.mark.parametrize("settings", [{}, {"seeds": 2, "fresh": 2}, {"pooled": False}])
def test_false_alarms_come_at_most_at_their_level_even_on_a_bound(settings):
    assert alarms(0.0, **settings) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    assert alarms(0.0, on_bound=0.5, **settings) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_a_shift_is_seen():
    assert alarms(3.0, of=500, on_bound=10.0) > 0.95
    assert alarms(-3.0, of=500) == 0, "better is no fault"


def test_wild_fresh_seeds_do_not_widen_a_recorded_spread():
    assert not one_sided_limit(0.30, 3, [0.1, 0.9, 2.0], Scatter(0.01, 8), 1.0).kept
    assert not one_sided_limit(0.30, 3, [0.6, 0.61, 0.59], Scatter(0.01, 8), 1.0).kept


def test_seeds_that_agree_exactly():
    assert one_sided_limit(0.5, 2, [0.5, 0.5], Scatter(0.0, 1), 1.0).kept
    assert not one_sided_limit(0.5, 2, [0.5, 0.51], Scatter(0.0, 1), 1.0).kept


def test_what_is_not_finite_is_behind():
    assert not one_sided_limit(0.5, 2, [0.5, math.nan], Scatter(0.1, 2), 1.0).kept
    assert not Limit(0.5, math.nan, math.nan, math.nan, 1.0, True).kept


def test_one_and_one_say_nothing():
    with pytest.raises(RecordError, match="give --seeds 2 or more"):
        one_sided_limit(0.5, 1, [0.5], None, 1.0)
