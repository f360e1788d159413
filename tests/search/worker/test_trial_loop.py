import math

import pytest
import yaml

from search.trials import TrialRequest
from search.worker.trial_loop import TrialLoop
from tests.search import toy_study

REQUEST = TrialRequest(4, {"x": 0.25, "width": 16, "kind": "b"}, 7)


def run(space, folder, answers=None, **fixed):
    space = space.model_copy(update={"fixed": {**space.fixed, **fixed}})
    updates = []

    def deliver(update):
        updates.append(update)
        return answers is None or len(updates) < answers

    loop = TrialLoop(toy_study.ToyStudy(space.fixed), space, folder, 1, deliver)
    return loop.run(REQUEST), updates


def test_a_trial_is_trained_evaluated_and_exported(space, tmp_path):
    space = space.model_copy(update={"budget": space.budget.model_copy(update={"evaluate_every": 4})})
    result, updates = run(space, tmp_path)
    assert (result.state, result.reason, result.epochs, result.slot) == ("finished", "", 10, 1)
    assert [update.result.epochs for update in updates if update.evaluated] == [4, 8, 10]
    assert [row["epoch"] for update in updates for row in update.rows] == list(range(1, 11))
    assert all("loss" in update.rows[0] for update in updates)
    assert result.metrics["first"] == 0.25**2 + 1 / 16
    assert result.started <= result.first_step <= result.ended
    configuration = yaml.safe_load((tmp_path / "trials/4/configuration.yaml").read_text())
    assert configuration == {"sleep_s": 0.0, **REQUEST.parameters, "epochs": 10, "seed": 7, "threads": 1}
    assert (tmp_path / "trials/4/model.safetensors").exists()


@pytest.mark.parametrize(
    ("trouble", "reason", "epochs"),
    [
        ("build", "RuntimeError: this one", 0),
        ("raise", "KeyError: 'no such thing'", 1),
        ("nan", "diverged: loss is nan in epoch 2", 1),
    ],
)
def test_failures_are_results_with_a_reason(space, tmp_path, trouble, reason, epochs):
    result, _ = run(space, tmp_path, misbehave={"all": trouble})
    assert (result.state, result.reason, result.epochs) == ("failed", reason, epochs)
    assert bool(result.trace) == (trouble != "nan")
    assert not (tmp_path / "trials").exists()
    assert result.row()["reason"] == reason
    assert "first" not in result.row()


def test_an_objective_that_is_not_finite_or_missing_fails_the_trial(space, tmp_path, monkeypatch):
    monkeypatch.setattr(toy_study.ToyRun, "evaluate", lambda self: {"first": math.inf, "second": 1.0, "progress": 1.0})
    assert run(space, tmp_path)[0].reason == "diverged: first is inf in the evaluation after epoch 1"
    monkeypatch.setattr(toy_study.ToyRun, "evaluate", lambda self: {"first": 1.0, "second": 1.0})
    assert run(space, tmp_path)[0].reason == "metric 'progress' was not measured; the study gives first, second"


def test_a_guard_that_is_not_finite_is_broken_not_a_failure(space, tmp_path, monkeypatch):
    values = {"first": 1.0, "second": 1.0, "progress": math.nan}
    monkeypatch.setattr(toy_study.ToyRun, "evaluate", lambda self: values)
    assert run(space, tmp_path)[0].state == "finished"


def test_a_trial_stops_when_it_is_told_to(space, tmp_path):
    result, _ = run(space, tmp_path, answers=3)
    assert (result.state, result.reason, result.epochs) == ("stopped", "stopped after epoch 3", 3)
    assert result.row()["first"] > 0, "a stopped trial keeps its last metrics"


def test_a_fault_of_the_device_is_named_by_the_line_that_says_so(space, tmp_path, monkeypatch):
    def fault(self):
        raise RuntimeError(
            "CUDA error: an illegal memory access was encountered\nFor debugging consider ...\nCompile ..."
        )

    monkeypatch.setattr(toy_study.ToyRun, "train_epoch", fault)
    assert run(space, tmp_path)[0].reason == "RuntimeError: CUDA error: an illegal memory access was encountered"
