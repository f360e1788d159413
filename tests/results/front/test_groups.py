"""Fronts by groups: who is in which, and that a group's numbers are those of its own front."""

import numpy as np
import pytest
import yaml

from results import RecordError, read_run
from results.__main__ import main
from results.charts.print.fronts import groupings_of, write_fronts
from results.front.front import front, hypervolume
from results.front.groups import MOST_VALUES, default_columns, group, group_table
from results.front.overview import overview


def view_of(maker, rows, **changes):
    return overview({"demo": read_run(maker.write(rows, **changes))}, "demo")


def together(folders):
    return overview({folder.name: read_run(folder) for folder in folders}, "all")


def test_usual_groups_are_choices_and_whole_numbers_that_varied(maker):
    rows = [{**row, "method": "action_head"} for row in maker.trade(12)]
    view = view_of(maker, rows)
    assert default_columns(view) == ["codebook_size", "num_sub_actions"]
    folders = [maker.write(maker.trade(6, seed), f"run{seed}") for seed in range(2)]
    assert default_columns(together(folders))[0] == "run"


@pytest.mark.parametrize("column", ["codebook_size", "method", "num_sub_actions", "action_weight"])
def test_each_groups_row_is_its_own_front(maker, column):
    view = view_of(maker, maker.trade(60))
    grouping = group(view, column)
    table = group_table(view, grouping)
    goals = view.objectives
    counted = [verdict in ("front", "dominated") for verdict in view.verdicts]
    for number, row in table.iterrows():
        chosen = view.points.table[(grouping.members == number) & np.array(counted)]
        best = front(chosen, goals, [])
        assert row["points"] == len(chosen)
        assert row["front_size"] == len(best)
        assert row["hypervolume"] == pytest.approx(hypervolume(best, goals))
        assert row["union_points"] == len(set(best["trial"]) & set(view.front["trial"]))
    assert table["trials"].sum() == (view.trials["state"] == "finished").sum()
    assert table["union_share"].sum() == pytest.approx(1)
    assert table["union_points"].sum() == len(view.front)


def test_groups_of_a_choice_have_the_order_of_the_space_and_numbers_their_own(maker):
    view = view_of(maker, maker.trade(40))
    assert [label for (label,) in group(view, "method").labels] == ["action_head", "action_decoder"]
    sizes = group(view, "codebook_size")
    assert ([label for (label,) in sizes.labels], sizes.ordered) == (["8", "16", "32", "64"], True)


def test_numbers_of_many_values_make_ranges(maker):
    view = view_of(maker, maker.trade(60))
    assert view.points.table["action_weight"].nunique() > MOST_VALUES
    grouping = group(view, "action_weight")
    assert len(grouping.labels) == 4
    counts = np.bincount(grouping.members)
    assert counts.tolist() == [15, 15, 15, 15]
    for number, (label,) in enumerate(grouping.labels):
        own = view.points.table["action_weight"][grouping.members == number]
        low, high = map(float, label.split("–"))
        assert (own.min(), own.max()) == pytest.approx((low, high))


def test_whole_numbers_of_few_points_make_ranges_and_choices_never(maker):
    few = maker.rows(np.random.default_rng(0).uniform(0.2, 0.9, (24, 2)))
    for number, row in enumerate(few):
        row["num_sub_actions"] = 8 + number % 6
    view = view_of(maker, few, name="few")
    assert [label for (label,) in group(view, "num_sub_actions").labels] == ["8–9", "10", "11–12", "13"]
    assert len(group(view, "codebook_size").labels) == 4
    again = [dict(row, trial=24 + row["trial"], action_weight=row["action_weight"] + 0.3) for row in few]
    view = view_of(maker, [*few, *again], name="many")
    assert [label for (label,) in group(view, "num_sub_actions").labels] == ["8", "9", "10", "11", "12", "13"]


