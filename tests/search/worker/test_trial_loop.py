import math
import os
import random
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from search.record.recorder import Recorder
from search.record.run_folder import RunFolder
from search.space.reading import parse_space
from search.trials import TrialRequest
from search.worker.trial_loop import TrialLoop
from tests.search import toy_study
from tests.search.conftest import Killed

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


def test_a_trial_has_its_time_and_is_stopped_after_the_epoch_in_which_it_runs_out(space, tmp_path):
    space = space.model_copy(update={"budget": space.budget.model_copy(update={"trial_wall_clock_s": 0.25})})
    result, _ = run(space, tmp_path, sleep_s=0.3)
    assert (result.state, result.epochs) == ("stopped", 1)
    assert result.reason == "its 0.25 s (budget.trial_wall_clock_s) ran out after epoch 1"
    one = space.model_copy(update={"budget": space.budget.model_copy(update={"epochs": 1})})
    assert run(one, tmp_path, sleep_s=0.3)[0].state == "finished", "what is trained in full is no less for it"


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


@pytest.mark.parametrize(
    ("method", "returned", "reason"),
    [
        ("evaluate", {"x": 1.0}, "evaluate returned 'x', which is the name of a parameter; rename it"),
        ("evaluate", {"epochs": 1.0}, "evaluate returned 'epochs', which is the name of a column of the tables"),
        ("evaluate", {"loss": 1.0}, "'loss' is the name of a loss and of a metric; rename one of the two"),
        ("evaluate", {"m\nn": 1.0}, "evaluate returned 'm\\nn', which has something else in its name than"),
        ("evaluate", None, "evaluate returned None; expected numbers by name"),
        ("evaluate", {"first_std": 1.0}, "evaluate returned 'first_std', which is the name of a column of the tables"),
        ("train_epoch", {"trial": 7.0}, "train_epoch returned 'trial', which is the name of a column of the tables"),
        ("train_epoch", {"loss": None}, "train_epoch returned loss: None, which is no number"),
        ("train_epoch", [1.0], "train_epoch returned [1.0]; expected numbers by name"),
    ],
)
def test_what_no_table_could_hold_fails_the_trial(space, tmp_path, monkeypatch, method, returned, reason):
    before = getattr(toy_study.ToyRun, method)
    more = returned if returned is None or isinstance(returned, list) else None
    monkeypatch.setattr(
        toy_study.ToyRun, method, lambda self: more if more is not None or returned is None else before(self) | returned
    )
    result, _ = run(space, tmp_path)
    assert result.state == "failed"
    assert result.reason.startswith(reason)


@pytest.mark.parametrize("end", [SystemExit(3), KeyboardInterrupt()])
def test_a_study_that_ends_its_process_fails_the_trial(space, tmp_path, monkeypatch, end):
    def leave(self):
        raise end

    monkeypatch.setattr(toy_study.ToyRun, "train_epoch", leave)
    result, _ = run(space, tmp_path)
    assert (result.state, result.epochs) == ("failed", 0)
    assert result.reason.startswith(f"the study ended its process ({type(end).__name__}")


def test_of_a_long_message_the_table_has_the_begin_and_the_log_all(space, tmp_path, monkeypatch):
    def fail(self):
        raise RuntimeError("much " * 30_000)

    monkeypatch.setattr(toy_study.ToyRun, "train_epoch", fail)
    result, _ = run(space, tmp_path)
    assert len(result.row()["reason"]) == 2000
    assert len(result.trace) > 150_000
    recorder = Recorder(space, tmp_path)
    recorder.begin(REQUEST)
    recorder.end(result)
    assert RunFolder(tmp_path).ended(space)[0].reason == result.reason


