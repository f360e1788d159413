import asyncio
from pathlib import Path

import pytest

from search.record.outbox import pack
from search.trials import Briefing, Order, Outcome, Report
from search.worker.mailbox import Mailbox
from search.worker.slot import NotHeldError

ORDER = Order(0, {"x": 0.5}, 3)
NEXT = Order(1, {"x": 0.7}, 4)


@pytest.fixture
def moment():
    """What the clock of the mailbox shows; a test may change it."""
    return [0.0]


@pytest.fixture
def mailbox(space, moment):
    return Mailbox(2, Briefing(space, Path("."), []), clock=lambda: moment[0])


def news(order, state="running", epoch=1, evaluated=False, **more):
    return Report(Outcome(order, state, epochs=epoch), ({"epoch": epoch},), evaluated=evaluated, **more)


def play(scene):
    return asyncio.run(asyncio.wait_for(scene, timeout=5))


async def ready(mailbox):
    """Take a slot with a group and an order."""
    claim = await mailbox.claim()
    generation = await mailbox.new_group(claim)
    await mailbox.submit(claim, ORDER)
    return claim, generation


def test_slots_are_taken_lowest_first_and_freed_by_closing(mailbox):
    async def scene():
        first, second = await mailbox.claim(), await mailbox.claim()
        assert (first.slot, second.slot) == (0, 1)
        third = asyncio.create_task(mailbox.claim())
        await asyncio.sleep(0)
        assert not third.done()
        await mailbox.close(second)
        assert (await third).slot == 1

    play(scene())


def test_a_waiting_worker_gets_the_order_and_its_reports_arrive_together(mailbox):
    async def scene():
        claim = await mailbox.claim()
        generation = await mailbox.new_group(claim)
        assert not (await mailbox.condition(claim)).alive
        worker = asyncio.create_task(mailbox.next_order(claim.slot, generation))
        await asyncio.sleep(0)
        assert (await mailbox.condition(claim)).alive
        await mailbox.submit(claim, ORDER)
        assert await worker == ORDER
        reader = asyncio.create_task(mailbox.next_report(claim))
        assert await mailbox.report(claim.slot, generation, news(ORDER, epoch=1))
        await asyncio.sleep(0)
        assert not reader.done(), "losses alone wait for the next evaluation"
        assert await mailbox.report(claim.slot, generation, news(ORDER, epoch=2, evaluated=True))
        assert [row["epoch"] for row in (await reader).rows] == [1, 2]
        assert await mailbox.report(claim.slot, generation, news(ORDER, "finished", epoch=3))
        assert (await mailbox.next_report(claim)).outcome.state == "finished"

    play(scene())


def test_a_new_order_ends_the_one_under_way(mailbox):
    async def scene():
        claim, generation = await ready(mailbox)
        await mailbox.next_order(claim.slot, generation)
        await mailbox.submit(claim, NEXT)
        assert not await mailbox.report(claim.slot, generation, news(ORDER))
        assert not await mailbox.report(claim.slot, generation, news(ORDER, "stopped"))
        assert await mailbox.next_order(claim.slot, generation) == NEXT
        assert await mailbox.report(claim.slot, generation, news(NEXT, "finished"))
        assert (await mailbox.next_report(claim)).outcome.order == NEXT

    play(scene())


def test_a_dead_workers_order_is_run_once_more_and_then_fails(mailbox):
    async def scene():
        claim, generation = await ready(mailbox)
        await mailbox.next_order(claim.slot, generation)
        await mailbox.report(claim.slot, generation, news(ORDER))
        assert await mailbox.next_order(claim.slot, generation) == ORDER, "the worker that took its place"
        await mailbox.report(claim.slot, generation, news(ORDER, epoch=1, evaluated=True, restarted_after=0))
        report = await mailbox.next_report(claim)
        assert report.restarted_after == 0
        assert [row["epoch"] for row in report.rows] == [1]
        third = asyncio.create_task(mailbox.next_order(claim.slot, generation))
        report = await mailbox.next_report(claim)
        assert (report.outcome.state, report.outcome.reason) == ("failed", "worker died 2 times")
        assert report.outcome.slot is not None or report.outcome.epochs == 1
        await mailbox.submit(claim, NEXT)
        assert await third == NEXT, "the group stays warm"

    play(scene())


