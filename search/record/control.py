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
from search.exceptions import InputError

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
            if not is_searched(folder):
                raise ControlError(f"{folder}: the search ended before it took the command")
            if time.monotonic() > deadline:
                raise ControlError(f"{folder}: the search does not answer; it may have no time now, try again")
            time.sleep(LOOK_S)
        found = json.loads(answer.read_text(encoding="utf-8"))
    finally:
        for left in (asked, answer):
            left.unlink(missing_ok=True)
    if not found["done"]:
        raise ControlError(f"{folder}: {found['lines'][0]}")
    return [str(line) for line in found["lines"]]


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

        What `do` raises as InputError becomes the answer.
        """
        for taken in self._take():
            try:
                command = Command(**json.loads(taken.read_text(encoding="utf-8")))
                found = {"done": True, "lines": do(command)}
            except (InputError, RecordError) as error:
                found = {"done": False, "lines": [str(error)]}
            except (OSError, ValueError, TypeError) as error:
                found = {"done": False, "lines": [f"is not a command: {error}"]}
            with suppress(OSError):
                write_atomically(taken.with_suffix(ANSWER), json.dumps(found))
                taken.unlink()

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
