"""Runs in which trainings have gone on: lines are points of their own, cost what they cost, and are drawn."""

import pytest

from results.aggregate import rebuild
from results.charts.costs import costs
from results.charts.importance import importances
from results.charts.outline import steps_of_lines
from results.charts.parallel import parallel_lines
from results.front.overview import overview
from results.records.run import metric_names, read_run
from results.records.text import short
from tests.results.conftest import PARAMETERS

SWEEP = {"parameter": "action_weight", "factors": [0.5, 1.5], "epochs": 2, "most": 4, "of": "front"}
SAME = {"codebook_size": 16, "num_sub_actions": 9, "method": "action_head", "window_samples": 16.0}


@pytest.fixture
def folder(maker):
    """Trial 0 goes on to 2 and 3, and 2 to 4; 1 is no line, at the very weight of 2; 5 trains 2 again."""
    rows = [
        maker.row(0, action_weight=0.4, stitch_fvu=0.5, action_kl_ratio=0.5, **SAME),
        maker.row(1, action_weight=0.2, stitch_fvu=0.9, action_kl_ratio=0.95, **SAME),
    ]
    steps = [(2, 0.2, "0.4 > 0.2", 0.4, 0.6, 4), (3, 0.6, "0.4 > 0.6", 0.6, 0.4, 4)]
    steps += [(4, 0.1, "0.4 > 0.2 > 0.1", 0.3, 0.7, 6), (5, 0.2, "0.4 > 0.2", 0.42, 0.62, None)]
    for number, weight, line, x, y, inherited in steps:
        values = {"stitch_fvu": x, "action_kl_ratio": y, "line": line, "epochs": 4 + 2 * line.count(">")}
        values |= {"inherited_epochs": inherited} if inherited else {}
        rows.append(maker.row(number, action_weight=weight, **values, **SAME))
    folder = maker.write(rows, sweep=SWEEP, parameters={**PARAMETERS, "line": {"type": "line"}})
    maker.space(sweep=SWEEP)  # the space itself has no parameter of that name
    return folder


def test_a_line_is_a_point_of_its_own_and_its_replicate_is_a_seed(folder):
    view = overview({"demo": read_run(folder)}, "demo")
    assert view.points.owner.tolist() == [0, 1, 2, 3, 4, 2]
    assert view.points.seeds.tolist() == [1, 1, 2, 1, 1]
    assert "inherited_epochs" not in metric_names(view.trials, view.runs["demo"].space)


def test_inherited_epochs_are_spent_once(folder):
    view = overview({"demo": read_run(folder)}, "demo")
    assert view.histories["demo"]["epochs"].tolist() == [4, 8, 10, 12, 14, 20]
    assert [cost.epochs for cost in costs(view.trials)] == [20]


def test_lines_are_drawn_from_where_they_go_on(folder):
    view = overview({"demo": read_run(folder)}, "demo")
    assert steps_of_lines(view) == [(0, 2), (0, 3), (2, 4)]
    assert steps_of_lines(overview({"demo": read_run(folder), "again": read_run(folder)}, "both")) == [
        *[(0, 2), (0, 3), (2, 4)],
        *[(5, 7), (5, 8), (7, 9)],
    ]


def test_a_line_is_no_axis_and_says_nothing_of_a_parameter(folder):
    view = overview({"demo": read_run(folder)}, "demo")
    assert "line" not in [axis.title for axis in parallel_lines(view).axes]
    names, found = importances(view)
    assert "line" not in names
    assert {importance.points for importance in found} == {2}, "points that are no lines"


def test_everything_is_made_of_a_run_with_lines(folder):
    written = rebuild(folder)
    assert written
    page = (folder / "report.html").read_text()
    assert "goes on at another value" in page
    assert "0.4 &gt; 0.2 &gt; 0.1" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [("0.4091507830421509 > 0.572811", "0.4092 > 0.5728"), ("a > b", "a > b"), ("8 > 5", "8 > 5"), ("x", "x")],
)
def test_a_line_is_short_where_it_is_read(text, shown):
    assert short(text) == shown
