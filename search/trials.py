"""What travels between driver and workers, pickled: requests, updates and results of trials, as plain records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from results.records.tables import CODE, INHERITED, LINE
from search.exceptions import one_line
from search.space.schema import Space

MOST_REASON = 2000  # characters, of what stands in a table


def clipped(text: str) -> str:
    """Return a text as long as fits into a table."""
    return text if len(text) <= MOST_REASON else text[: MOST_REASON - 2] + " …"


def now() -> str:
    """Return the present moment, ISO 8601 in UTC with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def seconds_between(start: str, end: str) -> float:
    """Return the seconds from one moment to another, both as `now` writes them."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


@dataclass(frozen=True)
class TrialRequest:
    """A trial to be run."""

    trial: int  # its number, from 0
    parameters: dict[str, Any]  # value of each parameter by its dotted name; null and lists as text
    seed: int  # its own seed
    replicate: bool = False  # it trains a point again, after the budget's trials
    parent: int | None = None  # the trial at whose end a line goes on, if there is one; else it trains all its stages

    @property
    def of_budget(self) -> bool:
        """Whether it is one of the budget's trials: what a sampler proposed."""
        return not self.replicate and LINE not in self.parameters


@dataclass(frozen=True)
class TrialResult:
    """A trial that has ended, or how far it has come."""

    request: TrialRequest  # what was run
    state: str  # finished, stopped, failed or interrupted; running for one that has not ended
    reason: str = ""  # why, for any state but finished
    epochs: int = 0  # epochs trained
    slot: int | None = None  # where it ran; None if it never began
    started: str = ""  # when the worker took the request; "" if it never did
    first_step: str = ""  # when the first epoch began; "" if none did
    ended: str = ""  # when it ended, model written and all
    metrics: dict[str, float] = field(default_factory=dict)  # the last evaluation
    trace: str = ""  # the traceback of a failure, for the log
    # When the worker that ended it took it, where an earlier one has trained some of its epochs; "" else
    resumed: str = ""
    before_s: float = 0.0  # seconds that the epochs of earlier workers took
    inherited: int = 0  # of its epochs, those that the parent of a line was trained; they cost nothing again
    code: str = ""  # mark of the study's code, see `search.record.origin.mark`; "" for that of the run's beginning

    def row(self) -> dict[str, Any]:
        """Return the trial's row of `trials.csv`; only a trial with a result has metrics."""
        values = self.metrics if self.state in ("finished", "stopped") else {}
        return {
            "trial": self.request.trial,
            "state": self.state,
            "reason": one_line(self.reason),
            "seed": self.request.seed,
            "epochs": self.epochs,
            "slot": self.slot,
            "seconds": self.seconds,
            "started": self.started or None,
            "first_step": self.first_step or None,
            "ended": self.ended or None,
            **({INHERITED: self.inherited} if self.inherited else {}),
            **({CODE: self.code} if self.code else {}),
            **self.request.parameters,
            **values,
        }

    @property
    def seconds(self) -> float | None:
        """Seconds of work that count: not those between two workers, nor epochs that had to be trained again."""
        if not (self.started and self.ended):
            return None
        # The clock may have been set back in between.
        return self.before_s + max(0.0, seconds_between(self.resumed or self.started, self.ended))

    def ending(self, state: str, reason: str) -> TrialResult:
        """Return this trial as ended now; of a long reason the begin stays, and all of it is in the trace."""
        kept, whole = clipped(one_line(reason)), self.trace or (reason if len(reason) > MOST_REASON else "")
        return replace(self, state=state, reason=kept, trace=whole, ended=now())


@dataclass(frozen=True)
class TrialUpdate:
    """News of a trial since the last update."""

    result: TrialResult  # how far the trial has come
    rows: tuple[dict[str, float], ...] = ()  # one row of `curves.csv` per epoch trained since, without the trial's id
    evaluated: bool = False  # the last row holds an evaluation
    # Where a worker has just taken the trial, the epochs that count of those before it: rows of earlier updates are
    # void, and these begin with those epochs. None: the worker is that of the last update.
    restarted_after: int | None = None
    saved: int = 0  # epochs that the last checkpoint holds; 0 for none
    note: str = ""  # what the log should say; "" for nothing
    exporting: bool = False  # all epochs are trained; what comes now may take longer than any of them
    # The slot has no workers and cannot get any, for the result's reason; the trial has to be given out again
    group_lost: bool = False
    node_lost: bool = False  # the reason is that a node of its workers has left the cluster
    no_place: bool = False  # the reason is that its workers found no CPUs or GPUs
    mailbox_lost: bool = False  # the reason is that the mailbox died, which was started again and knows of no trial


@dataclass(frozen=True)
class WorkerContext:
    """What every worker gets once."""

    space: Space  # what is searched, with the resources found out
    folder: Path  # the run folder, absolute; other nodes than the driver's need not see it
    study: list[Any]  # its reference in the object store, in a list so that Ray does not fetch it on the way
    # What results depend on besides the configuration, as it is now: code and data
    basis: dict[str, Any] = field(default_factory=dict)
    session: str = ""  # what the file `.session` of the run folder holds: who sees another file sees another folder
    environment: dict[str, str] = field(default_factory=dict)  # variables that workers have beside their node's
