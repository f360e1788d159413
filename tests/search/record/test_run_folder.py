import fcntl
import re
from pathlib import Path

import pytest

from results.records.append_table import read_content
from results.records.lock import is_searched
from search.record.recorder import Recorder
from search.record.run_folder import RunFolder, RunFolderError, check_unchanged
from search.space.reading import SpaceError, parse_space
from search.trials import TrialRequest, TrialResult

FILE = Path("spaces/toy.yaml")


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "runs" / "toy")


def test_only_one_search_may_write_to_a_folder(folder):
    folder.acquire()
    with pytest.raises(RunFolderError, match="another search is writing to it; wait for it, or"):
        RunFolder(folder.path).acquire()


def test_a_folder_in_which_no_run_was_begun_is_removed(folder, space):
    folder.check_new()
    folder.acquire()
    (folder.path / "log.txt").write_text("Ray did not start\n")
    folder.check_new()
    folder.release()
    assert not folder.path.exists()


def test_what_was_there_before_stays(tmp_path):
    (tmp_path / "mine" / "study").mkdir(parents=True)
    (tmp_path / "mine" / "study" / "thesis.tex").write_text("precious")
    with pytest.raises(RunFolderError, match="mine: already exists; continue it"):
        RunFolder(tmp_path / "mine").check_new()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    folder = RunFolder(tmp_path / "link")
    folder.check_new()
    folder.acquire()
    (folder.path / "study").mkdir()
    (folder.path / "log.txt").touch()
    folder.release()
    assert list((tmp_path / "link").iterdir()) == []


def test_a_run_that_was_begun_stays(folder, space):
    folder.acquire()
    folder.write_space(space, {})
    folder.release()
    with pytest.raises(RunFolderError, match="already exists; continue it with --resume, or give another folder"):
        folder.check_new()
    folder.check_old()


def test_a_file_is_not_a_run_folder(tmp_path):
    (tmp_path / "toy").touch()
    with pytest.raises(RunFolderError, match="is a file; give another folder with --out"):
        RunFolder(tmp_path / "toy").check_new()
    with pytest.raises(RunFolderError, match="toy is a file; give another folder with --out"):
        RunFolder(tmp_path / "toy" / "inside").check_new()
    with pytest.raises(RunFolderError, match="there is no run to resume here; start one without --resume"):
        RunFolder(tmp_path / "toy").check_old()


def test_the_space_is_read_as_it_was_written(folder, space):
    folder.acquire()
    folder.write_space(space, {"created": "today", "written": {"seed": 3}})
    assert folder.read_space() == (space, {"created": "today", "written": {"seed": 3}})


def test_ended_trials_are_read_as_they_were_recorded(folder, space, finish):
    folder.acquire()
    assert folder.ended(space) == []
    requests = [TrialRequest(number, {"x": 0.1 + number, "width": 16, "kind": "b"}, 3 + number) for number in range(3)]
    results = [finish(requests[0]), TrialResult(requests[1], "failed", "diverged: loss is nan", slot=1)]
    recorder = Recorder(space, folder.path)
    for result in [*results, TrialResult(requests[2], "interrupted", "by the user")]:
        recorder.begin(result.request)
        recorder.end(result)
    assert folder.ended(space) == results


def test_null_and_lists_are_read_as_they_were_recorded(folder, document, finish):
    document["parameters"] |= {
        "rate": {"type": "choice", "values": [None, 0.5]},
        "sizes": {"type": "choice", "values": [[64, 64], [["a, b", 1]]], "when": {"rate": None}},
    }
    space = parse_space(document, FILE)
    points = [{"rate": "null", "sizes": "[64, 64]"}, {"rate": "null", "sizes": '[["a, b", 1]]'}, {"rate": 0.5}]
    parameters = [{"x": 0.1, "width": 16, "kind": "b", **point} for point in points]
    results = [finish(TrialRequest(number, point, number)) for number, point in enumerate(parameters)]
    folder.acquire()
    recorder = Recorder(space, folder.path)
    for result in results:
        recorder.begin(result.request)
        recorder.end(result)
    assert folder.ended(space) == results
    cells = [row["rate"] + "|" + row["sizes"] for row in read_content(folder.path / "trials.csv").rows]
    assert cells == ["null|[64, 64]", 'null|[["a, b", 1]]', "0.5|"]


def edited(space, **changes):
    return space.model_copy(update=changes)


def test_a_run_goes_on_with_another_number_of_trials_or_slots(space):
    budget = space.budget.model_copy(update={"trials": 99, "wall_clock_s": 5.0, "evaluate_every": 1, "replicates": 3})
    resources = space.resources.model_copy(update={"slots": 1})
    now = edited(space, budget=budget, resources=resources, keep_models="front")
    check_unchanged(now, space, FILE, Path("runs/toy"))
    check_unchanged(space, now, FILE, Path("runs/toy"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 4}, r"spaces/toy\.yaml: seed: is 4, but the run in runs/toy was started with 3; what is searched"),
        ({"fixed": {}}, r"fixed\.sleep_s: is not given, but the run in runs/toy was started with 0\.0 \(and 1 more"),
        ({"guards": ()}, r"guards\.progress\.at_least: is not given, but"),
        ({"study": "other:Study"}, r"study: is 'other:Study', but the run in runs/toy was started with 'toy_study:"),
    ],
)
def test_a_run_does_not_go_on_with_another_space(space, changes, message):
    with pytest.raises(SpaceError, match=message):
        check_unchanged(edited(space, **changes), space, FILE, Path("runs/toy"))


def test_a_key_that_is_null_is_not_one_that_is_absent(space):
    with pytest.raises(SpaceError, match=r"fixed\.rate: is None, but the run in runs/toy was started with not given"):
        check_unchanged(edited(space, fixed={**space.fixed, "rate": None}), space, FILE, Path("runs/toy"))


def test_a_run_does_not_go_on_with_longer_trials(space):
    budget = space.budget.model_copy(update={"epochs": 20})
    with pytest.raises(SpaceError, match=r"budget\.epochs: is 20, but the run in runs/toy was started with 10"):
        check_unchanged(edited(space, budget=budget), space, FILE, Path("runs/toy"))


@pytest.mark.parametrize(
    "name", [".lock", "log.txt", "trials", "trials/0", "ends/1", "space.yaml", "trials.csv", "study"]
)
def test_a_search_writes_nothing_through_a_link(folder, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim.txt").write_text("mine")
    (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
    (folder.path / name).symlink_to(outside / "victim.txt" if "." in name else outside)
    with pytest.raises(RunFolderError, match=rf"/{re.escape(name)}: is a link, and a search would write to where it"):
        folder.acquire()
    assert [path.read_text() for path in outside.iterdir()] == ["mine"]


def test_whoever_looks_for_a_search_keeps_none_from_beginning(folder, monkeypatch):
    folder.path.mkdir(parents=True)
    looking = (folder.path / ".lock").open("w")
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr("time.sleep", lambda seconds: looking.close())
    folder.acquire()
    assert is_searched(folder.path)
    monkeypatch.undo()
    with pytest.raises(RunFolderError, match="another search is writing to it"):
        RunFolder(folder.path).acquire()
