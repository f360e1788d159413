"""What each worker of a warm group does: one request after another, from the mailbox, until there are no more.

Only worker processes import this module: torch and what comes with it take seconds to load, and the driver, the trial
actors and the controllers of Ray Train need none of it.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any

import ray
import torch
from ray.exceptions import RayActorError
from ray.train import get_context
from ray.train.torch import get_device

from search.exceptions import one_line
from search.protocol import Study
from search.record.disk import DISK_FULL
from search.record.outbox import Outbox
from search.trials import TrialRequest, TrialResult, TrialUpdate, WorkerContext
from search.worker.printed import Printed
from search.worker.slot import MAILBOX_BACK_S, PING_S
from search.worker.team import SHUTDOWN, Team, TeamLostError, TeamStudy, follow
from search.worker.trial_loop import TrialLoop
from search.worker.wear import OUT_OF_MEMORY, WorkerGauge, WorkerHealth, release_gpu


class RecycledError(RuntimeError):
    """The process has to be replaced, for the message's reason; Ray Train does so whenever the function raises."""


def work(config: dict[str, Any]) -> None:
    """Run requests from the mailbox until there are no more. The training function of Ray Train.

    Args:
        config: `mailbox` (actor), `slot` and `generation` of the group.

    Raises:
        RecycledError: Between two requests, where the process is not fit for another one.
        RayActorError: The mailbox could not be reached.
        TeamLostError: Another worker of the trial died.
    """
    mailbox, slot, generation = config["mailbox"], config["slot"], config["generation"]
    context, study = _begin(mailbox, slot, generation)
    team = Team() if context.space.resources.workers > 1 else None
    if team is not None and team.rank > 0:
        _follow(study, team, mailbox, slot, generation)
        return
    memory = WorkerGauge(context.space.name, slot)
    undelivered: list[RayActorError] = []
    printed: Printed | None = None

    def deliver(update: TrialUpdate) -> bool:
        memory.set()
        if printed is not None:
            printed.bound()
        try:
            return bool(ray.get(mailbox.deliver.remote(slot, generation, update)))
        except RayActorError as error:
            undelivered.append(error)
            raise

    def keep(*what: Any) -> bool:
        return bool(ray.get(mailbox.keep.remote(slot, generation, *what)))

    outbox = Outbox(context.folder, context.session, keep)
    led: Any = study if team is None else TeamStudy(study, team)
    loop = TrialLoop(led, context.space, outbox.folder, slot, deliver, context.basis)
    health = WorkerHealth(context.space.resources.recycle_after_trials)
    myself = ray.get_runtime_context().current_actor  # by which the trial actor kills a worker that hangs
    while (request := _next_request(mailbox, slot, generation, myself)) is not None:
        undelivered.clear()
        with (printed := Printed(outbox.folder, request.trial)):
            result = loop.run(request)
            with suppress(OSError, ValueError):  # a full disk is told of by the result
                sys.stderr.write(result.trace)  # Ray Train has a `print` of its own, which ends each line
        if undelivered:  # no fault of the trial: who has the mailbox again goes on from its checkpoint
            continue
        if team is not None and team.one_died:
            raise TeamLostError(team.lost)  # the trial has not ended: the mailbox hands it out again
        _give_back_what_is_no_fault_of_its_own(result, outbox, mailbox, slot, generation)
        release_gpu()
        unfit = health.after(result) or (team.lost if team is not None else "")
        note = f"the worker of slot {slot} is replaced: {unfit}" if unfit else ""
        if unfit:
            ray.get(mailbox.leave.remote(slot, generation))
        deliver(TrialUpdate(result, note=note))
        if unfit:
            raise RecycledError(note)
    if team is not None:
        team.broadcast(SHUTDOWN)


def _next_request(mailbox: Any, slot: int, generation: int, myself: Any) -> TrialRequest | None:
    """Wait for the next request, and for a mailbox that died.

    That one was started again and has forgotten the group, which so ends in good order. Had this worker ended instead,
    Ray Train would first start another one, whose torch takes the cores from those of the next group.

    Raises:
        RayActorError: The mailbox does not come back.
    """
    deadline = 0.0
    while True:
        try:
            request: TrialRequest | None = ray.get(mailbox.next_request.remote(slot, generation, myself))
            return request
        except RayActorError:
            deadline = deadline or time.monotonic() + MAILBOX_BACK_S
            if time.monotonic() > deadline:
                raise
            time.sleep(PING_S)


def _give_back_what_is_no_fault_of_its_own(
    result: TrialResult, outbox: Outbox, mailbox: Any, slot: int, generation: int
) -> None:
    """Send the files of a trial that has ended, unless it met with what another worker or another node may be spared.

    Raises:
        RecycledError: It did, and the mailbox knows.
    """
    if OUT_OF_MEMORY in result.reason and "CUDA" in result.reason and result.state == "failed":
        ray.get(mailbox.blame.remote(slot, generation, result.reason))
        raise RecycledError(f"the worker of slot {slot} is replaced: {result.reason}")
    # Of a full disk, only that of the run folder ends the search; elsewhere the folder is this node's.
    others = DISK_FULL not in result.reason or not outbox.direct
    trouble = result.reason if result.state == "interrupted" and others else ""
    try:
        if not trouble:
            outbox.sent(result)
    except OSError as error:
        number = result.request.trial
        trouble = f"the files of trial {number} could not be sent to the run folder: {one_line(error)}"
    if trouble:
        ray.get(mailbox.trouble.remote(slot, generation, f"slot {slot}: {trouble}"))
        raise RecycledError(trouble)


def _begin(mailbox: Any, slot: int, generation: int) -> tuple[WorkerContext, Study]:
    """Load the study, and take the threads and the device that are this worker's."""
    try:
        context: WorkerContext = ray.get(mailbox.context.remote())
        study: Study = ray.get(context.study[0])
        node = ray.get_runtime_context().get_node_id()
        ray.get(mailbox.at_work.remote(slot, generation, get_context().get_world_rank(), node))
        # As many threads as the worker has CPUs, no more: else slots slow one another down.
        torch.set_num_threads(context.space.resources.planned.cpus)
        if context.space.resources.gpus:
            # Workers of one node see the GPUs of all of them; "cuda" has to mean this worker's own.
            torch.cuda.set_device(get_device())
    except Exception as error:
        # A study may raise whatever it likes while it is loaded. The mailbox is told, so that the trial that waits does
        # not wait for ever; Ray Train gets the error as well.
        lines = str(error).strip().splitlines() or [""]
        ray.get(mailbox.trouble.remote(slot, generation, f"the worker cannot load the study: {lines[-1]}"))
        raise
    return context, study


def _follow(study: Study, team: Team, mailbox: Any, slot: int, generation: int) -> None:
    """Do what the first worker says until it ends."""
    try:
        follow(study, team)
    except Exception:
        # A study may raise whatever it likes, and the first worker waits for this one's part of a step: it cannot tell
        # the reason itself.
        if not team.one_died:
            ray.get(mailbox.fail.remote(slot, generation, team.lost))
        raise
