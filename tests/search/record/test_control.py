"""Commands by files: done once, answered, and taken back where nobody answers."""

import fcntl
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search.record.control import CONTROL_FOLDER, Command, ControlError, Inbox, forget_commands, give


@pytest.fixture
def searched(tmp_path: Path) -> Iterator[Path]:
    """A run folder whose lock somebody holds."""
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield tmp_path


def answering(folder: Path, do: Callable[[Command], list[str]]) -> threading.Thread:
    """Do the first command that comes, as a driver would."""
    done: list[Command] = []

    def once(command: Command) -> list[str]:
        done.append(command)
        return do(command)

    def work() -> None:
        inbox, deadline = Inbox(folder), time.monotonic() + 20
        while not done and time.monotonic() < deadline:
            inbox.answer_all(once)
            time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def nobody(command: Command) -> list[str]:
    pytest.fail(f"{command} was done")


def test_a_command_is_done_and_its_answer_comes_back(searched: Path) -> None:
    driver = answering(searched, lambda command: [f"{command.name}: {command.value}", "and more"])
    assert give(searched, Command("add", {"x": 0.5})) == ["add: {'x': 0.5}", "and more"]
    driver.join()
    assert not any((searched / CONTROL_FOLDER).iterdir()), "nothing is left"


def test_what_the_search_refuses_is_the_answer(searched: Path) -> None:
    def refuse(command: Command) -> list[str]:
        raise ControlError("cannot be had")

    driver = answering(searched, refuse)
    with pytest.raises(ControlError, match=r"cannot be had"):
        give(searched, Command("add"))
    driver.join()


def test_a_command_that_nobody_answers_is_taken_back(searched: Path) -> None:
    with pytest.raises(
        ControlError, match="the search does not answer, and has not read the command; nothing was done"
    ):
        give(searched, Command("pause"), within_s=0.2)
    Inbox(searched).answer_all(nobody)


def test_a_command_that_was_taken_is_not_denied(searched: Path) -> None:
    def slow(command: Command) -> list[str]:
        time.sleep(1.0)
        return ["done"]

    driver = answering(searched, slow)
    with pytest.raises(ControlError, match="does not answer, but it has taken the command; ask how it stands"):
        give(searched, Command("add"), within_s=0.3)
    driver.join()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"done": true, "lines": 3}'])
def test_an_answer_that_cannot_be_read_is_one_line(searched: Path, content: str) -> None:
    def write() -> None:
        folder, deadline = searched / CONTROL_FOLDER, time.monotonic() + 20
        while not (asked := list(folder.glob("*.command"))) and time.monotonic() < deadline:
            time.sleep(0.01)
        asked[0].with_suffix(".answer").write_text(content)

    driver = threading.Thread(target=write)
    driver.start()
    with pytest.raises(ControlError, match=r"the answer cannot be read \(\w+\); ask again"):
        give(searched, Command("status"))
    driver.join()


def test_what_ends_the_search_is_told_and_raised(tmp_path: Path) -> None:
    def fail(command: Command) -> list[str]:
        raise KeyError("half done")

    folder = tmp_path / CONTROL_FOLDER
    folder.mkdir()
    (folder / "0.command").write_text(json.dumps({"name": "add"}))
    with pytest.raises(KeyError):
        Inbox(tmp_path).answer_all(fail)
    assert json.loads((folder / "0.answer").read_text()) == {
        "done": False,
        "lines": ["the search ends over it: KeyError: 'half done'"],
    }


def test_no_search_and_one_that_ends_are_said(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no search runs here; continue it with"):
        give(tmp_path, Command("pause"))
    lock = (tmp_path / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    threading.Timer(0.3, lock.close).start()
    with pytest.raises(ControlError, match="the search has ended, and has not read the command"):
        give(tmp_path, Command("pause"))


@pytest.mark.parametrize("content", ["", "[1]", "{", json.dumps({"value": 1}), json.dumps({"name": 1, "other": 2})])
def test_what_is_no_command_harms_nobody(tmp_path: Path, content: str) -> None:
    folder = tmp_path / CONTROL_FOLDER
    folder.mkdir()
    (folder / "0.command").write_text(content)
    (folder / "stray").write_text("x")
    Inbox(tmp_path).answer_all(nobody)
    assert "is not a command" in json.loads((folder / "0.answer").read_text())["lines"][0]


def test_what_was_given_to_an_earlier_search_is_void(tmp_path: Path) -> None:
    forget_commands(tmp_path)
    folder = tmp_path / CONTROL_FOLDER
    folder.mkdir()
    (folder / "0.command").write_text(json.dumps({"name": "pause"}))
    forget_commands(tmp_path)
    Inbox(tmp_path).answer_all(nobody)
