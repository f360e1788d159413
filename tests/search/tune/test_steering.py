"""What commands do to a search, without Ray: a searcher, a recorder and files."""

import json
from pathlib import Path

import pytest

from search.policy.proposals import Proposals
from search.record.control import CONTROL_FOLDER
from search.record.disk import DiskFullError
from search.record.recorder import Recorder
from search.space.reading import parse_space
from search.space.schema import Space
from search.tune.searcher import JournalSearcher
from search.tune.steering import Steering
from tests.search import toy_study


class Driven:
    """A search of which this test is Tune."""

    def __init__(self, space: Space, folder: Path):
        self.folder = folder
        self.stopped: list[tuple[int, str]] = []
        self.kept: list[Space] = []
        self.recorder = Recorder(space, folder)
        self.searcher = JournalSearcher(space, Proposals(space, folder), self.recorder, space.budget.trials)
        study = toy_study.ToyStudy(space.fixed)
        self.steering = Steering(space, study, self.searcher, self.recorder, self.stop, self.kept.append)

    def stop(self, trial: int, reason: str) -> bool:
        self.stopped.append((trial, reason))
        return trial == 0

    def tell(self, name: str, value: object = None) -> tuple[bool, list[str]]:
        """Give a command, let the driver look, and return its answer."""
        folder = self.folder / CONTROL_FOLDER
        folder.mkdir(exist_ok=True)
        (folder / "1.command").write_text(json.dumps({"name": name, "value": value}))
        self.steering._next = 0.0
        self.steering.look()
        answer = json.loads((folder / "1.answer").read_text())
        return answer["done"], answer["lines"]


@pytest.fixture
def driven(space: Space, tmp_path: Path) -> Driven:
    return Driven(space, tmp_path)


def test_the_status_says_what_runs(driven: Driven) -> None:
    driven.searcher.suggest("a")
    done, lines = driven.tell("status")
    assert done
    assert lines[0].startswith("0 of 8 trials ended, 1 running")
    assert lines[1].startswith("  trial 0: workers are starting, x 0.")
    assert driven.recorder.snapshot().notices == (), "who only asks is not told of"


def test_a_point_is_tried_next(driven: Driven) -> None:
    done, lines = driven.tell("add", {"x": 0.25, "width": 8})
    assert done
    assert lines[0].startswith("trial 0 comes next: x 0.25, width 8, kind ")
    assert driven.searcher.suggest("a")["request"].parameters["x"] == 0.25
    assert driven.recorder.snapshot().notices == (f"from outside: {lines[0]}",)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"x": 7}, "x: 7 is outside what is searched"),
        ({"wdith": 8}, "wdith: is not searched; did you mean 'width'?"),
        ({"kind": None}, "kind: None is outside what is searched"),
        ([1], "expected values by name, found [1]"),
    ],
)
def test_a_point_that_cannot_be_is_refused(driven: Driven, point: object, message: str) -> None:
    assert driven.tell("add", point) == (False, [message])
    assert driven.searcher.suggest("a")["request"].trial == 0


def test_a_point_that_the_study_refuses_is_no_trial(driven: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(study: object, configuration: dict) -> None:
        if configuration["x"] == 0.25:
            raise ValueError("x: not this one")

    monkeypatch.setattr(toy_study.ToyStudy, "check", refuse)
    assert driven.tell("add", {"x": 0.25}) == (False, ["x: not this one"])


@pytest.mark.parametrize("error", [KeyError("absent"), SystemExit(3), ZeroDivisionError("nothing")])
def test_a_study_that_breaks_over_a_point_ends_nothing(
    driven: Driven, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(study: object, configuration: dict) -> None:
        raise error

    monkeypatch.setattr(toy_study.ToyStudy, "check", fail)
    done, lines = driven.tell("add", {"x": 0.25})
    assert not done
    assert lines[0].startswith(f"the study raises {type(error).__name__}: ")


def test_a_full_disk_is_no_refusal(driven: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(driven.searcher._proposals._journal, "add_proposed", full)
    monkeypatch.setattr("search.tune.searcher.is_full", lambda folder, error: True)
    done, lines = driven.tell("add", {"x": 0.25})
    assert not done
    assert "No space left on device" in lines[0]
    with pytest.raises(DiskFullError):
        driven.searcher.raise_if_over()


def test_a_point_that_is_added_takes_no_starting_point_away(document: dict, tmp_path: Path) -> None:
    start = [{"x": x} for x in (0.1, 0.2, 0.3)]
    given = {**document, "start": start, "resources": {"slots": 4}}
    driven = Driven(parse_space(given, Path("toy.yaml")), tmp_path)
    found = [driven.searcher.suggest("a")["request"].parameters["x"]]
    assert driven.tell("add", {"x": 0.9})[0]
    found += [driven.searcher.suggest(name)["request"].parameters["x"] for name in "bcd"]
    assert found == [0.1, 0.9, 0.2, 0.3]


def test_another_number_of_trials_is_written_down(driven: Driven) -> None:
    assert driven.tell("trials", 12) == (True, ["12 trials in all"])
    assert driven.kept[0].budget.trials == driven.recorder.snapshot().trials == 12
    assert driven.tell("trials", 0)[0] is False
    assert driven.tell("trials", "many") == (False, ["trials: expected a number from 1 to 10000000, found 'many'"])
    assert len(driven.kept) == 1


def test_a_pause_and_its_end(driven: Driven) -> None:
    driven.searcher.suggest("a")
    assert driven.tell("continue") == (False, ["is not paused"])
    assert driven.tell("pause") == (True, ["paused: no trial is given out; 1 under way go on to their end"])
    assert driven.searcher.suggest("b") is None
    assert "paused: no trial is given out" in driven.tell("status")[1]
    assert driven.tell("continue") == (True, ["goes on"])
    assert driven.searcher.suggest("b") is not None


def test_a_trial_that_is_under_way_is_stopped(driven: Driven) -> None:
    driven.searcher.suggest("a")
    assert driven.tell("stop", 0) == (True, ["trial 0 is stopped"])
    assert driven.tell("stop", 5) == (False, ["trial 5 is not under way; those that are: 0"])
    assert driven.stopped == [(0, "stopped by the user"), (5, "stopped by the user")]


def test_what_another_version_may_know_is_refused(driven: Driven) -> None:
    assert driven.tell("fly") == (False, ["'fly': is no command; the search may be of another version"])
