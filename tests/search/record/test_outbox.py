import io
from pathlib import Path

import pytest

from search.record import outbox
from search.record.outbox import Outbox, keep_piece, open_session, pack, remove_stand_in, sees, unpack
from search.trials import TrialRequest, TrialResult

ENDED = TrialResult(TrialRequest(3, {}, 0), "finished")


def write_model(folder: Path) -> None:
    (folder / "tables").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"toy")
    (folder / "tables" / "codes.csv").write_text("code\n")
    (folder / "unfinished" / "4").mkdir(parents=True)
    (folder / "unfinished" / "4" / "state").write_bytes(b"large")


def test_a_node_sees_the_folder_that_was_marked_and_no_other(tmp_path):
    here, namesake = tmp_path / "here", tmp_path / "namesake"
    here.mkdir()
    session = open_session(here)
    assert sees(here, session)
    assert not sees(namesake, session)
    namesake.mkdir()
    open_session(namesake)
    assert not sees(namesake, session)


def test_a_worker_that_sees_the_folder_sends_nothing(tmp_path):
    sent = []
    for session in (open_session(tmp_path), ""):
        box = Outbox(tmp_path, session, lambda *what: bool(sent.append(what)))
        assert box.folder == tmp_path
        box.sent(ENDED)
    assert not sent


def test_a_finished_trial_arrives_whole_from_a_node_that_does_not_see_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox.tempfile, "gettempdir", lambda: str(tmp_path / "node"))
    run = tmp_path / "run"
    monkeypatch.setattr(outbox, "PIECE_BYTES", 1000)
    names = []

    def send(trial, name, piece, last):
        names.append(name)
        keep_piece(run, trial, name, piece, last)
        return True

    box = Outbox(run, "another", send)
    place = box.folder / "trials" / "3"
    write_model(place)
    assert box.folder != run
    box.sent(ENDED)
    assert len(names) > 1
    assert len(set(names)) == 1
    arrived = run / "trials" / "3"
    names = {str(file.relative_to(arrived)) for file in arrived.rglob("*") if file.is_file()}
    assert names == {"model.safetensors", "tables/codes.csv"}, "checkpoints stay behind"
    assert [entry.name for entry in (run / "trials").iterdir()] == ["3"], "no draft is left"
    assert not place.exists()


def test_a_worker_whose_trial_has_gone_to_others_leaves_it_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox.tempfile, "gettempdir", lambda: str(tmp_path / "node"))
    box = Outbox(tmp_path / "run", "another", lambda *what: False)
    write_model(box.folder / "trials" / "3")
    box.sent(ENDED)
    assert (box.folder / "trials/3/unfinished/4/state").exists()


def test_where_files_cannot_be_sent_the_trial_can_be_taken_up_again(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox.tempfile, "gettempdir", lambda: str(tmp_path / "node"))

    def no_room(*what):
        raise OSError(28, "No space left on device")

    box = Outbox(tmp_path / "run", "another", no_room)
    write_model(box.folder / "trials" / "3")
    with pytest.raises(OSError, match="No space left"):
        box.sent(ENDED)
    assert (box.folder / "trials/3/unfinished/4/state").exists()


def test_the_next_session_of_a_run_finds_what_it_left_on_a_node_and_its_end_removes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox.tempfile, "gettempdir", lambda: str(tmp_path / "node"))
    (tmp_path / "run").mkdir()
    (tmp_path / "other").mkdir()
    sessions = [open_session(tmp_path / place) for place in ("run", "run", "other")]
    first, second, other = (Outbox(tmp_path / "unseen", session, lambda *what: True).folder for session in sessions)
    assert first == second != other
    assert not sees(tmp_path / "run", sessions[0]), "a copy that an earlier session left is not the folder"
    write_model(first / "trials" / "3")
    remove_stand_in(sessions[1])
    assert not first.exists()


def test_a_second_arrival_takes_the_place_of_the_first(tmp_path):
    write_model(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old").touch()
    unpack(io.BytesIO(pack(tmp_path / "a")), tmp_path / "b")
    assert not (tmp_path / "b" / "old").exists()
    assert (tmp_path / "b" / "model.safetensors").read_bytes() == b"toy"
