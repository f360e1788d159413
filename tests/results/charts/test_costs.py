"""Cost by how trials ended, and why trials did not count."""

import pytest

from results import read_run
from results.charts.costs import costs, not_counted, reasons
from results.front.overview import overview


def view_of(folder):
    return overview({"demo": read_run(folder)}, "demo")


def test_costs_by_hand(maker):
    rows = maker.rows([[0.5, 0.5], [0.4, 0.6]])
    rows[0] |= {"seconds": 10.0, "epochs": 4}
    rows[1] |= {"seconds": 20.0, "epochs": 6}
    rows += [maker.row(2, "stopped", seconds=None, epochs=2), maker.row(3, "failed", seconds=5.0, epochs=0)]
    finished, stopped, failed = costs(read_run(maker.write(rows)).trials)
    assert finished == ("finished", 2, 10, 30.0, 15.0, 20.0)
    assert finished.seconds_per_epoch == 3.0
    assert stopped[:4] == ("stopped", 1, 2, 0.0)
    assert stopped.median_s != stopped.median_s
    assert failed.seconds_per_epoch != failed.seconds_per_epoch
    assert [cost.title for cost in (finished, stopped, failed)] == ["finished", "stopped early", "failed"]


def test_reasons_are_counted_without_their_numbers(maker):
    rows = maker.rows([[0.5, 0.5], [0.4, 0.6], [0.3, 0.7], [2.0, 0.7]])
    rows[1]["window_samples"] = 4.0
    rows += [maker.row(4 + n, "failed", reason=f"loss is nan at epoch {n}") for n in range(3)]
    rows += [maker.row(7, "failed", reason="no room in trials/7"), maker.row(8, "stopped", reason="")]
    found = reasons(not_counted(view_of(maker.write(rows))))
    assert [(len(r.trials), r.state, r.text) for r in found] == [
        (3, "failed", "loss is nan at epoch …"),
        (1, "finished", "guard not kept: window_samples ≥ 8"),
        (1, "finished", "guard not kept: stitch_fvu < 1"),
        (1, "failed", "no room in trials/7"),
        (1, "stopped", "no reason recorded"),
    ]
    assert [trial.trial for trial in found[0].trials] == ["4", "5", "6"]


@pytest.mark.parametrize("text", ["action_kl_ratio", "v2", "node-3.local"])
def test_numbers_in_names_stay(maker, text):
    rows = [maker.row(n, "failed", reason=f"{text} is broken after {n} s") for n in range(2)]
    (reason,) = reasons(not_counted(view_of(maker.write(rows))))
    assert reason.text == f"{text} is broken after … s"