def test_what_a_trial_changes_in_its_process_does_not_reach_the_next(space, tmp_path, monkeypatch):
    drawn = []

    def leave_traces(self):
        drawn.append((random.random(), np.random.rand(), float(torch.rand(1))))  # noqa: NPY002
        os.chdir("/")
        os.environ["LEFT_BEHIND"] = "1"
        del os.environ["OF_BEFORE"]
        return {"loss": 1.0}

    monkeypatch.setenv("OF_BEFORE", "yes")
    monkeypatch.setattr(toy_study.ToyRun, "train_epoch", leave_traces)
    monkeypatch.chdir(tmp_path)
    space = space.model_copy(update={"budget": space.budget.model_copy(update={"epochs": 1})})
    for _ in range(2):
        assert run(space, tmp_path)[0].state == "finished"
        assert (Path.cwd(), os.environ.get("LEFT_BEHIND"), os.environ["OF_BEFORE"]) == (tmp_path, None, "yes")
    assert drawn[0] == drawn[1], "global generators begin with the trial's seed"


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


TRUNK = TrialRequest(0, {"x": 0.4, "width": 16, "kind": "b"}, 7)
LINES = (
    TrialRequest(1, {"x": 0.2, "width": 16, "kind": "b", "line": "0.4 > 0.2"}, 7, parent=0),
    TrialRequest(2, {"x": 0.1, "width": 16, "kind": "b", "line": "0.4 > 0.2 > 0.1"}, 7, parent=1),
)


@pytest.fixture
def line(document, tmp_path, killed_at):
    """Runs requests of a space with a sweep; `until` kills the worker at that update."""
    sweep = {"parameter": "x", "factors": [0.5], "epochs": 3}
    budget = {"trials": 8, "epochs": 10, "checkpoint_every_s": 0.0}
    resources = {"cpus": 1, "gpus": 0, "slots": 2}
    space = parse_space({**document, "sweep": sweep, "budget": budget, "resources": resources}, tmp_path / "toy.yaml")

    return partial(killed_at, toy_study.ToyStudy(space.fixed), space, tmp_path)


def chain(*stages):
    value = 7.0
    for x, epochs in stages:
        for _ in range(epochs):
            value = (value * 3.7 + x) % 1.0
    return value


def test_a_line_goes_on_from_the_end_of_its_parent(line, tmp_path):
    line(TRUNK)
    for request, epochs, x in ((LINES[0], 13, 0.2), (LINES[1], 16, 0.1)):
        result, updates = line(request)
        assert (result.state, result.epochs, result.inherited) == ("finished", epochs, epochs - 3)
        assert [row["epoch"] for update in updates for row in update.rows] == list(range(epochs - 2, epochs + 1))
        assert updates[0].restarted_after == 0
        assert result.row()["inherited_epochs"] == epochs - 3
        assert result.metrics["first"] == x**2 + 1 / 16
        stages = yaml.safe_load((tmp_path / f"trials/{request.trial}/configuration.yaml").read_text())["stages"]
        assert stages[-1] == {"x": x, "epochs": 3}
    assert result.metrics["chain"] == chain((0.4, 10), (0.2, 3), (0.1, 3))


@pytest.mark.parametrize("gone", ["all", "damaged", "another seed"])
def test_a_line_whose_parent_left_no_end_trains_all_of_it_to_the_same_values(line, tmp_path, gone):
    line(TRUNK)
    request, end = LINES[0], tmp_path / "ends/0/10"
    if gone == "all":
        shutil.rmtree(end)
    elif gone == "damaged":
        (end / "run/state.json").write_text("[10, 0.5]")
    else:
        request = replace(request, seed=8)
    result, updates = line(request)
    assert (result.state, result.epochs, result.inherited) == ("finished", 13, 0)
    assert "inherited_epochs" not in result.row()
    assert [row["epoch"] for update in updates for row in update.rows] == list(range(1, 14))
    assert ("begun anew" if gone == "damaged" else "trains its whole line") in updates[0].note
    if gone != "another seed":
        assert result.metrics["chain"] == chain((0.4, 10), (0.2, 3))


@pytest.mark.parametrize("until", [1, 2])
def test_a_line_whose_worker_died_in_the_middle_goes_on_there(line, until):
    line(TRUNK)
    with pytest.raises(Killed):
        line(LINES[0], until)
    result, updates = line(LINES[0])
    assert (result.state, result.epochs, result.inherited) == ("finished", 13, 10)
    assert result.metrics["chain"] == chain((0.4, 10), (0.2, 3))
    rows = [row["epoch"] for update in updates for row in update.rows]
    assert rows == [11, 12, 13], "the rows of the worker that died are told again"
