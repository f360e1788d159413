"""A run on a cluster that gains a node and loses it again; the node sees neither the code nor the run folder."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
import yaml

from benchmarks.search.nodes import Cluster, can_hide
from results.records.run import read_curves, read_trials
from search.record.outbox import stand_in

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
TRIALS, EPOCHS, EPOCH_S = 8, 20, 0.5
SWEEP = {"parameter": "x", "factors": [0.6, 1.5], "epochs": 10, "most": 1}

STUDY = f"""
from pathlib import Path
import search
from toy_study import ToyRun, ToyStudy

class Run(ToyRun):
    def train_epoch(self):
        if Path(self.data["died"]).exists():  # the node has been killed, and nothing is waited for any more
            self.configuration["sleep_s"] = 0.01
        return super().train_epoch()

    def evaluate(self):
        brought = all("py_modules" in file for file in (__file__, search.__file__))
        hidden = not Path("{ROOT}/search/run.py").exists()
        return {{**super().evaluate(), "brought": float(brought), "hidden": float(hidden)}}

class FarStudy(ToyStudy):
    metrics = (*ToyStudy.metrics, "brought", "hidden")

    def trial(self, configuration, device):
        return Run(configuration, self.data)
"""


@pytest.fixture
def cluster():
    cluster = Cluster()
    yield cluster
    cluster.stop()


def until(condition, what: str, timeout_s: float = 600.0):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"no {what} within {timeout_s:g} s"
        time.sleep(0.2)
    return found


def write_study(folder: Path, document: dict) -> None:
    shutil.copy(Path(__file__).parents[1] / "toy_study.py", folder)
    (folder / "far_study.py").write_text(STUDY)
    space = {
        **document,
        "study": "far_study:FarStudy",
        "fixed": {"sleep_s": EPOCH_S, "nested": {"died": str(folder / "killed")}},
        "budget": {"trials": TRIALS, "epochs": EPOCHS, "evaluate_every": 5, "checkpoint_every_s": 1.0},
        "resources": {"cpus": 1, "start_within_s": 60},
        "sweep": SWEEP,
    }
    (folder / "toy.yaml").write_text(yaml.safe_dump(space, sort_keys=False))


def undisturbed(row) -> float:
    """Return what the chain of epochs of a trial comes to when nothing happens to it."""
    values = [float(value) for value in row["line"].split(" > ")] if row["line"] else [row["x"]]
    chain = float(row["seed"])
    for number, x in enumerate(values):
        for _ in range(SWEEP["epochs"] if number else EPOCHS):
            chain = (chain * 3.7 + x) % 1.0
    return chain


@pytest.mark.skipif(not can_hide(), reason="needs unshare, to hide folders from a node")
def test_a_run_takes_in_a_node_and_loses_it_without_losing_a_trial(cluster, document, tmp_path):
    write_study(tmp_path, document)
    cluster.add([])
    until(cluster.up, "head node")
    output, run = tmp_path / "output.txt", tmp_path / "runs" / "toy"
    with output.open("w") as file:
        search = subprocess.Popen(
            [sys.executable, "-m", "search.run", "toy.yaml", "--address", cluster.address],
            cwd=tmp_path,
            env={**os.environ, **cluster.environment, "PYTHONPATH": str(ROOT)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: "1 at a time" in output.read_text() or search.poll() is not None, "beginning")
        assert search.poll() is None, output.read_text()
        node = cluster.add([tmp_path, *(ROOT / package for package in ("search", "results", "model"))])

        def far() -> list:
            trials = read_trials(run) if (run / "trials.csv").exists() else None
            return [] if trials is None or "hidden" not in trials else list(trials[trials["hidden"] == 1]["trial"])

        ended_there = until(lambda: far() or search.poll() is not None, "trial on the second node")
        assert search.poll() is None, output.read_text()
        time.sleep(EPOCHS * EPOCH_S / 2)  # the next one is under way there
        os.killpg(node.pid, signal.SIGKILL)
        killed = time.monotonic()
        (tmp_path / "killed").touch()
        until(lambda: "has left the cluster" in output.read_text() or search.poll() is not None, "notice")
        print(f"given back {time.monotonic() - killed:.0f} s after the node was killed")
        assert search.wait(timeout=900) == 0, output.read_text()
    finally:
        if search.poll() is None:
            search.kill()
            search.wait()
    assert not stand_in((run / ".session").read_text()).exists(), "nothing is left on the nodes"
    print(f"ended {time.monotonic() - killed:.0f} s after the node was killed\n{output.read_text()}")
    log = (run / "log.txt").read_text()
    lost = re.search(r"slot \d: its node [\d.]+ has left the cluster; trial \d+ goes to another slot", log)
    assert lost, log
    assert re.findall(r"trials at a time now (\d+), before (\d+)", log) == [("2", "1"), ("1", "2")]
    trials = read_trials(run)
    assert sorted(map(int, trials["trial"])) == list(range(len(trials)))
    rows = trials.astype(object).where(trials.notna(), None).to_dict("records")
    lines = [row for row in rows if row["line"]]
    assert len(trials) - len(lines) == TRIALS
    assert lines, "some have gone on"
    assert [row["chain"] for row in rows] == [undisturbed(row) for row in rows], "whoever trained which of their stages"
    assert set(trials["state"]) == {"finished"}
    far_away = trials[trials["hidden"] == 1]
    assert set(far_away["trial"]) >= set(ended_there)
    assert (far_away["brought"] == 1).all(), "the node has the code that the driver brought"
    curves = read_curves(run)
    for row in rows:
        inherited = row.get("inherited_epochs") or 0
        expected = EPOCHS + (SWEEP["epochs"] if row["line"] else 0)
        assert curves[curves["trial"] == row["trial"]]["epoch"].tolist() == list(range(inherited + 1, expected + 1))
    for number in trials["trial"]:
        assert (run / "trials" / number / "model.safetensors").read_bytes() == b"toy"
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(run / "study.journal")))
    journal = optuna.load_study(study_name=None, storage=storage).get_trials(deepcopy=False)
    assert {trial.state for trial in journal} == {optuna.trial.TrialState.COMPLETE}
