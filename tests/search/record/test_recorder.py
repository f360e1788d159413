from dataclasses import replace

import pytest

from results.exceptions import RecordError
from results.records.run import read_curves, read_trials
from results.records.space import RunSpace
from search.record.recorder import Recorder
from search.trials import TrialRequest, TrialResult, TrialUpdate

ORDERS = [TrialRequest(number, {"x": 0.5, "width": 8, "kind": "a"}, 3 + number) for number in range(4)]


@pytest.fixture
def recorder(space, tmp_path):
    return Recorder(space, tmp_path)


def table(folder, space):
    described = {name: {"name": name, **entry.model_dump()} for name, entry in space.parameters.items()}
    known = RunSpace(name="toy", objectives=space.objectives, parameters=tuple(described.values()))
    return read_trials(folder, known)


def rows(request, epochs):
    return TrialUpdate(
        TrialResult(request, "running", epochs=epochs[-1]), tuple({"epoch": e, "seconds": e} for e in epochs)
    )


def test_a_trial_is_on_the_disk_when_it_ends(recorder, space, tmp_path, finish):
    recorder.begin(ORDERS[0])
    recorder.begin(ORDERS[1])
    recorder.note(rows(ORDERS[0], [1, 2]))
    recorder.note(rows(ORDERS[0], [3]))
    assert len(recorder.end(finish(ORDERS[0]))) == 3
    recorder.end(TrialResult(ORDERS[1], "failed", "two\nlines"))
    found = table(tmp_path, space)
    assert found["state"].tolist() == ["finished", "failed"]
    assert found["reason"].tolist() == ["", "two lines"]
    assert found["seconds"][0] == 2
    assert read_curves(tmp_path)["epoch"].tolist() == [1, 2, 3]


def test_a_restart_voids_the_curve_so_far(recorder, tmp_path, finish):
    recorder.begin(ORDERS[0])
    recorder.note(rows(ORDERS[0], [1, 2]))
    recorder.note(replace(rows(ORDERS[0], [1]), restarted_after=0))
    recorder.end(finish(ORDERS[0]))
    assert read_curves(tmp_path)["epoch"].tolist() == [1]


def test_interrupted_trials_leave_the_table_when_they_run_again(recorder, space, tmp_path, finish):
    for request in ORDERS[:3]:
        recorder.begin(request)
        recorder.note(rows(request, [1]))
    recorder.end(finish(ORDERS[1]))
    line = (tmp_path / "trials.csv").read_bytes().splitlines()[1]
    assert recorder.interrupt("by the user") == 2
    assert recorder.interrupt("by the user") == 0
    assert table(tmp_path, space)["state"].tolist() == ["finished", "interrupted", "interrupted"]
    again = Recorder(space, tmp_path)
    again.clear_interrupted([finish(ORDERS[1])], [0, 2])
    assert table(tmp_path, space)["trial"].tolist() == ["1"]
    assert (tmp_path / "trials.csv").read_bytes().splitlines()[1] == line, "a finished row never changes"
    assert read_curves(tmp_path)["trial"].tolist() == ["1"]
    assert len(again.snapshot().rows) == 1


def test_a_snapshot_says_how_the_run_stands(recorder, finish):
    assert recorder.snapshot().seconds == 0
    recorder.begin(ORDERS[0])
    recorder.begin(ORDERS[1])
    recorder.note(rows(ORDERS[1], [4]))
    recorder.end(finish(ORDERS[0]))
    snapshot = recorder.snapshot()
    assert [result.epochs for result in snapshot.running] == [4]
    assert (len(snapshot.rows), snapshot.ended_now) == (1, 1)


def test_damage_to_the_tables_is_told_in_one_line_each(recorder, space, tmp_path, finish):
    for request in ORDERS[:3]:
        recorder.begin(request)
        recorder.note(rows(request, list(range(1, 11))))
        recorder.end(finish(request))
    trials, curves = tmp_path / "trials.csv", tmp_path / "curves.csv"
    trials.write_bytes(trials.read_bytes()[:-5])
    curves.write_bytes(curves.read_bytes()[:-5])
    again = Recorder(space, tmp_path)
    again.clear_interrupted([finish(request) for request in ORDERS[:2]], [2])
    assert [message.split(": ", 1)[1].split(" (")[0] for message in again.repairs] == ["the last line was cut off"] * 2
    assert "2 complete rows kept" in again.repairs[0]
    assert set(read_curves(tmp_path)["trial"]) == {"0", "1"}, "a curve without a row does not stay"
    lines = curves.read_text().splitlines(keepends=True)
    curves.write_text("".join(lines[:-2]))
    again = Recorder(space, tmp_path)
    again.clear_interrupted([finish(request) for request in ORDERS[:2]], [])
    assert again.repairs == [f"{curves}: lacks epochs of 1 trials that have ended (1)"]
    curves.write_text("".join(lines[:-1]) + lines[-1].replace(",10,", ",ten,"))
    with pytest.raises(RecordError, match=r"curves\.csv, line 21: epoch: 'ten' does not fit .*; correct or delete"):
        Recorder(space, tmp_path)


def test_checkpoints_of_a_trial_go_when_its_row_is_written(recorder, tmp_path, finish):
    for request in ORDERS[:2]:
        recorder.begin(request)
        (tmp_path / f"trials/{request.trial}/unfinished/3").mkdir(parents=True)
    recorder.end(finish(ORDERS[0]))
    recorder.interrupt("by the user")
    assert [place.name for place in (tmp_path / "trials").iterdir()] == ["1"], "an interrupted trial goes on later"


def test_of_a_trial_whose_model_is_not_kept_its_configuration_stays(recorder, tmp_path):
    for name in ("configuration.yaml", "model.safetensors", "codes.csv", "parts/deep"):
        for trial in ("1", "2"):
            (tmp_path / "trials" / trial / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "trials" / trial / name).write_text(name)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/mine").touch()
    (tmp_path / "trials/1/link").symlink_to(tmp_path / "elsewhere")
    recorder.forget_models([1, 7])
    assert [file.name for file in (tmp_path / "trials/1").iterdir()] == ["configuration.yaml"]
    assert len(list((tmp_path / "trials/2").iterdir())) == 4
    assert (tmp_path / "elsewhere/mine").exists()
