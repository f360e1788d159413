"""Whole runs on real Ray, through the command line. A start of Ray costs half a minute of CPU: each run shows much."""

import os
import re
import signal
from pathlib import Path

import optuna
import pandas as pd
import pytest

from results.records.run import read_curves, read_trials
from search.run import main
from tests.search.on_ray.command_line import lines, search, start, wait_for, write_space

pytestmark = pytest.mark.slow
OF_THE_PLACE = ["seconds", "started", "first_step", "ended", "train_worker", "threads_given"]


def test_one_slot_repeats_exactly_even_though_it_was_killed(space_folder, document, run_here, capsys):
    sections = {"resources": {"slots": 1}, "budget": {"trials": 9, "epochs": 5}}
    write_space(space_folder, document, fixed={"sleep_s": 0.2}, sampler={"startup_trials": 3}, **sections)
    whole = pd.read_csv(run_here(Path("toy.yaml"), Path("whole")) / "trials.csv").drop(columns=OF_THE_PLACE)

    process = start("--out", "broken")
    wait_for(process, lambda: len(lines("broken")) >= 2, "finished trials")
    kept = lines("broken")
    process.kill()
    process.wait()

    code, output = search("--out", "broken", "--resume")  # at once, while what the dead driver left is still ending
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
    kept = [line for line in lines("runs/toy") if ",interrupted," not in line]
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    assert process.wait(timeout=120) == 130
    interrupted = [line for line in lines("runs/toy") if ",interrupted," in line]
    output = Path("output.txt").read_text()
    assert f"interrupted, {len(interrupted)} running trials will go on later" in output
    assert "--resume" in output
    code, output = search("--resume", "--replicates", "4")
    assert code == 0, output
    assert lines("runs/toy")[: len(kept)] == kept, "no finished row changes"
    assert not read_curves("runs/toy").duplicated(["trial", "epoch"]).any()
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
