"""The run folder from the search's side: who may write to it, and whether a run may go on in it.

A lock keeps others out (the kernel lets go of it when the driver dies, however it dies), and `space.yaml` holds the
resolved space, with which the file of a run that goes on is compared. The tables are read by `results.records.run`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from results.records.files import write_atomically
from results.records.lock import LOCK_FILE
from results.records.run import read_trials
from results.records.space import LINE_COLUMN, RunSpace
from results.records.tables import BOOKKEEPING, CODE, CURVES_FILE, INHERITED, TRIALS_FILE
from search.exceptions import InputError
from search.record.checkpoints import ENDS_FOLDER, TRIALS_FOLDER
from search.record.control import CONTROL_FOLDER, forget_commands
from search.record.outbox import SESSION_FILE
from search.space.reading import SpaceError, dump_yaml, parse_space, read_document
from search.space.schema import Space
from search.trials import TrialRequest, TrialResult, seconds_between

SPACE_FILE = "space.yaml"
CONFIGURATION_FILE, MODEL_FILE = "configuration.yaml", "model.safetensors"  # of a trial that has finished
LOG_FILE = "log.txt"  # of the run; the same name of a trial
STUDY_FOLDER = "study"  # what the study keeps for all trials
# What a folder holds in which no run was begun
UNUSED = frozenset({LOCK_FILE, LOG_FILE, SESSION_FILE, STUDY_FOLDER, CONTROL_FOLDER})
# What a search writes to, or removes files from
WRITTEN: tuple[str, ...] = (*sorted(UNUSED), SPACE_FILE, TRIALS_FILE, CURVES_FILE, TRIALS_FOLDER, ENDS_FOLDER)
WRITTEN += ("study.journal", "warm_start.json", "tensorboard", "ray")
LOOKS, LOOK_S = 10, 0.02  # at a lock that is taken, before it is a search that has it
MAY_CHANGE = (
    "budget.trials",
    "budget.wall_clock_s",
    "budget.wall_clock_hard",
    "budget.trial_wall_clock_s",
    "budget.max_failures",
    "budget.evaluate_every",
    "budget.replicates",
    "budget.checkpoint_every_s",
    "budget.hung_after_s",
    "resources.slots",
    "resources.max_slots",
    "resources.start_within_s",
    "resources.recycle_after_trials",
    "resources.memory_gib",
    "resources.accelerator",
    "resources.custom",
    "resources.env",
    "track",
    "hooks",
    "keep_models",
)
HEADER = "# What this run searches, as resolved when it began. Written by the search; used by --resume.\n"


class RunFolderError(InputError):
    """A run folder that cannot be used as asked; the message says what to do."""


class RunFolder:
    """A run folder that this process alone may write to."""

    def __init__(self, path: Path):
        """Name a folder; nothing is made or read yet."""
        self.path = path.resolve()
        self.shown = path
        self._lock: TextIO | None = None
        self._made = False  # whether this process has made the folder

    @property
    def holds_run(self) -> bool:
        """Whether a run was begun in it."""
        return (self.path / SPACE_FILE).is_file()

    def check_new(self) -> None:
        """Refuse a folder that holds something.

        Raises:
            RunFolderError: It exists and is not empty.
        """
        there = next(place for place in (self.path, *self.path.parents) if place.exists())
        if not there.is_dir():
            which = "is" if there == self.path else f"{there.name} is"
            raise RunFolderError(f"{self.shown}: {which} a file; give another folder with --out")
        if not os.access(there, os.W_OK):
            raise RunFolderError(f"{self.shown}: cannot be written (Permission denied); give another folder with --out")
        names = {entry.name for entry in self.path.iterdir()} if there == self.path else set()
        if names and not self._is_unused(names):
            raise RunFolderError(
                f"{self.shown}: already exists; continue it with --resume, or give another folder with --out"
            )

    @staticmethod
    def _is_unused(names: set[str]) -> bool:
        """Whether a folder has only what a search leaves that came to no run; the lock says that it was a search."""
        return LOCK_FILE in names and names <= UNUSED

    def check_old(self) -> None:
        """Refuse a folder that holds no run.

        Raises:
            RunFolderError: There is nothing to resume.
        """
        if not self.holds_run:
            raise RunFolderError(
                f"{self.shown}: there is no run to resume here; start one without --resume, or give the --mirror of one"
            )

    def check_empty(self) -> None:
        """Refuse a folder to which no run can be fetched.

        Raises:
            RunFolderError: It holds something; nothing of it may be lost.
        """
        if self.path.exists() and not (self.path.is_dir() and not any(self.path.iterdir())):
            raise RunFolderError(
                f"{self.shown}: holds no run but something else, so none is fetched from the mirror; move it away, or "
                "give another folder with --out"
            )

    def acquire(self) -> None:
        """Make the folder and take its lock.

        Raises:
            RunFolderError: Another process is searching in it, or it cannot be written.
        """
        try:
            self._made = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            self._refuse_links()
            # In a stranger's folder it may be a link to any file, or a pipe that nobody reads.
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            self._lock = os.fdopen(os.open(self.path / LOCK_FILE, flags, 0o644), "w")
            self._take_lock()
        except BlockingIOError:
            raise RunFolderError(
                f"{self.shown}: another search is writing to it; wait for it, or give another folder with --out"
            ) from None
        except OSError as error:
            raise RunFolderError(f"{self.shown}: cannot be written ({error.strerror})") from None
        forget_commands(self.path)

    def _take_lock(self) -> None:
        """Take the lock; whoever looks whether a search is at work has it for a moment, which is waited for.

        Raises:
            BlockingIOError: A search has it.
        """
        for left in reversed(range(LOOKS)):
            try:
                return fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[arg-type]
            except BlockingIOError:
                if not left:
                    raise
            time.sleep(LOOK_S)

    def _refuse_links(self) -> None:
        """Refuse a folder in which what a search writes, or removes, would be somewhere else.

        Raises:
            RunFolderError: It has such a link.
        """
        inner = (self.path / name for name in (TRIALS_FOLDER, ENDS_FOLDER))
        places = [self.path / name for name in WRITTEN]
        places += [place for folder in inner if folder.is_dir() for place in folder.iterdir()]
        if link := next((place for place in places if place.is_symlink()), None):
            raise RunFolderError(
                f"{self.shown / link.relative_to(self.path)}: is a link, and a search would write to where it leads; "
                "put what it leads to in its place"
            )

    def release(self) -> None:
        """Let go of the lock; where no run was begun leave nothing, but a folder that was there before."""
        if self._is_unused({entry.name for entry in self.path.iterdir()}):
            for name in UNUSED:
                place = self.path / name
                shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink(missing_ok=True)
            if self._made:
                self.path.rmdir()
        if self._lock is not None:
            self._lock.close()

    def write_space(self, space: Space, provenance: Mapping[str, Any]) -> None:
        """Write the resolved space in one step."""
        document = {**space.document(), "provenance": dict(provenance)}
        write_atomically(self.path / SPACE_FILE, HEADER + dump_yaml(document))

    def read_space(self) -> tuple[Space, dict[str, Any]]:
        """Return the resolved space and its provenance.

        Raises:
            SpaceError: The file is damaged.
        """
        file = self.shown / SPACE_FILE
        document = read_document(file)
        provenance = document.pop("provenance", None) or {}
        return parse_space(document, file), provenance

    def ended(self, space: Space) -> list[TrialResult]:
        """Return every trial that has a row and need not be run again.

        Raises:
            RecordError: The table is damaged.
        """
        parameters = [{"name": name, **entry.model_dump()} for name, entry in space.parameters.items()]
        parameters += [LINE_COLUMN] if space.sweep else []
        run_space = RunSpace.model_validate(
            {"name": space.name, "objectives": space.objectives, "parameters": parameters}
        )
        table = read_trials(self.path, run_space)
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        return [_result(row, space) for row in rows if row["state"] != "interrupted"]

    def lost_models(self, space: Space) -> list[int]:
        """Return the finished trials whose model is not here though all are kept.

        Raises:
            RecordError: The table is damaged.
        """
        finished = [o.request.trial for o in self.ended(space) if o.state == "finished"]
        return [trial for trial in finished if space.keep_models == "all" and not has_model(self.path, trial)]


def has_model(folder: Path, trial: int) -> bool:
    """Say whether the model of a trial is in a run folder."""
    return (folder / TRIALS_FOLDER / str(trial) / MODEL_FILE).is_file()


def _result(row: Mapping[Any, Any], space: Space) -> TrialResult:
    known = {*BOOKKEEPING, *space.columns}
    parameters = {name: row[name] for name in space.columns if row[name] is not None}
    times = {
        key: row[key].isoformat(timespec="microseconds") if row[key] is not None else ""
        for key in ("started", "first_step", "ended")
    }
    took_s = row["seconds"] if row["seconds"] is not None and times["started"] and times["ended"] else None
    return TrialResult(
        TrialRequest(int(row["trial"]), parameters, int(row["seed"])),
        row["state"],
        reason=row["reason"] or "",
        epochs=int(row["epochs"] or 0),
        inherited=int(row.get(INHERITED) or 0),
        code=row.get(CODE) or "",
        slot=int(row["slot"]) if row["slot"] else None,
        metrics={str(key): float(row[key]) for key in row if key not in known and row[key] is not None},
        # Work that several workers shared took less than the time between its first and its last moment.
        before_s=took_s - seconds_between(times["started"], times["ended"]) if took_s is not None else 0.0,
        started=times["started"],
        first_step=times["first_step"],
        ended=times["ended"],
    )


def check_unchanged(wanted: Space, recorded: Space, file: Path, folder: Path) -> None:
    """Refuse to continue a run whose space was another one; both are resolved.

    Raises:
        SpaceError: Something other than the budget or the number of slots has changed.
    """
    now, then = dict(_leaves(wanted.document())), dict(_leaves(recorded.document()))
    differ = [key for key in {**then, **now} if now.get(key, ...) != then.get(key, ...)]  # null is not absent
    changed = [key for key in differ if not any(f"{key}.".startswith(f"{free}.") for free in MAY_CHANGE)]
    if changed:
        key = changed[0]
        more = f" (and {len(changed) - 1} more: {', '.join(changed[1:4])})" if len(changed) > 1 else ""
        raise SpaceError(
            f"{file}: {key}: is {_shown(now, key)}, but the run in {folder} was started with {_shown(then, key)}"
            f"{more}; what is searched, of what data and how each trial is trained stays as it was: put it back, or "
            "start a new run with --out"
        )


def _shown(values: Mapping[str, Any], key: str) -> str:
    return f"{values[key]!r:.60}" if key in values else "not given"


def _leaves(values: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping) and values:
        for name, value in values.items():
            yield from _leaves(value, f"{key}.{name}" if key else str(name))
    elif isinstance(values, list) and values and isinstance(values[0], Mapping):
        for number, value in enumerate(values):
            yield from _leaves(value, f"{key}.{number}")
    else:
        yield key, values
