"""The mailbox between trial actors and the workers of warm groups: orders one way, reports the other.

Owns what happens on a slot: one order at a time, handed to whoever works there, again if that worker died, and
nobody if its group has been given up. Every method that waits is awaited, so nothing polls: an order or a report is
handed over within about a millisecond. Plain asyncio; Ray makes an actor of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from search.messages import Briefing, Order, Outcome, Report, now

MOST_ATTEMPTS = 2


@dataclass
class _Slot:
    """What is going on in one slot.

    Attributes:
        taken: A trial actor has the slot.
        generation: Which of its groups counts; workers of older ones are sent home.
        alive: A worker of that group has asked for work.
        order: The order that has not ended, if any.
        waiting: It waits for a worker.
        attempts: How often it was handed out.
        restarted: Its reports so far are void.
        cancelled: It shall stop at its next report.
        closed: No more orders will come.
        reports: News that the trial actor has not fetched yet.
        last: How far the order has come.
        trouble: Why the group cannot work.
    """

    taken: bool = False
    generation: int = 0
    alive: bool = False
    order: Order | None = None
    waiting: bool = False
    attempts: int = 0
    restarted: bool = False
    cancelled: bool = False
    closed: bool = False
    reports: list[Report] = field(default_factory=list)
    last: Outcome | None = None
    trouble: str = ""


class Mailbox:
    """Orders and reports of all slots."""

    def __init__(self, slots: int, briefing: Briefing):
        """Open a mailbox.

        Args:
            slots: How many groups there will be.
            briefing: What every worker is told once.
        """
        self._slots = [_Slot() for _ in range(slots)]
        self._briefing = briefing
        self._changed = asyncio.Condition()

    async def briefing(self) -> Briefing:
        """Return what every worker is told once."""
        return self._briefing

    # Trial actors

    async def claim(self) -> int:
        """Take the lowest free slot; wait for one if none is."""
        async with self._changed:
            await self._changed.wait_for(lambda: any(not slot.taken for slot in self._slots))
            number = next(number for number, slot in enumerate(self._slots) if not slot.taken)
            generation = self._slots[number].generation
            self._slots[number] = _Slot(taken=True, generation=generation)
            return number

    async def new_group(self, slot: int) -> int:
        """Begin a new group: send the workers of the last one home, and return the new one's generation."""
        async with self._changed:
            state = self._slots[slot]
            state.generation += 1
            state.alive, state.trouble = False, ""
            self._changed.notify_all()
            return state.generation

    async def submit(self, slot: int, order: Order) -> None:
        """Give the slot its next order; one that has not ended is dropped."""
        async with self._changed:
            state = self._slots[slot]
            state.order, state.waiting, state.attempts, state.last = order, True, 0, None
            state.cancelled = state.restarted = False
            state.reports.clear()
            self._changed.notify_all()

    async def next_report(self, slot: int) -> Report:
        """Wait for an evaluation or the end of the order, and return all news since the last call.

        A group that cannot work ends its order as failed.
        """
        async with self._changed:
            state = self._slots[slot]
            await self._changed.wait_for(lambda: bool(state.trouble) or _is_news(state.reports))
            if state.trouble and not _is_news(state.reports):
                return self._give_up(state, state.trouble)
            report = _merged(state.reports, state.restarted)
            state.reports, state.restarted = [], False
            return report

    async def alive(self, slot: int) -> bool:
        """Say whether a worker of the slot's group has asked for work."""
        return self._slots[slot].alive

    async def cancel(self, slot: int) -> None:
        """Let the order of the slot stop at its next report."""
        self._slots[slot].cancelled = True

    async def give_up(self, slot: int, reason: str) -> None:
        """Note why the group of a slot cannot work."""
        async with self._changed:
            self._slots[slot].trouble = reason
            self._changed.notify_all()

    async def close(self, slot: int) -> None:
        """Send the workers of a slot home and free it."""
        async with self._changed:
            state = self._slots[slot]
            state.closed = True
            self._slots[slot] = _Slot(generation=state.generation + 1)
            self._changed.notify_all()

    # Workers

    async def next_order(self, slot: int, generation: int) -> Order | None:
        """Wait for the next order; None sends the worker home.

        A worker that asks while an order is under way has taken the place of one that died: the order is run anew
        under the same number, once; then it fails.
        """
        async with self._changed:
            state = self._slots[slot]
            if generation == state.generation and not state.closed:
                state.alive = True
                self._blame_the_dead(state)
            await self._changed.wait_for(lambda: state.closed or generation != state.generation or state.waiting)
            if state.closed or generation != state.generation:
                return None
            assert state.order is not None, "only an order can wait"
            state.waiting = False
            state.attempts += 1
            state.last = Outcome(state.order, "running", slot=slot, started=now())
            return state.order

    async def report(self, slot: int, generation: int, report: Report) -> bool:
        """Deliver news of the order under way; the answer says whether to go on."""
        async with self._changed:
            state = self._slots[slot]
            order = state.order
            if generation != state.generation or order is None or order != report.outcome.order:
                return False
            state.reports.append(report)
            state.last = report.outcome
            if report.outcome.state != "running":
                state.order = None
            if _is_news(state.reports):
                self._changed.notify_all()
            return not state.cancelled

    async def trouble(self, slot: int, generation: int, reason: str) -> None:
        """Tell why the group cannot work at all."""
        if generation == self._slots[slot].generation:
            await self.give_up(slot, reason)

    def _blame_the_dead(self, state: _Slot) -> None:
        if state.order is None or state.waiting:
            return
        if state.attempts < MOST_ATTEMPTS:
            state.waiting = state.restarted = True
            state.reports.clear()
        else:
            last = state.last or Outcome(state.order, "running")
            state.reports.append(Report(last.ending("failed", f"worker died {state.attempts} times")))
            state.order = None
            self._changed.notify_all()

    def _give_up(self, state: _Slot, reason: str) -> Report:
        assert state.order is not None, "a report is only awaited while an order is under way"
        last = state.last or Outcome(state.order, "running")
        state.order, state.waiting, state.reports, state.trouble = None, False, [], ""
        state.generation += 1
        state.alive = False
        return Report(last.ending("failed", reason), group_lost=True)


def _is_news(reports: list[Report]) -> bool:
    """Say whether there is an evaluation or an end; losses alone wait for the next one."""
    return any(report.evaluated or report.outcome.state != "running" for report in reports)


def _merged(reports: list[Report], restarted: bool) -> Report:
    rows = tuple(row for report in reports for row in report.rows)
    return replace(reports[-1], rows=rows, restarted=restarted)
