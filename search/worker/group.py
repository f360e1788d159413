"""A warm group of Ray Train workers: one long run of Ray Train that trains one request after another.

`work` runs inside each Train worker, `WorkerGroup` is the thread that keeps such a run going. Starting a run of Ray
Train takes 15-20 s and seven processes; a warm group takes a request within milliseconds, and keeps its data, its
compiled kernels and its device's context from trial to trial.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import RayActorError
from ray.train import FailureConfig, RunConfig, ScalingConfig, get_context
from ray.train.torch import TorchTrainer, get_device

from search.protocol import Study
from search.record.outbox import Outbox
from search.space.schema import Resources
from search.trials import TrialUpdate, WorkerContext
from search.worker.nodes import EndWithNode
from search.worker.slot import SlotLease
from search.worker.team import SHUTDOWN, Team, TeamLostError, TeamStudy, follow
from search.worker.trial_loop import TrialLoop
from search.worker.wear import WorkerGauge, WorkerHealth

START_TIMEOUT = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"


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

    def deliver(update: TrialUpdate) -> bool:
        memory.set()
        try:
            return bool(ray.get(mailbox.deliver.remote(slot, generation, update)))
        except RayActorError as error:
            undelivered.append(error)
            raise

    outbox = Outbox(context.folder, context.session, lambda *sent: ray.get(mailbox.keep.remote(*sent)))
    led: Any = study if team is None else TeamStudy(study, team)
    loop = TrialLoop(led, context.space, outbox.folder, slot, deliver, context.basis)
    health = WorkerHealth(context.space.resources.recycle_after_trials)
    myself = ray.get_runtime_context().current_actor  # by which the trial actor kills a worker that hangs
    while (request := ray.get(mailbox.next_request.remote(slot, generation, myself))) is not None:
        result = loop.run(request)
        if undelivered:  # no fault of the trial: a worker that has the mailbox again goes on from its checkpoint
            raise undelivered[0]
        if team is not None and team.one_died:
            raise TeamLostError(team.lost)  # the trial has not ended: the mailbox hands it out again
        result = outbox.sent(result)
        unfit = health.after(result) or (team.lost if team is not None else "")
        note = f"the worker of slot {slot} is replaced: {unfit}" if unfit else ""
        if unfit:
            ray.get(mailbox.leave.remote(slot, generation))
        deliver(TrialUpdate(result, note=note))
        if unfit:
            raise RecycledError(note)
    if team is not None:
        team.broadcast(SHUTDOWN)
    outbox.discard()


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


def scaling(resources: Resources) -> ScalingConfig:
    """Return what Ray Train shall give one trial."""
    workers, cpus, gpus, _ = resources.planned
    each = {"CPU": cpus, **({"GPU": gpus} if gpus else {})}
    return ScalingConfig(num_workers=workers, use_gpu=gpus > 0, resources_per_worker=each)


class WorkerGroup:
    """One long run of Ray Train, kept going by a thread."""

    def __init__(self, mailbox: Any, lease: SlotLease, resources: Resources, storage: Path, name: str, cause: str = ""):
        """Start the group for the slot of a lease; this returns at once.

        The dashboard shows this run of Ray Train, which writes to `storage`, by `name` and the group's number. `cause`
        is why the group before it ended; "" for none.
        """
        slot, generation = lease.slot, ray.get(mailbox.new_group.remote(lease, cause))
        self._error = ""
        os.environ[START_TIMEOUT] = f"{resources.start_within_s:g}"
        self._trainer = TorchTrainer(
            work,
            train_loop_config={"mailbox": mailbox, "slot": slot, "generation": generation},
            scaling_config=scaling(resources),
            # A worker that dies is replaced for as long as the run lasts; the mailbox bounds how often a trial is. A
            # group that gets no place ends by itself: killed while it waits, it would leave its placement group for a
            # while.
            run_config=RunConfig(
                name=f"{name}-slot{slot}-group{generation}",
                storage_path=str(storage),
                failure_config=FailureConfig(max_failures=-1, controller_failure_limit=0),  # type: ignore[call-arg]
                callbacks=[EndWithNode(mailbox, slot)],  # type: ignore[list-item]
            ),
        )
        self._thread = threading.Thread(target=self._fit, name=f"group-{slot}", daemon=True)
        self._thread.start()

    def _fit(self) -> None:
        try:
            self._trainer.fit()
        except Exception as error:
            # Whatever ended the run, the thread's end is the message, and the trial that waits is told this reason.
            self._error = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise

    @property
    def running(self) -> bool:
        """Whether Ray Train is still at it."""
        return self._thread.is_alive()

    @property
    def error(self) -> str:
        """Why it ended; "" if it has not, or was shut down."""
        return self._error

    def join(self, timeout_s: float) -> None:
        """Wait for the end of a group that was shut down."""
        self._thread.join(timeout_s)
