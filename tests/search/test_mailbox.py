import asyncio
from pathlib import Path

import pytest

from search.mailbox import Mailbox
from search.messages import Briefing, Order, Outcome, Report

ORDER = Order(0, {"x": 0.5}, 3)
NEXT = Order(1, {"x": 0.7}, 4)


@pytest.fixture
def mailbox(space):
    return Mailbox(2, Briefing(space, Path("."), []))


def news(order, state="running", epoch=1, evaluated=False):
    return Report(Outcome(order, state, epochs=epoch), ({"epoch": epoch},), evaluated=evaluated)


def play(scene):
    return asyncio.run(asyncio.wait_for(scene, timeout=5))


async def ready(mailbox):
    """Take a slot with a group and an order."""
    slot = await mailbox.claim()
    generation = await mailbox.new_group(slot)
    await mailbox.submit(slot, ORDER)
    return slot, generation


def test_slots_are_taken_lowest_first_and_freed_by_closing(mailbox):
    async def scene():
        assert [await mailbox.claim(), await mailbox.claim()] == [0, 1]
        third = asyncio.create_task(mailbox.claim())
        await asyncio.sleep(0)
        assert not third.done()
        await mailbox.close(1)
        assert await third == 1

    play(scene())


def test_a_waiting_worker_gets_the_order_and_its_reports_arrive_together(mailbox):
    async def scene():
        slot = await mailbox.claim()
        generation = await mailbox.new_group(slot)
        assert not await mailbox.alive(slot)
        worker = asyncio.create_task(mailbox.next_order(slot, generation))
        await asyncio.sleep(0)
        assert await mailbox.alive(slot)
        await mailbox.submit(slot, ORDER)
        assert await worker == ORDER
        reader = asyncio.create_task(mailbox.next_report(slot))
        assert await mailbox.report(slot, generation, news(ORDER, epoch=1))
        await asyncio.sleep(0)
        assert not reader.done(), "losses alone wait for the next evaluation"
        assert await mailbox.report(slot, generation, news(ORDER, epoch=2, evaluated=True))
        assert [row["epoch"] for row in (await reader).rows] == [1, 2]
        assert await mailbox.report(slot, generation, news(ORDER, "finished", epoch=3))
        assert (await mailbox.next_report(slot)).outcome.state == "finished"

    play(scene())


def test_cancelling_is_answered_at_the_next_report(mailbox):
    async def scene():
        slot, generation = await ready(mailbox)
        await mailbox.next_order(slot, generation)
        await mailbox.cancel(slot)
        assert not await mailbox.report(slot, generation, news(ORDER))

    play(scene())


def test_a_new_order_ends_the_one_under_way(mailbox):
    async def scene():
        slot, generation = await ready(mailbox)
        await mailbox.next_order(slot, generation)
        await mailbox.submit(slot, NEXT)
        assert not await mailbox.report(slot, generation, news(ORDER))
        assert not await mailbox.report(slot, generation, news(ORDER, "stopped"))
        assert await mailbox.next_order(slot, generation) == NEXT
        assert await mailbox.report(slot, generation, news(NEXT, "finished"))
        assert (await mailbox.next_report(slot)).outcome.order == NEXT

    play(scene())


def test_a_dead_workers_order_is_run_once_more_and_then_fails(mailbox):
    async def scene():
        slot, generation = await ready(mailbox)
        await mailbox.next_order(slot, generation)
        await mailbox.report(slot, generation, news(ORDER))
        assert await mailbox.next_order(slot, generation) == ORDER, "the worker that took its place"
        await mailbox.report(slot, generation, news(ORDER, epoch=1, evaluated=True))
        report = await mailbox.next_report(slot)
        assert report.restarted
        assert [row["epoch"] for row in report.rows] == [1]
        third = asyncio.create_task(mailbox.next_order(slot, generation))
        report = await mailbox.next_report(slot)
        assert (report.outcome.state, report.outcome.reason) == ("failed", "worker died 2 times")
        assert report.outcome.slot is not None or report.outcome.epochs == 1
        await mailbox.submit(slot, NEXT)
        assert await third == NEXT, "the group stays warm"

    play(scene())


def test_a_group_that_is_given_up_fails_its_order_and_is_sent_home(mailbox):
    async def scene():
        slot, generation = await ready(mailbox)
        reader = asyncio.create_task(mailbox.next_report(slot))
        await asyncio.sleep(0)
        await mailbox.give_up(slot, "did not start")
        report = await reader
        assert report.group_lost
        assert (report.outcome.state, report.outcome.reason) == ("failed", "did not start")
        assert await mailbox.next_order(slot, generation) is None, "too late"
        newer = await mailbox.new_group(slot)
        await mailbox.submit(slot, NEXT)
        assert await mailbox.next_order(slot, newer) == NEXT

    play(scene())


def test_trouble_of_an_older_group_is_ignored(mailbox):
    async def scene():
        slot, generation = await ready(mailbox)
        newer = await mailbox.new_group(slot)
        await mailbox.trouble(slot, generation, "cannot load")
        assert await mailbox.next_order(slot, newer) == ORDER

    play(scene())


def test_closing_sends_waiting_workers_home(mailbox):
    async def scene():
        slot = await mailbox.claim()
        generation = await mailbox.new_group(slot)
        worker = asyncio.create_task(mailbox.next_order(slot, generation))
        await asyncio.sleep(0)
        await mailbox.close(slot)
        assert await worker is None
        assert await mailbox.claim() == slot
        assert await mailbox.next_order(slot, generation) is None

    play(scene())
