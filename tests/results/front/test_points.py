"""Points with several seeds: means, spread, representative, and the front and history built from them."""

import statistics

import numpy as np
import pandas as pd
import pytest

from results import read_run, rebuild, unite
from results.charts.curves import curve_groups
from results.charts.encoding import encode
from results.charts.web.front import front_charts
from results.charts.web.lines import curve_chart
from results.charts.web.points import point_columns
from results.front.front import front, hypervolume, hypervolume_history, points_of, summarise
from results.front.overview import overview
from results.front.points import gather, point_numbers, represent, running_means
from results.records.objectives import Guard, Objective

GOALS = [Objective(metric="m0", name="o0", reference=1.0), Objective(metric="m1", name="o1", reference=1.0)]


def table(rows, **columns):
    """Trials from (x, m0, m1); x is the only parameter. They end in the order of the rows."""
    frame = pd.DataFrame(rows, columns=["x", "m0", "m1"])
    moments = pd.to_datetime("2026-01-01", utc=True) + pd.to_timedelta(np.arange(len(frame)) + 1, unit="s")
    told = {"trial": [str(n) for n in range(len(frame))], "state": "finished", "seed": range(7, 7 + len(frame))}
    return frame.assign(**told, epochs=2, started=moments[0], ended=moments, **columns)


def test_a_table_by_hand():
    trials = table([(1, 0.2, 0.8), (2, 0.5, 0.5), (1, 0.4, 0.6), (3, 0.9, 0.9), (1, 0.3, 0.4)])
    points = gather(trials, GOALS, ["x"])
    assert points.owner.tolist() == [0, 1, 0, 2, 0]
    assert points.seeds.tolist() == [3, 1, 1]
    assert points.table["m0"].tolist() == pytest.approx([0.3, 0.5, 0.9])
    assert points.table["m1"].tolist() == pytest.approx([0.6, 0.5, 0.9])
    assert points.table["seeds"].tolist() == [3, 1, 1]
    assert points.std[0].tolist() == pytest.approx([0.1, 0.2])
    assert points.table["m1_std"][0] == pytest.approx(statistics.stdev([0.8, 0.6, 0.4]))
    assert points.table[["m0_std", "m1_std"]].iloc[1:].isna().all(axis=None)
    assert list(points.table.columns)[:5] == ["x", "m0", "m0_std", "m1", "m1_std"]


def test_means_do_not_depend_on_the_order_of_the_rows():
    rng = np.random.default_rng(0)
    trials = table([(n % 7, *rng.random(2)) for n in range(40)])
    whole = points_of(trials, GOALS, [], ["x"]).table.sort_values("x").reset_index(drop=True)
    for seed in range(5):
        shuffled = trials.sample(frac=1.0, random_state=seed).reset_index(drop=True)
        found = points_of(shuffled, GOALS, [], ["x"]).table.sort_values("x").reset_index(drop=True)
        pd.testing.assert_frame_equal(found, whole, check_exact=True)


def test_without_a_second_seed_nothing_changes():
    trials = table([(1, 0.2, 0.8), (2, 0.5, 0.5), (3, 0.2, 0.8)])
    assert gather(trials, GOALS, ["x"]).table is trials
    assert points_of(trials, GOALS, [], ["x"]).table is trials
    assert running_means(trials, ["x"])[1] is trials
    repeated = table([(1, 0.2, 0.8), (1, 0.5, 0.5), (3, 0.2, 0.8)])
    pd.testing.assert_frame_equal(
        front(points_of(repeated, GOALS, [], ()).table, GOALS, []), front(repeated, GOALS, [])
    )
    pd.testing.assert_frame_equal(hypervolume_history(trials, GOALS, [], ["x"]), hypervolume_history(trials, GOALS, []))


def test_only_finished_trials_are_seeds():
    trials = table([(1, 0.2, 0.8), (1, 0.4, 0.6), (1, 0.0, 0.0), (1, np.nan, np.nan)])
    trials["state"] = ["finished", "finished", "stopped", "failed"]
    points = gather(trials, GOALS, ["x"])
    assert points.seeds.tolist() == [2, 0, 0]
    assert points.table["m0"][0] == pytest.approx(0.3)


def test_a_parameter_that_is_not_there_is_a_value_of_its_own():
    trials = table([(1, 0.2, 0.8), (1, 0.4, 0.6), (1, 0.4, 0.4)])
    trials["depth"] = pd.array([None, 2, None], dtype="Int64")
    trials["kind"] = [None, "a", np.nan]
    assert point_numbers(trials, ["x", "depth", "kind"]).tolist() == [0, 1, 0]
    assert point_numbers(trials, ["x", "absent"]).tolist() == [0, 0, 0]


def test_the_representative_is_the_nearest_to_the_mean_in_units_of_the_front():
    """The front reaches over 0.1 and 10: a step of 0.02 in the first weighs more than one of 1 in the second."""
    rows = [(1, 0.10, 10.0), (2, 0.20, 0.0), (3, 0.13, 5.0), (3, 0.15, 4.0), (3, 0.14, 6.6)]
    found = points_of(table(rows), GOALS, [], ["x"]).table
    means = np.array([0.14, 5.2])
    away = [np.hypot((a - means[0]) / 0.1, (b - means[1]) / 10) for _, a, b in rows[2:]]
    assert found["trial"].tolist() == ["0", "1", str(2 + int(np.argmin(away)))]
    assert found["seed"].tolist() == [7, 8, 7 + 2 + int(np.argmin(away))]


