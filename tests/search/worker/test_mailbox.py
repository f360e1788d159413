import asyncio
from pathlib import Path

import pytest

from search.record.outbox import pack
from search.trials import TrialRequest, TrialResult, TrialUpdate, WorkerContext
from search.worker.mailbox import Mailbox
from search.worker.slot import NotHeldError

REQUEST = TrialRequest(0, {"x": 0.5}, 3)
NEXT = TrialRequest(1, {"x": 0.7}, 4)


@pytest.fixture
def moment():
    """What the clock of the mailbox shows; a test may change it."""
    return [0.0]


@pytest.fixture
def mailbox(space, moment):
    return Mailbox(2, WorkerContext(space, Path("."), []), clock=lambda: moment[0])


def news(request, state="running", epoch=1, evaluated=False, **more):
    return TrialUpdate(TrialResult(request, state, epochs=epoch), ({"epoch": epoch},), evaluated=evaluated, **more)


def play(scene):
    return asyncio.run(asyncio.wait_for(scene, timeout=5))


async def ready(mailbox):
    """Take a slot with a group and a request."""
    lease = await mailbox.lease()
    generation = await mailbox.new_group(lease)
    await mailbox.submit(lease, REQUEST)
    return lease, generation


def test_slots_are_taken_lowest_first_and_freed_by_closing(mailbox):
    async def scene():
        first, second = await mailbox.lease(), await mailbox.lease()
        assert (first.slot, second.slot) == (0, 1)
        third = asyncio.create_task(mailbox.lease())
        await asyncio.sleep(0)
        assert not third.done()
        await mailbox.close(second)
        assert (await third).slot == 1

    play(scene())


def test_a_waiting_worker_gets_the_request_and_its_updates_arrive_together(mailbox):
    async def scene():
        lease = await mailbox.lease()
        generation = await mailbox.new_group(lease)
        assert not (await mailbox.health(lease)).alive
        worker = asyncio.create_task(mailbox.next_request(lease.slot, generation))
        await asyncio.sleep(0)
        assert (await mailbox.health(lease)).alive
        await mailbox.submit(lease, REQUEST)
        assert await worker == REQUEST
        reader = asyncio.create_task(mailbox.next_update(lease))
        assert await mailbox.deliver(lease.slot, generation, news(REQUEST, epoch=1))
        await asyncio.sleep(0)
        assert not reader.done(), "losses alone wait for the next evaluation"
        assert await mailbox.deliver(lease.slot, generation, news(REQUEST, epoch=2, evaluated=True))
        assert [row["epoch"] for row in (await reader).rows] == [1, 2]
        assert await mailbox.deliver(lease.slot, generation, news(REQUEST, "finished", epoch=3))
        assert (await mailbox.next_update(lease)).result.state == "finished"

    play(scene())


def test_a_new_request_ends_the_one_under_way(mailbox):
    async def scene():
        lease, generation = await ready(mailbox)
        await mailbox.next_request(lease.slot, generation)
        await mailbox.submit(lease, NEXT)
        assert not await mailbox.deliver(lease.slot, generation, news(REQUEST))
        assert not await mailbox.deliver(lease.slot, generation, news(REQUEST, "stopped"))
        assert await mailbox.next_request(lease.slot, generation) == NEXT
        assert await mailbox.deliver(lease.slot, generation, news(NEXT, "finished"))
        assert (await mailbox.next_update(lease)).result.request == NEXT

    play(scene())


def test_a_dead_workers_request_is_run_once_more_and_then_fails(mailbox):
    async def scene():
        lease, generation = await ready(mailbox)
        await mailbox.next_request(lease.slot, generation)
        await mailbox.deliver(lease.slot, generation, news(REQUEST))
        assert await mailbox.next_request(lease.slot, generation) == REQUEST, "the worker that took its place"
        await mailbox.deliver(lease.slot, generation, news(REQUEST, epoch=1, evaluated=True, restarted_after=0))
        update = await mailbox.next_update(lease)
        assert update.restarted_after == 0
        assert [row["epoch"] for row in update.rows] == [1]
        third = asyncio.create_task(mailbox.next_request(lease.slot, generation))
        update = await mailbox.next_update(lease)
        assert (update.result.state, update.result.reason) == ("failed", "worker died 2 times")
        assert update.result.epochs == 1, "as far as the last worker had come"
        await mailbox.submit(lease, NEXT)
        assert await third == NEXT, "the group stays warm"

    play(scene())


def test_a_group_that_is_given_up_gives_its_request_back_and_is_shut_down(mailbox):
    async def scene():
        lease, generation = await ready(mailbox)
        reader = asyncio.create_task(mailbox.next_update(lease))
        await asyncio.sleep(0)
        await mailbox.give_up(lease, "did not start")
        update = await reader
        assert update.group_lost
        assert (update.result.state, update.result.reason) == ("interrupted", "did not start")
        assert await mailbox.next_request(lease.slot, generation) is None, "too late"
        newer = await mailbox.new_group(lease)
        await mailbox.submit(lease, NEXT)
        assert await mailbox.next_request(lease.slot, newer) == NEXT

    play(scene())


