import random
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from search.policy.proposals import Proposals
from search.space.reading import parse_space
from search.trials import TrialResult

optuna.logging.set_verbosity(optuna.logging.WARNING)


def journal(folder: Path, name="toy"):
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    return optuna.load_study(study_name=name, storage=storage).trials


def test_requests_are_numbered_and_every_trial_has_a_seed_of_its_own(space, tmp_path):
    proposals = Proposals(space, tmp_path)
    requests = [proposals.ask() for _ in range(5)]
    assert [request.trial for request in requests] == [0, 1, 2, 3, 4]
    assert [request.seed for request in requests] == [3, 4, 5, 6, 7]
    assert all(list(request.parameters) == ["x", "width", "kind"] for request in requests)


def test_a_small_discrete_space_gives_replicates_with_new_seeds(document, tmp_path, finish):
    document["parameters"] = {"kind": {"type": "choice", "values": ["a", "b"]}}
    proposals = Proposals(parse_space(document, Path("toy.yaml")), tmp_path)
    seen = []
    for _ in range(6):
        request = proposals.ask()
        seen.append((request.parameters["kind"], request.seed))
        proposals.tell(finish(request))
    assert len({kind for kind, _ in seen}) <= 2
    assert len({seed for _, seed in seen}) == 6


def test_results_become_states_of_the_journal(space, tmp_path, finish):
    proposals = Proposals(space, tmp_path)
    requests = [proposals.ask() for _ in range(5)]
    proposals.tell(finish(requests[0], 0.25, 0.75, progress=0.0))
    proposals.tell(TrialResult(requests[1], "stopped", "too slow", 3), [{"epoch": 1, "first": 0.5}])
    proposals.tell(TrialResult(requests[2], "failed", "diverged: loss is nan"))
    proposals.tell(TrialResult(requests[3], "interrupted", "by the user"))
    trials = journal(tmp_path)
    states = [trial.state for trial in trials]
    running = TrialState.RUNNING
    assert states == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, running, running]
    assert trials[0].values == [0.25, 0.75]
    assert trials[0].user_attrs["metrics"]["progress"] == 0.0
    assert trials[0].constraints == {"progress:at_least": 0.1}
    assert trials[1].user_attrs == {"seed": 4, "reason": "too slow", "curve": [{"epoch": 1, "first": 0.5}]}
    assert trials[2].user_attrs == {"seed": 5, "reason": "diverged: loss is nan"}
    proposals.tell(finish(requests[2]))
    assert journal(tmp_path)[2].state == TrialState.FAIL, "what has ended stays as it is"


def play(space, folder, trials, finish, crash_after=()):
    """Run trials one at a time; reopen the journal after some of them, as a crash would."""
    proposals, requests, ended = Proposals(space, folder), [], []
    for number in range(trials):
        request = proposals.ask()
        x, width = request.parameters["x"], request.parameters["width"]
        result = finish(request, x**2 + 1 / width, (x - 1) ** 2)
        requests.append(request)
        if number in crash_after:
            proposals = Proposals(space, folder)
            assert proposals.reconcile(ended) == [number]
            assert proposals.ask() == request, "run again under the same number, parameters and seed"
        ended.append(result)
        proposals.tell(result)
    return requests


def test_the_same_seed_gives_the_same_requests_also_across_a_crash(space, tmp_path, finish):
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    first = play(space, folders[0], 16, finish)
    assert play(space, folders[1], 16, finish) == first
    assert play(space, folders[2], 16, finish, crash_after=(2, 12)) == first
    (tmp_path / "four").mkdir()
    assert play(space.model_copy(update={"seed": 4}), tmp_path / "four", 16, finish) != first


def test_tpe_learns_from_the_trials(space, tmp_path, finish):
    late = [request.parameters["width"] for request in play(space, tmp_path, 40, finish)[20:]]
    assert late.count(32) > len(late) / 2, "a larger width is better in one objective and costs nothing in the other"


def test_a_crash_is_reconciled_from_the_table(space, tmp_path, finish):
    proposals = Proposals(space, tmp_path)
    requests = [proposals.ask() for _ in range(4)]
    proposals.tell(finish(requests[0]))
    # Trial 1 finished and 2 failed on the disk, but the driver died before it told the journal; 3 was running.
    rows = [finish(requests[0]), finish(requests[1], 0.1, 0.2), TrialResult(requests[2], "failed", "worker died")]
    again = Proposals(space, tmp_path)
    assert again.reconcile(rows) == [3]
    assert [trial.state for trial in journal(tmp_path)] == [
        TrialState.COMPLETE,
        TrialState.COMPLETE,
        TrialState.FAIL,
        TrialState.RUNNING,
    ]
    assert journal(tmp_path)[1].values == [0.1, 0.2]
    assert again.ask() == requests[3]
    assert again.ask().trial == 4


