"""The Tune side of a trial: a thin actor that hands each configuration to a warm worker group.

The actor starts one group, gives it a new request by `reset_config`, replaces it when it ends before its time, and
gives up when it cannot work. It computes nothing itself and holds no CPU: it would take that from its own workers.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import ray
from ray import tune
from ray.exceptions import ActorDiedError, GetTimeoutError, RayActorError

from search.trials import TrialRequest, TrialResult, TrialUpdate, WorkerContext
from search.worker.group import WorkerGroup
from search.worker.nodes import lost_node, remove_placement_groups_of_the_dead
from search.worker.slot import MAILBOX_BACK_S, PING_S, NotHeldError, SlotLease

GROUP_CHECK_S = 1.0
GOODBYE_S = 8.0
LATE_S = 60.0  # for processes to start, beside the time in which their CPUs and GPUs have to be free
MOST_GROUPS = 3
UPDATE_KEY = "update"
REQUEST_KEY = "request"
NO_PLACE = "startup timed out"  # what Ray Train says of a group that waited in vain


class GroupLostError(RuntimeError):
    """The slot of this actor has no workers; the actor ends, so that another slot takes the next trial."""


class WarmTrial(tune.Trainable):
    """Runs one request at a time on the warm group of its slot; reused from trial to trial."""

    _mailbox: Any
    _taken: SlotLease | None
    _context: WorkerContext

    def setup(self, config: dict[str, Any], mailbox: Any = None, name: str = "") -> None:
        """Keep the first request; nothing is taken or started yet.

        After an actor has died, Tune starts several and stops all but one of them before they have begun. Each would
        take the slot from the next and start a group, whose placement group would outlive it. `name`, the run's, is for
        the dashboard.
        """
        self._mailbox, self._name = mailbox, name
        self._taken = None
        self._group: WorkerGroup | None = None
        self._ended_groups = 0
        self._lost = ""
        self._request: TrialRequest | None = config[REQUEST_KEY]
        self._under_way: TrialRequest | None = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Keep the next request, for the step that follows."""
        self._request = new_config[REQUEST_KEY]
        return True

    def step(self) -> dict[str, Any]:
        """Return the news up to the next evaluation or the end; submit the request first if it is a new one.

        Raises:
            GroupLostError: The update before this one gave the trial back.
            NotHeldError: Another actor has the slot.
        """
        if self._lost:
            self._end_group()  # killed with this actor, it would leave its placement group for a while
            raise GroupLostError(self._lost)
        try:
            return self._news()
        except (RayActorError, NotHeldError):
            if not self._mailbox_died():
                raise
            return self._result(self._given_back())

    def _news(self) -> dict[str, Any]:
        if self._taken is None:
            self._taken, self._first = self._take_slot(), ray.get(self._mailbox.first.remote())
            self._context = ray.get(self._mailbox.context.remote())
        if self._request is not None:
            self._submit(self._request)
            self._request = None
        reference = self._mailbox.next_update.remote(self._lease)
        while True:
            try:
                update: TrialUpdate = ray.get(reference, timeout=GROUP_CHECK_S)
            except GetTimeoutError:
                self._check_group()
                continue
            if update.group_lost:
                self._lost = update.result.reason
            return self._result(update)

    def cleanup(self) -> None:
        """Shut down the workers."""
        with suppress(RayActorError):
            if self._taken is not None:
                ray.get(self._mailbox.close.remote(self._taken))
        self._end_group()

    def _end_group(self) -> None:
        """Wait for the end of a group that was shut down."""
        if self._group is not None:
            self._group.join(GOODBYE_S)
            self._group = None

    def _mailbox_died(self) -> bool:
        """Say whether the mailbox has forgotten this actor: it died, and was started again."""
        deadline = time.monotonic() + MAILBOX_BACK_S
        while True:
            try:
                return self._taken is not None and bool(ray.get(self._mailbox.first.remote()) != self._first)
            except RayActorError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(PING_S)

    def _given_back(self) -> TrialUpdate:
        """Give the trial back, since nothing can be heard of it here any more; this actor and its group end."""
        self._lost, self._taken = "the mailbox of the run died", None
        request = self._request or self._under_way
        assert request is not None, "a step is only taken while a trial is under way"
        result = TrialResult(request, "interrupted", self._lost)
        return TrialUpdate(result, group_lost=True, mailbox_lost=True)

    def _take_slot(self) -> SlotLease:
        """Take a slot, that of a trial actor that died where none is free."""
        myself = ray.get_runtime_context().current_actor
        reference = self._mailbox.lease.remote(myself)
        while True:
            try:
                lease: SlotLease = ray.get(reference, timeout=GROUP_CHECK_S)
                return lease
            except GetTimeoutError:
                for taken in _of_dead(ray.get(self._mailbox.holders.remote())):
                    ray.get(self._mailbox.close.remote(taken))

    @property
    def _lease(self) -> SlotLease:
        assert self._taken is not None, "a slot is taken by the first step"
        return self._taken

    def _submit(self, request: TrialRequest) -> None:
        """Submit a request; the one before it ends at its next update if it has not ended."""
        self._ended_groups, self._under_way = 0, request
        ray.get(self._mailbox.submit.remote(self._lease, request))
        if self._group is None or not self._group.running:
            self._start_group("")

    def _start_group(self, cause: str) -> None:
        self._group = WorkerGroup(self._mailbox, self._lease, self._context, self._name, cause)

    def _check_group(self) -> None:
        """Replace a worker that hangs and a group that has ended; give the trial back where nobody comes to work."""
        health = ray.get(self._mailbox.health.remote(self._lease))
        patience_s = self._context.space.resources.start_within_s
        ended = self._group is not None and not self._group.running
        if health.waited_s > 0 and not health.alive:
            remove_placement_groups_of_the_dead()
        if lost := lost_node(ray.get(self._mailbox.nodes.remote(self._lease.slot))):
            self._give_up(f"its node {lost} has left the cluster", node_lost=True)
        elif health.hung is not None:
            ray.kill(health.hung)
        elif health.waited_s > patience_s and (ended or health.waited_s > patience_s + LATE_S):
            of_group = self._group.error if self._group is not None else ""
            error = "" if NO_PLACE in of_group else ray.get(self._mailbox.error.remote(self._lease.slot)) or of_group
            why = f"the last ended with: {error}" if error else "are its CPUs and GPUs free, the machine not too busy?"
            self._give_up(f"had no worker for {patience_s:g} s (resources.start_within_s); {why}", no_place=not error)
        elif ended:
            error = (self._group.error if self._group is not None else "") or "no reason given"
            self._replace_group(f"worker group ended ({error})")

    def _replace_group(self, cause: str) -> None:
        self._ended_groups += 1
        if self._ended_groups < MOST_GROUPS:
            self._start_group(cause)
        else:
            self._give_up(f"{cause}, {self._ended_groups} times")

    def _give_up(self, reason: str, node_lost: bool = False, no_place: bool = False) -> None:
        told = f"slot {self._lease.slot}: {reason}"
        ray.get(self._mailbox.give_up.remote(self._lease, told, node_lost, no_place))

    def _result(self, update: TrialUpdate) -> dict[str, Any]:
        """Return what Tune shows and schedulers may look at, and the update for the searcher."""
        result = update.result
        return {
            **result.metrics,
            "epochs": result.epochs,
            "done": result.state != "running" and not update.group_lost,
            UPDATE_KEY: update,
        }


def _of_dead(holders: dict[SlotLease, Any]) -> list[SlotLease]:
    """Return the leases of actors that have died; one that is busy, or cannot be reached for a moment, lives."""
    pings = {holder.__ray_ready__.remote(): lease for lease, holder in holders.items()}
    answered, _ = ray.wait(list(pings), num_returns=len(pings), timeout=PING_S)
    dead = []
    for ping in answered:
        try:
            ray.get(ping)
        except ActorDiedError:
            dead.append(pings[ping])
        except RayActorError:
            continue
    return dead