def test_the_nodes_of_the_workers_are_those_of_the_present_group(mailbox):
    async def scene():
        lease, generation = await ready(mailbox)
        await mailbox.at_work(lease.slot, generation, 0, "a")
        await mailbox.at_work(lease.slot, generation, 1, "b")
        await mailbox.at_work(lease.slot, generation, 1, "c")
        assert await mailbox.nodes(lease.slot) == ["a", "c"], "a worker that was replaced counts where it is now"
        await mailbox.submit(lease, NEXT)
        assert await mailbox.nodes(lease.slot) == ["a", "c"], "a warm group goes on where it is"
        newer = await mailbox.new_group(lease)
        await mailbox.at_work(lease.slot, generation, 0, "a")
        assert await mailbox.nodes(lease.slot) == []
        await mailbox.at_work(lease.slot, newer, 0, "d")
        await mailbox.give_up(lease, "its node has left", node_lost=True)
        update = await mailbox.next_update(lease)
        assert update.group_lost
        assert update.node_lost
        assert await mailbox.nodes(lease.slot) == []

    play(scene())


def test_trouble_of_an_older_group_is_ignored(mailbox):
    async def scene():
        lease, generation = await ready(mailbox)
        newer = await mailbox.new_group(lease)
        await mailbox.trouble(lease.slot, generation, "cannot load")
        assert await mailbox.next_request(lease.slot, newer) == REQUEST

    play(scene())


def test_closing_shuts_waiting_workers_down(mailbox):
    async def scene():
        lease = await mailbox.lease()
        generation = await mailbox.new_group(lease)
        worker = asyncio.create_task(mailbox.next_request(lease.slot, generation))
        await asyncio.sleep(0)
        await mailbox.close(lease)
        assert await worker is None
        assert (await mailbox.lease()).slot == lease.slot
        assert await mailbox.next_request(lease.slot, generation) is None

    play(scene())


def test_a_worker_that_dies_beyond_its_checkpoint_is_not_counted_with_those_before(mailbox):
    async def scene():
        lease, generation = await ready(mailbox)
        await mailbox.next_request(lease.slot, generation)
        for epoch in (2, 4, 6):
            await mailbox.deliver(lease.slot, generation, news(REQUEST, epoch=epoch, saved=epoch))
            assert await mailbox.next_request(lease.slot, generation) == REQUEST, (
                "it has come further than the last one"
            )
        fourth = asyncio.create_task(mailbox.next_request(lease.slot, generation))
        update = await mailbox.next_update(lease)
        assert update.result.reason == "worker died 2 times after epoch 6, its last checkpoint"
        fourth.cancel()

    play(scene())


def test_a_hung_worker_is_named_once_and_its_request_goes_to_the_next(mailbox, moment):
    async def scene():
        lease, generation = await ready(mailbox)
        moment[0] = 100.0
        assert await mailbox.health(lease) == (100.0, False, None), "it waits for a worker"
        await mailbox.next_request(lease.slot, generation, "first worker")
        moment[0] = 150.0
        await mailbox.deliver(lease.slot, generation, news(REQUEST))
        moment[0] = 150.0 + 999
        assert await mailbox.health(lease) == (0.0, True, None), "20 times its longest epoch has not passed"
        moment[0] = 150.0 + 1001
        assert (await mailbox.health(lease)).hung == "first worker"
        moment[0] += 5
        assert await mailbox.health(lease) == (5.0, True, None)
        assert await mailbox.next_request(lease.slot, generation, "second worker") == REQUEST
        moment[0] += 1003
        assert (await mailbox.health(lease)).hung == "second worker"
        await mailbox.new_group(lease, "worker group ended")
        update = await mailbox.next_update(lease)
        assert update.result.reason == "hung (no news for 1000 s) 2 times", "the patience, not each wait"

    play(scene())


def test_a_worker_that_is_still_in_the_epoch_of_a_stopped_request_is_not_missing(mailbox, moment):
    async def scene():
        lease, generation = await ready(mailbox)
        await mailbox.next_request(lease.slot, generation, "worker")
        moment[0] = 400.0
        await mailbox.deliver(lease.slot, generation, news(REQUEST))
        await mailbox.submit(lease, NEXT)
        moment[0] += 399
        assert await mailbox.health(lease) == (0.0, True, None), "an epoch takes 400 s"
        assert not await mailbox.deliver(lease.slot, generation, news(REQUEST, epoch=2))
        assert await mailbox.next_request(lease.slot, generation, "worker") == NEXT
        await mailbox.deliver(lease.slot, generation, news(NEXT))
        await mailbox.submit(lease, REQUEST)
        moment[0] += 20 * 400 + 1
        assert (await mailbox.health(lease)).hung == "worker", "by the longest epoch of the slot"
        moment[0] += 7
        assert await mailbox.health(lease) == (7.0, True, None), "now there is none"
        assert await mailbox.next_request(lease.slot, generation, "another") == REQUEST
        moment[0] += 20 * 400 + 1
        assert (await mailbox.health(lease)).hung == "another"
        await mailbox.new_group(lease, "worker group ended")
        assert await mailbox.health(lease) == (0.0, False, None), "once more: the first one hung in another request"

    play(scene())


