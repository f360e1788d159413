"""The driver's record of a run: rows on the disk first, then the live picture of it.

A trial's curve and then its row are on the disk before anything else hears of its end, so a crash at any moment costs
no finished trial. The monitor reads the same object from another thread.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from results.records.run import read_curves
from results.records.tables import LINE, CurveTable, TrialTable
from search.record.checkpoints import ENDS_FOLDER, TRIALS_FOLDER, discard
from search.record.outbox import PART
from search.record.run_folder import CONFIGURATION_FILE, LOG_FILE, MODEL_FILE
from search.space.schema import Space
from search.trials import TrialRequest, TrialResult, TrialUpdate

CURVED = ("finished", "stopped")  # states in which every epoch has a row

log = logging.getLogger(__name__)


class Snapshot(NamedTuple):
    """How a run stands."""

    rows: list[dict[str, object]]  # rows of all trials that have ended, those of earlier sessions included
    running: list[TrialResult]  # how far each trial that is running has come
    seconds: float  # since the first trial of this session was given out; 0 before
    ended_now: int  # trials that ended in this session
    replicates: frozenset[int] = frozenset()  # numbers of the rows that are replicates
    expected: int = 0  # replicates that there will be, as far as is known; 0 before the budget's trials have ended
    notices: tuple[str, ...] = ()  # what the user should have seen so far
    lines: frozenset[int] = frozenset()  # numbers of the rows that are lines, and no replicates
    trials: int = 0  # of the budget, as it is now


class Recorder:
    """Writes what happens, and remembers it.

    Attributes:
        trials: Of the budget, as it is now.
    """

    def __init__(self, space: Space, folder: Path, code: str = ""):
        """Open the tables of a run folder; trials that end have the mark `code`, see `search.record.origin.mark`.

        Raises:
            RecordError: A table is damaged.
        """
        self.folder = folder
        self._metrics = space.metrics
        self._code = code
        self._trials = TrialTable(folder, space.columns)
        self._curves = CurveTable(folder)
        read_curves(folder)  # a cell that is no number is found now, not at the end of the search
        self.repairs = [table.repaired for table in (self._trials, self._curves) if table.repaired]
        self._rows: list[dict[str, object]] = []
        self._running: dict[int, TrialResult] = {}
        self._pending: dict[int, list[dict[str, float]]] = {}
        self._replicates: set[int] = set()
        self._expected = 0
        self._began: float | None = None
        self._ended_now = 0
        self._notices: list[str] = []
        self.trials = space.budget.trials
        self._without_model: set[int] = set()  # trials whose models have been removed
        self._lock = threading.RLock()  # a second signal may come to the thread that holds it

    def clear_interrupted(
        self, kept: Iterable[TrialResult], again: Iterable[int], replicates: Iterable[int] = ()
    ) -> None:
        """Remove what trials that will be run again have left in the tables.

        `kept` are the trials that stay, `again` and `replicates` numbers of trials.
        """
        self._replicates = set(replicates)
        kept = list(kept)
        self._trials.drop_interrupted({str(number) for number in again})
        curves = read_curves(self.folder).groupby("trial")["epoch"].count()
        stay = {str(result.request.trial) for result in kept}
        self._curves.drop({*again, *(trial for trial in curves.index if trial not in stay)})
        self._rows = [result.row() for result in kept]
        self.sweep()
        cut = [
            number
            for o in kept
            if o.state in CURVED and curves.get(str(number := o.request.trial), 0) < o.epochs - o.inherited
        ]
        if cut:
            named = ", ".join(map(str, cut[:5])) + (", ..." if len(cut) > 5 else "")
            self.repairs.append(f"{self._curves.path}: lacks epochs of {len(cut)} trials that have ended ({named})")

    def expect(self, replicates: int) -> None:
        """Note how many replicates there will be in all, as far as is known."""
        with self._lock:
            self._expected = replicates

    def begin(self, request: TrialRequest) -> None:
        """Note that a trial was given out."""
        with self._lock:
            self._began = self._began or time.monotonic()
            self._replicates |= {request.trial} if request.replicate else set()
            self._running[request.trial] = TrialResult(request, "running")
            self._pending[request.trial] = []

    def note(self, update: TrialUpdate) -> None:
        """Note how far a trial has come."""
        trial = update.result.request.trial
        with self._lock:
            again = update.restarted_after is not None and bool(self._pending[trial])
            if update.restarted_after is not None:
                self._pending[trial] = []
            self._pending[trial].extend(update.rows)
            self._running[trial] = update.result
        if update.note or again:
            log.warning("trial %d: %s", trial, update.note or "begun anew: its worker died")

    def notice(self, text: str) -> None:
        """Note something that the user should see at once."""
        log.warning(text)
        with self._lock:
            self._notices.append(text)

    def end(self, result: TrialResult) -> list[dict[str, float]]:
        """Write a trial that has ended, and return its curve."""
        trial = result.request.trial
        curve = self._pending.get(trial, [])
        for row in curve:
            self._curves.append({"trial": trial, **row})
        ended = replace(result, code=self._code).row()
        self._trials.append(ended)
        with self._lock:
            self._pending.pop(trial, None)
            self._running.pop(trial, None)
            self._rows.append(ended)
            self._ended_now += 1
        if result.state != "interrupted":
            discard(self.folder, trial)
        text = f"trial {trial} {result.state}" + (f": {result.reason}" if result.reason else "")
        log.info(text)
        if result.trace:
            log.error("%s\n%s", text, result.trace)
        return curve

    @property
    def failed(self) -> int:
        """How many trials have failed, in earlier sessions too."""
        return sum(row["state"] == "failed" for row in self._rows)

    def forget_ends(self, trials: Iterable[int] | None = None) -> None:
        """Remove the ends of trials from which no line goes on any more; None: of all."""
        ends = self.folder / ENDS_FOLDER
        if trials is None:
            shutil.rmtree(ends, ignore_errors=True)
            return
        for trial in {place.name for place in ends.glob("*")}.intersection(map(str, trials)):
            shutil.rmtree(ends / trial, ignore_errors=True)

    def forget_models(self, trials: Iterable[int]) -> None:
        """Remove what trials have exported, but for their configurations and what they printed, the models first."""
        for trial in set(trials) - self._without_model:
            place = self.folder / TRIALS_FOLDER / str(trial)
            for entry in sorted(place.glob("*"), key=lambda entry: entry.name != MODEL_FILE):
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                elif entry.name not in (CONFIGURATION_FILE, LOG_FILE):
                    with suppress(OSError):  # what cannot be removed is no reason to end a search
                        entry.unlink()
            self._without_model.add(trial)

    def interrupt(self, reason: str) -> int:
        """Write every running trial as interrupted, and return how many there were."""
        running = list(self._running.values())
        for result in running:
            self.end(result.ending("interrupted", reason))
        return len(running)

    def sweep(self) -> None:
        """Remove checkpoints of trials that have ended: a worker that heard of the end late may have left one."""
        for row in self._rows:
            if row["state"] != "interrupted":
                discard(self.folder, int(str(row["trial"])))
        for part in (self.folder / TRIALS_FOLDER).glob(f".*{PART}"):
            part.unlink(missing_ok=True)

    def evaluations(self) -> list[dict[str, object]]:
        """Return every recorded evaluation of the trials that have ended, each with `trial` and `epoch`."""
        curves = read_curves(self.folder)
        measured = [metric for metric in self._metrics if metric in curves]
        if len(measured) < len(self._metrics):
            return []
        evaluated = curves[curves[measured].notna().all(axis=1)]
        rows = evaluated[["trial", "epoch", *measured]].to_dict("records")
        return [{str(key): value for key, value in row.items()} for row in rows]

    def snapshot(self) -> Snapshot:
        """Return how the run stands; may be called from another thread."""
        with self._lock:
            seconds = time.monotonic() - self._began if self._began else 0.0
            rows, running = list(self._rows), list(self._running.values())
            replicates = frozenset(number for row in rows if (number := int(str(row["trial"]))) in self._replicates)
            lines = frozenset(int(str(row["trial"])) for row in rows if row.get(LINE)) - replicates
            notices = tuple(self._notices)
            return Snapshot(
                rows, running, seconds, self._ended_now, replicates, self._expected, notices, lines, self.trials
            )
