"""A warm group of Ray Train workers: one long run of Ray Train that trains one order after another.

Owns what runs inside a Train worker, and the thread that keeps such a run going. Starting a run of Ray Train takes
15-20 s and seven processes; a warm group takes an order within milliseconds, and keeps its data, its compiled
kernels and its device's context from trial to trial.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from search.messages import Report
from search.schema import Resources
from search.trial_loop import TrialLoop


class DeviceFaultError(RuntimeError):
    """The device is in an unknown state; the process has to be replaced."""


def work(config: dict[str, Any]) -> None:
    """Run orders from the mailbox until there are no more. The training function of Ray Train.

    Args:
        config: `mailbox` (actor), `slot` and `generation` of the group.
    """
    mailbox, slot, generation = config["mailbox"], config["slot"], config["generation"]

    def deliver(report: Report) -> bool:
        return bool(ray.get(mailbox.report.remote(slot, generation, report)))

    try:
        briefing = ray.get(mailbox.briefing.remote())
        study = ray.get(briefing.study[0])
        _limit_threads(briefing.space.resources)
    except Exception as error:
        # Told to the mailbox, so that the trial that waits does not wait for ever; Ray Train gets it as well.
        lines = str(error).strip().splitlines() or [""]
        ray.get(mailbox.trouble.remote(slot, generation, f"the worker cannot load the study: {lines[-1]}"))
        raise
    loop = TrialLoop(study, briefing.space, briefing.folder, slot, deliver)
    while (order := ray.get(mailbox.next_order.remote(slot, generation))) is not None:
        outcome = loop.run(order)
        deliver(Report(outcome))
        if "CUDA error" in outcome.reason:
            raise DeviceFaultError(f"trial {order.trial}: {outcome.reason}; Ray Train replaces this worker")


def _limit_threads(resources: Resources) -> None:
    """Let torch use as many threads as the worker has CPUs, no more: else slots slow one another down."""
    import torch

    torch.set_num_threads(resources.cpus or 1)


class WorkerGroup:
    """One long run of Ray Train, kept going by a thread."""

    def __init__(self, mailbox: Any, slot: int, resources: Resources, storage: Path, name: str):
        """Start the group; this returns at once.

        Args:
            mailbox: Actor handle of the mailbox.
            slot: Whose orders it takes.
            resources: Of one worker.
            storage: Where Ray Train may write.
            name: Of this run of Ray Train, without the group's number; shown by the dashboard.
        """
        generation = ray.get(mailbox.new_group.remote(slot))
        self._error = ""
        self._began = time.monotonic()
        gpus = resources.gpus or 0
        self._trainer = TorchTrainer(
            work,
            train_loop_config={"mailbox": mailbox, "slot": slot, "generation": generation},
            scaling_config=ScalingConfig(
                num_workers=1,
                use_gpu=gpus > 0,
                resources_per_worker={"CPU": resources.cpus or 1, **({"GPU": gpus} if gpus else {})},
            ),
            # A worker that dies is replaced for as long as the run lasts; the mailbox bounds how often a trial is.
            run_config=RunConfig(
                name=f"{name}-slot{slot}-group{generation}",
                storage_path=str(storage),
                failure_config=FailureConfig(max_failures=-1),
            ),
        )
        self._thread = threading.Thread(target=self._fit, name=f"group-{slot}", daemon=True)
        self._thread.start()

    def _fit(self) -> None:
        try:
            self._trainer.fit()
        except Exception as error:
            # The thread's end is the message; the trial that waits is failed with this reason.
            self._error = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise

    @property
    def running(self) -> bool:
        """Whether Ray Train is still at it."""
        return self._thread.is_alive()

    @property
    def error(self) -> str:
        """Why it ended; "" if it has not, or was sent home."""
        return self._error

    @property
    def age_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def join(self, timeout_s: float) -> None:
        """Wait for the end of a group that was sent home."""
        self._thread.join(timeout_s)