def test_nobody_knows_how_long_the_first_epoch_takes(mailbox, moment):
    async def scene():
        lease, generation = await ready(mailbox)
        await mailbox.next_request(lease.slot, generation, "worker")
        moment[0] = 3599.0
        assert (await mailbox.health(lease)).hung is None
        moment[0] = 3601.0
        assert (await mailbox.health(lease)).hung == "worker"

    play(scene())


def test_a_stopped_request_ends_though_no_other_follows(mailbox):
    async def scene():
        lease, generation = await ready(mailbox)
        await mailbox.next_request(lease.slot, generation)
        await mailbox.drop(NEXT)
        assert await mailbox.deliver(lease.slot, generation, news(REQUEST)), "another one was meant"
        await mailbox.drop(REQUEST)
        assert not await mailbox.deliver(lease.slot, generation, news(REQUEST, epoch=2))
        worker = asyncio.create_task(mailbox.next_request(lease.slot, generation))
        await asyncio.sleep(0)
        assert not worker.done(), "it is not handed out again"
        await mailbox.submit(lease, NEXT)
        assert await worker == NEXT

    play(scene())


def test_an_request_moves_to_the_next_group(mailbox):
    async def scene():
        lease, generation = await ready(mailbox)
        await mailbox.next_request(lease.slot, generation)
        await mailbox.deliver(lease.slot, generation, news(REQUEST, epoch=3))
        newer = await mailbox.new_group(lease, "worker group ended (killed)")
        assert not await mailbox.deliver(lease.slot, generation, news(REQUEST, epoch=4)), (
            "the old worker is not heard any more"
        )
        assert await mailbox.next_request(lease.slot, newer) == REQUEST
        await mailbox.new_group(lease, "worker group ended (killed)")
        update = await mailbox.next_update(lease)
        assert (update.result.state, update.result.epochs) == ("failed", 3)
        assert update.result.reason == "worker group ended (killed) 2 times"

    play(scene())


def test_a_slot_tells_who_holds_it(mailbox):
    async def scene():
        lease = await mailbox.lease("actor")
        assert await mailbox.holders() == {lease: "actor"}
        generation = await mailbox.new_group(lease)
        await mailbox.submit(lease, REQUEST)
        await mailbox.next_request(lease.slot, generation, "worker")
        await mailbox.deliver(lease.slot, generation, news(REQUEST, "finished"))
        await mailbox.submit(lease, NEXT)
        await mailbox.close(lease)
        assert await mailbox.holders() == {}

    play(scene())


def test_actors_that_find_the_same_one_dead_do_not_take_its_slot_from_one_another(mailbox):
    async def scene():
        await mailbox.lease("elsewhere")
        dead = await mailbox.lease("dead")
        generation = await mailbox.new_group(dead)
        await mailbox.submit(dead, REQUEST)
        await mailbox.next_request(dead.slot, generation, "worker")
        taken = asyncio.create_task(mailbox.lease("first"))
        await asyncio.sleep(0)
        assert dead in await mailbox.holders(), "as two that wait for a slot see it"
        await mailbox.close(dead)
        lease = await taken
        generation = await mailbox.new_group(lease)
        await mailbox.submit(lease, NEXT)
        await mailbox.close(dead)  # the second of the two comes late
        assert await mailbox.next_request(lease.slot, generation) == NEXT
        assert await mailbox.deliver(lease.slot, generation, news(NEXT, "finished"))
        assert (await mailbox.next_update(lease)).result.request == NEXT

    play(scene())


def test_an_actor_whose_slot_has_gone_is_told_and_disturbs_nobody(mailbox):
    async def scene():
        lease, _ = await ready(mailbox)
        reader = asyncio.create_task(mailbox.next_update(lease))
        await asyncio.sleep(0)
        await mailbox.close(lease)
        with pytest.raises(NotHeldError, match="slot 0 has gone to another trial actor"):
            await reader
        newer, generation = await ready(mailbox)
        assert newer.slot == lease.slot
        for call in (
            mailbox.submit(lease, NEXT),
            mailbox.new_group(lease),
            mailbox.health(lease),
            mailbox.give_up(lease, "gone"),
        ):
            with pytest.raises(NotHeldError):
                await call
        await mailbox.close(lease)
        assert await mailbox.next_request(newer.slot, generation) == REQUEST

    play(scene())


