"""Faults in real runs, as every change has to survive them; `benchmarks.search.faults` has each several times."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from results.records.run import read_curves, read_trials

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


@pytest.fixture
def faults():
    return importlib.import_module("benchmarks.search.fault_run")


def undisturbed(trials: pd.DataFrame, epochs: int) -> list[float]:
    """Return what each trial's chain of epochs comes to when nothing happens."""
    found = []
    for row in trials.itertuples():
        chain = float(row.seed)
        for _ in range(epochs):
            chain = (chain * 3.7 + row.x) % 1.0
        found.append(chain)
    return found


def test_no_fault_of_a_worker_loses_or_repeats_an_epoch(faults, tmp_path):
    # None of the first two trials, whose controller is killed: a trial that fares ill twice fails.
    mishaps = {"5": "nan", "6": "hang", "7": "raise", "8": "hang_always", "9": "die_late"}
    run = faults.FaultRun(tmp_path, {"misbehave": mishaps}, {"trials": 12, "hung_after_s": 4.0})
    run.start()
    try:
        trials = run.until_running()
        run.until_moving(trials, run.kill(r"^ray::TrainController"))
        run.until(lambda: len(run.rows()) >= 3 and run.moments(), "a trial under way")
        run.kill(r"^ray::ResourceTrainable")
        assert run.finish(900) == 0, run.output
        run.until_gone()
    finally:
        run.close()
    trials = read_trials(run.run).set_index("trial")
    assert sorted(map(int, trials.index)) == list(range(12))
    failed = trials[trials["state"] == "failed"]["reason"].to_dict()
    assert failed == {
        "2": "diverged: loss is nan in epoch 2",
        "4": "KeyError: 'no such thing'",
        "5": "hung (no news for 4 s) 2 times after epoch 6, its last checkpoint",
    }
    finished = trials[trials["state"] == "finished"]
    assert len(finished) == 9
    assert finished["chain"].tolist() == undisturbed(finished, faults.EPOCHS)
    curves = read_curves(run.run)
    for number in finished.index:
        assert curves[curves["trial"] == number]["epoch"].tolist() == list(range(1, faults.EPOCHS + 1))
        assert curves[curves["trial"] == number]["seconds"].is_monotonic_increasing
    assert faults.running_in_journal(run.run) == 0
    assert not list((run.run / "trials").glob("*/unfinished"))
    assert "trial 6: goes on after epoch 6, from its checkpoint" in run.log
    assert "is given out again: its actor died" in run.output
    assert "had no worker" not in run.output, "the slot of the actor that died has its CPU again"
    assert "Traceback" not in run.output


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


def test_a_run_goes_on_without_a_slot_whose_workers_cannot_start(faults, tmp_path):
    # A process grows once, at the third trial of its worker or later.
    leak = {str(seed): "grow" for seed in range(6, 12)}
    resources = {"start_within_s": 60, "recycle_after_trials": 5}
    run = faults.FaultRun(tmp_path, {"sleep_s": 0.02, "misbehave": leak}, {"trials": 9}, resources)
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
    assert re.search(r"slot \d: had no worker for 60 s; are its CPUs and GPUs free on the cluster\?; trial", run.output)
    assert re.search(r"the worker of slot \d is replaced: its memory has grown from .* to .* GiB", run.log)
    assert re.search(r"the worker of slot \d is replaced: it has run 5 trials", run.log)
    assert len(read_curves(run.run)) == 9 * faults.EPOCHS