def test_a_group_that_is_given_up_gives_its_order_back_and_is_sent_home(mailbox):
    async def scene():
        claim, generation = await ready(mailbox)
        reader = asyncio.create_task(mailbox.next_report(claim))
        await asyncio.sleep(0)
        await mailbox.give_up(claim, "did not start")
        report = await reader
        assert report.group_lost
        assert (report.outcome.state, report.outcome.reason) == ("interrupted", "did not start")
        assert await mailbox.next_order(claim.slot, generation) is None, "too late"
        newer = await mailbox.new_group(claim)
        await mailbox.submit(claim, NEXT)
        assert await mailbox.next_order(claim.slot, newer) == NEXT

    play(scene())


def test_the_nodes_of_the_workers_are_those_of_the_present_group(mailbox):
    async def scene():
        claim, generation = await ready(mailbox)
        await mailbox.at_work(claim.slot, generation, 0, "a")
        await mailbox.at_work(claim.slot, generation, 1, "b")
        await mailbox.at_work(claim.slot, generation, 1, "c")
        assert await mailbox.nodes(claim.slot) == ["a", "c"], "a worker that was replaced counts where it is now"
        await mailbox.submit(claim, NEXT)
        assert await mailbox.nodes(claim.slot) == ["a", "c"], "a warm group goes on where it is"
        newer = await mailbox.new_group(claim)
        await mailbox.at_work(claim.slot, generation, 0, "a")
        assert await mailbox.nodes(claim.slot) == []
        await mailbox.at_work(claim.slot, newer, 0, "d")
        await mailbox.give_up(claim, "its node has left", node_lost=True)
        report = await mailbox.next_report(claim)
        assert report.group_lost
        assert report.node_lost
        assert await mailbox.nodes(claim.slot) == []

    play(scene())


def test_trouble_of_an_older_group_is_ignored(mailbox):
    async def scene():
        claim, generation = await ready(mailbox)
        newer = await mailbox.new_group(claim)
        await mailbox.trouble(claim.slot, generation, "cannot load")
        assert await mailbox.next_order(claim.slot, newer) == ORDER

    play(scene())


def test_closing_sends_waiting_workers_home(mailbox):
    async def scene():
        claim = await mailbox.claim()
        generation = await mailbox.new_group(claim)
        worker = asyncio.create_task(mailbox.next_order(claim.slot, generation))
        await asyncio.sleep(0)
        await mailbox.close(claim)
        assert await worker is None
        assert (await mailbox.claim()).slot == claim.slot
        assert await mailbox.next_order(claim.slot, generation) is None

    play(scene())


def test_a_worker_that_dies_beyond_its_checkpoint_is_not_counted_with_those_before(mailbox):
    async def scene():
        claim, generation = await ready(mailbox)
        await mailbox.next_order(claim.slot, generation)
        for epoch in (2, 4, 6):
            await mailbox.report(claim.slot, generation, news(ORDER, epoch=epoch, saved=epoch))
            assert await mailbox.next_order(claim.slot, generation) == ORDER, "it has come further than the last one"
        fourth = asyncio.create_task(mailbox.next_order(claim.slot, generation))
        report = await mailbox.next_report(claim)
        assert report.outcome.reason == "worker died 2 times after epoch 6, its last checkpoint"
        fourth.cancel()

    play(scene())