def test_a_journal_never_holds_half_a_trial(space, tmp_path, finish):
    proposals = Proposals(space, tmp_path)
    proposals.tell(finish(proposals.ask()))
    request = proposals.ask()
    file = tmp_path / "study.journal"
    entries = file.read_bytes().splitlines(keepends=True)
    for kept in range(1, len(entries)):
        file.write_bytes(b"".join(entries[:kept]))
        again = Proposals(space, tmp_path)
        again.reconcile([])
        requests = [again.ask(), again.ask()]
        assert [request.trial for request in requests] == [0, 1]
        assert all(list(request.parameters) == list(space.parameters) for request in requests)
    assert requests[1] == request


def test_a_journal_that_was_cut_off_in_the_middle_of_a_line_is_mended(space, tmp_path, finish):
    proposals = Proposals(space, tmp_path)
    proposals.tell(finish(proposals.ask()))
    proposals.ask()
    file = tmp_path / "study.journal"
    file.write_bytes(file.read_bytes()[:-7])
    again = Proposals(space, tmp_path)
    assert again.ask().trial in (1, 2)
    assert len(journal(tmp_path)) in (2, 3)


def test_a_lock_file_that_a_killed_driver_left_does_not_matter(space, tmp_path):
    Proposals(space, tmp_path).ask()
    (tmp_path / "study.journal.lock").symlink_to(tmp_path / "study.journal")
    assert Proposals(space, tmp_path).ask().trial == 1


def sequence(space, folder, finish, slots, seed):
    """Play a run on some slots, in which the trials under way end in an order drawn from a seed."""
    proposals, running, requests = Proposals(space, folder), [], []
    rng = random.Random(seed)
    while len(requests) < 12 or running:
        while len(running) < slots and len(requests) < 12:
            request = proposals.ask(12 - len(requests))
            if request is None:
                break
            running.append(request)
            requests.append(request)
        done = running.pop(rng.randrange(len(running)))
        proposals.tell(finish(done, first=done.parameters["x"], second=1 - done.parameters["x"]))
    return requests


@pytest.mark.slow
def test_in_batches_no_proposal_depends_on_which_trial_ends_first(space, tmp_path, finish):
    def run(name, seed, batch):
        folder = tmp_path / name
        folder.mkdir()
        sampler = space.sampler.model_copy(update={"startup_trials": 3})
        return sequence(space.model_copy(update={"sampler": sampler, "batch": batch}), folder, finish, 3, seed)

    together = [run(f"batch{seed}", seed, 3) for seed in range(4)]
    assert all(requests == together[0] for requests in together)
    one_by_one = [run(f"alone{seed}", seed, None) for seed in range(4)]
    assert any(requests != one_by_one[0] for requests in one_by_one)


def test_a_batch_is_no_larger_than_what_is_still_wanted_and_a_crash_keeps_it(space, tmp_path, finish):
    batches = space.model_copy(update={"batch": 4})
    proposals = Proposals(batches, tmp_path)
    first = [proposals.ask(6) for _ in range(4)]
    assert proposals.ask(2) is None
    again = Proposals(batches, tmp_path)
    assert again.reconcile([finish(first[0])]) == [1, 2, 3]
    assert [again.ask(5) for _ in range(3)] == first[1:]
    assert again.ask(2) is None
    for request in first[1:]:
        again.tell(finish(request))
    assert [again.ask(2).trial, again.ask(1).trial] == [4, 5]
    assert len(journal(tmp_path)) == 6


def damaged(folder, change):
    """Change the journal of a run as an editor, a bad disk or a careless copy would."""
    file = folder / "study.journal"
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


