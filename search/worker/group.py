"""A warm group of Ray Train workers: one long run of Ray Train that trains one request after another.

`WorkerGroup` is the thread that keeps such a run going; `search.worker.work` is what its workers do. Starting a run of
Ray Train takes seconds and processes; a warm group takes a request within milliseconds, and keeps its data, its
compiled kernels and its device's context from trial to trial.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from search.space.resources import Resources
from search.trials import WorkerContext
from search.worker.nodes import EndWithNode, lean
from search.worker.slot import SlotLease

START_TIMEOUT = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"


def _work(config: dict[str, Any]) -> None:
    """Do `search.worker.work.work`, which is loaded by who does it alone."""
    from search.worker.work import work

    work(config)


def _trainer_class(workers: int) -> Any:
    """Return the trainer for so many workers: a lone one needs no process group, and nothing but it loads torch."""
    if workers == 1:
        return lean(DataParallelTrainer)
    from ray.train.v2.torch.torch_trainer import TorchTrainer

    return lean(TorchTrainer)


def scaling(resources: Resources) -> ScalingConfig:
    """Return what Ray Train shall give one trial."""
    planned = resources.planned
    return ScalingConfig(num_workers=planned.workers, use_gpu=planned.gpus > 0, resources_per_worker=planned.bundle)


class WorkerGroup:
    """One long run of Ray Train, kept going by a thread."""

    def __init__(self, mailbox: Any, lease: SlotLease, context: WorkerContext, name: str, cause: str = ""):
        """Start the group for the slot of a lease; this returns at once.

        The dashboard shows this run of Ray Train by `name` and the group's number. `cause` is why the group before it
        ended; "" for none.
        """
        resources, storage = context.space.resources, Path(context.folder) / "ray"
        slot, generation = lease.slot, ray.get(mailbox.new_group.remote(lease, cause))
        self._error = ""
        os.environ[START_TIMEOUT] = f"{resources.start_within_s:g}"
        self._trainer = _trainer_class(resources.workers)(
            _work,
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
                worker_runtime_env={"env_vars": context.environment} if context.environment else None,
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