def test_a_hung_worker_is_named_once_and_its_order_goes_to_the_next(mailbox, moment):
    async def scene():
        claim, generation = await ready(mailbox)
        moment[0] = 100.0
        assert await mailbox.condition(claim) == (100.0, False, None), "it waits for a worker"
        await mailbox.next_order(claim.slot, generation, "first worker")
        moment[0] = 150.0
        await mailbox.report(claim.slot, generation, news(ORDER))
        moment[0] = 150.0 + 999
        assert await mailbox.condition(claim) == (0.0, True, None), "20 times its longest epoch has not passed"
        moment[0] = 150.0 + 1001
        assert (await mailbox.condition(claim)).hung == "first worker"
        moment[0] += 5
        assert await mailbox.condition(claim) == (5.0, True, None)
        assert await mailbox.next_order(claim.slot, generation, "second worker") == ORDER
        moment[0] += 1001
        assert (await mailbox.condition(claim)).hung == "second worker"
        await mailbox.new_group(claim, "worker group ended")
        report = await mailbox.next_report(claim)
        assert report.outcome.reason == "hung (no news for 1001 s) 2 times"

    play(scene())


def test_a_worker_that_is_still_in_the_epoch_of_a_stopped_order_is_not_missing(mailbox, moment):
    async def scene():
        claim, generation = await ready(mailbox)
        await mailbox.next_order(claim.slot, generation, "worker")
        moment[0] = 400.0
        await mailbox.report(claim.slot, generation, news(ORDER))
        await mailbox.submit(claim, NEXT)
        moment[0] += 399
        assert await mailbox.condition(claim) == (0.0, True, None), "an epoch takes 400 s"
        assert not await mailbox.report(claim.slot, generation, news(ORDER, epoch=2))
        assert await mailbox.next_order(claim.slot, generation, "worker") == NEXT
        await mailbox.report(claim.slot, generation, news(NEXT))
        await mailbox.submit(claim, ORDER)
        moment[0] += 20 * 400 + 1
        assert (await mailbox.condition(claim)).hung == "worker", "by the longest epoch of the slot"
        moment[0] += 7
        assert await mailbox.condition(claim) == (7.0, True, None), "now there is none"
        assert await mailbox.next_order(claim.slot, generation, "another") == ORDER
        moment[0] += 20 * 400 + 1
        assert (await mailbox.condition(claim)).hung == "another"
        await mailbox.new_group(claim, "worker group ended")
        assert await mailbox.condition(claim) == (0.0, False, None), "once more: the first one hung in another order"

    play(scene())


def test_nobody_knows_how_long_the_first_epoch_takes(mailbox, moment):
    async def scene():
        claim, generation = await ready(mailbox)
        await mailbox.next_order(claim.slot, generation, "worker")
        moment[0] = 3599.0
        assert (await mailbox.condition(claim)).hung is None
        moment[0] = 3601.0
        assert (await mailbox.condition(claim)).hung == "worker"

    play(scene())


def test_a_stopped_order_ends_though_no_other_follows(mailbox):
    async def scene():
        claim, generation = await ready(mailbox)
        await mailbox.next_order(claim.slot, generation)
        await mailbox.drop(NEXT)
        assert await mailbox.report(claim.slot, generation, news(ORDER)), "another one was meant"
        await mailbox.drop(ORDER)
        assert not await mailbox.report(claim.slot, generation, news(ORDER, epoch=2))
        worker = asyncio.create_task(mailbox.next_order(claim.slot, generation))
        await asyncio.sleep(0)
        assert not worker.done(), "it is not handed out again"
        await mailbox.submit(claim, NEXT)
        assert await worker == NEXT

    play(scene())


def test_an_order_moves_to_the_next_group(mailbox):
    async def scene():
        claim, generation = await ready(mailbox)
        await mailbox.next_order(claim.slot, generation)
        await mailbox.report(claim.slot, generation, news(ORDER, epoch=3))
        newer = await mailbox.new_group(claim, "worker group ended (killed)")
        assert not await mailbox.report(claim.slot, generation, news(ORDER, epoch=4)), (
            "the old worker is not heard any more"
        )
        assert await mailbox.next_order(claim.slot, newer) == ORDER
        await mailbox.new_group(claim, "worker group ended (killed)")
        report = await mailbox.next_report(claim)
        assert (report.outcome.state, report.outcome.epochs) == ("failed", 3)
        assert report.outcome.reason == "worker group ended (killed) 2 times"

    play(scene())


