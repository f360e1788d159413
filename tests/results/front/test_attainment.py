"""Attainment surfaces and their differences against counting, place by place."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results import read_run
from results.charts.outline import outline
from results.charts.print.fronts import groupings_of, write_fronts
from results.charts.print.groups import SHADES
from results.front.attainment import attainment_difference, attainments, corner_table, needed, surfaces, vorobev
from results.front.overview import overview
from results.records.objectives import Objective

COORDINATE = st.integers(0, 4).map(float)


def fronts(objectives, most=6):
    front = st.lists(st.tuples(*[COORDINATE] * objectives), max_size=5)
    return st.lists(front.map(lambda points: np.array(points).reshape(-1, objectives)), min_size=1, max_size=most)


def reached(front, place):
    return any(all(a <= b for a, b in zip(point, place, strict=True)) for point in front.tolist())


def test_the_more_reach_a_place_the_darker_it_is():
    luminance = [sum(int(SHADES[share][n : n + 2], 16) for n in (1, 3, 5)) for share in (25, 50, 75)]
    assert luminance == sorted(luminance, reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_surface_bounds_what_a_share_of_the_fronts_reaches(count, data):
    given_fronts = data.draw(fronts(count))
    for percentile, corners in surfaces(given_fronts, [10, 25, 50, 75, 100]).items():
        for place in itertools.product(range(-1, 6), repeat=count):
            share = sum(reached(front, place) for front in given_fronts) / len(given_fronts)
            assert reached(corners, place) == (share >= percentile / 100 and share > 0), (percentile, place)


@pytest.mark.slow
@given(fronts(2, most=4), fronts(2, most=4))
@settings(max_examples=150, deadline=None)
def test_differences_are_those_of_the_shares(first, second):
    rectangles = attainment_difference(first, second)
    if not any(map(len, first)) or not any(map(len, second)):
        assert rectangles == []
        return
    for place in itertools.product(np.arange(-0.5, 7.0, 0.5), repeat=2):
        shares = [sum(reached(front, place) for front in group) / len(group) for group in (first, second)]
        found = [r.share for r in rectangles if (r.low <= place).all() and (place < r.high).all()]
        assert len(found) <= 1, "rectangles overlap"
        assert sum(found) == pytest.approx(shares[0] - shares[1])


def test_needed_fronts_are_rounded_up():
    assert [needed(p, 4) for p in (25, 50, 75, 100)] == [1, 2, 3, 4]
    assert [needed(p, 5) for p in (25, 50, 75)] == [2, 3, 4]
    assert [needed(p, 1) for p in (1, 50, 100)] == [1, 1, 1]
    assert needed(29, 100) == 29, "0.29 · 100 is 28.999999999999996"


def test_outline_turns_at_the_points_and_ends_at_the_worst_corner():
    goals = [
        Objective(metric="a", name="a", reference=1),
        Objective(metric="b", name="b", direction="maximise", reference=0),
    ]
    line = outline(np.array([[2.0, -5.0], [1.0, -3.0]]), np.array([4.0, 0.0]), goals)
    assert line.tolist() == [[1, 0], [1, 3], [2, 3], [2, 5], [4, 5]]
    assert line[1::2].tolist() == [[1, 3], [2, 5]]
    assert outline(np.empty((0, 2)), np.zeros(2), goals).shape == (0, 2)


def write_runs(maker, objectives=None, sign=1):
    made = []
    for number, shift in enumerate([0.0, 0.05, -0.03]):
        rows = maker.rows([[0.2 + shift, 0.8], [0.4, 0.4 + shift], [0.8, 0.2]])
        rows = [{**row, "gain": sign * row["action_kl_ratio"]} for row in rows]
        made.append(maker.write(rows, f"run{number}", **({"objectives": objectives} if objectives else {})))
    return made


def together(folders):
    return overview({folder.name: read_run(folder) for folder in folders}, "all")


@pytest.mark.slow
def test_a_union_has_surfaces_over_its_runs(maker, tmp_path):
    view = together(write_runs(maker))
    home = write_fronts(view, groupings_of(view, ["run"]), tmp_path)[0].parent
    table = pd.read_csv(home / "attainment_runs.csv")
    assert table["percent"].tolist() == [25, 50, 75]
    assert table["needed"].tolist() == [1, 2, 3]
    assert table["hypervolume"].is_monotonic_decreasing
    corners = pd.read_csv(home / "attainment_runs_corners.csv")
    half = corners[corners["percent"] == 50].iloc[:, 1:].to_numpy()
    assert half == pytest.approx(np.array([[0.2, 0.8], [0.4, 0.4], [0.8, 0.2]]))
    for ending in ("png", "svg", "tex"):
        assert (home / f"attainment_runs.{ending}").stat().st_size > 0


def test_maximised_objectives_give_the_mirror_image(maker, tmp_path):
    plain = together(write_runs(maker))
    objectives = [
        {"metric": "stitch_fvu", "name": "recon", "reference": 1.0},
        {"metric": "gain", "name": "gain", "direction": "maximise", "reference": -1.0},
    ]
    maker.root = tmp_path / "mirrored"
    mirrored = together(write_runs(maker, objectives, sign=-1))
    (one,), (other,) = attainments(plain), attainments(mirrored)
    first, second = (corner_table(f, view.objectives) for f, view in ((one, plain), (other, mirrored)))
    np.testing.assert_allclose(first["stitch_fvu"], second["stitch_fvu"])
    np.testing.assert_allclose(first["action_kl_ratio"], -second["gain"])


@pytest.mark.slow
def test_seeds_have_surfaces_of_all_their_draws(maker, tmp_path):
    rows = maker.rows([[0.2, 0.6], [0.3, 0.5], [0.6, 0.2], [0.5, 0.3]])
    for number, row in enumerate(rows):
        row |= {"codebook_size": 8, "action_weight": number // 2, "num_sub_actions": 9, "method": "action_head"}
    view = together([maker.write(rows)])
    (found,) = attainments(view)
    assert (found.over, found.sets) == ("seeds", 4)
    assert found.surfaces[25].tolist() == [[0.2, 0.6], [0.3, 0.5], [0.5, 0.3], [0.6, 0.2]]
    assert found.surfaces[75].tolist() == [[0.3, 0.6], [0.5, 0.5], [0.6, 0.3]], "by three of the four draws"
    assert "attainment_seeds.svg" in {path.name for path in write_fronts(view, [], tmp_path)}


@pytest.mark.parametrize("count", [1, 3, 4])
def test_other_numbers_of_objectives_have_tables_and_no_figures(maker, tmp_path, count):
    objectives = [
        {"metric": name, "name": name, "reference": 1.0}
        for name in ("stitch_fvu", "action_kl_ratio", "gain", "window_samples")[:count]
    ]
    view = together(write_runs(maker, objectives))
    names = {path.name for path in write_fronts(view, groupings_of(view, ["run"]), tmp_path)}
    assert "by_run.csv" in names
    assert not {name for name in names if name.endswith(("png", "svg"))}
    assert ("attainment_runs.csv" in names) == (count == 3)


def test_a_front_that_is_empty_reaches_nothing():
    found = surfaces([np.array([[0.0, 0.0]]), np.empty((0, 2))])
    assert found[50].tolist() == [[0.0, 0.0]]
    assert len(found[75]) == 0
    assert math.prod(surfaces([np.empty((0, 3))])[50].shape) == 0


def test_the_mean_of_fronts_and_how_far_they_lie_from_it_by_hand():
    fronts = [np.array([[0.2, 0.2]]), np.array([[0.5, 0.5]]), np.empty((0, 2))]
    found = vorobev(fronts, np.ones(2))
    # Volumes 0.64, 0.25 and 0: 0.297 on average. What two of three reach is less, so the mean is what one of them does.
    assert found.mean_hypervolume == pytest.approx((0.64 + 0.25) / 3)
    assert found.expectation.tolist() == [[0.2, 0.2]]
    assert found.deviation == pytest.approx((0.0 + 0.39 + 0.64) / 3)
    alike = vorobev([fronts[0]] * 3, np.ones(2))
    assert (alike.mean_hypervolume, alike.deviation) == (pytest.approx(0.64), pytest.approx(0, abs=1e-12))
