"""The Tune side of a trial: a thin actor that hands each configuration to a warm worker group.

Owns the life of one group: started once, given a new order by `reset_config`, given up when it does not start.
The actor itself computes nothing and holds no CPU: it would take them from its own workers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.exceptions import GetTimeoutError

from search.messages import Briefing, Order, Report
from search.worker_group import WorkerGroup

START_DEADLINE_S = 180.0
GROUP_CHECK_S = 1.0
GOODBYE_S = 8.0
REPORT_KEY = "report"
ORDER_KEY = "order"


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
        self._slot: int = ray.get(mailbox.claim.remote())
        self._briefing = ray.get(mailbox.briefing.remote())
        self._submit(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Submit the next order; the one before it ends at its next report if it has not ended."""
        self._submit(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Return the news up to the next evaluation or the end."""
        reference = self._mailbox.next_report.remote(self._slot)
        while True:
            try:
                report: Report = ray.get(reference, timeout=GROUP_CHECK_S)
            except GetTimeoutError:
                self._check_group()
                continue
            if report.group_lost:
                self._group = None
            return self._result(report)

    def cleanup(self) -> None:
        """Send the workers home."""
        ray.get(self._mailbox.close.remote(self._slot))
        if self._group is not None:
            self._group.join(GOODBYE_S)

    def _submit(self, config: dict[str, Any]) -> None:
        order: Order = config[ORDER_KEY]
        if self._group is None or not self._group.running:
            storage = Path(self._briefing.folder) / "ray"
            resources = self._briefing.space.resources
            self._group = WorkerGroup(self._mailbox, self._slot, resources, storage, self._name)
        ray.get(self._mailbox.submit.remote(self._slot, order))

    def _check_group(self) -> None:
        group = self._group
        if group is None:
            return
        if not group.running:
            reason = f"the worker group of slot {self._slot} ended: {group.error or 'no reason given'}"
        elif group.age_s > START_DEADLINE_S and not ray.get(self._mailbox.alive.remote(self._slot)):
            reason = (
                f"the worker group of slot {self._slot} did not start within {START_DEADLINE_S:g} s; "
                "are its CPUs and GPUs free on the cluster?"
            )
        else:
            return
        ray.get(self._mailbox.give_up.remote(self._slot, reason))

    def _result(self, report: Report) -> dict[str, Any]:
        """Return what Tune shows and schedulers may look at, and the report for the searcher."""
        outcome = report.outcome
        return {
            **outcome.metrics,
            "epochs": outcome.epochs,
            "done": outcome.state != "running",
            REPORT_KEY: report,
        }
