"""What Tune keeps of a trial that has ended."""

import pytest
from ray.tune.experiment import Trial

from search.trials import TrialRequest, TrialResult, TrialUpdate
from search.tune.fit import ReleaseTrialMetrics


@pytest.mark.parametrize("ends", ["on_trial_complete", "on_trial_error"])
def test_what_tune_records_of_each_metric_is_let_go_when_a_trial_has_ended(ends):
    trial = Trial("toy", stub=True, config={"request": TrialRequest(0, {"x": 0.5}, 3)})
    update = TrialUpdate(TrialResult(trial.config["request"], "finished", epochs=2), ({"epoch": 2},))
    trial.update_last_result({"first": 0.5, "second": 0.25, "done": True, "update": update})
    assert {"first", "second"} <= set(trial.metric_analysis)
    getattr(ReleaseTrialMetrics(), ends)(iteration=1, trials=[trial], trial=trial)
    assert not trial.metric_analysis
    assert not trial.metric_n_steps
    assert "update" not in trial.last_result
    assert trial.last_result["done"], "Tune looks at this once more"


def test_a_trial_that_ended_before_it_reported_is_let_go_as_well():
    trial = Trial("toy", stub=True, config={"request": TrialRequest(0, {"x": 0.5}, 3)})
    ReleaseTrialMetrics().on_trial_error(iteration=1, trials=[trial], trial=trial)
    assert not trial.metric_analysis
