"""A real run whose trainings go on, while what drives them is killed in the middle of lines."""

import re
from functools import partial

import pytest

from benchmarks.search.fault_run import EPOCHS, FaultRun, running_in_journal
from results.records.run import read_curves, read_trials
from search.policy.proposals import Proposals
from search.preparation import Options, prepare
from search.trials import TrialUpdate
from search.worker.trial_loop import TrialLoop
from tests.search import toy_study

pytestmark = pytest.mark.slow
STEP = 8  # epochs
SWEEP = {"sweep": {"parameter": "x", "factors": [0.6, 1.5], "epochs": STEP, "most": 2}}
KEPT = ["trial", "state", "seed", "epochs", "inherited_epochs", "x", "width", "kind", "line", "chain", "first"]


def undisturbed(space, folder):
    """Search with one slot in this process; return the rows of the trials and the epochs of their curves."""
    folder.mkdir()
    proposals, results, epochs = Proposals(space, folder), [], {}
    left = space.budget.trials
    while True:
        request = proposals.go_on()
        if request is None and not left:
            return [result.row() for result in results], epochs
        if request is None:
            request, left = proposals.ask(left), left - 1
        updates: list[TrialUpdate] = []
        deliver = partial(heard, updates)
        results.append(TrialLoop(toy_study.ToyStudy(space.fixed), space, folder, 0, deliver).run(request))
        epochs[request.trial] = [row["epoch"] for update in updates for row in update.rows]
        proposals.tell(results[-1])


def heard(updates, update):
    updates.append(update)
    return True


def test_a_run_with_lines_that_is_killed_again_and_again_is_the_undisturbed_one(tmp_path, monkeypatch):
    resources = {"slots": 1}
    run = FaultRun(tmp_path, budget={"trials": 4, "evaluate_every": 4}, resources=resources, sections=SWEEP)

    hit: list[int] = []

    def new_line():
        """Return the line that is under way and has been saved, if none was hit that far."""
        saved = [number for number, (_, epoch) in run.moments().items() if epoch > EPOCHS and epoch % STEP]
        return [number for number in saved if number not in hit]

    try:
        process = run.start()
        for pattern in (r"^ray::RayTrainWorker", r"^ray::TrainController", None):
            run.until(new_line, "line under way")
            hit += new_line()
            if pattern:
                run.kill(pattern)
        process.kill()
        process.wait()
        run.until_gone()
        run.start("--resume")
        assert run.finish(600) == 0, run.output
    finally:
        run.close()
    assert len(set(hit)) == 3
    monkeypatch.chdir(tmp_path)
    space = prepare(Options(tmp_path / "toy.yaml", out=tmp_path / "other")).space
    expected, epochs = undisturbed(space, tmp_path / "undisturbed")
    trials = read_trials(run.run)
    found = trials.astype(object).where(trials.notna(), None).to_dict("records")
    found = {int(row["trial"]): row for row in found}
    assert set(found) == {row["trial"] for row in expected}
    for row in expected:
        for key in KEPT[1:]:
            assert found[row["trial"]].get(key) == row.get(key), (row, key)
    curves = read_curves(run.run)
    for trial, wanted in epochs.items():
        assert curves[curves["trial"] == str(trial)]["epoch"].tolist() == wanted
    assert sum(row.get("inherited_epochs", 0) > 0 for row in expected) >= 4
    for number in hit:
        assert re.search(f"trial {number}: goes on after epoch (2[5-9]|3)", run.log)
    assert running_in_journal(run.run) == 0
    assert not (run.run / "ends").exists(), "what nothing can go on from any more is gone"
    lines = [row for row in expected if "line" in row]
    assert f"4 of 4 trials ended, {len(lines)} lines" in run.output


def test_groups_stay_warm_between_batches_lines_and_replicates(tmp_path):
    """Each slot has one group from the first trial to the last, though slots fall idle together again and again."""
    budget = {"trials": 6, "epochs": 4, "replicates": 2}
    run = FaultRun(tmp_path, {"sleep_s": 0.1}, budget=budget, sections={**SWEEP, "batch": 2})
    try:
        run.start()
        assert run.finish(600) == 0, run.output
    finally:
        run.close()
    trials = read_trials(run.run)
    assert (trials["state"] == "finished").all()
    assert set(trials["slot"]) == {"0", "1"}
    assert trials.duplicated(["x", "width", "kind", "line"]).any(), "there were replicates"
    groups = {file.name for file in (run.run / "ray").glob("toy-slot*")}
    assert groups == {"toy-slot0-group1", "toy-slot1-group1"}
    last = trials.sort_values("started").tail(len(trials) // 2)
    assert set(last["slot"]) == {"0", "1"}, "both work to the end"
