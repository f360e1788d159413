"""The Tune side of a trial: a thin actor that hands each configuration to a warm worker group.

Owns the life of one group: started once, given a new order by `reset_config`, replaced when it ends before its time,
given up when it cannot work. The actor itself computes nothing and holds no CPU: it would take them from its own
workers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.exceptions import GetTimeoutError, RayActorError
from ray.util import remove_placement_group

from search.lost_nodes import lost_node
from search.messages import Briefing, Order, Report
from search.worker_group import WorkerGroup

GROUP_CHECK_S = 1.0
GOODBYE_S = 8.0
LATE_S = 60.0  # for processes to start, beside the time in which their CPUs and GPUs have to be free
PING_S = 0.5
MOST_GROUPS = 3
REPORT_KEY = "report"
ORDER_KEY = "order"


class GroupLostError(RuntimeError):
    """The slot of this actor has no workers; the actor ends, so that another slot takes the next trial."""


class WarmTrial(tune.Trainable):
    """Runs one order at a time on the warm group of its slot; reused from trial to trial."""

    _mailbox: Any
    _briefing: Briefing

    def setup(self, config: dict[str, Any], mailbox: Any = None, name: str = "") -> None:
        """Take a slot and submit the first order; the group starts meanwhile.

        Args:
            config: Holds the order.
            mailbox: Actor handle of the mailbox.
            name: Of the run, for names on the dashboard.
        """
        self._mailbox, self._name = mailbox, name
        self._group: WorkerGroup | None = None
        self._ended_groups = 0
        self._lost = ""
        self._slot = self._claim()
        self._briefing = ray.get(mailbox.briefing.remote())
        self._submit(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Submit the next order; the one before it ends at its next report if it has not ended."""
        self._submit(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Return the news up to the next evaluation or the end.

        Raises:
            GroupLostError: The report before this one gave the trial back.
        """
        if self._lost:
            if self._group is not None:
                self._group.join(GOODBYE_S)  # killed with this actor, it would leave its claim on CPUs behind
                self._group = None
            raise GroupLostError(self._lost)
        reference = self._mailbox.next_report.remote(self._slot)
        while True:
            try:
                report: Report = ray.get(reference, timeout=GROUP_CHECK_S)
            except GetTimeoutError:
                self._check_group()
                continue
            if report.group_lost:
                self._lost = report.outcome.reason
            return self._result(report)

    def cleanup(self) -> None:
        """Send the workers home."""
        ray.get(self._mailbox.close.remote(self._slot))
        if self._group is not None:
            self._group.join(GOODBYE_S)

    def _claim(self) -> int:
        """Take a slot, that of a trial actor that died where none is free."""
        myself = ray.get_runtime_context().current_actor
        reference = self._mailbox.claim.remote(myself)
        while True:
            try:
                return int(ray.get(reference, timeout=GROUP_CHECK_S))
            except GetTimeoutError:
                for slot, holder in ray.get(self._mailbox.holders.remote()).items():
                    if _is_dead(holder):
                        self._leave_place(slot)
                        ray.get(self._mailbox.close.remote(slot))

    def _submit(self, config: dict[str, Any]) -> None:
        order: Order = config[ORDER_KEY]
        self._ended_groups = 0
        ray.get(self._mailbox.submit.remote(self._slot, order))
        if self._group is None or not self._group.running:
            self._start_group("")

    def _leave_place(self, slot: int) -> None:
        """Free the CPUs of workers whose controller died; Ray Train does so only where its state API answers."""
        place = ray.get(self._mailbox.leave_place.remote(slot))
        if place is not None:
            remove_placement_group(place)

    def _start_group(self, cause: str) -> None:
        self._leave_place(self._slot)
        storage = Path(self._briefing.folder) / "ray"
        resources = self._briefing.space.resources
        self._group = WorkerGroup(self._mailbox, self._slot, resources, storage, self._name, cause)

    def _check_group(self) -> None:
        """Replace a worker that hangs and a group that has ended; give the trial back where nobody comes to work."""
        condition = ray.get(self._mailbox.condition.remote(self._slot))
        patience_s = self._briefing.space.resources.start_within_s
        ended = self._group is not None and not self._group.running
        if lost := lost_node(ray.get(self._mailbox.nodes.remote(self._slot))):
            self._give_up(f"its node {lost} has left the cluster", node_lost=True)
        elif condition.hung is not None:
            ray.kill(condition.hung)
        elif condition.waited_s > patience_s and (ended or condition.waited_s > patience_s + LATE_S):
            self._give_up(f"had no worker for {patience_s:g} s; are its CPUs and GPUs free on the cluster?")
        elif ended:
            self._replace_group(f"worker group ended ({self._error()})")

    def _replace_group(self, cause: str) -> None:
        self._ended_groups += 1
        if self._ended_groups < MOST_GROUPS:
            self._start_group(cause)
        else:
            self._give_up(f"{cause}, {self._ended_groups} times")

    def _error(self) -> str:
        return (self._group.error if self._group is not None else "") or "no reason given"

    def _give_up(self, reason: str, node_lost: bool = False) -> None:
        ray.get(self._mailbox.give_up.remote(self._slot, f"slot {self._slot}: {reason}", node_lost))

    def _result(self, report: Report) -> dict[str, Any]:
        """Return what Tune shows and schedulers may look at, and the report for the searcher."""
        outcome = report.outcome
        return {
            **outcome.metrics,
            "epochs": outcome.epochs,
            "done": outcome.state != "running" and not report.group_lost,
            REPORT_KEY: report,
        }


def _is_dead(actor: Any) -> bool:
    """Say whether an actor has died; one that is busy lives."""
    try:
        ray.get(actor.__ray_ready__.remote(), timeout=PING_S)
    except GetTimeoutError:
        return False
    except RayActorError:
        return True
    return False
