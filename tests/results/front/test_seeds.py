"""The probability of a front point against every possible draw, and against the command's own column."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results import read_run, rebuild, unite
from results.front.overview import overview, seeds_of_runs
from results.front.seeds import DRAWS, Seeds, are_all, draws, single_run_probability

COORDINATE = st.integers(0, 3).map(float)
SEED = st.tuples(st.tuples(COORDINATE, COORDINATE), st.booleans())
POINTS = st.lists(st.lists(SEED, min_size=1, max_size=3), min_size=1, max_size=5)


def seeds_from(points):
    flat = [(value, able, number) for number, seeds in enumerate(points) for value, able in seeds]
    values, able, owner = zip(*flat, strict=True)
    return Seeds(np.array(values), np.array(able), np.array(owner))


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


def brute_force(points, number):
    """Over every way to take one seed of each point."""
    on = 0
    for draw in itertools.product(*points):
        own, able = draw[number]
        on += able and not any(other_able and dominates(other, own) for other, other_able in draw)
    return on / math.prod(map(len, points))


@pytest.mark.slow
@given(POINTS)
@settings(max_examples=300, deadline=None)
def test_it_is_the_share_of_all_draws(points):
    seeds = seeds_from(points)
    for number in range(len(points)):
        assert single_run_probability(seeds, number) == pytest.approx(brute_force(points, number), abs=1e-12)


@given(POINTS)
@settings(max_examples=100, deadline=None)
def test_all_draws_are_drawn_where_there_are_few(points):
    seeds = seeds_from(points)
    assert are_all(seeds)
    able = [seeds for seeds in points if any(counts for _, counts in seeds)]
    expected = [[list(value) for value, counts in draw if counts] for draw in itertools.product(*able)]
    assert [drawn.tolist() for drawn in draws(seeds)] == expected


def test_many_draws_are_random_but_always_the_same():
    rng = np.random.default_rng(0)
    seeds = Seeds(rng.random((40, 2)), np.ones(40, dtype=bool), np.repeat(np.arange(10), 4))
    assert not are_all(seeds)
    first, second = (np.array(list(draws(seeds))) for _ in range(2))
    assert first.shape == (DRAWS, 10, 2)
    np.testing.assert_array_equal(first, second)
    shares = [(first[:, 0] == value).all(axis=1).mean() for value in seeds.values[:4]]
    np.testing.assert_allclose(shares, 0.25, atol=0.08)


def repeated_rows(maker):
    """Three seeds each of two points, and one of a third; the second seed of the second point breaks a guard."""
    points = [[0.2, 0.6], [0.3, 0.7], [0.25, 0.5], [0.4, 0.4], [0.1, 0.1], [0.5, 0.45], [0.9, 0.2]]
    rows = maker.rows(points)
    for number, row in enumerate(rows):
        row |= {"codebook_size": 8, "action_weight": 0.1 * (number // 3), "num_sub_actions": 9, "method": "action_head"}
    rows[4]["window_samples"] = 2.0
    return rows


def test_the_front_has_it_as_a_column_beside_the_seeds(maker):
    folder = maker.write(repeated_rows(maker))
    made = rebuild(folder, figures=False)
    front = pd.read_csv(folder / "front.csv")
    assert list(front.columns[:5]) == ["names", "trial", "seeds", "on_front_probability", "single_run_probability"]
    points = [
        [((0.2, 0.6), True), ((0.3, 0.7), True), ((0.25, 0.5), True)],
        [((0.4, 0.4), True), ((0.1, 0.1), False), ((0.5, 0.45), True)],
        [((0.9, 0.2), True)],
    ]
    by_trial = dict(zip(front["trial"] // 3, front["single_run_probability"], strict=True))
    for number in range(2):
        assert by_trial[number] == pytest.approx(brute_force(points, number))
    assert math.isnan(by_trial[2]), "one seed says nothing of how its point varies"
    assert seeds_of_runs(made.view.runs, made.view.trials, made.view.points).able.sum() == 6


def test_a_run_without_replicates_has_no_such_column(maker):
    made = rebuild(maker.write(maker.rows([[0.2, 0.9], [0.9, 0.2]])), figures=False)
    assert "single_run_probability" not in made.front


@pytest.mark.slow
def test_in_a_union_the_points_of_other_runs_are_drawn_too(maker, tmp_path):
    first = maker.write(repeated_rows(maker), "first")
    second = maker.write(maker.rows([[0.22, 0.55]]), "second")
    _, union = unite([first, second], tmp_path / "out", figures=False)
    front = union.front[(union.front["run"] == "first").to_numpy()]
    alone = overview({"first": read_run(first)}, "first").front
    assert front["single_run_probability"].iloc[0] < alone["single_run_probability"].iloc[0]


@pytest.mark.slow
def test_maximised_objectives_are_turned(maker):
    rows = repeated_rows(maker)
    plain = rebuild(maker.write(rows, "plain"), figures=False).front
    objectives = [
        {"metric": "stitch_fvu", "name": "recon", "reference": 1.0},
        {"metric": "gain", "name": "gain", "direction": "maximise", "reference": -1.0},
    ]
    turned = [{**row, "gain": -row["action_kl_ratio"]} for row in rows]
    front = rebuild(maker.write(turned, "turned", objectives=objectives), figures=False).front
    for column in ("single_run_probability", "on_front_probability", "contribution"):
        assert front[column].tolist() == pytest.approx(plain[column].tolist(), nan_ok=True)
    assert front["gain_again"].tolist() == pytest.approx((-plain["action_kl_ratio_again"]).tolist(), nan_ok=True)
