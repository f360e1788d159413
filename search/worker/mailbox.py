"""The mailbox between trial actors and the workers of warm groups: requests one way, updates the other.

A slot has one request at a time. It is handed to whoever works there, again if that worker died or hung, and to nobody
if the slot's group has been given up. Every method that waits is awaited, so nothing polls: a request or an update is
handed over within about a millisecond. Plain asyncio; Ray makes an actor of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

from search.record.outbox import keep_piece
from search.trials import TrialRequest, TrialUpdate, WorkerContext, now
from search.worker.slot import DIED, Assignment, NotHeldError, Slot, SlotHealth, SlotLease, is_news


class Mailbox:
    """Requests and updates of all slots."""

    def __init__(
        self,
        slots: int,
        context: WorkerContext,
        clock: Callable[[], float] = monotonic,
        first: Callable[[], int] = lambda: 0,
    ):
        """Begin with free slots.

        A mailbox that died begins again with nothing. Leases and groups then count from `first`, so that none of those
        before is taken for one of those to come.
        """
        self._clock = clock
        self._first = self._leases = first()
        self._slots = [Slot(generation=self._first) for _ in range(slots)]
        self._context = context
        self._changed = asyncio.Condition()

    async def context(self) -> WorkerContext:
        """Return what every worker is told once."""
        return self._context

    async def first(self) -> int:
        """Return the number from which it counts; another one than before means that it died and forgot all."""
        return self._first

    # Trial actors. Each method that takes a lease raises NotHeldError where the slot has gone to another actor.

    async def lease(self, holder: Any = True) -> SlotLease:
        """Take the lowest free slot for a trial actor, by its handle; wait for one if none is."""
        async with self._changed:
            await self._changed.wait_for(lambda: any(slot.holder is None for slot in self._slots))
            number = next(number for number, slot in enumerate(self._slots) if slot.holder is None)
            self._leases += 1
            generation = self._slots[number].generation
            self._slots[number] = Slot(holder=holder, lease=self._leases, generation=generation)
            return SlotLease(number, self._leases)

    async def holders(self) -> dict[SlotLease, Any]:
        """Return who has each slot that is taken."""
        taken = [(number, slot) for number, slot in enumerate(self._slots) if slot.holder is not None]
        return {SlotLease(number, slot.lease): slot.holder for number, slot in taken}

    async def new_group(self, lease: SlotLease, cause: str = DIED) -> int:
        """Begin a new group: shut down the workers of the last one, and return the new one's generation.

        `cause` is what happened to the worker of the last group, where one has a request.
        """
        async with self._changed:
            state = self._held(lease)
            state.next_generation()
            if state.assignment is not None:
                state.assignment.trouble = ""
            self._blame(lease.slot, cause)
            self._changed.notify_all()
            return state.generation

    async def submit(self, lease: SlotLease, request: TrialRequest) -> None:
        """Give the slot its next request; one that has not ended is dropped."""
        async with self._changed:
            self._held(lease).assignment = Assignment(request, since=self._clock())
            self._changed.notify_all()

    async def next_update(self, lease: SlotLease) -> TrialUpdate:
        """Wait for an evaluation or the end of the request, and return all news since the last call.

        A slot whose group cannot work gives its request back.
        """

        def there_is() -> bool:
            assignment = self._held(lease).assignment
            return assignment is not None and (bool(assignment.trouble) or is_news(assignment.updates))

        async with self._changed:
            await self._changed.wait_for(there_is)
            slot = self._held(lease)
            assert slot.assignment is not None
            return slot.assignment.fetch() if is_news(slot.assignment.updates) else slot.give_up(slot.assignment)

    async def health(self, lease: SlotLease) -> SlotHealth:
        """Say how a slot stands; a hung worker is named once."""
        return self._held(lease).health(self._clock(), self._context.space.budget.hung_after_s)

    async def nodes(self, slot: int) -> list[str]:
        """Return the nodes on which the workers of a slot are, or were before they died."""
        return list(self._slot(slot).nodes.values())

    async def give_up(self, lease: SlotLease, reason: str, node_lost: bool = False, no_place: bool = False) -> None:
        """Note why the group of a slot cannot work.

        `node_lost`: since a node of it has left the cluster; `no_place`: since it found no CPUs or GPUs.
        """
        self._held(lease)
        await self._note_trouble(lease.slot, reason, node_lost, no_place)

    async def drop(self, request: TrialRequest) -> None:
        """Let a request that Tune has stopped end at its next update, though no other one follows on its slot."""
        for state in self._slots:
            if state.assignment is not None and state.assignment.request == request:
                state.assignment.end()

    async def stop(self, trial: int, reason: str) -> bool:
        """End a trial as stopped, at once for whoever waits for its news; say whether it was under way."""
        async with self._changed:
            for state in self._slots:
                assignment = state.assignment
                if assignment is not None and assignment.request.trial == trial and not assignment.over:
                    assignment.end_as("stopped", reason)
                    self._changed.notify_all()
                    return True
        return False

    async def grow(self, slots: int) -> None:
        """Have at least so many slots."""
        async with self._changed:
            self._slot(slots - 1)
            self._changed.notify_all()

    async def close(self, lease: SlotLease) -> None:
        """Shut down the workers of a slot and free it; nothing happens where another actor has it by now.

        Several actors may find the same one dead at a time, and close its slot one after another.
        """
        async with self._changed:
            state = self._slot(lease.slot)
            if state.lease == lease.number:
                self._slots[lease.slot] = Slot(generation=state.generation + 1)
                self._changed.notify_all()

    # Workers

    async def next_request(self, slot: int, generation: int, worker: Any = None) -> TrialRequest | None:
        """Wait for the next request for a worker of a group, by its handle; None shuts the worker down.

        A worker that asks while a request is under way has taken the place of one that died: the request is handed out
        again, to go on from its last checkpoint. It fails where this has not helped it past that checkpoint.
        """
        async with self._changed:
            if generation == self._slot(slot).generation:
                self._slot(slot).alive, self._slot(slot).busy, self._slot(slot).error = True, False, ""
                self._blame(slot, DIED)

            def wanted() -> bool:
                state = self._slot(slot)
                return generation != state.generation or (state.assignment is not None and state.assignment.waiting)

            await self._changed.wait_for(wanted)
            if generation != self._slot(slot).generation:
                return None
            return self._slot(slot).hand_out(worker, slot, now(), self._clock())

    async def at_work(self, slot: int, generation: int, rank: int, node: str) -> None:
        """Note on which node a worker has begun; `rank` is its number among those of the slot."""
        if generation == self._slot(slot).generation:
            self._slot(slot).nodes[rank] = node

    async def leave(self, slot: int, generation: int) -> None:
        """Note that a worker ends between two requests and will be replaced."""
        if generation == self._slot(slot).generation:
            self._slot(slot).alive, self._slot(slot).busy = False, False

    async def deliver(self, slot: int, generation: int, update: TrialUpdate) -> bool:
        """Deliver news of the request under way; the answer says whether to go on."""
        async with self._changed:
            state = self._slot(slot)
            current = state.assignment
            if generation != state.generation or current is None or current.over:
                return False
            if current.request != update.result.request:
                return False
            state.take(update, self._clock())
            if is_news(current.updates):
                self._changed.notify_all()
            return True

    async def fail(self, slot: int, generation: int, reason: str) -> None:
        """End the request under way as failed, from a worker that is not the one that reports."""
        async with self._changed:
            state = self._slot(slot)
            if generation != state.generation or state.assignment is None or not state.assignment.running:
                return
            state.take(TrialUpdate(state.assignment.ending("failed", reason)), self._clock())
            self._changed.notify_all()

    async def keep(self, slot: int, generation: int, trial: int, name: str, piece: bytes, last: bool) -> bool:
        """Write what a trial has exported on a node that does not see the run folder; this actor's node does.

        It comes in pieces under one name; others are served while one is written. From the worker of a former group it
        is not wanted: the trial may be under way elsewhere.
        """
        if generation != self._slot(slot).generation:
            return False
        await asyncio.to_thread(keep_piece, self._context.folder, trial, name, piece, last)
        return True

    async def blame(self, slot: int, generation: int, cause: str) -> None:
        """Note that the worker of a slot cannot finish its request, which another one shall try once more."""
        async with self._changed:
            if generation == self._slot(slot).generation:
                self._blame(slot, cause)

    async def ended(self, slot: int, reason: str) -> None:
        """Note with which error workers of a slot have ended; it is told where no others come."""
        self._slot(slot).error = reason

    async def error(self, slot: int) -> str:
        """Return the last of these errors since the slot has had a worker; "" for none."""
        return self._slot(slot).error

    async def trouble(self, slot: int, generation: int, reason: str) -> None:
        """Tell why the group cannot work at all."""
        if generation == self._slot(slot).generation:
            await self._note_trouble(slot, reason)

    def _slot(self, number: int) -> Slot:
        """Return a slot; one that came later is made, of which a mailbox that was started again has not heard."""
        while len(self._slots) <= number:
            self._slots.append(Slot(generation=self._first))
        return self._slots[number]

    def _held(self, lease: SlotLease) -> Slot:
        state = self._slot(lease.slot)
        if state.lease != lease.number:
            raise NotHeldError(f"slot {lease.slot} has gone to another trial actor")
        return state

    async def _note_trouble(self, slot: int, reason: str, node_lost: bool = False, no_place: bool = False) -> None:
        async with self._changed:
            if (assignment := self._slot(slot).assignment) is not None:
                assignment.trouble, assignment.node_lost, assignment.no_place = reason, node_lost, no_place
            self._changed.notify_all()

    def _blame(self, slot: int, cause: str) -> None:
        if self._slot(slot).blame(cause, self._clock()):
            self._changed.notify_all()
