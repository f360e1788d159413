import errno
import json
import math
import shutil
import subprocess
from pathlib import PurePosixPath

import pytest

from search.record import disk
from search.record.checkpoints import (
    Checkpoints,
    DamagedCheckpointError,
    Progress,
    checkpoint_of,
    discard,
    unfinished,
)
from search.trials import TrialRequest
from search.worker.trial_loop import TrialLoop
from tests.search import toy_study

REQUEST = TrialRequest(4, {"x": 0.25, "width": 16, "kind": "b"}, 7)
TIMES = {"seconds", "started", "first_step", "ended"}


class Killed(BaseException):
    """Stands for a signal that no code can catch."""


@pytest.fixture
def saving(space):
    return space.model_copy(update={"budget": space.budget.model_copy(update={"checkpoint_every_s": 0.0})})


def loop(space, folder, updates, until=math.inf, basis=None):
    """Return a loop whose process is killed after so many reports."""

    def deliver(update):
        updates.append(update)
        if len(updates) >= until:
            raise Killed
        return True

    return TrialLoop(toy_study.ToyStudy(space.fixed), space, folder, 1, deliver, basis)


def interrupted(space, folder, after):
    updates = []
    with pytest.raises(Killed, match=r"^$"):
        loop(space, folder, updates, until=after).run(REQUEST)
    return updates


def without_times(update_rows):
    return [{key: value for key, value in row.items() if key not in TIMES} for row in update_rows]


@pytest.mark.parametrize("after", [2, 5, 9])
def test_a_trial_that_was_interrupted_ends_as_an_undisturbed_one(saving, tmp_path, after):
    whole = []
    undisturbed = loop(saving, tmp_path / "whole", whole).run(REQUEST)
    interrupted(saving, tmp_path / "broken", after)
    updates = []
    result = loop(saving, tmp_path / "broken", updates).run(REQUEST)
    assert result.metrics == undisturbed.metrics
    assert (result.state, result.epochs) == ("finished", 10)
    assert updates[0].restarted_after == after - 1, "the epoch that was reported last had not been saved yet"
    assert [update.restarted_after for update in updates[1:]] == [None] * (len(updates) - 1)
    assert without_times(row for update in updates for row in update.rows) == without_times(
        row for update in whole for row in update.rows
    )
    assert updates[0].note == f"goes on after epoch {after - 1}, from its checkpoint"
    assert {"model.safetensors", "configuration.yaml"} <= {f.name for f in (tmp_path / "broken/trials/4").iterdir()}


def test_the_seconds_of_a_trial_are_those_of_work_that_counts(saving, tmp_path):
    slow = saving.model_copy(update={"fixed": {**saving.fixed, "sleep_s": 0.02}})
    interrupted(slow, tmp_path, 6)
    kept = json.loads((tmp_path / "trials/4/unfinished/5/progress.json").read_text())
    updates = []
    result = loop(slow, tmp_path, updates).run(REQUEST)
    seconds = [row["seconds"] for update in updates for row in update.rows]
    assert seconds == sorted(seconds)
    assert seconds[4] == kept["seconds"] < seconds[5]
    assert result.started == kept["started"] < result.resumed
    assert seconds[-1] <= result.row()["seconds"] < seconds[-1] + 1.0


@pytest.mark.parametrize("change", ["configuration", "code"])
def test_a_checkpoint_of_other_content_is_not_used(saving, tmp_path, change):
    interrupted(saving, tmp_path, 6)
    other = saving.model_copy(update={"fixed": {**saving.fixed, "level": 2}}) if change == "configuration" else saving
    updates = []
    loop(other, tmp_path, updates, basis={"code": "new"} if change == "code" else None).run(REQUEST)
    assert (updates[0].restarted_after, updates[0].note) == (0, "")
    assert len(updates) == 10


@pytest.mark.parametrize("file", ["run/state.json", "progress.json", "SHA256SUMS"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_checkpoint_is_not_used_and_the_log_hears_of_it(saving, tmp_path, file, damage):
    interrupted(saving, tmp_path, 6)
    place = tmp_path / "trials/4/unfinished/5" / file
    if damage == "gone":
        place.unlink()
    else:
        data = place.read_bytes()
        place.write_bytes(data[:-3] if damage == "cut" else data.replace(b"5", b"4", 1))
    updates = []
    result = loop(saving, tmp_path, updates).run(REQUEST)
    assert result.state == "finished"
    assert len(updates) == 10
    assert updates[0].restarted_after == 0
    assert updates[0].note.startswith("begun anew, its checkpoint is damaged: ")


def test_a_study_that_cannot_restore_begins_anew(saving, tmp_path, monkeypatch):
    interrupted(saving, tmp_path, 6)
    monkeypatch.setattr(toy_study.ToyRun, "restore", lambda self, folder: 1 / 0)
    updates = []
    assert loop(saving, tmp_path, updates).run(REQUEST).state == "finished"
    assert updates[0].note.endswith("unfinished/5/run: ZeroDivisionError: division by zero")


def test_a_study_that_cannot_save_is_trained_all_the_same(saving, tmp_path, monkeypatch):
    monkeypatch.setattr(toy_study.ToyRun, "save", lambda self, folder: 1 / 0)
    updates = []
    assert loop(saving, tmp_path, updates).run(REQUEST).state == "finished"
    assert updates[1].note == "no checkpoint after epoch 1: ZeroDivisionError: division by zero"
    assert not any((tmp_path / "trials/4/unfinished").iterdir())


@pytest.mark.parametrize("where", ["save", "export"])
def test_a_full_disk_is_no_fault_of_the_trial(saving, tmp_path, monkeypatch, where):
    def no_room(self, folder):
        raise RuntimeError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(toy_study.ToyRun, where, no_room)
    monkeypatch.setattr(disk, "_has_room", lambda folder: False)
    result = loop(saving, tmp_path, []).run(REQUEST)
    assert result.state == "interrupted"
    assert result.reason.startswith("the disk is full (RuntimeError: I/O error")


@pytest.mark.parametrize(
    "said",
    [
        "unable to write to file </torch_1>: No space left on device (28)",
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
        "shared memory. Please try to raise your shared memory limit.",
    ],
)
def test_a_full_disk_elsewhere_is_told_as_such(saving, tmp_path, monkeypatch, said):
    def no_room(self):
        raise RuntimeError(said)

    monkeypatch.setattr(toy_study.ToyRun, "train_epoch", no_room)
    monkeypatch.setattr(disk, "LITTLE_BYTES", 0)
    result = loop(saving, tmp_path, []).run(REQUEST)
    assert result.state == "interrupted"
    assert result.reason.startswith("something else than the run folder's disk is full; is it /dev/shm, or")


def test_a_disk_with_little_room_is_the_one_that_an_error_means(tmp_path, monkeypatch):
    error = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(disk, "LITTLE_BYTES", 1 << 60)
    assert disk.is_full(tmp_path, error)
    monkeypatch.setattr(disk, "LITTLE_BYTES", 0)
    assert not disk.is_full(tmp_path, error)
    assert disk.is_full(tmp_path, OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "trials.csv")))


