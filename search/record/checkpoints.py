"""How far a trial has come: the run of training, and the rows of its curve.

That of a trial that has not ended is in `trials/<number>/unfinished`; the end of one from which a line may go on is in
`ends/<number>`, without a curve. A checkpoint appears whole or not at all, is used only for the very same work, and is
known by its digests to be what was written. It holds the whole curve so far, so that whoever takes the trial up again
can tell all of it, and no row is lost or doubled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from time import perf_counter

from search.exceptions import one_line
from search.protocol import TrainingRun
from search.record.disk import written_whole

TRIALS_FOLDER = "trials"
UNFINISHED = "unfinished"
ENDS_FOLDER = "ends"
PROGRESS_FILE = "progress.json"
SUMS_FILE = "SHA256SUMS"
STATE = "run"
LEAST_PAUSES = 20  # a checkpoint is followed by at least so many times its own duration: 5 % of the time at most


class DamagedCheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why."""


@dataclass(frozen=True)
class Progress:
    """What the search itself keeps of a trial that has not ended."""

    key: str  # of the trial's content: configuration, seed, code and data
    epoch: int  # epochs trained
    seconds: float  # of work on them
    started: str  # when a worker took the trial for the first time
    first_step: str  # when the first epoch began
    metrics: dict[str, float] = field(default_factory=dict)  # the last evaluation
    rows: list[dict[str, float]] = field(default_factory=list)  # one row of `curves.csv` per epoch
    inherited: int = 0  # of the epochs, those that the parent of a line was trained


class Checkpoints:
    """The checkpoints in one place; there is at most one, but for the moment in which a newer one takes its place."""

    def __init__(self, place: Path, every_s: float = 0.0, clock: Callable[[], float] = perf_counter):
        """Name a place, `unfinished` or `end_of` a trial; nothing is made or read yet.

        Two checkpoints are at least `every_s` apart; 0 means that it is always time for one. `clock` gives seconds.
        """
        self._folder = place
        self._every_s = every_s
        self._clock = clock
        self._due = clock() + every_s

    @property
    def due(self) -> bool:
        """Whether it is time for another one."""
        return self._clock() >= self._due

    def save(self, run: TrainingRun, progress: Progress) -> None:
        """Write a checkpoint and remove those before it.

        Raises:
            OSError: It cannot be written; the one before it is still there.
        """
        began = self._clock()
        place = self._folder / str(progress.epoch)
        try:
            with written_whole(place) as draft:
                (draft / STATE).mkdir()
                run.save(draft / STATE)
                (draft / PROGRESS_FILE).write_text(json.dumps(asdict(progress)), encoding="utf-8")
                (draft / SUMS_FILE).write_text(_sums(draft), encoding="utf-8")
        finally:
            ended = self._clock()
            self._due = ended + (max(self._every_s, LEAST_PAUSES * (ended - began)) if self._every_s else 0.0)
        for other in self._folder.iterdir():
            if other != place:
                shutil.rmtree(other, ignore_errors=True)

    def newest(self, key: str) -> tuple[Progress, Path] | None:
        """Return the newest checkpoint that is whole and the folder to restore from; None where it is of other content.

        None as well where there is none. A mirror may have one that was being copied beside the one before it.

        Raises:
            DamagedCheckpointError: There are some, and none is what was written.
        """
        damage = None
        epochs = [int(place.name) for place in self._folder.glob("*") if place.name.isdecimal()]
        for epoch in sorted(epochs, reverse=True):
            place = self._folder / str(epoch)
            try:
                progress = _read(place)
            except DamagedCheckpointError as error:
                damage = damage or error
                continue
            return (progress, place / STATE) if progress.key == key else None
        if damage is not None:
            raise damage
        return None


def unfinished(folder: Path, trial: int) -> Path:
    """Return where the checkpoints of a trial are."""
    return folder / TRIALS_FOLDER / str(trial) / UNFINISHED


def end_of(folder: Path, trial: int) -> Path:
    """Return where the state is with which a trial ended."""
    return folder / ENDS_FOLDER / str(trial)


def checkpoint_of(file: PurePosixPath) -> PurePosixPath | None:
    """Return the checkpoint that a file is a part of, both as seen from the run folder; None for other files."""
    parts = file.parts
    if len(parts) > 4 and parts[0] == TRIALS_FOLDER and parts[2] == UNFINISHED:
        return PurePosixPath(*parts[:4])
    return PurePosixPath(*parts[:3]) if len(parts) > 3 and parts[0] == ENDS_FOLDER else None


def discard(folder: Path, trial: int) -> None:
    """Remove the checkpoints of a trial that has ended, and its folder where nothing else is in it."""
    place = unfinished(folder, trial)
    if place.exists():
        shutil.rmtree(place, ignore_errors=True)
        for parent in (place.parent, place.parent.parent):
            try:
                parent.rmdir()
            except OSError:  # something is in it
                return


def _read(place: Path) -> Progress:
    try:
        if (place / SUMS_FILE).read_text(encoding="utf-8") != _sums(place):
            raise DamagedCheckpointError(f"{place}: its files are not those that were written")
        return Progress(**json.loads((place / PROGRESS_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DamagedCheckpointError(_reason(error)) from error


def _sums(folder: Path) -> str:
    """Return the digests of all files, in the form of the command `sha256sum`."""
    lines = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS_FILE):
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        lines.append(f"{digest}  {file.relative_to(folder).as_posix()}\n")
    return "".join(lines)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{os.fspath(error.filename)}: {error.strerror}"
    return one_line(error)
