"""Ray Tune's view of the proposals: suggest a request, record its result, tell the sampler.

Trials are given out at most one per slot, lines before new points, replicates only after the budget's trials, none
after the wall clock ran out or after the groups proved unable to start; and again, when the slot or the actor that had
one was lost.
Tune's own Optuna searcher is not used: it leaves failed trials running in the journal, tells stopped ones as complete,
and knows no guards.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ray.tune.search import Searcher

from search.policy.proposals import Proposals
from search.record.control import ControlError
from search.record.disk import DISK_FULL, DiskFullError, is_full
from search.record.earlier_runs import Reusable
from search.record.recorder import Recorder
from search.space.schema import Space
from search.trials import TrialRequest, TrialResult, TrialUpdate
from search.tune.capacity import Capacity
from search.tune.trial import REQUEST_KEY, UPDATE_KEY

MOST_ACTORS = 5  # of one trial, which computes nothing in them: their deaths are no fault of the trial
MOST_LOST = 3  # per slot, in a row, with nothing heard of any trial in between
MOST_RETURNS = 4  # of one trial, from slots whose node or worker could not finish it
MOST_ALIKE = 10  # failures with equal reasons in a row
REST_S = 600.0


class TimeIsUpError(RuntimeError):
    """A wall clock ran out that trials under way do not outlast."""


class JournalSearcher(Searcher):
    """Gives out requests and takes updates.

    Attributes:
        paused: Whether no request is given out for now.
        between_events: Called each time that Tune asks for a request; nothing is half done then.
        verdict: Why the search ends early; "" as long as it does not.
        disk_full: What says that the disk of the run folder is full; "" where it is not.
    """

    def __init__(
        self,
        space: Space,
        proposals: Proposals,
        recorder: Recorder,
        remaining: int,
        reusable: Reusable | None = None,
        capacity: Capacity | None = None,
        drop: Callable[[TrialRequest], object] | None = None,
        shared: bool = False,
    ):
        """Prepare to give out requests.

        Args:
            space: With the resources found out.
            proposals: Where requests come from.
            recorder: Where results go first.
            remaining: How many trials of the budget have to end.
            reusable: Finished trials of earlier runs; None where there are none.
            capacity: Says how many trials run at a time; None: as many as the space says.
            drop: Told of a request that has been stopped, whose worker need not go on.
            shared: Whether others may use the same CPUs and GPUs, which are then waited for without end.
        """
        super().__init__(metric=None, mode=None)
        self._proposals = proposals
        self._recorder = recorder
        self._folder = recorder.folder
        self._remaining = remaining
        self._reusable = reusable
        self._capacity = capacity
        self._drop = drop
        self._shared = shared
        self._slots = space.resources.planned.slots
        self._follows = space.sweep is not None or space.budget.replicates > 1
        self._budget = space.budget
        self._trials = space.budget.trials
        self.paused = False
        self.between_events: Callable[[], None] = lambda: None
        self._began: float | None = None  # when the first trial was given out
        self._requests: dict[str, TrialRequest] = {}
        self._latest: dict[str, TrialResult] = {}
        self._deaths: Counter[int] = Counter()
        self._returns: Counter[int] = Counter()
        self._rest_until: list[float] = []
        self._lost_in_a_row = 0
        self._alike, self._last_failure = 0, ""
        self._any_began = False
        self.verdict = ""
        self.disk_full = ""

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict, **spec: Any) -> bool:
        """Accept what Tune says; objectives come from the space alone."""
        return True

    def suggest(self, trial_id: str) -> Any:
        """Return the next request, FINISHED when there are no more, or None while all slots are busy.

        Where none runs, Tune does nothing for up to ten minutes but ask again each second.
        """
        self.between_events()
        while True:
            if self.verdict:
                return Searcher.FINISHED
            if self.disk_full:
                return None
            if self._capacity is not None:
                self._slots = self._capacity.slots(self._to_come)
            if len(self._requests) >= self._slots - self._resting():
                return None
            with self._noting_a_full_disk():
                if self._time_is_up() and self._to_come() > len(self._requests):
                    self.verdict = self._time_ran_out
                    continue
                if self.paused:
                    return None
                request = self._next()
                if request is None:
                    # Not before the last one has ended: Tune asks no more then, and a trial may have to be given again.
                    return None if self._requests else Searcher.FINISHED
                self._recorder.begin(request)
                self._began = self._began or time.monotonic()
                if not self._is_known(request):
                    self._requests[trial_id] = request
                    return {REQUEST_KEY: request}

    def _to_come(self) -> int:
        """Return how many trials are running or to be run, as far as is known."""
        later = self._proposals.more_lines + self._proposals.lacking if self._follows else 0
        return len(self._requests) + self._remaining + later

    def add(self, point: Mapping[str, Any]) -> TrialRequest:
        """Put a point in front of those to come; it is one of the budget's trials.

        Raises:
            ControlError: All of them have been given out, or have a point already.
        """
        if self._remaining <= self._proposals.waiting:
            raise ControlError(f"all {self._trials} trials have been given out; first have more: `trials N`")
        with self._noting_a_full_disk():
            return self._proposals.add(point)
        raise ControlError(self.disk_full)

    def have_trials(self, trials: int) -> None:
        """Take another number of trials for the budget's.

        Raises:
            ControlError: More than so many have been given out, or have a point already.
        """
        remaining = self._remaining + trials - self._trials
        if remaining < self._proposals.waiting:
            least = trials - remaining + self._proposals.waiting
            raise ControlError(f"{least} trials have been given out already; fewer than that cannot be had")
        self._remaining, self._trials = remaining, trials

    def more_may_come(self) -> bool:
        """Say whether there may be trials beyond those that are running."""
        if self.verdict or self._time_is_up():
            return False
        return self._remaining > 0 or (self._follows and bool(self._requests or self._proposals.lacking))

    def _next(self) -> TrialRequest | None:
        """Return the next line, trial of the budget, or replicate; None where others have to end first."""
        line = self._proposals.go_on()
        if line is not None:
            return line
        if self._remaining > 0:
            request = self._proposals.ask(self._remaining)
            self._remaining -= request is not None
            return request
        request = self._proposals.replicate()
        self._recorder.expect(self._proposals.expected_replicates)
        return request

    def _is_known(self, request: TrialRequest) -> bool:
        """Record a trial that an earlier run has finished, and say whether there was one."""
        update = self._reusable.fetch(request) if self._reusable is not None else None
        if update is None:
            return False
        self._recorder.note(update)
        self._proposals.tell(update.result, self._recorder.end(update.result))
        return True

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Record how far a trial has come; its end comes by `on_trial_complete`."""
        update: TrialUpdate = result[UPDATE_KEY]
        self._recorder.note(update)
        self._latest[trial_id] = update.result
        if update.mailbox_lost:
            self._recorder.notice(f"trial {update.result.request.trial} is given out again: {update.result.reason}")
            if self._capacity is not None:
                self._capacity.tell_again()
        elif update.group_lost:
            self._rest(update)
        else:
            self._lost_in_a_row, self._any_began = 0, True

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Record a trial's end on the disk, then tell the sampler."""
        update: TrialUpdate | None = (result or {}).get(UPDATE_KEY)
        if update is not None and update.result is not self._latest.get(trial_id):
            self.on_trial_result(trial_id, {UPDATE_KEY: update})
        request = self._requests.pop(trial_id)
        trial_result = self._latest.pop(trial_id, TrialResult(request, "running"))
        if error:
            self._give_back(trial_result)
            return
        if trial_result.state == "running":
            trial_result = trial_result.ending("stopped", f"stopped by the scheduler after epoch {trial_result.epochs}")
            if self._drop is not None:
                self._drop(request)
        elif trial_result.state == "interrupted":
            self.disk_full = trial_result.reason
            return
        self._note_failure(trial_result)
        with self._noting_a_full_disk():
            self._proposals.tell(trial_result, self._recorder.end(trial_result))
            self._recorder.forget_ends(self._proposals.ended_for_good())
            self._recorder.forget_models(self._proposals.unneeded_models())

    def _give_back(self, trial_result: TrialResult) -> None:
        """Put a trial back that lost its slot or its actor; end a run in which that happens again and again."""
        trial = trial_result.request.trial
        if trial_result.state != "interrupted":
            self._deaths[trial] += 1
            self._lost_in_a_row += 1
            if self._lost_in_a_row >= MOST_LOST * max(1, self._slots):
                self.verdict = "the actors of trials die one after another; see log.txt"
            if self._deaths[trial] >= MOST_ACTORS:
                self.verdict = f"the actor of trial {trial} died {MOST_ACTORS} times; see log.txt"
            self._recorder.notice(f"trial {trial} is given out again: its actor died")
        self._proposals.give_back(trial)
        self._remaining += trial_result.request.of_budget

    def _note_failure(self, trial_result: TrialResult) -> None:
        """End a run whose trials all fail for one reason: a fault of the study would spend the whole budget."""
        reason = trial_result.reason if trial_result.state == "failed" else ""
        self._alike = self._alike + 1 if reason and reason == self._last_failure else int(bool(reason))
        self._last_failure = reason
        if self._alike >= MOST_ALIKE:
            self.verdict = f"the last {MOST_ALIKE} trials failed alike: {reason}"
        most = self._budget.max_failures
        if reason and most is not None and self._recorder.failed >= most:  # beside this one
            failed = self._recorder.failed + 1
            self.verdict = f"{failed} trials failed, more than budget.max_failures; the last one: {reason}"

    @contextmanager
    def _noting_a_full_disk(self) -> Iterator[None]:
        """Keep an error of a full disk for `raise_if_disk_full`: Tune would wrap it in one of its own."""
        try:
            yield
        except OSError as failure:
            if not is_full(self._folder, failure):
                raise
            self.disk_full = f"{DISK_FULL} ({failure})"

    def raise_if_over(self) -> None:
        """Raise what ends the search though trials are under way; Tune's loop calls this between two events.

        Raises:
            DiskFullError: The disk proved full.
            TimeIsUpError: A hard wall clock ran out.
        """
        if self.disk_full:
            raise DiskFullError(self.disk_full)
        if self._budget.wall_clock_hard and self._requests and self._time_is_up():
            raise TimeIsUpError(self._time_ran_out)

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: the journal is the state."""

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its searcher when it begins, but the journal is the state."""
        return {}

    def _time_is_up(self) -> bool:
        spent_s = time.monotonic() - self._began if self._began is not None else 0.0
        return self._budget.wall_clock_s is not None and spent_s > self._budget.wall_clock_s

    @property
    def _time_ran_out(self) -> str:
        return f"the wall clock of {self._budget.wall_clock_s:g} s ran out"

    def _resting(self) -> int:
        """Return how many slots are passed over, since their groups could not work a short while ago; never all."""
        self._rest_until = [moment for moment in self._rest_until if moment > time.monotonic()]
        return max(0, min(len(self._rest_until), self._slots - 1))

    def _rest(self, update: TrialUpdate) -> None:
        """Pass a slot over for a while; end a run in which none can work: each trial would wait for its deadline."""
        trial_result, after = update.result, f", this one is tried again in {REST_S:g} s"
        if self._capacity is not None and self._capacity.given_back(update.node_lost):
            # One slot less is given out anyway, or the cluster has another place for this one.
            after = "" if update.node_lost else ", the cluster has lost the node of this one"
        else:
            self._rest_until.append(time.monotonic() + REST_S)
        waits = update.no_place and self._shared  # for what others use now
        self._lost_in_a_row += not waits
        self._recorder.notice(f"{trial_result.reason}; trial {trial_result.request.trial} goes to another slot{after}")
        if not waits and self._lost_in_a_row >= max(1, self._slots) * (MOST_LOST if self._any_began else 1):
            self.verdict = trial_result.reason
        trial = trial_result.request.trial
        self._returns[trial] += not (update.node_lost or update.no_place)
        if self._returns[trial] >= MOST_RETURNS:
            self.verdict = f"trial {trial} was given back {MOST_RETURNS} times; the last time, {trial_result.reason}"
