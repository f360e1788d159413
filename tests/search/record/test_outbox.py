from pathlib import Path

import pytest

from search.record import outbox
from search.record.outbox import Outbox, open_session, pack, sees, unpack
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
        box = Outbox(tmp_path, session, lambda *what: sent.append(what))
        assert box.folder == tmp_path
        assert box.sent(ENDED) is ENDED
    assert not sent


def test_a_finished_trial_arrives_whole_from_a_node_that_does_not_see_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox.tempfile, "gettempdir", lambda: str(tmp_path / "node"))
    run = tmp_path / "run"
    box = Outbox(run, "another", lambda trial, packed: unpack(packed, run / "trials" / str(trial)))
    place = box.folder / "trials" / "3"
    write_model(place)
    assert box.folder != run
    assert box.sent(ENDED) is ENDED
    arrived = run / "trials" / "3"
    names = {str(file.relative_to(arrived)) for file in arrived.rglob("*") if file.is_file()}
    assert names == {"model.safetensors", "tables/codes.csv"}, "checkpoints stay behind"
    assert [entry.name for entry in (run / "trials").iterdir()] == ["3"], "no draft is left"
    assert not place.exists()
    box.discard()
    assert not box.folder.exists()


def test_what_cannot_be_sent_is_the_reason_of_a_failed_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox.tempfile, "gettempdir", lambda: str(tmp_path / "node"))
    monkeypatch.setattr(outbox, "MOST_BYTES", 5)
    box = Outbox(tmp_path / "run", "another", lambda *what: pytest.fail("sent"))
    write_model(box.folder / "trials" / "3")
    ended = box.sent(ENDED)
    assert ended.state == "failed"
    assert "files could not be sent to the run folder: 0 MiB, at most 0 can be; give a folder" in ended.reason


def test_a_second_arrival_takes_the_place_of_the_first(tmp_path):
    write_model(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old").touch()
    unpack(pack(tmp_path / "a"), tmp_path / "b")
    assert not (tmp_path / "b" / "old").exists()
    assert (tmp_path / "b" / "model.safetensors").read_bytes() == b"toy"
