"""Real runs in which every kind of fault happens, as every change has to survive them, and what else a run leaves.

`benchmarks.search.faults` has each fault several times. A start of Ray costs a minute of CPU: one run shows much.
"""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.search.fault_run import EPOCHS, FaultRun, running_in_journal
from results.records.run import read_curves, read_trials

pytestmark = pytest.mark.slow
TRIALS = 14
HUNG_AFTER_S = 8.0  # a busy machine may take some seconds to notice a death, which is none of hanging
# By the trial's seed. None of the first two trials, whose controller is killed: a trial that fares ill twice fails.
MISHAPS = {"5": "nan", "6": "hang", "7": "raise", "8": "hang_always", "9": "die_late"}
MISHAPS |= {"10": "build", "11": "die", "12": "die_once"}
FAILED = {  # patterns of their reasons; which checkpoint is the last before a fault in epoch 7, is a matter of pace
    "2": "diverged: loss is nan in epoch 2",
    "4": "KeyError: 'no such thing'",
    "5": rf"hung \(no news for {HUNG_AFTER_S:g} s\) 2 times after epoch [1-6], its last checkpoint",
    "7": "RuntimeError: this one",
    # Its second worker takes seconds to come, and until it is there a dead one looks like one that hangs.
    "8": rf"(worker died|hung \(no news for {HUNG_AFTER_S:g} s\))( 2 times|, then .*)",
}


def undisturbed(trials: pd.DataFrame, epochs: int) -> list[float]:
    """Return what each trial's chain of epochs comes to when nothing happens."""
    found = []
    for row in trials.itertuples():
        chain = float(row.seed)
        for _ in range(epochs):
            chain = (chain * 3.7 + row.x) % 1.0
        found.append(chain)
    return found


def train_runs(output: str) -> set[str]:
    """Ask the dashboard for the names of the runs of Ray Train, logged in as a user would be."""
    address = re.search(r"dashboard: (http://\S+)", output)
    if not address:
        return set()
    token = (Path.home() / ".ray" / "auth_token").read_text().strip()
    url = f"{address[1]}/api/train/v2/runs/v1"
    try:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        answer = json.loads(urllib.request.urlopen(request, timeout=5).read())
        return {run["name"] for run in answer["train_runs"]}
    except (urllib.error.URLError, ValueError, TimeoutError):
        return set()


def test_no_fault_of_a_worker_loses_or_repeats_an_epoch(tmp_path):
    run = FaultRun(tmp_path, {"misbehave": MISHAPS}, {"trials": TRIALS, "hung_after_s": HUNG_AFTER_S})
    run.start()
    try:
        trials = run.until_running()
        both = {"toy-slot0-group1", "toy-slot1-group1"}
        run.until(lambda: train_runs(run.output) == both, "runs of Ray Train")
        assert not run.processes("PlacementGroupCleaner"), "it may take the workers of a run that lives"
        run.until_moving(trials, run.kill(r"^ray::TrainController"))
        run.until(lambda: len(run.rows()) >= 3 and run.moments(), "a trial under way")
        run.until_moving(run.moments(), run.kill(r"^ray::Mailbox"))
        run.until(lambda: len(run.rows()) >= 4 and run.moments(), "a trial under way")
        run.kill(r"^ray::ResourceTrainable")
        second = FaultRun(tmp_path, {"misbehave": MISHAPS}, {"trials": TRIALS, "hung_after_s": HUNG_AFTER_S})
        second.start("--resume", output="second.txt")
        assert second.finish() == 2
        assert "another search is writing to it" in (tmp_path / "second.txt").read_text()
        assert run.finish(900) == 0, run.output
        run.until_gone()
    finally:
        run.close()
    trials = read_trials(run.run).set_index("trial")
    assert sorted(map(int, trials.index)) == list(range(TRIALS))
    reasons = trials[trials["state"] == "failed"]["reason"]
    assert set(reasons.index) == set(FAILED), reasons.to_dict()
    assert all(re.fullmatch(pattern, reasons[number]) for number, pattern in FAILED.items()), reasons.to_dict()
    assert trials.loc[[*FAILED], "first"].isna().all()
    finished = trials[trials["state"] == "finished"]
    assert len(finished) == TRIALS - len(FAILED)
    assert finished["chain"].tolist() == undisturbed(finished, EPOCHS)
    assert (finished["train_worker"] == 1).all(), "every trial is trained by a worker of Ray Train"
    assert (finished["threads_given"] == 1).all(), "a worker has as many threads as CPUs"
    assert set(trials["slot"]) == {"0", "1"}
    curves = read_curves(run.run)
    for number in finished.index:
        assert curves[curves["trial"] == number]["epoch"].tolist() == list(range(1, EPOCHS + 1))
        assert curves[curves["trial"] == number]["seconds"].is_monotonic_increasing
        files = {file.name for file in (run.run / "trials" / number).iterdir()}
        assert files == {"configuration.yaml", "model.safetensors"}
    assert running_in_journal(run.run) == 0
    assert not list((run.run / "trials").glob("*/unfinished"))
    assert re.search("trial 6: goes on after epoch [1-6], from its checkpoint", run.log)
    assert "is given out again: its actor died" in run.output
    assert run.output.count("is given out again: the mailbox of the run died") in (1, 2)
    assert "had no worker" not in run.output, "the slot of the actor that died has its CPU again"
    expected = ["best", "curves.csv", "figures", "front.csv", "front.png", "fronts", "hypervolume.csv", "log.txt"]
    expected += ["ray", "report.html", "space.yaml", "study.journal", "tensorboard", "trials", "trials.csv"]
    assert sorted(file.name for file in run.run.iterdir() if file.name != ".lock") == expected
    assert not (Path.home() / "ray_results").exists()
    assert "Traceback" in run.log, "what went wrong is in the log ..."
    assert "Traceback" not in run.output, "... and not on the terminal"
    assert "hypervolume" in run.output
    assert "get-auth-token" in run.output


CLUSTER = """
import os, sys
os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"
import ray
from ray.util.placement_group import placement_group
context = ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
ray.get(placement_group([{"CPU": 1}]).ready())
print(context.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


def test_a_run_goes_on_without_a_slot_whose_workers_cannot_start(tmp_path):
    # A process grows once, at the third trial of its worker or later.
    leak = {str(seed): "grow" for seed in range(6, 12)}
    resources = {"start_within_s": 60, "recycle_after_trials": 5}
    run = FaultRun(tmp_path, {"sleep_s": 0.02, "misbehave": leak}, {"trials": 9}, resources)
    taken = subprocess.Popen([sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        address = taken.stdout.readline().strip()
        assert address, "no cluster"
        run.start("--address", address)
        assert run.finish(900) == 0, run.output
    finally:
        run.close()
        taken.communicate("", timeout=60)
    trials = read_trials(run.run)
    assert trials["state"].tolist() == ["finished"] * 9
    assert re.search(r"slot \d: had no worker for 60 s \(resources\.start_within_s\); are its CPUs", run.output)
    assert re.search(r"the worker of slot \d is replaced: its memory has grown from .* to .* GiB", run.log)
    assert re.search(r"the worker of slot \d is replaced: it has run 5 trials", run.log)
    assert len(read_curves(run.run)) == 9 * EPOCHS
