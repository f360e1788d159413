"""Whole runs on real Ray, through the command line. Each start of Ray costs about 20 s, so each run shows much."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import optuna
import pandas as pd
import pytest
import yaml

from results.records.run import read_curves, read_trials

pytestmark = pytest.mark.slow
TIMES = ["seconds", "started", "first_step", "ended"]
MISHAPS = {"4": "build", "5": "nan", "6": "raise", "7": "die", "8": "die_once"}  # by the trial's seed


def write_space(folder: Path, document: dict, **sections) -> None:
    (folder / "toy.yaml").write_text(yaml.safe_dump({**document, **sections}, sort_keys=False))


def start(*arguments: str) -> subprocess.Popen:
    """Call the command line in a process group of its own, as a terminal would."""
    command = [sys.executable, "-m", "search.run", "toy.yaml", *arguments]
    with Path("output.txt").open("w") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)


def search(*arguments: str) -> tuple[int, str]:
    """Call the command line to its end; return exit code and output."""
    process = start(*arguments)
    try:
        return process.wait(timeout=240), Path("output.txt").read_text()
    finally:
        stop(process)


def stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen, condition, what: str, timeout_s: float = 120.0):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"no {what}; the output so far:\n{Path('output.txt').read_text()}")


def lines(folder: str) -> list[str]:
    file = Path(folder, "trials.csv")
    return file.read_text().splitlines()[1:] if file.exists() else []


def train_runs() -> list[dict]:
    """Ask the dashboard for the runs of Ray Train, logged in as a user would be."""
    address = re.search(r"dashboard: (http://\S+)", Path("output.txt").read_text())
    if not address:
        return []
    token = (Path.home() / ".ray" / "auth_token").read_text().strip()
    url = f"{address[1]}/api/train/v2/runs/v1"
    try:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        return json.loads(urllib.request.urlopen(request, timeout=5).read())["train_runs"]
    except (urllib.error.URLError, ValueError, TimeoutError):
        return []


def gaps_s(trials: pd.DataFrame) -> pd.Series:
    """Return the seconds from the end of a trial to the first step of the next on its slot."""
    begun = trials[trials["first_step"].notna()].sort_values("started")
    found = [(group["first_step"].shift(-1) - group["ended"]).iloc[:-1] for _, group in begun.groupby("slot")]
    return pd.concat(found).dt.total_seconds()


def descendants_of_ray() -> list[str]:
    """Return the processes of Ray whose working folder is this one: those that this test has started."""
    here, found = os.getcwd(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if (process / "cwd").resolve() == Path(here) and re.search(r"ray::|raylet|gcs_server", command):
                found.append(command[:80])
        except (OSError, ValueError):
            continue
    return found


def test_a_run_on_two_slots_ends_with_every_trial_whatever_befalls_them(space_folder, document, capsys):
    mishaps = {"misbehave": MISHAPS, "nested": {"died": str(space_folder / "died")}}
    write_space(
        space_folder,
        document,
        fixed={"sleep_s": 0.02, **mishaps},
        resources={"slots": 2},
        budget={"trials": 16, "epochs": 20},
    )
    process = start()
    try:
        runs = wait_for(process, lambda: len(train_runs()) >= 2 and train_runs(), "runs of Ray Train")
        second = subprocess.run(
            [sys.executable, "-m", "search.run", "toy.yaml", "--resume"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 2
        assert "another search is writing to it" in second.stderr
        assert process.wait(timeout=240) == 0, Path("output.txt").read_text()
    finally:
        stop(process)
    assert {run["name"] for run in runs} == {"toy-slot0-group1", "toy-slot1-group1"}
    trials = read_trials("runs/toy").set_index("trial")
    assert sorted(map(int, trials.index)) == list(range(16))
    reasons = {number: trials.loc[str(number), "reason"] for number in range(1, 5)}
    assert reasons == {
        1: "RuntimeError: this one",
        2: "diverged: loss is nan in epoch 2",
        3: "KeyError: 'no such thing'",
        4: "worker died 2 times",
    }
    assert trials["state"].value_counts().to_dict() == {"finished": 12, "failed": 4}
    finished = trials[trials["state"] == "finished"]
    assert (finished["train_worker"] == 1).all(), "every trial is trained by a worker of Ray Train"
    assert (finished["threads_given"] == 1).all(), "a worker has as many threads as CPUs"
    assert set(trials["slot"]) == {"0", "1"}
    assert trials.loc[["1", "2", "3", "4"], "first"].isna().all()
    curves = read_curves("runs/toy")
    assert (curves[curves["trial"] == "5"]["epoch"] == range(1, 21)).all(), "begun anew after its worker died"
    for number in finished.index:
        assert {file.name for file in Path("runs/toy/trials", number).iterdir()} == {
            "configuration.yaml",
            "model.safetensors",
        }
    expected = ["best", "curves.csv", "figures", "front.csv", "front.png", "fronts", "hypervolume.csv", "log.txt"]
    expected += ["ray", "report.html", "space.yaml", "study.journal", "tensorboard", "trials", "trials.csv"]
    assert sorted(file.name for file in Path("runs/toy").iterdir() if file.name != ".lock") == expected
    assert "Traceback" in Path("runs/toy/log.txt").read_text(), "what went wrong is in the log ..."
    output = Path("output.txt").read_text()
    assert "Traceback" not in output, "... and not on the terminal"
    assert "hypervolume" in output
    assert "get-auth-token" in output
    with capsys.disabled():
        print(f"\nseconds between two trials of a slot: {gaps_s(trials).describe().round(3).to_dict()}")


def test_one_slot_repeats_exactly_even_through_kill_and_ctrl_c(space_folder, document):
    sections = {"resources": {"slots": 1}, "budget": {"trials": 9, "epochs": 5}}
    write_space(space_folder, document, fixed={"sleep_s": 0.2}, sampler={"startup_trials": 3}, **sections)
    assert search("--out", "whole")[0] == 0
    whole = pd.read_csv("whole/trials.csv").drop(columns=TIMES)

    process = start("--out", "broken")
    wait_for(process, lambda: len(lines("broken")) >= 2, "finished trials")
    kept = lines("broken")
    process.kill()
    process.wait()

    process = start("--out", "broken", "--resume")  # at once, while what the dead driver left is still ending
    wait_for(process, lambda: len(lines("broken")) >= len(kept) + 2, "finished trials")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    assert process.wait(timeout=30) == 130
    interrupted = [line for line in lines("broken") if ",interrupted," in line]
    output = Path("output.txt").read_text()
    assert f"interrupted, {len(interrupted)} running trials will go on later" in output
    assert "--resume --out broken" in output
    assert lines("broken")[: len(kept)] == kept

    code, output = search("--out", "broken", "--resume")
    assert code == 0, output
    assert lines("broken")[: len(kept)] == kept, "no finished row changes"
    pd.testing.assert_frame_equal(pd.read_csv("broken/trials.csv").drop(columns=TIMES), whole)
    curves = read_curves("broken")
    assert not curves.duplicated(["trial", "epoch"]).any()
    assert len(curves) == 9 * 5

    changed = {**document["parameters"], "width": {"type": "choice", "values": [8, 16]}}
    write_space(space_folder, {**document, "parameters": changed}, fixed={"sleep_s": 0.2}, **sections)
    code, output = search("--out", "broken", "--resume")
    assert code == 2
    assert "parameters.width.values: is [8, 16], but the run in broken was started with [8, 16, 32]" in output


def test_hopeless_trials_are_stopped_early_and_never_reach_the_front(space_folder, document):
    parameters = {**document["parameters"], "width": {"type": "choice", "values": [1, 1000]}}
    halving = {"first_rung": 3, "startup_trials": 2}
    sections = {"parameters": parameters, "halving": halving, "resources": {"slots": 2}}
    write_space(space_folder, document, **sections, fixed={"sleep_s": 0.05}, budget={"trials": 14, "epochs": 12})
    code, output = search()
    assert code == 0, output
    trials = read_trials("runs/toy")
    assert set(trials["state"]) == {"finished", "stopped"}
    stopped = trials[trials["state"] == "stopped"]
    assert set(stopped["epochs"]) <= {3, 6}, "a stop is decided at a rung, and costs at most the epoch under way"
    assert stopped["reason"].str.fullmatch(r"stopped by the scheduler after epoch \d+").all()
    assert not set(pd.read_csv("runs/toy/front.csv")["trial"]) & set(stopped["trial"].astype(int))
    study = optuna.load_study(
        study_name="toy",
        storage=optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend("runs/toy/study.journal", lock_obj=None)
        ),
    )
    pruned = {t.number: t for t in study.trials if t.state == optuna.trial.TrialState.PRUNED}
    assert set(pruned) == set(stopped["trial"].astype(int))
    assert all(len(trial.user_attrs["curve"]) >= 3 for trial in pruned.values())
    exported = {int(file.parent.name) for file in Path("runs/toy/trials").glob("*/model.safetensors")}
    assert exported == set(trials["trial"].astype(int)) - set(pruned), "a stopped trial does not go on unseen"


def seeds_of_points(folder: str) -> pd.Series:
    trials = read_trials(folder)
    return trials[trials["state"] == "finished"].groupby(["x", "width", "kind"])["seed"].nunique()


def test_every_point_on_the_front_ends_with_its_seeds_even_through_an_interruption(space_folder, document):
    budget = {"trials": 5, "epochs": 8, "replicates": 2}
    halving = {"first_rung": 2, "startup_trials": 1}
    sections = {"resources": {"slots": 2}, "budget": budget, "halving": halving}
    write_space(space_folder, document, fixed={"sleep_s": 0.15, "noise": 0.02}, **sections)
    process = start()
    wait_for(process, lambda: len(lines("runs/toy")) >= 6, "replicates")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130
    code, output = search("--resume", "--replicates", "3")
    assert code == 0, output
    assert re.search(r"resuming runs/toy: 5 trials and \d+ replicates have ended, \d+ replicates to go", output)
    assert re.search(r"5 of 5 trials ended, (\d+) of \1 replicates", output)
    assert "every point on the front has 3 seeds; values are means over them" in output
    trials, front = read_trials("runs/toy"), pd.read_csv("runs/toy/front.csv")
    assert (front["seeds"] == 3).all()
    assert front["first_std"].notna().all()
    assert (trials.iloc[5:]["state"] == "finished").all(), "no replicate is stopped early"
    assert seeds_of_points("runs/toy").max() == 3
    assert not trials.duplicated(["x", "width", "kind", "seed"]).any()
    assert all(Path("runs/toy/trials", str(trial), "model.safetensors").is_file() for trial in front["trial"])
    assert "starting Ray" not in search("--resume")[1], "nothing is left to do"


def test_a_run_in_which_every_trial_fails_says_so(space_folder, document):
    write_space(space_folder, document, fixed={"misbehave": {"all": "raise"}}, budget={"trials": 3, "epochs": 5})
    code, output = search()
    assert code == 1
    assert "no trial finished; the first reason: KeyError: 'no such thing'" in output
    assert len(lines("runs/toy")) == 3
    deadline = time.monotonic() + 15
    while descendants_of_ray() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert descendants_of_ray() == []
    assert not (Path.home() / "ray_results").exists()