def test_a_slot_tells_who_holds_it(mailbox):
    async def scene():
        claim = await mailbox.claim("actor")
        assert await mailbox.holders() == {claim: "actor"}
        generation = await mailbox.new_group(claim)
        await mailbox.submit(claim, ORDER)
        await mailbox.next_order(claim.slot, generation, "worker")
        await mailbox.report(claim.slot, generation, news(ORDER, "finished"))
        await mailbox.submit(claim, NEXT)
        await mailbox.close(claim)
        assert await mailbox.holders() == {}

    play(scene())


def test_actors_that_find_the_same_one_dead_do_not_take_its_slot_from_one_another(mailbox):
    async def scene():
        await mailbox.claim("elsewhere")
        dead = await mailbox.claim("dead")
        generation = await mailbox.new_group(dead)
        await mailbox.submit(dead, ORDER)
        await mailbox.next_order(dead.slot, generation, "worker")
        taken = asyncio.create_task(mailbox.claim("first"))
        await asyncio.sleep(0)
        assert dead in await mailbox.holders(), "as two that wait for a slot see it"
        await mailbox.close(dead)
        claim = await taken
        generation = await mailbox.new_group(claim)
        await mailbox.submit(claim, NEXT)
        await mailbox.close(dead)  # the second of the two comes late
        assert await mailbox.next_order(claim.slot, generation) == NEXT
        assert await mailbox.report(claim.slot, generation, news(NEXT, "finished"))
        assert (await mailbox.next_report(claim)).outcome.order == NEXT

    play(scene())


def test_an_actor_whose_slot_has_gone_is_told_and_disturbs_nobody(mailbox):
    async def scene():
        claim, _ = await ready(mailbox)
        reader = asyncio.create_task(mailbox.next_report(claim))
        await asyncio.sleep(0)
        await mailbox.close(claim)
        with pytest.raises(NotHeldError, match="slot 0 has gone to another trial actor"):
            await reader
        newer, generation = await ready(mailbox)
        assert newer.slot == claim.slot
        for call in (
            mailbox.submit(claim, NEXT),
            mailbox.new_group(claim),
            mailbox.condition(claim),
            mailbox.give_up(claim, "gone"),
        ):
            with pytest.raises(NotHeldError):
                await call
        await mailbox.close(claim)
        assert await mailbox.next_order(newer.slot, generation) == ORDER

    play(scene())


def test_a_slot_that_is_added_goes_to_the_actor_that_waits_for_one(mailbox):
    async def scene():
        await mailbox.claim()
        await mailbox.claim()
        third = asyncio.create_task(mailbox.claim())
        await asyncio.sleep(0)
        await mailbox.grow(2)
        assert not third.done()
        await mailbox.grow(3)
        assert (await third).slot == 2

    play(scene())


def test_a_worker_that_does_not_report_can_still_say_why_the_trial_failed(mailbox):
    async def scene():
        claim, generation = await ready(mailbox)
        await mailbox.fail(claim.slot, generation, "too early: nobody has the order")
        await mailbox.next_order(claim.slot, generation)
        await mailbox.fail(claim.slot, generation - 1, "of an older group")
        await mailbox.fail(claim.slot, generation, "worker 1 of 2: ValueError: mine alone")
        report = await mailbox.next_report(claim)
        assert (report.outcome.state, report.outcome.reason) == ("failed", "worker 1 of 2: ValueError: mine alone")
        assert not await mailbox.report(claim.slot, generation, news(ORDER)), "the first worker is told to stop"
        await mailbox.submit(claim, NEXT)
        assert await mailbox.next_order(claim.slot, generation) == NEXT, "its group has not been blamed for anything"

    play(scene())


def test_files_that_were_sent_land_in_the_run_folder(space, tmp_path):
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "model").write_bytes(b"toy")
    mailbox = Mailbox(1, Briefing(space, tmp_path / "run", []))
    play(mailbox.keep(3, pack(tmp_path / "sent")))
    assert (tmp_path / "run" / "trials" / "3" / "model").read_bytes() == b"toy"