def test_of_two_seeds_which_are_equally_near_the_first_stands_for_both():
    for pair in ([(1, 0.1, 0.7), (1, 0.3, 0.2)], [(1, 0.3, 0.2), (1, 0.1, 0.7)]):
        points = gather(table([*pair, (2, 0.0, 1.0)]), GOALS, ["x"])
        shown = represent(points, table([*pair, (2, 0.0, 1.0)]), GOALS, np.array([0.3, 0.7]))
        assert shown.table["trial"].tolist() == ["0", "2"]


def test_a_lucky_seed_leaves_the_front_when_its_mean_is_known():
    guards = [Guard(metric="size", at_least=8)]
    rows = [(1, 0.1, 0.1), (2, 0.5, 0.5), (1, 0.9, 0.9), (3, 0.3, 0.6), (2, 0.5, 0.5), (3, 0.3, 0.6)]
    trials = table(rows, size=[9.0, 9.0, 9.0, 9.0, 9.0, 6.0])
    points = points_of(trials, GOALS, guards, ["x"])
    best = front(points.table, GOALS, guards)
    # 1 has the mean (0.5, 0.5) as 2 has; 3 breaks the guard by its mean of 7.5.
    assert best["x"].tolist() == [1, 2]
    assert best[["m0", "m1"]].to_numpy().tolist() == [[0.5, 0.5], [0.5, 0.5]]
    history = hypervolume_history(trials, GOALS, guards, ["x"])
    assert history["hypervolume"].tolist() == pytest.approx([0.81, 0.81, 0.25, 0.33, 0.33, 0.25])
    assert history["front_size"].tolist() == [1, 1, 2, 3, 3, 2]


@pytest.mark.slow
def test_the_history_is_the_front_of_every_prefix():
    rng = np.random.default_rng(3)
    trials = table([(int(x), *point) for x, point in zip(rng.integers(0, 9, 40), rng.random((40, 2)), strict=True)])
    trials.loc[::7, "state"] = "failed"
    guards = [Guard(metric="m0", below=0.8)]
    history = hypervolume_history(trials.sample(frac=1.0, random_state=1), GOALS, guards, ["x"])
    for count in range(1, 41):
        best = front(points_of(trials.iloc[:count], GOALS, guards, ["x"]).table, GOALS, guards)
        assert history["front_size"].iloc[count - 1] == len(best)
        assert history["hypervolume"].iloc[count - 1] == pytest.approx(hypervolume(best, GOALS))


def test_a_seed_without_a_finite_objective_takes_its_point_off_the_front():
    trials = table([(1, 0.1, 0.1), (2, 0.5, 0.5), (1, np.inf, 0.1)])
    assert front(points_of(trials, GOALS, [], ["x"]).table, GOALS, [])["x"].tolist() == [2]


def test_a_column_that_the_study_records_under_such_a_name_stays():
    trials = table([(1, 0.2, 0.8), (1, 0.4, 0.6)], m0_std=[5.0, 7.0])
    found = gather(trials, GOALS, ["x"])
    assert found.table["m0_std"].tolist() == [6.0]
    assert found.std[0].tolist() == pytest.approx([np.sqrt(0.02), np.sqrt(0.02)])


def test_a_summary_in_memory_counts_points():
    rows = [
        {"trial": 0, "state": "finished", "x": 1, "m0": 0.25, "m1": 0.25},
        {"trial": 1, "state": "failed", "x": 1},
        {"trial": 2, "state": "finished", "x": 1, "m0": 0.75, "m1": 0.75},
    ]
    found = summarise(rows, GOALS, [], ["x"])
    assert found.front[["seeds", "m0", "m1"]].to_numpy().tolist() == [[2, 0.5, 0.5]]
    assert found.hypervolume == pytest.approx(0.25)
    assert summarise(rows, GOALS, []).hypervolume == pytest.approx(0.5625)


@pytest.fixture
def repeated(maker):
    """A run of four points; the first two have three seeds and two, the last one breaks its guard by the mean."""
    first = maker.rows([[0.2, 0.9], [0.3, 0.3], [0.9, 0.2], [0.5, 0.1]])
    points = [(0, 0.24, 0.8, 16.0), (0, 0.22, 0.82, 16.0), (1, 0.32, 0.34, 16.0), (3, 0.5, 0.1, -4.0)]
    again = [
        {
            **maker.row(number, codebook_size=None),
            **{name: first[point][name] for name in ("codebook_size", "action_weight", "num_sub_actions", "method")},
            "stitch_fvu": x,
            "action_kl_ratio": y,
            "window_samples": window,
        }
        for number, (point, x, y, window) in enumerate(points, start=4)
    ]
    return maker.write([*first, *again])


