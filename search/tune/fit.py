"""One search from end to end: assembles mailbox, searcher and trials, and fits the Tuner."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray import tune
from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from search.policy.proposals import Proposals
from search.protocol import Study
from search.record.control import ControlError
from search.record.earlier_runs import Reusable
from search.record.recorder import Recorder
from search.space.schema import Space
from search.trials import WorkerContext
from search.tune.capacity import Capacity
from search.tune.preflight import Available
from search.tune.scheduler import HalvingScheduler, WarmScheduler
from search.tune.searcher import JournalSearcher
from search.tune.steering import Steering
from search.tune.tracking import trackers
from search.tune.trial import UPDATE_KEY, WarmTrial
from search.watch.interruption import Interruption
from search.worker.mailbox import Mailbox
from search.worker.nodes import first_number

# Trial actors sit on the head node beside the driver and hold no CPU: with 0.001 CPU each, two of them left 0.998 of
# a machine's 2 CPUs (measured), and the second group of workers never started.
STOP_WITHIN_S = 10.0
TRIAL_ACTOR_RESOURCES = {"cpu": 0, "node:__internal_head__": 0.001}


class RunLocation(NamedTuple):
    """Where a search runs."""

    folder: Path  # the run folder, absolute
    session: str  # its mark, by which other nodes know whether they see it; "" on a single machine
    # Returns what the cluster has now, where the number of slots follows it; None where it is fixed
    look: Callable[[], Available] | None
    # Asks a cluster that scales by itself to have room for these bundles of resources
    ask: Callable[[list[dict[str, float]]], object] = lambda bundles: None


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What a search consists of."""

    space: Space  # with the resources found out
    study: Study
    location: RunLocation  # where it runs
    proposals: Proposals  # where requests come from
    recorder: Recorder  # where results go
    remaining: int  # how many trials of the budget have to end
    reusable: Reusable  # finished trials of earlier runs
    # What results depend on besides the configuration, as it is now; a checkpoint counts only where it is so
    basis: Mapping[str, Any]
    interruption: Interruption  # looked at between two events of Tune
    keep: Callable[[Space], object]  # writes the space down where its user has changed it


def run_search(run: RunContext) -> str:
    """Run trials until the budget is spent, then replicates.

    Returns:
        Why the search ended before its budget was spent; "" if it was.

    Raises:
        KeyboardInterrupt: A signal came; trials are still running.
        DiskFullError: The run folder cannot be written any more; trials are still running.
        TimeIsUpError: A hard wall clock ran out; trials are still running.
    """
    space, location = run.space, run.location
    context = WorkerContext(
        space, location.folder, [ray.put(run.study)], dict(run.basis), location.session, space.resources.environment
    )
    # On the driver's node, which sees the run folder and does not end before the run.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options: dict[str, Any] = {"num_cpus": 0, "scheduling_strategy": here}
    # It dies where memory runs out; begun again, with nothing, the trial actors find it and hand in their trials anew.
    mailbox: Any = ray.remote(max_restarts=-1, **options)(Mailbox).remote(
        space.resources.slots, context, first=first_number
    )
    capacity = None
    if location.look is not None:
        most = space.resources.max_slots
        capacity = Capacity(space.resources.planned, location.look, mailbox.grow.remote, most=most, ask=location.ask)
    searcher = JournalSearcher(
        space,
        run.proposals,
        run.recorder,
        run.remaining,
        run.reusable,
        capacity,
        mailbox.drop.remote,
        shared=bool(location.session),
    )

    def stop(trial: int, reason: str) -> bool:
        try:
            return bool(ray.get(mailbox.stop.remote(trial, reason), timeout=STOP_WITHIN_S))
        except ray.exceptions.RayError as error:
            raise ControlError("the mailbox of the run does not answer at the moment; try again") from error

    steering = Steering(space, run.study, searcher, run.recorder, stop, run.keep)

    def between_events() -> None:
        run.interruption.raise_if_requested()
        steering.look()

    searcher.between_events = between_events
    tuner = _tuner(run, mailbox, searcher)
    # At its end Tune looks for result files that its loggers would have written, and complains about each of them.
    logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)
    try:
        with run.interruption.deferred():
            tuner.fit()
    finally:
        if capacity is not None:
            capacity.release()
    return searcher.verdict


def _tuner(run: RunContext, mailbox: Any, searcher: JournalSearcher) -> tune.Tuner:
    """Return Tune, with this project's parts in it."""
    space, location = run.space, run.location
    trainable: Any = tune.with_parameters(WarmTrial, mailbox=mailbox, name=space.name)
    return tune.Tuner(
        tune.with_resources(trainable, TRIAL_ACTOR_RESOURCES),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=_scheduler(space, run.proposals, run.recorder, searcher),
            num_samples=-1,  # the searcher says when it is over: a trial that lost its slot is given out again
            reuse_actors=True,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(location.folder / "ray"),
            verbose=0,
            stop=_BetweenTwoEvents(searcher),
            callbacks=[
                *trackers(space, location.folder, run.recorder.notice),
                ReleaseTrialMetrics(),
            ],  # the last is told last
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )


def _scheduler(space: Space, proposals: Proposals, recorder: Recorder, searcher: JournalSearcher) -> WarmScheduler:
    """Return who keeps groups warm and stops trials early, with what has been recorded where somebody does."""
    if space.halving is None:
        return WarmScheduler(searcher.more_may_come)
    others = set(map(str, proposals.replicates | proposals.lines))
    return HalvingScheduler(
        space, [row for row in recorder.evaluations() if row["trial"] not in others], searcher.more_may_come
    )


class _BetweenTwoEvents(Stopper):
    """Stops no trial; does what is asked for and raises out of Tune's loop where nothing is half done."""

    def __init__(self, searcher: JournalSearcher):
        self._searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its stopper when it begins, but a signal cannot be kept."""
        return {}

    def stop_all(self) -> bool:
        self._searcher.between_events()
        self._searcher.raise_if_over()
        return False


class ReleaseTrialMetrics(Callback):
    """Releases what Tune records of each metric once a trial has ended: half of what a trial costs the driver."""

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Release it; Tune looks at none of it any more."""
        trial.metric_analysis.clear()
        trial.metric_n_steps.clear()
        trial.last_result.pop(UPDATE_KEY, None)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Do the same."""
        self.on_trial_complete(iteration, trials, trial)


def _trial_name(trial: Any) -> str:
    return f"trial-{trial.config['request'].trial}"
