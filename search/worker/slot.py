"""One slot and the trial on it: when a worker counts as hung, and what follows when one dies. Pure logic.

A trial whose worker died or hung is handed out again, to go on from its last checkpoint; it fails when its workers died
`MOST_ATTEMPTS` times without getting past that checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from search.trials import TrialRequest, TrialResult, TrialUpdate

MOST_ATTEMPTS = 2
HUNG_AFTER_S = 600.0
HUNG_AFTER_EPOCHS = 20
HUNG_AT_FIRST_S = 3600.0  # before any epoch of the slot has ended, and of an export, nobody knows how long one takes
DIED = "worker died"
MAILBOX_BACK_S = 120.0  # in which Ray has started it again
PING_S = 0.5


class NotHeldError(RuntimeError):
    """A slot has gone to another trial actor."""


class SlotLease(NamedTuple):
    """A trial actor's right to a slot."""

    slot: int
    number: int  # no two leases have the same, so a call under an old lease cannot touch the next one


class SlotHealth(NamedTuple):
    """How a slot stands, for the trial actor that looks after it."""

    waited_s: float  # seconds for which there has been no worker for its request; 0 where there is one, or no request
    alive: bool  # a worker of the present group has asked for work
    hung: Any  # the worker to be killed, since nothing was heard of it for too long; None for none


@dataclass
class Assignment:
    """One request on a slot, from its submission to the next one."""

    request: TrialRequest  # what is to be run
    since: float  # when it began to wait, or when its worker was last heard of, by the mailbox's clock
    waiting: bool = True  # it waits for a worker
    over: bool = False  # it has ended, or nobody wants it any more
    killed: bool = False  # its worker was found hung
    saved: int = 0  # epochs that its last checkpoint holds
    causes: list[str] = field(default_factory=list)  # what happened to its workers since that checkpoint
    updates: list[TrialUpdate] = field(default_factory=list)  # news that the trial actor has not fetched yet
    last: TrialResult | None = None  # how far it has come
    exporting: bool = False  # the worker writes the model, which may take longer than any epoch
    trouble: str = ""  # why the group cannot work; "" while it can
    node_lost: bool = False  # the trouble is that a node has left the cluster
    no_place: bool = False  # the trouble is that there were no CPUs or GPUs for its workers

    @property
    def running(self) -> bool:
        """Whether a worker has it."""
        return not self.over and not self.waiting

    def end(self) -> None:
        """Hand it out to nobody any more."""
        self.over, self.waiting = True, False

    def ending(self, state: str, reason: str) -> TrialResult:
        """Return how far it has come, as ended now."""
        return (self.last or TrialResult(self.request, "running")).ending(state, reason)

    def end_as(self, state: str, reason: str) -> None:
        """End it without its worker."""
        self.updates.append(TrialUpdate(self.ending(state, reason)))
        self.end()

    def fetch(self) -> TrialUpdate:
        """Return all news since the last call as one."""
        update, self.updates = merged(self.updates), []
        return update


