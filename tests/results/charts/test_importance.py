"""Importance: a planted parameter is found, the numbers are Optuna's, and too little is said to be too little."""

import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from results import read_run
from results.charts.importance import HYPERVOLUME, dominated_volumes, importances, same_space
from results.front.overview import overview

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
    first, second, volume = (dict(zip(names, importance.shares, strict=True)) for importance in found)
    assert max(first, key=first.get) == "action_weight"
    assert max(second, key=second.get) == "num_sub_actions"
    assert volume["action_weight"] + volume["num_sub_actions"] > 0.5
    for importance in found:
        assert sum(importance.shares) == pytest.approx(1)
        assert (importance.best >= 6, importance.trials) == (True, 60)


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
    expected = optuna.importance.get_param_importances(study)
    assert found[0].best == 6, "a tenth, as the evaluator takes it unless told otherwise"
    assert dict(zip(NAMES, found[0].shares, strict=True)) == pytest.approx(expected)


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
        assert one.shares == pytest.approx(two.shares)


def test_volumes_by_hand(maker):
    rows = maker.rows([[0.5, 0.2], [0.9, 1.2], [0.5, 0.5]])
    rows[2]["window_samples"] = 4.0
    view = view_of(maker.write([*rows, maker.row(3, "stopped", stitch_fvu=0.1, action_kl_ratio=0.1)]))
    assert dominated_volumes(view) == pytest.approx([0.5 * 0.8, 0, 0, np.nan], nan_ok=True)


def test_too_little_is_said(maker):
    _, found = importances(view_of(maker.write(maker.rows([[0.1 * n, 0.5] for n in range(1, 10)]))))
    assert {importance.lacking for importance in found} == {"9 finished trials with finite objectives, 10 are needed"}
    assert {(importance.best, importance.trials) for importance in found} == {(0, 9)}
    _, found = importances(view_of(maker.write(maker.rows([[0.01 * n, 0.5] for n in range(1, 13)]), "equal")))
    assert [importance.lacking for importance in found] == ["", "12 of 12 trials are equally good", ""]


def test_a_parameter_under_a_condition_counts_where_it_is(maker):
    rows = planted(maker)
    for row in rows:
        row["num_sub_actions"] = None if row["method"] == "action_head" else row["num_sub_actions"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names, found = importances(view_of(maker.write(rows)))
    assert names == NAMES
    assert all(np.isfinite(importance.shares).all() for importance in found)


def test_values_out_of_their_range_leave_a_trial_out(maker):
    rows = planted(maker)
    rows[0]["action_weight"] = 2.0
    _, found = importances(view_of(maker.write(rows)))
    assert found[0].trials == 59


def test_runs_with_the_same_space_are_taken_together(maker):
    first, second = maker.write(planted(maker), "first"), maker.write(planted(maker), "second")
    view = view_of(first, second)
    assert same_space(view)
    assert importances(view)[1][0].trials == 120
    other = maker.write([], "other", parameters={"rate": {"type": "log", "low": 1e-4, "high": 1e-2}})
    assert not same_space(view_of(first, other))