@pytest.mark.slow
def test_a_run_is_rebuilt_from_its_points(repeated):
    made = rebuild(repeated)
    rows = pd.read_csv(repeated / "front.csv")
    assert rows[["names", "trial", "seeds"]].to_numpy().tolist() == [["recon", 5, 3], ["knee", 1, 2], ["kl", 2, 1]]
    assert rows["stitch_fvu"].tolist() == pytest.approx([0.22, 0.31, 0.9])
    assert rows["stitch_fvu_std"].tolist()[:2] == pytest.approx([0.02, np.sqrt(0.0002)])
    assert rows["action_kl_ratio"].tolist() == pytest.approx([0.84, 0.32, 0.2])
    assert rows["single_run_probability"].isna().tolist() == [False, False, True]
    assert rows["on_front_probability"].notna().all()
    assert rows["stitch_fvu_std"].isna().tolist() == [False, False, True]
    assert (repeated / "best/recon/model.safetensors").read_bytes() == b"weights of 5"
    header = (repeated / "best/recon/configuration.yaml").read_text()
    assert "trial 5.\n# Of 3 seeds of this point it is the nearest to their means, which are:\n" in header
    assert "# stitch_fvu: 0.22 ± 0.02\n" in header
    history = pd.read_csv(repeated / "hypervolume.csv")["hypervolume"]
    assert history.iloc[-1] == pytest.approx(made.hypervolume)
    assert made.hypervolume == pytest.approx(0.78 * 0.16 + 0.69 * 0.52 + 0.1 * 0.12)
    report = (repeated / "report.html").read_text()
    assert "guard not kept by the means of 2 seeds: window_samples ≥ 8" in report
    assert "one seed" in report
    assert (repeated / "front.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_show_means_bars_and_seeds(repeated):
    view = overview({"demo": read_run(repeated)}, "demo")
    assert view.verdicts == ("front", "front", "front", "guard")
    assert view.trials["trial"].iloc[view.seeds].tolist() == ["0", "1", "4", "5", "6"], (
        "a point that counts not has none"
    )
    (chart,) = front_charts(view, encode(view))
    traces = {trace.name: trace for trace in chart.data if trace.name}
    assert list(traces["on the front"].x) == pytest.approx([0.22, 0.31, 0.9])
    assert list(traces["on the front"].error_x.array)[:2] == pytest.approx([0.02, np.sqrt(0.0002)])
    assert traces["on the front"].error_y.array[2] is None
    assert traces["breaks a guard"].error_x.array is None
    row = traces["on the front"].meta["rows"][0]
    told = point_columns(view)
    assert (told["title"][row], told["more"][row]) == ("trial 5", ", and 2 further seeds")
    assert told["objectives"][0]["values"][row] == "0.22 ± 0.02"
    seeds = next(trace for trace in chart.data if trace.text and "one seed of a point" in trace.text[0])
    assert list(seeds.x) == [0.2, 0.3, 0.24, 0.22, 0.32]
    curves = curve_chart(view.objectives[0], curve_groups(view, view.objectives[0]))
    named = {trace.name: set(trace.text) for trace in curves.data}
    assert named["recon"] == {"trial 0", "trial 4", "trial 5"}, "every seed's curve has its point's name"


@pytest.mark.slow
def test_other_numbers_of_objectives_are_drawn_too(maker):
    one = [{"metric": "stitch_fvu", "name": "recon", "direction": "minimise", "reference": 1.0}]
    rows = maker.rows([[0.5, 0.5], [0.25, 0.5], [0.75, 0.5]])
    rows[2] |= {name: rows[1][name] for name in ("codebook_size", "action_weight", "num_sub_actions", "method")}
    made = rebuild(maker.write(rows, objectives=one), figures=False)
    assert made.view.verdicts == ("front", "front")
    assert made.front["seeds"].tolist() == [1, 2]
    three = [{**one[0], "metric": metric, "name": metric} for metric in ("stitch_fvu", "action_kl_ratio", "depth")]
    made = rebuild(maker.write([dict(row, depth=0.5) for row in rows], "three", objectives=three), figures=False)
    assert [chart.data[0].x[0] for chart in front_charts(made.view, encode(made.view))] == [0.25, 0.25, 0.5]


@pytest.mark.slow
def test_a_union_keeps_points_of_different_runs_apart(repeated, maker, tmp_path):
    other = maker.write(maker.rows([[0.2, 0.9], [0.1, 0.95]]), "other")
    _, union = unite([repeated, other], tmp_path / "out", figures=False)
    rows = pd.read_csv(tmp_path / "out" / "front.csv")
    assert rows[["run", "trial", "seeds"]].to_numpy().tolist() == [
        ["other", 1, 1],
        ["other", 0, 1],
        ["demo", 5, 3],
        ["demo", 1, 2],
        ["demo", 2, 1],
    ]
    assert list(rows.columns)[:4] == ["names", "run", "trial", "seeds"]
    assert rows["stitch_fvu_std"].isna().tolist() == [True, True, False, False, True]
    assert union.view.points.owner.tolist() == [0, 1, 2, 3, 0, 0, 1, 3, 4, 5]