@dataclass
class Slot:
    """A slot while one trial actor has it."""

    holder: Any = None  # handle of the trial actor; None where the slot is free
    lease: int = 0  # number of the lease by which it has the slot; 0 where the slot is free
    generation: int = 0  # which of its groups counts; workers of older ones are shut down
    alive: bool = False  # a worker of that group has asked for work
    # The worker has not asked for work since it took a request; that may be the one before, which was stopped
    busy: bool = False
    error: str = ""  # with which workers that could not begin have ended
    worker: Any = None  # handle of who took the last request; None for nobody
    nodes: dict[int, str] = field(default_factory=dict)  # the node of each of its workers, by rank
    longest_s: float = 0.0  # the longest time between two updates of a trial on this slot
    assignment: Assignment | None = None  # the last request that was submitted; None before the first one

    def next_generation(self) -> None:
        """Count no worker of the present group any more."""
        self.generation += 1
        self.alive, self.busy, self.nodes = False, False, {}

    def health(self, clock_s: float, hung_after_s: float | None) -> SlotHealth:
        """Say how the slot stands; a hung worker is named once. No patience given: as long as workers need."""
        assignment = self.assignment
        if assignment is None or assignment.over:
            return SlotHealth(0.0, self.alive, None)
        quiet_s = clock_s - assignment.since
        if assignment.killed or (assignment.waiting and not self.busy):
            return SlotHealth(quiet_s, self.alive, None)
        unknown = assignment.exporting or not self.longest_s
        usual_s = HUNG_AT_FIRST_S if unknown else max(HUNG_AFTER_S, HUNG_AFTER_EPOCHS * self.longest_s)
        patience_s = hung_after_s or usual_s
        if quiet_s < patience_s:
            return SlotHealth(0.0, self.alive, None)
        assignment.killed, assignment.since = True, clock_s
        if not assignment.waiting:  # else it hangs in the request before
            assignment.causes.append(f"hung (no news for {patience_s:.0f} s)")
        return SlotHealth(0.0, self.alive, self.worker)

    def hand_out(self, worker: Any, slot: int, started: str, clock_s: float) -> TrialRequest:
        """Note who takes the request that waits, and return it."""
        assignment = self.assignment
        assert assignment is not None, "only a request can wait"
        self.worker, self.busy = worker, True
        assignment.waiting, assignment.killed, assignment.since = False, False, clock_s
        assignment.last = assignment.last or TrialResult(assignment.request, "running", slot=slot, started=started)
        return assignment.request

    def take(self, update: TrialUpdate, clock_s: float) -> None:
        """Note news of the request under way."""
        assignment = self.assignment
        assert assignment is not None, "news are of a request"
        assignment.updates.append(update)
        assignment.last, assignment.exporting = update.result, update.exporting
        self.longest_s, assignment.since = max(self.longest_s, clock_s - assignment.since), clock_s
        if update.saved > assignment.saved:
            assignment.saved, assignment.causes = update.saved, []
        if update.result.state != "running":
            assignment.end()

    def blame(self, cause: str, clock_s: float) -> bool:
        """Note what happened to the worker that has the request: it is handed out again, or ends as failed.

        Return whether a worker had it.
        """
        assignment = self.assignment
        if assignment is None or not assignment.running:
            return False
        if not assignment.killed:
            assignment.causes.append(cause)
        self.worker, assignment.killed = None, False
        if len(assignment.causes) < MOST_ATTEMPTS:
            assignment.waiting, assignment.since = True, clock_s
        else:
            assignment.end_as("failed", _reason(assignment.causes, assignment.saved))
        return True

    def give_up(self, assignment: Assignment) -> TrialUpdate:
        """Give the request back for its trouble, and shut down the workers."""
        assert not assignment.over, "an update is only awaited while a request is under way"
        result = assignment.ending("interrupted", assignment.trouble)
        assignment.updates, assignment.trouble = [], ""
        assignment.end()
        self.next_generation()
        lost, no_place = assignment.node_lost, assignment.no_place
        return TrialUpdate(result, group_lost=True, node_lost=lost, no_place=no_place)


def _reason(causes: list[str], saved: int) -> str:
    """Say what happened to the workers of a trial: `worker died 2 times after epoch 12, its last checkpoint`."""
    counted = [f"{cause} {causes.count(cause)} times" if causes.count(cause) > 1 else cause for cause in causes]
    where = f" after epoch {saved}, its last checkpoint" if saved else ""
    return ", then ".join(dict.fromkeys(counted)) + where


def is_news(updates: list[TrialUpdate]) -> bool:
    """Say whether there is an evaluation or an end; losses alone wait for the next one."""
    return any(update.evaluated or update.result.state != "running" for update in updates)


def merged(updates: list[TrialUpdate]) -> TrialUpdate:
    """Return several updates as one; what a worker has reported before another took its place is void."""
    restarts = [number for number, update in enumerate(updates) if update.restarted_after is not None]
    valid = updates[restarts[-1] :] if restarts else updates
    return replace(
        updates[-1],
        rows=tuple(row for update in valid for row in update.rows),
        restarted_after=valid[0].restarted_after,
        note="; ".join(update.note for update in updates if update.note),
    )
