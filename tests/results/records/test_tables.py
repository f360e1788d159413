"""Writing trials.csv and curves.csv: exact text, widening, cut lines, dropping."""

import os
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from results import read_run, rebuild
from results.exceptions import RecordError
from results.front.attainment import attainments, corner_table, surface_table
from results.front.groups import group, group_table
from results.front.overview import overview
from results.records.append_table import read_content, repair
from results.records.tables import CurveTable, TrialTable, name_trouble

PARAMETERS = {
    "codebook_size": {"type": "choice", "values": [8, 16, 32, 64]},
    "action_weight": {"type": "float", "low": 0.05, "high": 0.95},
    "num_sub_actions": {"type": "int", "low": 8, "high": 20},
    "method": {"type": "choice", "values": ["action_head", "action_decoder"]},
}
HEADER = "trial,state,reason,seed,epochs,slot,seconds,started,first_step,ended,size,rate"


@pytest.fixture
def table(tmp_path):
    return TrialTable(tmp_path, ["size", "rate"])


def test_text_of_a_row_is_exact(table):
    table.append(
        {
            "trial": "0007",
            "state": "finished",
            "seed": np.int64(3),
            "epochs": 2,
            "slot": 0,
            "seconds": 0.1 + 0.2,
            "started": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "ended": pd.Timestamp("2026-01-02T05:04:05.25+01:00"),
            "size": 16,
            "rate": 1e-4,
            "zeta": np.float32(0.5),
            "alpha": float("nan"),
        }
    )
    assert table.path.read_text() == (
        f"{HEADER},alpha,zeta\n"
        "0007,finished,,3,2,0,0.30000000000000004,2026-01-02T03:04:05.000000+00:00,,"
        "2026-01-02T04:04:05.250000+00:00,16,0.0001,nan,0.5\n"
    )


def test_a_reason_never_breaks_the_line(table):
    table.append({"trial": 0, "state": "failed", "reason": 'line one,\n"line" two\r\nthree'})
    assert table.path.read_bytes().count(b"\n") == 2
    assert read_content(table.path).rows[0]["reason"] == 'line one, "line" two three'


def test_new_metrics_widen_the_file_and_change_nothing_else(table):
    table.append({"trial": 0, "state": "failed", "reason": "no metric yet"})
    table.append({"trial": 1, "state": "finished", "m": 0.1, "c": 3.0})
    before = read_content(table.path).rows
    table.append({"trial": 2, "state": "finished", "d": 1.0, "m": 0.2})
    content = read_content(table.path)
    assert content.header == (*HEADER.split(","), "c", "d", "m")
    assert [{k: v for k, v in row.items() if k != "d"} for row in content.rows[:2]] == [
        {"c": "", "m": "", **row} for row in before
    ]
    assert (content.rows[2]["c"], content.rows[2]["d"], content.rows[2]["m"]) == ("", "1.0", "0.2")
    assert os.listdir(table.path.parent) == ["trials.csv"]


def test_opening_again_appends(table):
    table.append({"trial": 0, "state": "finished", "m": 0.5})
    again = TrialTable(table.path.parent, ["size", "rate"])
    assert again.repaired == ""
    assert again.trials == {"0"}
    again.append({"trial": 1, "state": "stopped", "m": 0.25})
    assert [row["m"] for row in read_content(again.path).rows] == ["0.5", "0.25"]


@pytest.mark.parametrize("cut", [1, 3, 20])
def test_a_cut_last_line_is_dropped_with_a_message(table, cut):
    table.append({"trial": 0, "state": "finished", "m": 0.5})
    whole = table.path.read_bytes()
    table.append({"trial": 1, "state": "finished", "m": 0.12345})
    table.path.write_bytes(table.path.read_bytes()[:-cut])
    again = TrialTable(table.path.parent, ["size", "rate"])
    assert again.path.read_bytes() == whole
    assert "trials.csv: the last line was cut off ('1,fini" in again.repaired
    assert "1 complete rows kept" in again.repaired
    again.append({"trial": 1, "state": "finished", "m": 0.75})
    assert [row["m"] for row in read_content(again.path).rows] == ["0.5", "0.75"]


def test_a_cut_header_leaves_an_empty_table(tmp_path):
    (tmp_path / "trials.csv").write_text("trial,sta")
    table = TrialTable(tmp_path, ["size", "rate"])
    assert "0 complete rows kept" in table.repaired
    table.append({"trial": 0, "state": "finished"})
    assert table.path.read_text().splitlines()[0] == HEADER


def test_a_whole_or_missing_file_needs_no_repair(table):
    assert repair(table.path) == ""
    table.append({"trial": 0, "state": "finished"})
    assert repair(table.path) == ""


def test_interrupted_rows_are_dropped_and_may_come_again(table):
    for number, state in enumerate(["finished", "interrupted", "failed", "interrupted"]):
        table.append({"trial": number, "state": state, "m": number / 7})
    kept = [line for line in table.path.read_text().splitlines() if "interrupted" not in line]
    assert table.drop_interrupted() == ("1", "3")
    assert table.path.read_text().splitlines() == kept
    assert table.drop_interrupted() == ()
    table.append({"trial": 1, "state": "finished", "m": 1.0})
    assert table.trials == {"0", "1", "2"}


