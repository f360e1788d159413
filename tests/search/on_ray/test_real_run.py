"""Whole runs on real Ray, through the command line. A start of Ray costs half a minute of CPU: each run shows much."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import optuna
import pandas as pd
import pytest
import yaml

from results.records.run import read_curves, read_trials
from search.run import main

pytestmark = pytest.mark.slow
OF_THE_PLACE = ["seconds", "started", "first_step", "ended", "train_worker", "threads_given"]
MISHAPS = {"4": "build", "5": "nan", "6": "raise", "7": "die", "8": "die_once"}  # by the trial's seed


def write_space(folder: Path, document: dict, **sections) -> None:
    (folder / "toy.yaml").write_text(yaml.safe_dump({**document, **sections}, sort_keys=False))


STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def _nothing_goes_on() -> Iterator[None]:
    """Ends what a test that fails has left running."""
    yield
    while STARTED:
        stop(STARTED.pop())


def start(*arguments: str) -> subprocess.Popen:
    """Call the command line in a process group of its own, as a terminal would."""
    command = [sys.executable, "-m", "search.run", "toy.yaml", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with Path("output.txt").open("w") as output:
        STARTED.append(
            subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        )
    return STARTED[-1]


def search(*arguments: str) -> tuple[int, str]:
    """Call the command line to its end; return exit code and output."""
    return start(*arguments).wait(timeout=900), Path("output.txt").read_text()


def stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen, condition, what: str, timeout_s: float = 600.0):
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


def test_a_run_on_two_slots_ends_with_every_trial_whatever_happens_to_them(space_folder, document, capsys):
    mishaps = {"misbehave": MISHAPS, "nested": {"died": str(space_folder / "died")}}
    write_space(
        space_folder,
        document,
        fixed={"sleep_s": 0.02, **mishaps},
        resources={"slots": 2},
        budget={"trials": 16, "epochs": 20},
    )
    process = start()
    runs = wait_for(process, lambda: len(train_runs()) >= 2 and train_runs(), "runs of Ray Train")
    second = subprocess.run(
        [sys.executable, "-m", "search.run", "toy.yaml", "--resume"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert "another search is writing to it" in second.stderr
    assert process.wait(timeout=900) == 0, Path("output.txt").read_text()
    deadline = time.monotonic() + 120
    while descendants_of_ray() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert descendants_of_ray() == []
    assert not (Path.home() / "ray_results").exists()
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


def test_one_slot_repeats_exactly_even_through_kill_and_ctrl_c(space_folder, document, run_here, capsys):
    sections = {"resources": {"slots": 1}, "budget": {"trials": 9, "epochs": 5}}
    write_space(space_folder, document, fixed={"sleep_s": 0.2}, sampler={"startup_trials": 3}, **sections)
    whole = pd.read_csv(run_here(Path("toy.yaml"), Path("whole")) / "trials.csv").drop(columns=OF_THE_PLACE)

    process = start("--out", "broken")
    wait_for(process, lambda: len(lines("broken")) >= 2, "finished trials")
    kept = lines("broken")
    process.kill()
    process.wait()

    process = start("--out", "broken", "--resume")  # at once, while what the dead driver left is still ending
    wait_for(process, lambda: len(lines("broken")) >= len(kept) + 2, "finished trials")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    assert process.wait(timeout=120) == 130
    interrupted = [line for line in lines("broken") if ",interrupted," in line]
    output = Path("output.txt").read_text()
    assert f"interrupted, {len(interrupted)} running trials will go on later" in output
    assert "--resume --out broken" in output
    assert lines("broken")[: len(kept)] == kept

    code, output = search("--out", "broken", "--resume")
    assert code == 0, output
    assert lines("broken")[: len(kept)] == kept, "no finished row changes"
    pd.testing.assert_frame_equal(pd.read_csv("broken/trials.csv").drop(columns=OF_THE_PLACE), whole)
    curves = read_curves("broken")
    assert not curves.duplicated(["trial", "epoch"]).any()
    assert len(curves) == 9 * 5

    changed = {**document["parameters"], "width": {"type": "choice", "values": [8, 16]}}
    write_space(space_folder, {**document, "parameters": changed}, fixed={"sleep_s": 0.2}, **sections)
    assert main(["toy.yaml", "--out", "broken", "--resume"]) == 2
    refusal = "parameters.width.values: is [8, 16], but the run in broken was started with [8, 16, 32]"
    assert refusal in capsys.readouterr().err


def seeds_of_points(trials: pd.DataFrame) -> pd.Series:
    return trials[trials["state"] == "finished"].groupby(["x", "width", "kind"])["seed"].nunique()


def test_hopeless_trials_are_stopped_and_points_on_the_front_get_their_seeds_even_through_an_interruption(
    space_folder, document
):
    write_space(
        space_folder,
        document,
        parameters={**document["parameters"], "width": {"type": "choice", "values": [1, 1000]}},
        fixed={"sleep_s": 0.1, "noise": 0.02},
        halving={"first_rung": 3, "startup_trials": 2},
        budget={"trials": 10, "epochs": 12, "replicates": 3},
        resources={"slots": 2},
    )
    process = start()
    wait_for(process, lambda: len(lines("runs/toy")) >= 11, "replicates")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=120) == 130
    code, output = search("--resume", "--replicates", "4")
    assert code == 0, output
    trials, front = read_trials("runs/toy"), pd.read_csv("runs/toy/front.csv")
    stopped = trials[trials["state"] == "stopped"]
    pruned = {t.number: t for t in in_journal("runs/toy") if t.state == optuna.trial.TrialState.PRUNED}
    assert set(trials.iloc[:10]["state"]) == {"finished", "stopped"}
    assert set(stopped["epochs"]) <= {3, 6}, "a stop is decided at a rung, and costs at most the epoch under way"
    assert stopped["reason"].str.fullmatch(r"stopped by the scheduler after epoch \d+").all()
    assert not set(front["trial"]) & set(stopped["trial"].astype(int))
    assert set(pruned) == set(stopped["trial"].astype(int))
    assert all(len(trial.user_attrs["curve"]) >= 3 for trial in pruned.values())
    exported = {int(file.parent.name) for file in Path("runs/toy/trials").glob("*/model.safetensors")}
    assert exported == set(trials["trial"].astype(int)) - set(pruned), "a stopped trial does not go on unseen"

    assert re.search(r"resuming runs/toy: 10 trials and \d+ replicates have ended, \d+ replicates to go", output)
    assert re.search(r"10 of 10 trials ended, (\d+) of \1 replicates", output)
    assert "every point on the front has 4 seeds; values are means over them" in output
    assert (front["seeds"] == 4).all()
    assert front["first_std"].notna().all()
    assert (trials.iloc[10:]["state"] == "finished").all(), "no replicate is stopped early"
    assert seeds_of_points(trials).max() == 4
    assert not trials.duplicated(["x", "width", "kind", "seed"]).any()


def in_journal(folder: str) -> list[optuna.trial.FrozenTrial]:
    backend = optuna.storages.journal.JournalFileBackend(f"{folder}/study.journal", lock_obj=None)
    return optuna.load_study(study_name="toy", storage=optuna.storages.JournalStorage(backend)).trials
