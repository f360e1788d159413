"""Importance: a planted parameter is found, the numbers are Optuna's, and too little is said to be too little."""

import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from results import read_run
from results.charts.importance import HYPERVOLUME, _chance, _divergences, _study, importances, same_space
from results.front.overview import overview
from results.records.space import Parameter

NAMES = ("codebook_size", "action_weight", "num_sub_actions", "method")


def view_of(*folders):
    return overview({folder.name: read_run(folder) for folder in folders}, "demo")


def planted(maker, count=60):
    """`stitch_fvu` depends on action_weight alone, `action_kl_ratio` on num_sub_actions alone."""
    random = np.random.default_rng(3)
    rows = []
    for number in range(count):
        values = {
            "action_weight": float(random.uniform(0.05, 0.95)),
            "num_sub_actions": int(random.integers(8, 21)),
            "codebook_size": int(random.choice([8, 16, 32, 64])),
            "method": str(random.choice(["action_head", "action_decoder"])),
        }
        fvu, ratio = 0.2 + 0.5 * values["action_weight"], 0.1 + 0.04 * values["num_sub_actions"]
        rows.append(maker.row(number, stitch_fvu=fvu, action_kl_ratio=ratio, window_samples=16.0, **values))
    return rows


def test_what_an_objective_depends_on_is_found(maker):
    names, found = importances(view_of(maker.write(planted(maker))))
    assert names == NAMES
    assert [importance.target for importance in found] == ["stitch_fvu", "action_kl_ratio", HYPERVOLUME]
    first, second, _ = (dict(zip(names, importance.values, strict=True)) for importance in found)
    assert max(first, key=first.get) == "action_weight"
    assert max(second, key=second.get) == "num_sub_actions"
    told = [{name for name, known in zip(names, importance.told, strict=True) if known} for importance in found]
    assert told[:2] == [{"action_weight"}, {"num_sub_actions"}], "and the others are not told from chance"
    for importance in found:
        assert (importance.best >= 6, importance.points) == (True, 60)


@pytest.mark.slow
def test_noise_is_seldom_told_from_chance():
    random, points = np.random.default_rng(1), 16
    parameters = [
        Parameter(name="weight", type="float", low=0.0, high=1.0),
        Parameter(name="number", type="int", low=8, high=20),
        Parameter(name="size", type="choice", values=(8, 16, 32, 64)),
    ]
    names, told, shares = [p.name for p in parameters], [], []
    for _ in range(40):
        tried = [
            {
                "weight": random.random(),
                "number": int(random.integers(8, 21)),
                "size": str(random.choice([8, 16, 32, 64])),
            }
            for _ in range(points)
        ]
        best = random.permutation(points) < 5
        values = np.array(_divergences(_study(parameters, tried), names, best))
        told.append((values > _chance(parameters, tried, names, int(best.sum()))).any())
        shares.append(values.max() / values.sum())
    assert np.median(shares) > 0.5, "as shares of a whole, noise would look as if one parameter were half of it"
    assert np.mean(told) <= 0.05 + 3 * (0.05 * 0.95 / 40) ** 0.5


def test_the_numbers_are_those_of_optuna(maker):
    rows = planted(maker)
    _, found = importances(view_of(maker.write(rows)))
    study = optuna.create_study(direction="minimize")
    distributions = {
        "codebook_size": CategoricalDistribution([8, 16, 32, 64]),
        "action_weight": FloatDistribution(0.05, 0.95),
        "num_sub_actions": IntDistribution(8, 20),
        "method": CategoricalDistribution(["action_head", "action_decoder"]),
    }
    for row in rows:
        parameters = {name: row[name] for name in NAMES}
        trial = optuna.trial.create_trial(params=parameters, distributions=distributions, value=row["stitch_fvu"])
        study.add_trial(trial)
    expected = optuna.importance.get_param_importances(study, normalize=False)
    assert found[0].best == 6, "a tenth, as the evaluator takes it unless told otherwise"
    assert dict(zip(NAMES, found[0].values, strict=True)) == pytest.approx(expected)


def test_direction_and_order_do_not_matter(maker):
    rows = planted(maker)
    _, found = importances(view_of(maker.write(rows)))
    turned = [dict(row, stitch_fvu=-row["stitch_fvu"]) for row in rows]
    objectives = [
        {"metric": "stitch_fvu", "name": "recon", "direction": "maximise", "reference": -1.0},
        {"metric": "action_kl_ratio", "name": "kl", "direction": "minimise", "reference": 1.0},
    ]
    guards = {"window_samples": {"at_least": 8}}
    _, other = importances(view_of(maker.write(turned[::-1], "turned", objectives=objectives, guards=guards)))
    for one, two in zip(found, other, strict=True):
        assert one.values == pytest.approx(two.values)


def test_points_that_break_a_guard_are_left_out_and_further_seeds_count_once(maker):
    rows = planted(maker)
    again = [dict(row, trial=100 + row["trial"], seed=100 + row["seed"]) for row in rows[:10]]
    broken = [dict(row, trial=200 + row["trial"], window_samples=4.0, stitch_fvu=0.0) for row in rows[10:20]]
    names, expected = importances(view_of(maker.write(rows)))
    for row, weight in zip(broken, np.linspace(0.06, 0.94, 10), strict=True):
        row["action_weight"] = float(weight)
    assert importances(view_of(maker.write([*rows, *again, *broken], "more"))) == (names, expected)


def test_too_little_is_said(maker):
    _, found = importances(view_of(maker.write(maker.rows([[0.1 * n, 0.5] for n in range(1, 10)]))))
    assert {importance.lacking for importance in found} == {"9 points keep the guards, 10 are needed"}
    assert {(importance.best, importance.points) for importance in found} == {(0, 9)}
    _, found = importances(view_of(maker.write(maker.rows([[0.01 * n, 0.5] for n in range(1, 13)]), "equal")))
    assert [importance.lacking for importance in found] == ["", "12 of 12 points are equally good", ""]


def test_a_parameter_under_a_condition_counts_where_it_is(maker):
    rows = planted(maker)
    for row in rows:
        row["num_sub_actions"] = None if row["method"] == "action_head" else row["num_sub_actions"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names, found = importances(view_of(maker.write(rows)))
    assert names == NAMES
    assert all(np.isfinite(importance.values).all() for importance in found)


def test_values_out_of_their_range_leave_a_trial_out(maker):
    rows = planted(maker)
    rows[0]["action_weight"] = 2.0
    _, found = importances(view_of(maker.write(rows)))
    assert found[0].points == 59


def test_runs_with_the_same_space_are_taken_together(maker):
    first, second = maker.write(planted(maker), "first"), maker.write(planted(maker), "second")
    view = view_of(first, second)
    assert same_space(view)
    assert importances(view)[1][0].points == 120
    other = maker.write([], "other", parameters={"rate": {"type": "log", "low": 1e-4, "high": 1e-2}})
    assert not same_space(view_of(first, other))
