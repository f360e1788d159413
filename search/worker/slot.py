"""What is going on in one slot, and what follows from what happens to its worker. Pure logic, for the mailbox.

Owns when a worker counts as hung, how often a trial is handed out again, and what is said where that did not help: a
trial fails when its workers died twice without getting past its last checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from search.trials import TrialRequest, TrialResult, TrialUpdate

MOST_ATTEMPTS = 2
HUNG_AFTER_S = 600.0
HUNG_AFTER_EPOCHS = 20
HUNG_AT_FIRST_S = 3600.0  # before any epoch of the slot has ended, nobody knows how long one takes
DIED = "worker died"


class NotHeldError(RuntimeError):
    """A slot has gone to another trial actor."""


class SlotLease(NamedTuple):
    """A trial actor's lease of a slot.

    Attributes:
        slot: Which slot.
        number: Of the lease; no two have the same, so that what is meant for one never happens to the next.
    """

    slot: int
    number: int


class SlotHealth(NamedTuple):
    """How a slot stands, for the trial actor that looks after it.

    Attributes:
        waited_s: Seconds for which there has been no worker for its request; 0 where there is one, or no request.
        alive: A worker of the present group has asked for work.
        hung: The worker to be killed, since nothing was heard of it for too long; None for none.
    """

    waited_s: float
    alive: bool
    hung: Any


@dataclass
class SlotState:
    """One slot.

    Attributes:
        holder: Handle of the trial actor that has the slot; None where it is free.
        lease: Number of the lease by which it has it; 0 where the slot is free.
        generation: Which of its groups counts; workers of older ones are shut down.
        alive: A worker of that group has asked for work.
        request: The request that has not ended, if any.
        waiting: It waits for a worker.
        busy: The worker has not asked for work since it took a request; that may be the one before, which was stopped.
        since: When it began to wait, or when it was last heard of, by the mailbox's clock.
        longest_s: The longest time between two updates of a trial on this slot.
        worker: Handle of who took the last request; None for nobody.
        nodes: The node of each of its workers, by rank.
        killed: That worker was found hung.
        saved: Epochs that its last checkpoint holds.
        causes: What happened to its workers since then.
        updates: News that the trial actor has not fetched yet.
        last: How far the request has come.
        trouble: Why the group cannot work.
        node_lost: It is that a node has left the cluster.
    """

    holder: Any = None
    lease: int = 0
    generation: int = 0
    alive: bool = False
    request: TrialRequest | None = None
    waiting: bool = False
    busy: bool = False
    since: float = 0.0
    longest_s: float = 0.0
    worker: Any = None
    nodes: dict[int, str] = field(default_factory=dict)
    killed: bool = False
    saved: int = 0
    causes: list[str] = field(default_factory=list)
    updates: list[TrialUpdate] = field(default_factory=list)
    last: TrialResult | None = None
    trouble: str = ""
    node_lost: bool = False

    def health(self, clock_s: float, hung_after_s: float | None) -> SlotHealth:
        """Say how the slot stands; a hung worker is named once.

        Args:
            clock_s: The present moment.
            hung_after_s: Patience; None: as long as workers usually need.
        """
        quiet_s = clock_s - self.since if self.request is not None else 0.0
        if self.killed or (self.waiting and not self.busy):
            return SlotHealth(quiet_s, self.alive, None)
        usual_s = max(HUNG_AFTER_S, HUNG_AFTER_EPOCHS * self.longest_s) if self.longest_s else HUNG_AT_FIRST_S
        if self.request is None or quiet_s < (hung_after_s or usual_s):
            return SlotHealth(0.0, self.alive, None)
        self.killed, self.since = True, clock_s
        if not self.waiting:  # else it hangs in the request before
            self.causes.append(f"hung (no news for {quiet_s:.0f} s)")
        return SlotHealth(0.0, self.alive, self.worker)

    def hand_out(self, worker: Any, result: TrialResult, clock_s: float) -> None:
        """Note who takes the request."""
        self.waiting, self.killed, self.worker, self.since = False, False, worker, clock_s
        self.busy = True
        self.last = self.last or result

    def take(self, update: TrialUpdate, clock_s: float) -> None:
        """Note news of the request."""
        self.updates.append(update)
        self.last = update.result
        self.longest_s, self.since = max(self.longest_s, clock_s - self.since), clock_s
        if update.saved > self.saved:
            self.saved, self.causes = update.saved, []
        if update.result.state != "running":
            self.request = None

    def blame(self, cause: str, clock_s: float) -> bool:
        """Note what happened to the worker that has the request: it is handed out again, or ends as failed.

        Returns:
            Whether a worker had it.
        """
        if self.request is None or self.waiting:
            return False
        if not self.killed:
            self.causes.append(cause)
        self.worker, self.killed = None, False
        if len(self.causes) < MOST_ATTEMPTS:
            self.waiting, self.since = True, clock_s
            return True
        last = self.last or TrialResult(self.request, "running")
        self.updates.append(TrialUpdate(last.ending("failed", _reason(self.causes, self.saved))))
        self.request = None
        return True

    def give_up(self, reason: str) -> TrialUpdate:
        """Give the request back, and shut down the workers."""
        assert self.request is not None, "an update is only awaited while a request is under way"
        last = self.last or TrialResult(self.request, "running")
        self.request, self.waiting, self.updates, self.trouble = None, False, [], ""
        self.generation += 1
        self.alive, self.busy, self.nodes = False, False, {}
        return TrialUpdate(last.ending("interrupted", reason), group_lost=True, node_lost=self.node_lost)


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
