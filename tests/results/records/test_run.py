"""Reading a run folder: round trips, types, and damage with file, line and remedy."""

import logging

import numpy as np
import pandas as pd
import pytest

from results.exceptions import RecordError
from results.records.files import frame_text
from results.records.run import metric_names, read_curves, read_run, read_trials
from results.records.space import read_space


def test_round_trip_keeps_every_value(maker):
    rows = maker.trade(12)
    folder = maker.write(rows)
    frame = read_trials(folder)
    for (_, read), row in zip(frame.iterrows(), rows, strict=True):
        assert read["trial"] == str(row["trial"])
        for name in ("state", "reason", "seed", "epochs", "seconds", "codebook_size", "method"):
            assert read[name] == row[name]
        assert (read["started"], read["ended"]) == (row["started"], row["ended"])
        assert read["action_weight"] == row["action_weight"]
        assert read["stitch_fvu"] == row.get("stitch_fvu") or row["state"] == "failed"
    assert metric_names(frame, read_space(folder)) == ["action_kl_ratio", "stitch_fvu", "window_samples"]
    assert frame_text(frame) == (folder / "trials.csv").read_text()


def test_choices_come_back_in_their_own_types(maker):
    parameters = {"c": {"type": "choice", "values": ["None", "NA", True, 1, 0.5, "1e3"]}}
    rows = [maker.row(n, m=0.5, c=value) for n, value in enumerate(parameters["c"]["values"])]
    for row in rows:
        for name in ("codebook_size", "action_weight", "num_sub_actions", "method"):
            del row[name]
    rows.append({**rows[0], "trial": 99, "c": None})
    frame = read_trials(maker.write(rows, parameters=parameters))
    assert frame["c"].tolist() == ["None", "NA", True, 1, 0.5, "1e3", None]
    assert [type(value) for value in frame["c"][:5]] == [str, str, bool, int, float]


def test_null_and_lists_of_a_choice_are_told_from_what_is_not_there(maker):
    parameters = {
        "c": {"type": "choice", "values": [None, [64, "é"], [[1], None]]},
        "n": {"type": "int", "low": 1, "high": 99, "log": True},
    }
    texts = ["null", '[64, "é"]', "[[1], null]", None]
    rows = [{"trial": n, "state": "failed", "c": text} for n, text in enumerate(texts)]
    frame = read_trials(maker.write(rows, parameters=parameters))
    assert frame["c"].tolist()[:3] == texts[:3]
    assert frame["c"].isna().tolist() == [False, False, False, True]
    choice, number = read_space(maker.root / "demo").parameters
    assert (choice.values, choice.logarithmic, number.logarithmic) == (tuple(texts[:3]), False, True)
    assert hash(choice), "runs are told apart by what they searched"


def test_no_trials_yet(maker):
    frame = read_trials(maker.space())
    assert frame.empty
    assert list(frame.columns[:2]) == ["trial", "state"]
    assert read_curves(maker.space()).empty


def test_curves(maker):
    curves = read_curves(maker.write(maker.rows([[0.5, 0.5]])))
    assert list(curves.columns) == ["trial", "epoch", "seconds", "action_kl_ratio", "loss", "stitch_fvu"]
    assert curves["trial"].tolist() == ["0"] * 4
    assert np.isnan(curves["stitch_fvu"][0])
    assert curves["stitch_fvu"][3] == 0.5


def test_a_cut_last_line_is_left_out_with_a_warning(maker, caplog):
    folder = maker.write(maker.rows([[0.5, 0.5], [0.4, 0.6]]))
    path = folder / "trials.csv"
    path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        assert len(read_trials(folder)) == 1
    assert "the last line was cut off" in caplog.text
    assert "1 complete rows kept" in read_run(folder).warnings[0]
    assert not path.read_bytes().endswith(b"\n"), "reading must not change a file that a search may be writing"