def test_a_slot_that_is_added_goes_to_the_actor_that_waits_for_one(mailbox):
    async def scene():
        await mailbox.lease()
        await mailbox.lease()
        third = asyncio.create_task(mailbox.lease())
        await asyncio.sleep(0)
        await mailbox.grow(2)
        assert not third.done()
        await mailbox.grow(3)
        assert (await third).slot == 2

    play(scene())


def test_a_worker_that_does_not_update_can_still_say_why_the_trial_failed(mailbox):
    async def scene():
        lease, generation = await ready(mailbox)
        await mailbox.fail(lease.slot, generation, "too early: nobody has the request")
        await mailbox.next_request(lease.slot, generation)
        await mailbox.fail(lease.slot, generation - 1, "of an older group")
        await mailbox.fail(lease.slot, generation, "worker 1 of 2: ValueError: mine alone")
        update = await mailbox.next_update(lease)
        assert (update.result.state, update.result.reason) == ("failed", "worker 1 of 2: ValueError: mine alone")
        assert not await mailbox.deliver(lease.slot, generation, news(REQUEST)), "the first worker is told to stop"
        await mailbox.submit(lease, NEXT)
        assert await mailbox.next_request(lease.slot, generation) == NEXT, "its group has not been blamed for anything"

    play(scene())


def test_files_that_were_sent_land_in_the_run_folder(space, tmp_path):
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "model").write_bytes(b"toy")
    mailbox = Mailbox(1, WorkerContext(space, tmp_path / "run", []))
    packed = pack(tmp_path / "sent")
    assert play(mailbox.keep(0, 0, 3, "a", packed[:700], False))
    assert not (tmp_path / "run" / "trials" / "3").exists()
    assert play(mailbox.keep(0, 0, 3, "b", packed, False))
    assert play(mailbox.keep(0, 0, 3, "a", packed[700:], True))
    assert (tmp_path / "run" / "trials" / "3" / "model").read_bytes() == b"toy"


def test_files_of_a_worker_that_is_out_of_date_are_not_kept(space, tmp_path):
    there = tmp_path / "run" / "trials" / "3" / "unfinished"
    there.mkdir(parents=True)
    mailbox = Mailbox(1, WorkerContext(space, tmp_path / "run", []), first=lambda: 7)
    assert not play(mailbox.keep(0, 6, 3, "a", b"", True))
    assert there.exists(), "another worker trains it"


def test_a_mailbox_that_was_started_again_knows_no_lease_of_before(space):
    async def scene():
        before = Mailbox(1, WorkerContext(space, Path("."), []))
        await before.grow(3)
        leases = [await before.lease(number) for number in range(3)]
        generations = [await before.new_group(lease) for lease in leases]
        again = Mailbox(1, WorkerContext(space, Path("."), []), first=lambda: 1000)
        assert await before.first() != await again.first()
        for lease, generation in zip(leases, generations, strict=True):
            with pytest.raises(NotHeldError):
                await again.submit(lease, REQUEST)
            await again.close(lease)
            assert await again.next_request(lease.slot, generation) is None, "workers of before are shut down"
            assert not await again.deliver(lease.slot, generation, news(REQUEST))
        assert (await again.lease("new")).number > max(lease.number for lease in leases)

    play(scene())


def test_a_trial_that_is_stopped_from_outside_ends_at_once_and_its_worker_at_its_next_update(mailbox):
    async def scene():
        lease, generation = await ready(mailbox)
        await mailbox.next_request(lease.slot, generation)
        await mailbox.deliver(lease.slot, generation, news(REQUEST, epoch=3))
        waiter = asyncio.create_task(mailbox.next_update(lease))
        await asyncio.sleep(0)
        assert await mailbox.stop(0, "stopped by the user")
        update = await waiter
        assert (update.result.state, update.result.reason, update.result.epochs) == (
            "stopped",
            "stopped by the user",
            3,
        )
        assert [row["epoch"] for row in update.rows] == [3], "its curve stays"
        assert not await mailbox.deliver(lease.slot, generation, news(REQUEST, epoch=4))
        assert not await mailbox.stop(0, "again"), "it has ended"
        await mailbox.submit(lease, NEXT)
        assert await mailbox.next_request(lease.slot, generation) == NEXT

    play(scene())


def test_a_trial_that_waits_for_its_worker_can_be_stopped_and_no_other_is(mailbox):
    async def scene():
        lease, _ = await ready(mailbox)
        assert not await mailbox.stop(1, "stopped by the user")
        assert await mailbox.stop(0, "stopped by the user")
        assert (await mailbox.next_update(lease)).result.state == "stopped"

    play(scene())