DAMAGES = {
    "a line of rubbish": (lambda lines: [*lines[:5], b"\0\0\0\n", *lines[6:]], "study.journal, line 6: damaged"),
    "a line that is no entry": (lambda lines: [*lines[:5], b"[1]\n", *lines[6:]], "study.journal, line 6: damaged"),
    "the end is gone": (lambda lines: lines[:5], "study.journal: had no entry of"),
    "a cut line": (lambda lines: [*lines[:5], lines[5][:9]], "study.journal: the last line was cut off; 5 complete"),
    "a trial is gone": (lambda lines: [lines[0], *lines[2:]], "study.journal: "),
    "the beginning is gone": (lambda lines: lines[1:], "study.journal: had no entry of 5 trials (0, 1, 2, ...)"),
    "a state out of turn": (
        lambda lines: [lines[0], *lines[3:]],
        "study.journal: its trial 0 is another one than that of trials.csv",
    ),
    "an entry of no kind": (
        lambda lines: [*lines[:5], b'{"op_code": 99}\n', *lines[5:]],
        "study.journal: its entries do not fit together",
    ),
    "nothing is left": (lambda lines: [], "study.journal: had no entry of 5 trials (0, 1, 2, ...)"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_made_whole_from_the_table(space, tmp_path, finish, damage):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        proposals, rows = Proposals(space, folder), []
        for number in range(6):
            request = proposals.ask()
            rows.append(finish(request, 0.1 * number, 0.5))
            if number != 4:
                proposals.tell(rows[-1])
    rows = [row for row in rows if row.request.trial != 4]
    change, said = DAMAGES[damage]
    damaged(broken, change)
    again = Proposals(space, broken)
    assert again.reconcile(rows) == [4]
    assert any(said in message for message in again.repairs), again.repairs
    assert all("\n" not in message for message in again.repairs)
    assert again.ask().trial == 4, "what was lost of a trial that had not ended is proposed anew"
    undisturbed = Proposals(space, whole)
    undisturbed.reconcile(rows)
    for one, other in zip(journal(whole), journal(broken), strict=True):
        assert (one.state, one.values, one.params, one.user_attrs) == (
            other.state,
            other.values,
            other.params,
            other.user_attrs,
        )
    if any(word in said for word in ("damaged", "fit", "another")):
        assert (broken / "study.journal.damaged").exists()
    assert Proposals(space, broken).repairs == []


def test_a_whole_journal_needs_no_mending(space, tmp_path, finish):
    proposals = Proposals(space, tmp_path)
    rows = [finish(proposals.ask()) for _ in range(3)]
    again = Proposals(space, tmp_path)
    assert again.reconcile(rows) == []
    assert again.repairs == []


def test_trials_without_a_row_that_had_ended_are_run_again_and_named(space, tmp_path, finish):
    proposals = Proposals(space, tmp_path)
    rows = [finish(proposals.ask()) for _ in range(3)]
    for row in rows:
        proposals.tell(row)
    again = Proposals(space, tmp_path)
    assert again.reconcile(rows[:1]) == [1, 2]
    assert again.repairs == ["trials.csv: has no row of 2 trials (1, 2) that had ended; run again"]


def test_a_point_that_others_put_into_the_journal_is_left_out_with_a_line(space, tmp_path, finish):
    proposals = Proposals(space, tmp_path)
    ended = [finish(proposals.ask(), 0.1 * number, 0.5) for number in range(4)]
    for result in ended:
        proposals.tell(result)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    optuna.load_study(study_name=None, storage=storage).enqueue_trial({"x": 0.25})
    for under_way in ([], [4]):
        again = Proposals(space, tmp_path)
        assert again.reconcile(ended) == under_way
        assert again.ask().trial == 4
    assert again.request(4).parameters.keys() == {"x", "width", "kind"}
    (aside,) = tmp_path.glob("study.journal.damaged*")
    assert "enqueue" in aside.read_text() or "fixed_params" in aside.read_text()


def test_trials_that_failed_are_run_again_as_they_were(space, tmp_path, finish):
    proposals, ended = Proposals(space, tmp_path), []
    for number in range(6):
        request = proposals.ask()
        ended.append(
            TrialResult(request, "failed", "no GPU") if number in (1, 4) else finish(request, 0.1 * number, 0.5)
        )
        proposals.tell(ended[-1])
    failed = [result.request for result in ended if result.state == "failed"]
    kept = [result for result in ended if result.state != "failed"]
    resumed = Proposals(space, tmp_path)
    assert resumed.reconcile(kept, failed) == [1, 4]
    assert [resumed.ask() for _ in range(2)] == failed
    following = resumed.ask()
    assert following.trial == 6
    for request in failed:
        resumed.tell(finish(request, 0.3, 0.3))
    again = Proposals(space, tmp_path)
    assert again.reconcile([*kept, *(finish(request, 0.3, 0.3) for request in failed)]) == [6]
    states = [trial.state for trial in again._journal.trials]
    assert states == [TrialState.COMPLETE] * 6 + [TrialState.RUNNING], "the sampler knows their values"


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_what_was_under_way_goes_on_beside_trials_that_are_run_again(document, tmp_path, finish, sampler):
    document |= {
        "sampler": {"name": sampler, "startup_trials": 2},
        "budget": {"trials": 8, "epochs": 4, "replicates": 2},
    }
    space = parse_space(document, Path("toy.yaml"))
    proposals = Proposals(space, tmp_path)
    requests = [proposals.ask() for _ in range(6)]
    for request in requests[:4]:
        proposals.tell(TrialResult(request, "failed", "no GPU") if request.trial == 1 else finish(request, 0.1, 0.5))
    running = proposals._running(requests[0].parameters, 77)
    running.set_user_attr("round", 1)
    proposals._journal.add(running)
    resumed = Proposals(space, tmp_path)
    kept = [finish(request, 0.1, 0.5) for request in (requests[0], *requests[2:4])]
    assert resumed.reconcile(kept, [requests[1]]) == [1, 4, 5, 6]
    assert [resumed.request(number) for number in (1, 4, 5)] == [requests[1], *requests[4:6]]
    assert resumed.replicates == {6}
    assert resumed.request(6).seed == 77
    (line,) = [text for text in resumed.repairs if "failed" in text]
    assert line == "study.journal: 1 trials that failed are to be run again"
