"""Ray Tune's view of the proposals: suggest an order, record its outcome, tell the sampler.

Owns when trials are given out: at most one per slot, replicates only after the budget's trials, none after the wall
clock ran out or after the groups proved unable to start. Tune's own Optuna searcher is not used: it leaves failed
trials running in the journal, tells stopped ones as complete, and knows no guards.
"""

from __future__ import annotations

import time
from typing import Any

from ray.tune.search import Searcher

from search.earlier_runs import Reusable
from search.messages import Order, Outcome, Report
from search.proposals import Proposals
from search.recorder import Recorder
from search.schema import Space
from search.trial import ORDER_KEY, REPORT_KEY


class JournalSearcher(Searcher):
    """Gives out orders and takes reports."""

    def __init__(
        self,
        space: Space,
        proposals: Proposals,
        recorder: Recorder,
        remaining: int,
        reusable: Reusable | None = None,
    ):
        """Prepare to give out orders.

        Args:
            space: With the resources found out.
            proposals: Where orders come from.
            recorder: Where outcomes go first.
            remaining: How many trials of the budget have to end.
            reusable: Finished trials of earlier runs; None where there are none.
        """
        super().__init__(metric=None, mode=None)
        self._proposals = proposals
        self._recorder = recorder
        self._remaining = remaining
        self._reusable = reusable
        self._slots = space.resources.slots or 1
        self._repeats = space.budget.replicates > 1
        self._wall_clock_s = space.budget.wall_clock_s
        self._began = time.monotonic()
        self._orders: dict[str, Order] = {}
        self._latest: dict[str, Outcome] = {}
        self._groups_lost = 0
        self._any_began = False
        self.verdict = ""

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict, **spec: Any) -> bool:
        """Accept what Tune says; objectives come from the space alone."""
        return True

    def suggest(self, trial_id: str) -> Any:
        """Return the next order, FINISHED when there are no more, or None while all slots are busy."""
        while True:
            if self._over() or (self._remaining <= 0 and not self._repeats):
                return Searcher.FINISHED
            if len(self._orders) >= self._slots:
                return None
            order = self._next()
            if order is None:
                return None if self._orders else Searcher.FINISHED
            self._recorder.begin(order)
            if not self._is_known(order):
                self._orders[trial_id] = order
                return {ORDER_KEY: order}

    def _next(self) -> Order | None:
        """Return the next trial of the budget, or the next replicate; None where others have to end first."""
        if self._remaining > 0:
            order = self._proposals.ask(self._remaining)
            self._remaining -= order is not None
            return order
        order = self._proposals.replicate()
        self._recorder.expect(self._proposals.expected_replicates)
        return order

    def _is_known(self, order: Order) -> bool:
        """Record a trial that an earlier run has finished, and say whether there was one."""
        report = self._reusable.fetch(order) if self._reusable is not None else None
        if report is None:
            return False
        self._recorder.note(report)
        self._proposals.tell(report.outcome, self._recorder.end(report.outcome))
        return True

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Record how far a trial has come; its end comes by `on_trial_complete`."""
        report: Report = result[REPORT_KEY]
        self._recorder.note(report)
        self._latest[trial_id] = report.outcome
        self._any_began = self._any_began or bool(report.outcome.started)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Record a trial's end on the disk, then tell the sampler."""
        report: Report | None = (result or {}).get(REPORT_KEY)
        if report is not None and report.outcome is not self._latest.get(trial_id):
            self.on_trial_result(trial_id, {REPORT_KEY: report})
            self._count_lost_groups(report)
        order = self._orders.pop(trial_id)
        outcome = self._latest.pop(trial_id, Outcome(order, "running"))
        if error:
            outcome = outcome.ending("failed", "the trial's actor died; see log.txt")
        elif outcome.state == "running":
            outcome = outcome.ending("stopped", f"stopped by the scheduler after epoch {outcome.epochs}")
        curve = self._recorder.end(outcome)
        self._proposals.tell(outcome, curve)

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: the journal is the state."""

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its searcher when it begins, but the journal is the state."""
        return {}

    def _over(self) -> bool:
        if self._wall_clock_s and time.monotonic() - self._began > self._wall_clock_s:
            self.verdict = f"the wall clock of {self._wall_clock_s:g} s ran out"
        return bool(self.verdict)

    def _count_lost_groups(self, report: Report) -> None:
        """Stop a run in which no group ever worked: each further trial would wait for its deadline."""
        self._groups_lost += report.group_lost
        if not self._any_began and self._groups_lost >= self._slots:
            self.verdict = report.outcome.reason
