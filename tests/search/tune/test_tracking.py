"""What TensorBoard and MLflow get of trials; the trials are made up, the trackers are real."""

import importlib.util
import struct
import threading
from pathlib import Path
from typing import ClassVar

import pytest
import yaml
from ray.tune.logger import LoggerCallback

from search.exceptions import InputError
from search.preparation import Options, prepare
from search.space.reading import SpaceError, parse_space
from search.trials import TrialRequest, TrialResult, TrialUpdate
from search.tune.tracking import PerEpoch, check_trackers, trackers


class Trial:
    """What callbacks use of a trial of Tune."""

    def __init__(self, number):
        self.trial_id = f"id{number}"
        self.config = {"request": TrialRequest(number, {"x": 0.25, "kind": "a"}, 40 + number)}
        self.last_result = None
        self.local_path = "unused"

    def __str__(self):
        return f"trial-{self.config['request'].trial}"


def play(callback, trial, state="finished"):
    """Let a trial train three epochs in two reports."""
    request = trial.config["request"]
    callback.setup()
    callback.log_trial_start(trial)
    rows = [{"epoch": n, "loss": 1.0 / n, "first": 0.5} for n in (1, 2, 3)]
    for taken in (rows[:2], rows[2:]):
        result = TrialResult(request, state if taken == rows[2:] else "running", epochs=taken[-1]["epoch"])
        trial.last_result = {"update": TrialUpdate(result, tuple(taken)), "done": True, "epochs": 3}
        callback.log_trial_result(1, trial, trial.last_result)
    callback.log_trial_end(trial)


def told(callback):
    """Wait until a tracker has been told everything."""
    callback.on_experiment_end([])


