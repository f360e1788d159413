import math

import numpy as np
import pytest

from results.records.objectives import Guard, Objective
from search.policy.halving import Halving, spread, standing

OBJECTIVES = (
    Objective(metric="recon", name="recon", direction="minimise", reference=1.0),
    Objective(metric="fit", name="fit", direction="maximise", reference=0.0),
)
GUARDS = (Guard(metric="codes", at_least=2.0),)


def policy(rungs=(2, 4), reduction=2.0, startup_trials=0):
    return Halving(rungs, reduction, startup_trials, OBJECTIVES, GUARDS)


def metrics(recon, fit, codes=3.0):
    return {"recon": recon, "fit": fit, "codes": codes}


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)


def fronts_by_brute_force(points):
    """Peels fronts off one by one."""
    left, fronts = list(range(len(points))), []
    while left:
        front = [i for i in left if not any(dominates(points[j], points[i]) for j in left)]
        fronts.append(front)
        left = [i for i in left if i not in front]
    return fronts


def test_between_rungs_every_trial_goes_on():
    halving = policy()
    assert halving.goes_on(0, 1, metrics(0.1, 1.0))
    assert halving.goes_on(1, 1, metrics(9.0, 0.0))
    assert halving.goes_on(0, 2, metrics(0.1, 1.0))
    assert not halving.goes_on(1, 2, metrics(9.0, 0.0)), "dominated by the other, and half go on"
    assert halving.goes_on(0, 3, metrics(99.0, 0.0))


def test_the_first_trials_pass_whatever_their_values():
    halving = policy(startup_trials=3)
    assert [halving.goes_on(n, 2, metrics(1.0 + n, 1.0)) for n in range(5)] == [True] * 3 + [False] * 2


def test_neither_of_two_that_do_not_dominate_one_another_is_preferred_by_one_objective():
    halving = policy(reduction=1.5)
    assert halving.goes_on(0, 2, metrics(0.1, 0.1))
    assert halving.goes_on(1, 2, metrics(0.9, 0.9))
    assert not halving.goes_on(2, 2, metrics(0.95, 0.05))
    assert halving.goes_on(3, 2, metrics(0.5, 0.5))


def test_a_trial_that_breaks_a_guard_stands_behind_all_that_keep_it():
    halving = policy()
    assert halving.goes_on(0, 2, metrics(0.9, 0.1))
    assert not halving.goes_on(1, 2, metrics(0.1, 0.9, codes=1.0))
    assert halving.goes_on(2, 2, metrics(0.8, 0.2))
    assert not halving.goes_on(3, 2, metrics(0.1, 0.9, codes=math.nan))


def test_a_rung_that_was_jumped_over_counts_and_the_last_one_decides():
    halving = policy()
    assert halving.goes_on(0, 3, metrics(0.1, 0.9))
    assert not halving.goes_on(1, 2, metrics(0.2, 0.8))
    assert halving.goes_on(2, 4, metrics(0.3, 0.7)), "the first at the last rung"
    assert not halving.goes_on(3, 4, metrics(0.4, 0.6))


def test_a_trial_counts_once_per_rung():
    halving = policy(rungs=(2,))
    assert halving.goes_on(0, 2, metrics(0.5, 0.5))
    assert halving.goes_on(0, 3, metrics(9.0, 0.0))
    assert not halving.goes_on(1, 2, metrics(0.6, 0.4))


def test_a_trial_that_begins_anew_is_forgotten():
    halving = policy(rungs=(2,))
    assert halving.goes_on(0, 2, metrics(0.1, 0.9))
    halving.forget(0, after=0)
    assert halving.goes_on(1, 2, metrics(0.6, 0.4))


def test_all_of_a_run_of_equal_trials_cannot_be_stopped_at_random():
    """The share that goes on is exact, also where all values are equal."""
    halving = policy(rungs=(1,), reduction=3.0)
    gone_on = [halving.goes_on(n, 1, metrics(0.5, 0.5)) for n in range(9)]
    assert gone_on[0]
    assert 1 <= sum(gone_on) <= 3


@pytest.mark.parametrize("seed", range(20))
def test_standing_goes_front_by_front(seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 5, (rng.integers(1, 15), 2)).astype(float)  # ties and duplicates
    order = standing(points, np.zeros(len(points))).tolist()
    assert sorted(order) == list(range(len(points)))
    at = 0
    for front in fronts_by_brute_force(points):
        assert sorted(order[at : at + len(front)]) == sorted(front)
        at += len(front)


def test_broken_guards_are_ordered_by_how_much():
    order = standing(np.zeros((4, 2)), np.array([0.5, 0.0, 0.1, 2.0]))
    assert order.tolist() == [1, 2, 0, 3]


@pytest.mark.parametrize("seed", range(10))
def test_every_beginning_of_a_spread_covers_at_most_twice_as_coarsely_as_the_best_one(seed):
    """Gonzalez 1985: farthest-first is within a factor 2 of the best choice of as many points."""
    from itertools import combinations

    rng = np.random.default_rng(seed)
    front = np.sort(rng.random((8, 2)), axis=0)
    front[:, 1] = front[::-1, 1]
    scaled = (front - front.min(0)) / np.ptp(front, axis=0)
    gaps = np.linalg.norm(scaled[:, None] - scaled[None], axis=-1)
    order = spread(front)
    assert {*order[:2]} == {int(front[:, 0].argmin()), int(front[:, 1].argmin())}
    for n in range(2, 8):
        ours = gaps[:, order[:n]].min(1).max()
        best = min(gaps[:, list(chosen)].min(1).max() for chosen in combinations(range(8), n))
        assert ours <= 2 * best + 1e-12


def test_a_spread_of_equal_points_is_an_order_of_them():
    assert sorted(spread(np.full((4, 2), 0.3))) == [0, 1, 2, 3]


def test_with_a_lag_no_decision_depends_on_which_trial_comes_first():
    """Trials 2 and 3 are one batch: each is compared with the first batch alone, in either order."""
    values = {0: metrics(0.5, 0.5), 1: metrics(0.6, 0.4), 2: metrics(0.7, 0.3), 3: metrics(0.1, 0.9)}
    decisions = []
    for order in ((0, 1, 2, 3), (1, 0, 3, 2)):
        halving = Halving((2,), 2.0, 0, OBJECTIVES, GUARDS, lag=2)
        decisions.append(dict(sorted((n, halving.goes_on(n, 2, values[n])) for n in order)))
    assert decisions[0] == decisions[1] == {0: True, 1: True, 2: False, 3: True}
