"""Early stopping in Ray Tune, by the policy of `search.policy.halving`: Tune's own schedulers know one metric alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.policy.halving import Halving
from search.space.schema import Space
from search.trials import TrialRequest, TrialUpdate
from search.tune.trial import REQUEST_KEY, UPDATE_KEY


class HalvingScheduler(FIFOScheduler):
    """Stops trials at rungs."""

    def __init__(self, space: Space, curves: Iterable[Mapping[str, Any]]):
        """Begin with the evaluations of trials that have ended before, each with `trial` and `epoch`.

        So a resumed run knows what it knew. Replicates are none of them.
        """
        super().__init__()
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

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its scheduler when it begins, but the recorded curves are the state."""
        return {}