def events(file: Path):
    """Read an event file: records of length, checksum, content, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    data, at = file.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        event = Event()
        event.ParseFromString(data[at + 12 : at + 12 + length])
        yield event
        at += 16 + length


def test_every_epoch_is_in_the_event_file_of_its_trial(space, tmp_path):
    (callback,) = trackers(space, tmp_path)
    for number in (0, 1):
        play(callback, Trial(number))
    told(callback)
    for number in (0, 1):
        (file,) = (tmp_path / "tensorboard" / f"trial-{number}").iterdir()
        found = list(events(file))
        values = [(e.step, v) for e in found for v in e.summary.value]
        scalars = [(step, v.tag, v.simple_value) for step, v in values if v.tag in ("loss", "first")]
        expected = [(n, tag, value) for n in (1, 2, 3) for tag, value in (("loss", 1 / n), ("first", 0.5))]
        assert [s[:2] for s in scalars] == [e[:2] for e in expected]
        assert [s[2] for s in scalars] == pytest.approx([e[2] for e in expected])
        texts = [v.tensor.string_val[0].decode() for _, v in values if "configuration" in v.tag]
        assert texts == [f"- x: 0.25\n- kind: a\n- seed: {40 + number}"]


def test_event_files_can_be_left_out(document, tmp_path):
    assert trackers(parse_space({**document, "track": {"tensorboard": False}}, Path("toy.yaml")), tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_gets_parameters_metrics_and_the_state_of_each_trial(document, tmp_path, monkeypatch):
    import mlflow

    store = f"sqlite:///{tmp_path / 'mlruns.db'}"
    monkeypatch.chdir(tmp_path)
    space = parse_space({**document, "track": {"tensorboard": False, "mlflow": store}}, Path("toy.yaml"))
    check_trackers(space, Path("toy.yaml"))
    (callback,) = trackers(space, tmp_path)
    play(callback, Trial(0))
    play(callback, Trial(1), "failed")
    told(callback)
    client = mlflow.MlflowClient(store)
    experiment = client.get_experiment_by_name("toy")
    runs = sorted(client.search_runs([experiment.experiment_id]), key=lambda run: run.info.run_name)
    assert [run.info.run_name for run in runs] == ["trial-0", "trial-1"]
    assert [run.info.status for run in runs] == ["FINISHED", "FAILED"]
    assert runs[0].data.params == {"x": "0.25", "kind": "a", "seed": "40"}
    history = client.get_metric_history(runs[0].info.run_id, "loss")
    assert [(entry.step, entry.value) for entry in history] == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]


def test_a_tracker_that_is_not_installed_is_named(space_folder, document, monkeypatch):
    document["track"] = {"wandb": "shapes"}
    (space_folder / "toy.yaml").write_text(yaml.safe_dump(document))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SpaceError, match=r"track\.wandb: wandb is not installed; pip install wandb"):
        prepare(Options(Path("toy.yaml"), None, False, None))


def test_a_misspelt_tracker_is_refused(document):
    with pytest.raises(SpaceError, match=r"track\.mlfow"):
        parse_space({**document, "track": {"mlfow": "file:mlruns"}}, Path("toy.yaml"))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")
@pytest.mark.parametrize("store", ["file:mlruns", "http://127.0.0.1:9"])
def test_a_store_that_takes_nothing_is_refused_before_the_search(document, tmp_path, monkeypatch, store):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    space = parse_space({**document, "track": {"mlflow": store}}, Path("toy.yaml"))
    with pytest.raises(InputError, match=rf"track\.mlflow: {store}: .*; give a server, or a file such as sqlite:///"):
        check_trackers(space, Path("toy.yaml"))


class Failing:
    """A tracker that fails at some trials."""

    def __init__(self, fails):
        self.fails, self.seen = fails, []

    def setup(self):
        pass

    def log_trial_start(self, trial):
        if str(trial) in self.fails:
            raise OSError("503 Service\nUnavailable at http://me:secret@host")
        self.seen.append(str(trial))

    def log_trial_result(self, iteration, trial, result):
        pass

    def log_trial_end(self, trial, failed):
        pass


def test_a_tracker_that_fails_is_tried_again_and_the_user_told():
    said, tracker = [], Failing({"trial-0", "trial-2"})
    callback = PerEpoch(tracker, said.append)
    for number in range(4):
        play(callback, Trial(number))
    told(callback)
    assert tracker.seen == ["trial-1", "trial-3"]
    line = "Failing: 503 Service Unavailable at http://***@host; it is tried again with the next trial"
    assert said == [line, line]


def test_a_tracker_that_fails_again_and_again_is_left_alone():
    said, tracker = [], Failing({f"trial-{number}" for number in range(3)})
    callback = PerEpoch(tracker, said.append)
    for number in range(5):
        play(callback, Trial(number))
    told(callback)
    assert tracker.seen == []
    assert [text.rpartition("; ")[2] for text in said] == [
        "it is tried again with the next trial",
        "it gets no more trials",
    ]


def test_a_tracker_that_does_not_answer_makes_nobody_wait(monkeypatch):
    monkeypatch.setattr("search.tune.tracking.GOODBYE_S", 0.1)
    said, tracker, released = [], Failing(()), threading.Event()
    tracker.log_trial_start = lambda trial: released.wait(30)
    callback = PerEpoch(tracker, said.append)
    play(callback, Trial(0))
    told(callback)
    released.set()
    assert said == ["Failing: does not answer, and misses the last trials"]


class Heard(LoggerCallback):
    """A callback of a user's own; the second trial is too much for it."""

    told: ClassVar[list] = []

    def log_trial_result(self, iteration, trial, result):
        if trial.config["seed"] == 41:
            raise KeyError("too much")
        self.told.append((str(trial), trial.config["x"], result["training_iteration"], result["loss"]))


def test_a_callback_of_ones_own_hears_of_every_epoch_and_ends_nothing(document, tmp_path):
    Heard.told.clear()
    name = f"{__name__}:Heard"
    space = parse_space({**document, "track": {"tensorboard": False, "callbacks": [name]}}, Path("toy.yaml"))
    check_trackers(space, Path("toy.yaml"))
    notices = []
    (callback,) = trackers(space, tmp_path, notices.append)
    for number in (0, 1, 2):
        play(callback, Trial(number))
    told(callback)
    assert Heard.told == [(f"trial-{n}", 0.25, epoch, 1.0 / epoch) for n in (0, 2) for epoch in (1, 2, 3)]
    assert notices == ["Heard: 'too much'; it is tried again with the next trial"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:Heard", "no_such_module:Heard cannot be made: ModuleNotFoundError"),
        ("json:Heard", "json:Heard cannot be made: AttributeError: module 'json' has no attribute 'Heard'"),
        ("json:JSONDecoder", r"json:JSONDecoder is no LoggerCallback of ray"),
    ],
)
def test_what_is_no_callback_is_refused_before_the_search(document, name, message):
    space = parse_space({**document, "track": {"callbacks": [name]}}, Path("toy.yaml"))
    with pytest.raises(InputError, match=rf"track\.callbacks: {message}"):
        check_trackers(space, Path("toy.yaml"))