def test_rows_that_do_not_fit_are_refused(table):
    with pytest.raises(RecordError, match=r"needs a trial and a state .* state 'done'"):
        table.append({"trial": 0, "state": "done"})
    with pytest.raises(RecordError, match="needs a trial"):
        table.append({"state": "finished"})
    table.append({"trial": 0, "state": "finished"})
    with pytest.raises(RecordError, match="trial 0 has a row already"):
        table.append({"trial": "0", "state": "finished"})


def test_another_space_is_refused(table):
    table.append({"trial": 0, "state": "finished"})
    with pytest.raises(RecordError, match=r"trials\.csv, line 1: expected the columns .*other"):
        TrialTable(table.path.parent, ["other"])


def test_parameters_cannot_hide_bookkeeping(tmp_path):
    with pytest.raises(RecordError, match="parameter 'epochs' has the name of a column"):
        TrialTable(tmp_path, ["size", "epochs"])


def test_a_full_disk_leaves_no_half_row(table, monkeypatch):
    table.append({"trial": 0, "state": "finished", "m": 0.5})
    whole = table.path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        table.append({"trial": 1, "state": "finished", "m": 0.5})
    assert table.path.read_bytes() == whole


def test_curves_widen_and_drop(tmp_path):
    curves = CurveTable(tmp_path)
    curves.append({"trial": 0, "epoch": 1, "seconds": 0.5, "loss": 2.0})
    curves.append({"trial": 0, "epoch": 2, "seconds": 1.0, "loss": 1.0, "fvu": 0.5})
    curves.append({"trial": 10, "epoch": 1, "seconds": 0.5, "loss": 3.0})
    assert curves.path.read_text() == ("trial,epoch,seconds,fvu,loss\n0,1,0.5,,2.0\n0,2,1.0,0.5,1.0\n10,1,0.5,,3.0\n")
    assert curves.drop([0, "5"]) == 2
    assert curves.path.read_text() == "trial,epoch,seconds,fvu,loss\n10,1,0.5,,3.0\n"
    with pytest.raises(RecordError, match="needs a trial and an epoch"):
        curves.append({"trial": 1, "loss": 1.0})


def test_no_table_has_a_column_that_a_name_could_take(maker):
    """What is added to the tables of trials is refused as a name: where a space is read, and where a run is."""
    shared = {"codebook_size": 8, "action_weight": 0.5, "num_sub_actions": 9, "method": "action_head"}
    first = maker.write([*maker.trade(12), *[row | shared | {"trial": row["trial"] + 20} for row in maker.trade(4)]])
    second = maker.write(maker.trade(12, seed=1), "second")
    views = [overview({"demo": read_run(first)}, "demo")]
    views.append(overview({path.name: read_run(path) for path in (first, second)}, "both"))
    metrics = ("stitch_fvu", "action_kl_ratio", "window_samples")
    own = {*PARAMETERS, *metrics}
    added = set()
    for view in views:
        tables = [view.front, *view.histories.values(), group_table(view, group(view, "method"))]
        for found in attainments(view):
            tables += [surface_table(found, view.objectives), corner_table(found, view.objectives)]
        added |= {str(name) for table in tables for name in table.columns} - own
    assert {
        "names",
        "run",
        "seeds",
        "on_front_probability",
        "stitch_fvu_std",
        "stitch_fvu_again",
        "igd_plus",
        "percent",
    } <= added
    free = {name for name in added if not name_trouble(name, metrics[:2])}
    assert free <= {"needed", "fronts", "corners"}, "no parameter or metric stands beside these"


@pytest.mark.parametrize("name", ["names", "run", "seeds", "on_front_probability", "state", "epoch", "stitch_fvu_std"])
def test_a_name_that_tables_have_themselves(maker, name):
    rows = maker.rows([[0.2, 0.9], [0.3, 0.3]], other=1.0)
    folder = maker.write(rows, parameters={**PARAMETERS, "depth": {"type": "int", "low": 1, "high": 9}})
    table, space = folder / "trials.csv", folder / "space.yaml"
    whole = table.read_text(), space.read_text()
    if name != "state":  # which is there already
        table.write_text(whole[0].replace(",other", f",{name}", 1))
        run = read_run(folder)
        told = f"column {name!r} has the name of one that tables of trials add themselves; it is left out"
        assert run.warnings == (f"demo/trials.csv: {told}",)
        assert len(rebuild(folder, figures=False).front) == 2
    table.write_text(whole[0].replace(",depth", f",{name}", 1))
    taken = rf"space\.yaml: .*'{name}' is the name of a column of the tables of trials; rename it everywhere"
    for part, changed in (("depth", name), ("metric: action_kl_ratio", f"metric: {name}")):
        space.write_text(whole[1].replace(part, changed))
        with pytest.raises(RecordError, match=taken):
            read_run(folder)
