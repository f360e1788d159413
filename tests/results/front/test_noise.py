"""What chance does to a front, on trade-offs whose truth is known: what is shown, what is measured again, how sure."""

import numpy as np
import pandas as pd
import pytest

from results import read_run, rebuild
from results.__main__ import main
from results.front.dominance import near_front, on_front, volume
from results.front.noise import (
    Halves,
    Spread,
    front_shares,
    halves,
    measured_again,
    pooled_spread,
    possible,
    trained_again,
)
from results.front.overview import again_text, overview
from results.front.seeds import Seeds
from results.records.objectives import Guard, Objective

REFERENCE = np.ones(2)
STD = np.array([0.02, 0.06])


def search(random: np.random.Generator, points: int):
    """Return the true values of an invented trade, and the seeds of each point: three on and near the front."""
    weight, away = random.uniform(0.05, 0.95, points), random.exponential(0.12, points)
    slope = random.uniform(0.2, 0.8, points)
    truth = np.stack([0.25 + 0.6 * weight**2.5 + away, 0.5 + 0.4 * (1 - weight) ** 2 + away * slope], axis=1)
    seeds = [[value] for value in truth + random.normal(size=truth.shape) * STD]
    while True:
        means = np.array([np.mean(of, axis=0) for of in seeds])
        near = near_front(means, means[on_front(means)], REFERENCE)
        lacking = [point for point in np.flatnonzero(near) if len(seeds[point]) < 3]
        if not lacking:
            return truth, seeds
        for point in lacking:
            seeds[point] += [truth[point] + random.normal(size=2) * STD for _ in range(2)]


def parted(seeds):
    first = np.array([of[0] for of in seeds])
    others = np.array([np.mean(of[1:], axis=0) if len(of) > 1 else [np.nan] * 2 for of in seeds])
    return Halves(first, others, np.array([len(of) - 1 for of in seeds]))


def flat(seeds):
    owner = np.repeat(np.arange(len(seeds)), [len(of) for of in seeds])
    return Seeds(np.concatenate(seeds), np.ones(len(owner), dtype=bool), owner)


@pytest.mark.parametrize("points", [16, 100])
def test_what_is_measured_again_is_true_on_average_where_what_is_shown_is_not(points):
    random = np.random.default_rng(7)
    shown, again, inside = [], [], []
    for _ in range(60):
        truth, seeds = search(random, points)
        found = measured_again(parted(seeds), pooled_spread(flat(seeds)), REFERENCE)
        first = np.array([of[0] for of in seeds])
        true = volume(truth[on_front(first)], REFERENCE)
        shown.append(found.selected - true)
        again.append(found.hypervolume - true)
        inside.append(abs(again[-1]) < 1.96 * found.std)
    assert np.mean(shown) > 0.025, "a front of single seeds is that of the lucky ones"
    assert abs(np.mean(again)) < 3 * np.std(again) / np.sqrt(60)
    assert abs(np.mean(again)) < np.mean(shown) / 4
    assert np.mean(inside) >= 0.85, "four standard errors below 95 % of 60"


def test_probabilities_are_kept():
    random = np.random.default_rng(8)
    said, truly = [], []
    for _ in range(60):
        truth, seeds = search(random, 30)
        means = np.array([np.mean(of, axis=0) for of in seeds])
        shares = front_shares(means, np.array([len(of) for of in seeds]), pooled_spread(flat(seeds)))
        best = on_front(means)
        said += shares[best].tolist()
        truly += on_front(truth)[best].tolist()
    said, truly = np.array(said), np.array(truly)
    for low, high in ((0.0, 0.6), (0.6, 0.85), (0.85, 1.01)):
        chosen = (said >= low) & (said < high)
        assert truly[chosen].mean() == pytest.approx(said[chosen].mean(), abs=0.17), (low, high, chosen.sum())


def test_the_more_seeds_the_surer():
    means = np.array([[0.2, 0.8], [0.25, 0.75], [0.8, 0.2], [0.27, 0.77]])  # the last is dominated by the second
    spread = Spread(np.diag([0.02, 0.02]) ** 2, 50)
    few, many = (front_shares(means, np.full(4, count), spread) for count in (1, 1000))
    assert many == pytest.approx([1.0, 1.0, 1.0, 0.0], abs=0.01)
    assert few[3] > 0.2
    assert few[1] < 0.95


def test_the_spread_is_pooled_within_points():
    values = np.array([[0.0, 1], [2, 1], [5, 5], [6, 7], [7, 9], [9, np.nan]])
    found = pooled_spread(Seeds(values, np.ones(6, dtype=bool), np.array([0, 0, 1, 1, 1, 2])))
    # Sums of squares 2 + 2 and 0 + 8, of products 0 + 4, over 1 + 2 degrees of freedom
    assert found.covariance == pytest.approx(np.array([[4, 4], [4, 8]]) / 3)
    assert (found.freedom, found.std.tolist()) == (3, pytest.approx([(4 / 3) ** 0.5, (8 / 3) ** 0.5]))
    alone = Seeds(np.zeros((3, 2)), np.ones(3, dtype=bool), np.arange(3))
    assert pooled_spread(alone) is None


