"""The mailbox between trial actors and the workers of warm groups: orders one way, reports the other.

Owns what happens on a slot: one order at a time, handed to whoever works there, again if that worker died or hung, and
nobody if its group has been given up. Every method that waits is awaited, so nothing polls: an order or a report is
handed over within about a millisecond. Plain asyncio; Ray makes an actor of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

from search.record.outbox import TRIALS_FOLDER, unpack
from search.trials import Briefing, Order, Outcome, Report, now
from search.worker.slot import DIED, Claim, Condition, NotHeldError, SlotState, is_news, merged


class Mailbox:
    """Orders and reports of all slots."""

    def __init__(self, slots: int, briefing: Briefing, clock: Callable[[], float] = monotonic):
        """Open a mailbox.

        Args:
            slots: How many groups there will be.
            briefing: What every worker is told once.
            clock: Seconds.
        """
        self._clock = clock
        self._slots = [SlotState() for _ in range(slots)]
        self._claims = 0
        self._briefing = briefing
        self._changed = asyncio.Condition()

    async def briefing(self) -> Briefing:
        """Return what every worker is told once."""
        return self._briefing

    # Trial actors. Each method that takes a claim raises NotHeldError where the slot has gone to another actor.

    async def claim(self, holder: Any = True) -> Claim:
        """Take the lowest free slot; wait for one if none is.

        Args:
            holder: Who takes it: the handle of a trial actor.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: any(slot.holder is None for slot in self._slots))
            number = next(number for number, slot in enumerate(self._slots) if slot.holder is None)
            self._claims += 1
            generation = self._slots[number].generation
            self._slots[number] = SlotState(holder=holder, claim=self._claims, generation=generation)
            return Claim(number, self._claims)

    async def holders(self) -> dict[Claim, Any]:
        """Return who has each slot that is taken."""
        taken = [(number, slot) for number, slot in enumerate(self._slots) if slot.holder is not None]
        return {Claim(number, slot.claim): slot.holder for number, slot in taken}

    async def new_group(self, claim: Claim, cause: str = DIED) -> int:
        """Begin a new group: send the workers of the last one home, and return the new one's generation.

        Args:
            claim: On which slot.
            cause: What befell the worker of the last group, where one has an order.
        """
        async with self._changed:
            state = self._held(claim)
            state.generation += 1
            state.alive, state.busy, state.trouble, state.nodes = False, False, "", {}
            self._blame(claim.slot, cause)
            self._changed.notify_all()
            return state.generation

    async def submit(self, claim: Claim, order: Order) -> None:
        """Give the slot its next order; one that has not ended is dropped."""
        async with self._changed:
            state = self._held(claim)
            # All else begins anew with the order.
            self._slots[claim.slot] = SlotState(
                holder=state.holder,
                claim=state.claim,
                generation=state.generation,
                alive=state.alive,
                order=order,
                waiting=True,
                busy=state.busy,
                since=self._clock(),
                longest_s=state.longest_s,
                worker=state.worker,
                nodes=state.nodes,
            )
            self._changed.notify_all()

    async def next_report(self, claim: Claim) -> Report:
        """Wait for an evaluation or the end of the order, and return all news since the last call.

        A slot whose group cannot work gives its order back.
        """

        def there_is() -> bool:
            state = self._held(claim)
            return bool(state.trouble) or is_news(state.reports)

        async with self._changed:
            await self._changed.wait_for(there_is)
            state = self._held(claim)
            if state.trouble and not is_news(state.reports):
                return state.give_up(state.trouble)
            report = merged(state.reports)
            state.reports = []
            return report

    async def condition(self, claim: Claim) -> Condition:
        """Say how a slot stands; a hung worker is named once."""
        return self._held(claim).condition(self._clock(), self._briefing.space.budget.hung_after_s)

    async def nodes(self, slot: int) -> list[str]:
        """Return the nodes on which the workers of a slot are, or were before they died."""
        return list(self._slots[slot].nodes.values())

    async def give_up(self, claim: Claim, reason: str, node_lost: bool = False) -> None:
        """Note why the group of a slot cannot work; `node_lost`: since a node of it has left the cluster."""
        self._held(claim)
        await self._note_trouble(claim.slot, reason, node_lost)

    async def drop(self, order: Order) -> None:
        """Let an order that Tune has stopped end at its next report, though no other one follows on its slot."""
        for state in self._slots:
            if state.order == order:
                state.order, state.waiting = None, False

    async def grow(self, slots: int) -> None:
        """Have at least so many slots."""
        async with self._changed:
            self._slots += [SlotState() for _ in range(slots - len(self._slots))]
            self._changed.notify_all()

    async def close(self, claim: Claim) -> None:
        """Send the workers of a slot home and free it; nothing happens where another actor has it by now.

        Several actors may find the same one dead at a time, and close its slot one after another.
        """
        async with self._changed:
            state = self._slots[claim.slot]
            if state.claim == claim.number:
                self._slots[claim.slot] = SlotState(generation=state.generation + 1)
                self._changed.notify_all()

    # Workers

    async def next_order(self, slot: int, generation: int, worker: Any = None) -> Order | None:
        """Wait for the next order; None sends the worker home.

        A worker that asks while an order is under way has taken the place of one that died: the order is handed out
        again, to go on from its last checkpoint. It fails where this has not helped it past that checkpoint.

        Args:
            slot: Where it works.
            generation: Of its group.
            worker: Its handle.
        """
        async with self._changed:
            if generation == self._slots[slot].generation:
                self._slots[slot].alive, self._slots[slot].busy = True, False
                self._blame(slot, DIED)

            def wanted() -> bool:
                return generation != self._slots[slot].generation or self._slots[slot].waiting

            await self._changed.wait_for(wanted)
            state = self._slots[slot]
            if generation != state.generation:
                return None
            assert state.order is not None, "only an order can wait"
            state.hand_out(worker, Outcome(state.order, "running", slot=slot, started=now()), self._clock())
            return state.order

    async def at_work(self, slot: int, generation: int, rank: int, node: str) -> None:
        """Note on which node a worker has begun; `rank` is its number among those of the slot."""
        if generation == self._slots[slot].generation:
            self._slots[slot].nodes[rank] = node

    async def leave(self, slot: int, generation: int) -> None:
        """Note that a worker ends between two orders and will be replaced."""
        if generation == self._slots[slot].generation:
            self._slots[slot].alive, self._slots[slot].busy = False, False

    async def report(self, slot: int, generation: int, report: Report) -> bool:
        """Deliver news of the order under way; the answer says whether to go on."""
        async with self._changed:
            state = self._slots[slot]
            order = state.order
            if generation != state.generation or order is None or order != report.outcome.order:
                return False
            state.take(report, self._clock())
            if is_news(state.reports):
                self._changed.notify_all()
            return True

    async def fail(self, slot: int, generation: int, reason: str) -> None:
        """End the order under way as failed, from a worker that is not the one that reports."""
        async with self._changed:
            state = self._slots[slot]
            if generation != state.generation or state.order is None or state.waiting:
                return
            last = state.last or Outcome(state.order, "running")
            state.take(Report(last.ending("failed", reason)), self._clock())
            self._changed.notify_all()

    async def keep(self, trial: int, packed: bytes) -> None:
        """Write what a trial has exported on a node that does not see the run folder; this actor's node does."""
        unpack(packed, self._briefing.folder / TRIALS_FOLDER / str(trial))

    async def trouble(self, slot: int, generation: int, reason: str) -> None:
        """Tell why the group cannot work at all."""
        if generation == self._slots[slot].generation:
            await self._note_trouble(slot, reason)

    def _held(self, claim: Claim) -> SlotState:
        state = self._slots[claim.slot]
        if state.claim != claim.number:
            raise NotHeldError(f"slot {claim.slot} has gone to another trial actor")
        return state

    async def _note_trouble(self, slot: int, reason: str, node_lost: bool = False) -> None:
        async with self._changed:
            self._slots[slot].trouble, self._slots[slot].node_lost = reason, node_lost
            self._changed.notify_all()

    def _blame(self, slot: int, cause: str) -> None:
        if self._slots[slot].blame(cause, self._clock()):
            self._changed.notify_all()
