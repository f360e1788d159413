"""Ray Tune's schedulers: one that keeps groups warm, and one that stops trials early as well.

Early stopping is by the policy of `search.policy.halving`: Tune's own schedulers know one metric alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.policy.halving import Halving
from search.space.schema import Space
from search.trials import TrialRequest, TrialUpdate
from search.tune.trial import REQUEST_KEY, UPDATE_KEY

MOST_KEPT = 2**31  # idle actors: all


class WarmScheduler(FIFOScheduler):
    """Keeps every idle trial actor, and with it its group of workers, while more trials may come.

    Tune itself keeps one. All slots but one would lose their groups, which take long to start, whenever they fall idle
    together: at the end of a batch, of a round of replicates, and while a line is waited for.
    """

    def __init__(self, more_may_come: Callable[[], bool] = lambda: False):
        """Ask whether more trials may come each time that one has ended."""
        super().__init__()
        self._more_may_come = more_may_come
        self._kept = 0
        self._controller: Any = None

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Let Tune keep actors like that of this trial, where more trials may come."""
        super().on_trial_complete(tune_controller, trial, result)
        kept = MOST_KEPT if self._more_may_come() else 0
        tune_controller._actor_cache.increase_max(trial.placement_group_factory, kept - self._kept)
        self._kept, self._controller = kept, tune_controller

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Let all idle actors go where none is needed: what they hold may be others', or a node that may go.

        Tune would keep one for each trial that runs.
        """
        controller = self._controller
        idle = controller is not None and not controller._pending_trials and controller._actor_cache.num_cached_objects
        if idle and not self._more_may_come():
            controller._cleanup_cached_actors(force_all=True)
        return super().choose_trial_to_run(tune_controller)

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its scheduler when it begins, but the run's record is the state."""
        return {}


class HalvingScheduler(WarmScheduler):
    """Stops trials at rungs."""

    def __init__(
        self, space: Space, curves: Iterable[Mapping[str, Any]], more_may_come: Callable[[], bool] = lambda: False
    ):
        """Begin with the evaluations of trials that have ended before, each with `trial` and `epoch`.

        So a resumed run knows what it knew. Replicates are none of them.
        """
        super().__init__(more_may_come)
        assert space.halving is not None, "a space without halving needs no scheduler"
        self._metrics = space.metrics
        settings = space.halving
        self._halving = Halving(
            space.rungs,
            settings.reduction,
            settings.startup_trials,
            space.objectives,
            space.guards,
            lag=space.batch or 0,
        )
        for row in curves:
            self._halving.goes_on(int(row["trial"]), int(row["epoch"]), row)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Look at the evaluations of an update; stop if the last one says so; a replicate or a line never."""
        update: TrialUpdate = result[UPDATE_KEY]
        request: TrialRequest = trial.config[REQUEST_KEY]
        if not request.of_budget:
            return TrialScheduler.CONTINUE
        if update.restarted_after is not None:
            self._halving.forget(request.trial, update.restarted_after)
        goes_on = True
        for row in update.rows:
            if all(metric in row for metric in self._metrics):
                goes_on = self._halving.goes_on(request.trial, int(row["epoch"]), row)
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP
