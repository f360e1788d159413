"""Commands to a search that runs, by files: one in `.control/` of its run folder, and its answer beside it.

Whoever sees the run folder can give one. The driver takes each by giving its file another name, so it is done once or
not at all; one that nobody has taken is taken back by who gave it.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from results.exceptions import RecordError
from results.records.files import write_atomically
from results.records.lock import is_searched
from search.exceptions import InputError, one_line

CONTROL_FOLDER = ".control"
COMMAND, TAKEN, ANSWER = ".command", ".taken", ".answer"
ANSWER_WITHIN_S = 60.0  # a sampler may be at work on the next point
LOOK_S = 0.1


class ControlError(InputError):
    """A command that was not done; the message says why."""


class Command(NamedTuple):
    """What a search shall do."""

    name: str  # such as `add`
    value: Any = None  # plain values, as JSON has them


def give(folder: Path, command: Command, within_s: float = ANSWER_WITHIN_S) -> list[str]:
    """Give a command to the search of a run folder, and return the lines of its answer.

    Raises:
        ControlError: It refuses, it does not answer, or no search runs there.
    """
    place = folder / CONTROL_FOLDER / f"{time.time_ns():020d}-{uuid4().hex}"
    asked, answer = place.with_suffix(COMMAND), place.with_suffix(ANSWER)
    if not is_searched(folder):
        raise ControlError(
            f"{folder}: no search runs here; continue it with `python -m search.run SPACE.yaml --resume`"
        )
    asked.parent.mkdir(exist_ok=True)
    write_atomically(asked, json.dumps(command._asdict()))
    deadline = time.monotonic() + within_s
    try:
        while not answer.exists():
            gone = not is_searched(folder)
            if gone or time.monotonic() > deadline:
                _take_back(asked, answer, f"{folder}: the search {'has ended' if gone else 'does not answer'}")
                break
            time.sleep(LOOK_S)
        try:
            found = json.loads(answer.read_text(encoding="utf-8"))
            done, lines = bool(found["done"]), [str(line) for line in found["lines"]] or [""]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ControlError(f"{folder}: the answer cannot be read ({type(error).__name__}); ask again") from error
    finally:
        for left in (asked, answer):
            left.unlink(missing_ok=True)
    if not done:
        raise ControlError(f"{folder}: {lines[0]}")
    return lines


def _take_back(asked: Path, answer: Path, what: str) -> None:
    """Take a command back, unless there is an answer after all.

    Raises:
        ControlError: There is none; the message, which begins with `what`, says whether the command was taken.
    """
    with suppress(FileNotFoundError):
        asked.unlink()
        raise ControlError(f"{what}, and has not read the command; nothing was done")
    if not answer.exists():
        raise ControlError(f"{what}, but it has taken the command; ask how it stands before you give it again")


def forget_commands(folder: Path) -> None:
    """Make void what was given to an earlier search of a run folder."""
    shutil.rmtree(folder / CONTROL_FOLDER, ignore_errors=True)


class Inbox:
    """The driver's side."""

    def __init__(self, folder: Path):
        """Name the run folder; nothing is read yet."""
        self._folder = folder / CONTROL_FOLDER

    def answer_all(self, do: Callable[[Command], list[str]]) -> None:
        """Let each command be done in its turn, and answer with the lines that come of it.

        What `do` raises as InputError becomes the answer. Anything else is told and raised: no command may leave a
        search that is half changed.
        """
        for taken in self._take():
            try:
                command = Command(**json.loads(taken.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError) as error:
                _answer(taken, False, [f"is not a command: {one_line(error)}"])
                continue
            try:
                _answer(taken, True, do(command))
            except (InputError, RecordError) as error:
                _answer(taken, False, [str(error)])
            except BaseException as error:
                _answer(taken, False, [f"the search ends over it: {type(error).__name__}: {one_line(error)[:200]}"])
                raise

    def _take(self) -> Iterator[Path]:
        try:
            names = sorted(entry.name for entry in os.scandir(self._folder) if entry.name.endswith(COMMAND))
        except OSError:
            return
        for name in names:
            taken = (self._folder / name).with_suffix(TAKEN)
            with suppress(OSError):  # whoever gave it has taken it back
                (self._folder / name).rename(taken)
                yield taken


def _answer(taken: Path, done: bool, lines: list[str]) -> None:
    with suppress(OSError):
        write_atomically(taken.with_suffix(ANSWER), json.dumps({"done": done, "lines": lines}))
        taken.unlink()