def test_one_checkpoint_is_kept_whole_or_not_at_all(space, tmp_path, monkeypatch):
    clock = [0.0]
    checkpoints = Checkpoints(unfinished(tmp_path, 3), every_s=30.0, clock=lambda: clock[0])
    run = toy_study.ToyRun({"seed": 1, "x": 0.5}, {})
    assert not checkpoints.due
    clock[0] = 31.0
    assert checkpoints.due
    checkpoints.save(run, Progress("key", 2, 1.0, "a", "b"))
    assert not checkpoints.due
    checkpoints.save(run, Progress("key", 4, 2.0, "a", "b"))
    assert [place.name for place in unfinished(tmp_path, 3).iterdir()] == ["4"]
    monkeypatch.setattr(toy_study.ToyRun, "save", lambda self, folder: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        checkpoints.save(run, Progress("key", 6, 3.0, "a", "b"))
    assert checkpoints.newest("key")[0].epoch == 4
    assert checkpoints.newest("other") is None
    place = unfinished(tmp_path, 3) / "4"
    assert (
        subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=place, capture_output=True, check=False).returncode == 0
    )
    (place / "progress.json").write_text("{}")
    with pytest.raises(DamagedCheckpointError, match="its files are not those that were written"):
        checkpoints.newest("key")
    discard(tmp_path, 3)
    assert list(tmp_path.iterdir()) == []


def test_where_the_newest_is_damaged_the_one_before_it_is_used(tmp_path):
    """A mirror that was cut off may have both."""
    run, place = toy_study.ToyRun({"seed": 1, "x": 0.5}, {}), unfinished(tmp_path, 3)
    Checkpoints(place).save(run, Progress("key", 9, 1.0, "a", "b"))
    shutil.move(place / "9", tmp_path / "9")
    Checkpoints(place).save(run, Progress("key", 10, 1.0, "a", "b"))
    (place / "10" / "SHA256SUMS").unlink()
    shutil.move(tmp_path / "9", place / "9")
    assert Checkpoints(place).newest("key")[0].epoch == 9
    (place / "9" / "run" / "state.json").write_text("[]")
    with pytest.raises(DamagedCheckpointError, match=r"10/SHA256SUMS: No such file"):
        Checkpoints(place).newest("key")


def test_files_of_checkpoints_are_told_from_others():
    names = {
        "trials/4/unfinished/9/run/state.json": "trials/4/unfinished/9",
        "trials/4/unfinished/9/SHA256SUMS": "trials/4/unfinished/9",
        "ends/4/9/progress.json": "ends/4/9",
        "trials/4/unfinished/notes": None,
        "trials/4/model.safetensors": None,
        "ends/4/notes": None,
        "space.yaml": None,
    }
    found = {name: checkpoint_of(PurePosixPath(name)) for name in names}
    assert found == {name: place and PurePosixPath(place) for name, place in names.items()}


def test_a_checkpoint_takes_a_twentieth_of_the_time_at_most(tmp_path, monkeypatch):
    clock = [0.0]

    def slow(self, folder):
        clock[0] += 4.0

    monkeypatch.setattr(toy_study.ToyRun, "save", slow)
    checkpoints = Checkpoints(unfinished(tmp_path, 3), every_s=30.0, clock=lambda: clock[0])
    checkpoints.save(toy_study.ToyRun({"seed": 1, "x": 0.5}, {}), Progress("key", 2, 1.0, "a", "b"))
    clock[0] += 79.0
    assert not checkpoints.due
    clock[0] += 1.0
    assert checkpoints.due


def test_a_full_quota_is_that_of_the_run_folder_and_a_folder_may_not_be_there_yet(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "LITTLE_BYTES", 0)
    assert disk.is_full(tmp_path, OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert not disk.is_full(tmp_path / "not" / "yet", RuntimeError("No space left on device"))