def test_groups_are_compared_at_the_size_of_the_smallest(maker):
    # Two points of one group and one of the other: of the two, each alone is equally likely.
    rows = maker.rows([[0.5, 0.5], [0.2, 0.9], [0.4, 0.4]])
    for row, method in zip(rows, ("action_head", "action_head", "action_decoder"), strict=True):
        row["method"] = method
    table = group_table(view_of(maker, rows), group(view_of(maker, rows, name="again"), "method"))
    assert table["hypervolume"].tolist() == pytest.approx([0.25 + 0.3 * 0.1, 0.36])
    alone, decoder = table["expected_hypervolume"]
    assert alone == pytest.approx((0.25 + 0.08) / 2, abs=0.02)
    assert decoder == pytest.approx(0.36)
    assert list(table.columns[4:6]) == ["hypervolume", "expected_hypervolume"]


def test_several_columns_at_once(maker):
    view = view_of(maker, maker.trade(40))
    grouping = group(view, "method,codebook_size")
    table = group_table(view, grouping)
    assert list(table.columns[:2]) == ["method", "codebook_size"]
    for number, row in table.iterrows():
        own = view.points.table[grouping.members == number]
        assert set(own["method"]) == {row["method"]}
        assert set(own["codebook_size"].map(str)) == {row["codebook_size"]}


def test_runs_are_told_apart_by_what_they_kept_fixed(maker):
    for name, quantizer in (("a", "ema"), ("b", "ema"), ("c", "simvq")):
        maker.write(maker.trade(8, ord(name)), name, fixed={"quantizer": quantizer, "losses": {"action": 3.0}})
    view = together([maker.root / name for name in "abc"])
    table = group_table(view, group(view, "quantizer"))
    assert table["quantizer"].tolist() == ["ema", "simvq"]
    assert table["runs"].tolist() == [2, 1]
    single = [hypervolume(overview({n: read_run(maker.root / n)}, n).front, view.objectives) for n in "ab"]
    assert table["hypervolume_mean"][0] == pytest.approx(np.mean(single))
    assert table["hypervolume_std"][0] == pytest.approx(np.std(single, ddof=1))
    assert np.isnan(table["hypervolume_std"][1])
    assert group(view, "losses.action").labels == (("3.0",),)


def test_a_parameter_that_a_trial_does_not_have_is_a_group_of_its_own(maker):
    rows = maker.trade(12)
    rows[0]["codebook_size"] = None
    labels = [label for (label,) in group(view_of(maker, rows), "codebook_size").labels]
    assert labels == ["8", "16", "32", "64", "–"]


@pytest.mark.parametrize(
    ("column", "hint"),
    [("codebok_size", "did you mean codebook_size?"), ("xyz", "give one of run, codebook_size,"), ("seed", "give one")],
)
def test_unknown_columns_are_named_and_nothing_is_written(maker, capsys, column, hint):
    folder = maker.write(maker.trade(8))
    assert main([str(folder), "--by", column]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: --by {column}: no run has such a parameter; {hint}")
    assert err.count("\n") == 1
    assert not (folder / "front.csv").exists()


def write(folder, by=None):
    view = together([folder])
    return write_fronts(view, groupings_of(view, by), folder)


@pytest.mark.slow
def test_what_earlier_groupings_wrote_goes(maker):
    folder = maker.write(maker.trade(20))
    write(folder)
    (folder / "fronts" / "notes.txt").write_text("mine")
    written = write(folder, ["method"])
    names = sorted(path.name for path in (folder / "fronts").iterdir())
    assert names == ["by_method.csv", "by_method.png", "by_method.svg", "by_method.tex", "notes.txt"]
    assert {path.name for path in written} == {*names} - {"notes.txt"}
    document = yaml.safe_load((folder / "space.yaml").read_text())
    document["guards"] = {"window_samples": {"at_least": 1000}}
    (folder / "space.yaml").write_text(yaml.safe_dump(document))
    assert write(folder) == ()
    assert [path.name for path in (folder / "fronts").iterdir()] == ["notes.txt"]


def test_a_comma_too_many_is_an_unknown_column(maker):
    with pytest.raises(RecordError, match="--by : no run has such a parameter"):
        group(view_of(maker, maker.trade(8)), "method,")
