"""Learning curves: grouped by how trials ended, thinned where there are many, and said so."""

import pytest

from results import read_run
from results.charts import curves as learning_curves
from results.charts.curves import curve_groups, thinning_notes
from results.charts.growth import steps
from results.charts.style import evenly, thinned_note
from results.charts.web.lines import curve_chart
from results.front.overview import overview
from results.records.tables import CurveTable


def groups_of(folder):
    view = overview({"demo": read_run(folder)}, "demo")
    return view.objectives[0], curve_groups(view, view.objectives[0])


def test_groups_are_by_state_and_front(maker):
    rows = maker.rows([[0.2, 0.9], [0.3, 0.3], [0.9, 0.2], [0.95, 0.95], [0.25, 0.6]])
    rows += [maker.row(5, "stopped", stitch_fvu=0.4, action_kl_ratio=0.4)]
    rows += [maker.row(6, "failed", stitch_fvu=0.4), maker.row(7, "interrupted", stitch_fvu=0.4)]
    objective, groups = groups_of(maker.write(rows))
    assert {group.name: [curve.title for curve in group.curves] for group in groups} == {
        "failed or interrupted": ["trial 6", "trial 7"],
        "stopped early": ["trial 5"],
        "other trials": ["trial 3"],
        "others on the front": ["trial 4"],
        "recon": ["trial 0"],
        "knee": ["trial 1"],
        "kl": ["trial 2"],
    }
    assert groups[1].curves[0][1:] == ([2, 4], pytest.approx([0.6, 0.4]))
    traces = curve_chart(objective, groups).data
    crosses = [list(trace.x)[:-1] for trace in traces if trace.mode == "markers"]
    assert crosses == [[4, None, 4], [4]], "a cross where a trial ended early"


def test_an_epoch_that_was_trained_again_counts_as_it_was_last(maker):
    folder = maker.write(maker.rows([[0.2, 0.9]]))
    table = CurveTable(folder)
    table.append({"trial": 0, "epoch": 2, "seconds": 9.0, "stitch_fvu": 0.33})
    _, (group,) = groups_of(folder)
    assert group.curves[0].values == pytest.approx([0.33, 0.2])


def test_many_curves_are_thinned_and_it_is_said(maker, monkeypatch):
    monkeypatch.setattr(learning_curves, "MOST_CURVES", 4)
    monkeypatch.setattr(learning_curves, "MOST_EPOCHS", 2)
    folder = maker.write(maker.rows([[0.1, 0.1], *([0.5 + 0.01 * n, 0.5] for n in range(9))]))
    _, groups = groups_of(folder)
    others = next(group for group in groups if group.kind == "other")
    assert [curve.title for curve in others.curves] == ["trial 1", "trial 4", "trial 6", "trial 9"]
    assert others.total == 9
    assert thinning_notes(groups) == ["4 of 9 curves of other trials are drawn, evenly spread over the record"]


@pytest.mark.parametrize(("count", "most"), [(0, 5), (1, 5), (5, 5), (6, 5), (5000, 150)])
def test_evenly_keeps_both_ends(count, most):
    kept = evenly(count, most)
    assert len(kept) == min(count, most)
    assert len(set(kept)) == len(kept)
    if count:
        assert (kept[0], kept[-1]) == (0, count - 1)


def test_a_thinned_staircase_is_the_same_line():
    values = [0.0, 0.0, 0.1, 0.1, 0.1, 0.3, 0.3]
    assert steps(values).tolist() == [0, 2, 5, 6]
    assert steps([0.5]).tolist() == [0]
    assert (thinned_note(3, 3, "x"), thinned_note(3, 1000, "x")) == (
        "",
        "3 of 1,000 x are drawn, evenly spread over the record",
    )
