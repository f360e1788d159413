import math

import pytest
import yaml

from search.trials import Order
from search.worker.trial_loop import TrialLoop
from tests.search import toy_study

ORDER = Order(4, {"x": 0.25, "width": 16, "kind": "b"}, 7)


def run(space, folder, answers=None, **fixed):
    space = space.model_copy(update={"fixed": {**space.fixed, **fixed}})
    reports = []

    def deliver(report):
        reports.append(report)
        return answers is None or len(reports) < answers

    loop = TrialLoop(toy_study.ToyStudy(space.fixed), space, folder, 1, deliver)
    return loop.run(ORDER), reports


def test_a_trial_is_trained_evaluated_and_exported(space, tmp_path):
    space = space.model_copy(update={"budget": space.budget.model_copy(update={"evaluate_every": 4})})
    outcome, reports = run(space, tmp_path)
    assert (outcome.state, outcome.reason, outcome.epochs, outcome.slot) == ("finished", "", 10, 1)
    assert [report.outcome.epochs for report in reports if report.evaluated] == [4, 8, 10]
    assert [row["epoch"] for report in reports for row in report.rows] == list(range(1, 11))
    assert all("loss" in report.rows[0] for report in reports)
    assert outcome.metrics["first"] == 0.25**2 + 1 / 16
    assert outcome.started <= outcome.first_step <= outcome.ended
    configuration = yaml.safe_load((tmp_path / "trials/4/configuration.yaml").read_text())
    assert configuration == {"sleep_s": 0.0, **ORDER.parameters, "epochs": 10, "seed": 7, "threads": 1}
    assert (tmp_path / "trials/4/model.safetensors").exists()


@pytest.mark.parametrize(
    ("trouble", "reason", "epochs"),
    [
        ("build", "RuntimeError: this one", 0),
        ("raise", "KeyError: 'no such thing'", 1),
        ("nan", "diverged: loss is nan in epoch 2", 1),
    ],
)
def test_failures_are_outcomes_with_a_reason(space, tmp_path, trouble, reason, epochs):
    outcome, _ = run(space, tmp_path, misbehave={"all": trouble})
    assert (outcome.state, outcome.reason, outcome.epochs) == ("failed", reason, epochs)
    assert bool(outcome.trace) == (trouble != "nan")
    assert not (tmp_path / "trials").exists()
    assert outcome.row()["reason"] == reason
    assert "first" not in outcome.row()


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
    outcome, _ = run(space, tmp_path, answers=3)
    assert (outcome.state, outcome.reason, outcome.epochs) == ("stopped", "stopped after epoch 3", 3)
    assert outcome.row()["first"] > 0, "a stopped trial keeps its last metrics"


def test_a_fault_of_the_device_is_named_by_the_line_that_says_so(space, tmp_path, monkeypatch):
    def fault(self):
        raise RuntimeError(
            "CUDA error: an illegal memory access was encountered\nFor debugging consider ...\nCompile ..."
        )

    monkeypatch.setattr(toy_study.ToyRun, "train_epoch", fault)
    assert run(space, tmp_path)[0].reason == "RuntimeError: CUDA error: an illegal memory access was encountered"