def damaged(folder, number, change):
    path = folder / "trials.csv"
    lines = path.read_text().splitlines()
    lines[number - 1] = change(lines[number - 1])
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line + ",1", r"trials\.csv, line 3: expected 17 cells, found 18; restore the line"),
        (lambda line: line.replace("finished", "ready"), r"trials\.csv, line 3: state: 'ready' does not fit"),
        (lambda line: line.replace("7.25", "7,25").replace(",16.0", ""), r"line 3: .* does not fit"),
        (lambda line: line.replace("0.4", "O.4"), r"line 3: stitch_fvu: 'O\.4' does not fit"),
        (lambda line: line.replace("2026-01-02T", "yesterday "), r"line 3: started: 'yesterday"),
        (lambda line: "0" + line[1:], r"line 3: trial 0 has a row already in line 2"),
        (lambda line: line[1:], r"line 3: no trial id"),
        (lambda line: '"' + line, r"line 3: not a line of CSV text"),
    ],
)
def test_damage_is_named(maker, change, message):
    folder = maker.write(maker.rows([[0.5, 0.5], [0.4, 0.6], [0.3, 0.7]]))
    damaged(folder, 3, change)
    with pytest.raises(RecordError, match=message):
        read_trials(folder)


def test_damaged_headers_are_named(maker):
    folder = maker.write(maker.rows([[0.5, 0.5]]))
    damaged(folder, 1, lambda line: line.replace("method", "mode"))
    with pytest.raises(RecordError, match=r"trials\.csv, line 1: no column method"):
        read_trials(folder)
    damaged(folder, 1, lambda line: line.replace("mode", "seed"))
    with pytest.raises(RecordError, match=r"the header has column 'seed' twice"):
        read_trials(folder)
    (folder / "curves.csv").write_bytes(b"trial,epoch,seconds\n\xff,2,3\n")
    with pytest.raises(RecordError, match=r"curves\.csv, line 2: not a line of CSV text"):
        read_curves(folder)


def test_space(maker):
    space = read_space(maker.space())
    assert space.parameter_names == ("codebook_size", "action_weight", "num_sub_actions", "method")
    assert space.parameters[0].values == (8, 16, 32, 64)
    assert [str(guard) for guard in space.guards] == ["stitch_fvu < 1", "window_samples ≥ 8"]
    assert space.objectives[0].label == "stitch_fvu (fraction of variance)"
    assert space.provenance["versions"] == {"torch": "2.13.0"}
    assert space.budget == {"trials": 16, "epochs": 4}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": []}, "objectives: "),
        ({"objectives": [{"metric": "m", "name": "o", "direction": "up", "reference": 1}]}, "objectives.0.dir"),
        ({"objectives": [{"metric": "m", "name": "o"}]}, "objectives.0.reference: Field required"),
        ({"objectives": [{"metric": "m", "name": "o", "reference": 1}] * 2}, "two objectives are named 'o'"),
        ({"guards": {"m": {"under": 1}}}, "guards.0"),
        ({"guards": {"m": 3}}, "guards.m: expected a mapping, found 3"),
        ({"parameters": [1]}, r"parameters: expected a mapping, found \[1\]"),
    ],
)
def test_damaged_spaces_are_named(maker, changes, message):
    with pytest.raises(RecordError, match=message):
        read_space(maker.space(**changes))


def test_unreadable_spaces_are_named(maker, tmp_path):
    with pytest.raises(RecordError, match="nowhere: no such folder; give a run folder"):
        read_space(tmp_path / "nowhere")
    with pytest.raises(RecordError, match=r"not a run folder, it has no space\.yaml"):
        read_space(tmp_path)
    folder = maker.space()
    (folder / "space.yaml").write_text("name: a\nbudget: [1\nseed: 2\n")
    with pytest.raises(RecordError, match=r"space\.yaml, line 3: not YAML"):
        read_space(folder)
    (folder / "space.yaml").write_text("name: a\nbudget: {trials: 1, epochs: 2, trials: 3}\n")
    with pytest.raises(RecordError, match=r"space\.yaml, line 2: not YAML \(the key 'trials' is given twice\)"):
        read_space(folder)
    (folder / "space.yaml").write_text("- 1\n")
    with pytest.raises(RecordError, match="expected a mapping of keys"):
        read_space(folder)


def test_extra_keys_of_a_space_are_ignored(maker):
    objectives = [{"metric": "m", "name": "o", "direction": "maximize", "reference": 0, "remark": "x"}]
    space = read_space(maker.space(objectives=objectives, note="later version"))
    assert space.objectives[0].direction == "maximise"


def test_missing_numbers_are_missing(maker):
    rows = [maker.row(0, "failed", seed=None, slot=None, first_step=None, epochs=None)]
    frame = read_trials(maker.write(rows))
    assert pd.isna(frame["seed"][0])
    assert pd.isna(frame["first_step"][0])
    assert frame["slot"][0] == ""
