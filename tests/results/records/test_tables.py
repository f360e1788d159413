"""Writing trials.csv and curves.csv: exact text, widening, cut lines, dropping."""

import os
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from results.exceptions import RecordError
from results.records.append_table import read_content, repair
from results.records.tables import CurveTable, TrialTable

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