def test_draws_have_the_spread_over_the_root_of_the_seeds_and_are_always_the_same():
    means, spread = np.zeros((2, 2)), Spread(np.array([[0.04, 0.01], [0.01, 0.09]]), 10_000)
    drawn = trained_again(means, np.array([1, 4]), spread, draws=20_000)
    assert np.cov(drawn[:, 0].T) == pytest.approx(spread.covariance, rel=0.05, abs=1e-3)
    assert np.cov(drawn[:, 1].T) == pytest.approx(spread.covariance / 4, rel=0.05, abs=1e-3)
    np.testing.assert_array_equal(drawn, trained_again(means, np.array([1, 4]), spread, draws=20_000))


def test_hopeless_points_are_left_out_and_others_never():
    random = np.random.default_rng(0)
    means, seeds = random.random((300, 2)), random.integers(1, 4, 300)
    spread = Spread(np.diag([0.02, 0.02]) ** 2, 50)
    kept = possible(means, seeds, spread)
    assert len(kept) < 150
    drawn = trained_again(means, seeds, spread)
    ever = np.any([on_front(moved) for moved in drawn], axis=0)
    assert set(np.flatnonzero(ever)) <= set(kept)


OBJECTIVES = [Objective(metric="m", name="m", reference=1.0), Objective(metric="n", name="n", reference=1.0)]


def test_halves_go_by_the_trials_numbers_and_guards_by_their_means():
    trials = pd.DataFrame(
        {
            "trial": ["10", "9", "2", "11", "3"],
            "state": ["finished", "finished", "finished", "finished", "failed"],
            "m": [0.3, 0.1, 0.5, 0.7, 0.0],
            "n": [0.4, 0.2, 0.6, 0.8, 0.0],
            "size": [3.0, 9.0, 1.0, 6.0, 9.0],
        }
    )
    found = halves(trials, np.array([0, 0, 1, 1, 2]), 3, OBJECTIVES, [Guard(metric="size", at_least=4)])
    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(found.first, [[0.1, 0.2], nan, nan])  # 9 came before 10; 2 breaks the guard
    np.testing.assert_array_equal(found.others, [nan, [0.7, 0.8], nan])
    assert found.counts.tolist() == [1, 1, 0]


def test_by_hand():
    found = Halves(
        np.array([[0.2, 0.6], [0.5, 0.3], [0.9, 0.9]]),
        np.array([[0.3, 0.7], [np.nan, np.nan], [0.1, 0.1]]),
        np.array([2, 0, 2]),
    )
    again = measured_again(found, Spread(np.zeros((2, 2)), 2), REFERENCE)
    assert again == pytest.approx((0.7 * 0.3, 0.0, 0.8 * 0.4 + 0.5 * 0.3, 1, 2))
    assert measured_again(found._replace(counts=np.zeros(3, dtype=int)), None, REFERENCE) is None


def replicated(maker):
    points = [[0.2, 0.8], [0.5, 0.5], [0.8, 0.2], [0.26, 0.84], [0.28, 0.88], [0.56, 0.52], [0.54, 0.5]]
    rows = maker.rows(points)
    for row, weight in zip(rows, (0.1, 0.2, 0.3, 0.1, 0.1, 0.2, 0.2), strict=True):
        row |= {"codebook_size": 8, "action_weight": weight, "num_sub_actions": 9, "method": "action_head"}
    return maker.write(rows)


def test_the_front_and_the_terminal_say_what_other_seeds_measure(maker, capsys):
    folder = replicated(maker)
    assert main([str(folder)]) == 0
    view = overview({"demo": read_run(folder)}, "demo")
    front = pd.read_csv(folder / "front.csv")
    assert front["stitch_fvu_again"].tolist() == pytest.approx([0.27, 0.55, np.nan], nan_ok=True)
    assert front["action_kl_ratio_again"].tolist() == pytest.approx([0.86, 0.51, np.nan], nan_ok=True)
    assert (view.again.points, view.again.front) == (2, 3)
    text = " ".join(capsys.readouterr().out.split())
    assert f"hypervolume {view.hypervolume:.4g} as selected, {again_text(view)}" in text
    assert again_text(view) == f"measured again: {view.again.hypervolume:.4g} ± {view.again.std:.2g}"


def test_with_one_seed_a_point_it_says_so(maker, capsys):
    folder = maker.write(maker.rows([[0.2, 0.8], [0.8, 0.2]]))
    assert main([str(folder)]) == 0
    assert "as selected, one seed a point: expect less" in " ".join(capsys.readouterr().out.split())


def test_contributions_are_what_is_lost_without_a_point(maker):
    made = rebuild(maker.write(maker.rows([[0.2, 0.8], [0.5, 0.5], [0.8, 0.2], [0.5, 0.5]])), figures=False)
    assert made.front["contribution"].tolist() == pytest.approx([0.3 * 0.2, 0, 0, 0.2 * 0.3])
