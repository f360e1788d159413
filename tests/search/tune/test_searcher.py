import errno

import pytest
from ray.tune.search import Searcher

from search.policy.proposals import Proposals
from search.record.control import ControlError
from search.record.disk import DiskFullError
from search.record.recorder import Recorder
from search.trials import TrialResult, TrialUpdate
from search.tune.capacity import REPLAN_S, Capacity
from search.tune.preflight import Available, Node
from search.tune.searcher import JournalSearcher, TimeIsUpError


@pytest.fixture
def make(space, tmp_path):
    def build(remaining=4, **budget):
        changed = space.model_copy(update={"budget": space.budget.model_copy(update=budget)})
        recorder = Recorder(changed, tmp_path)
        return JournalSearcher(changed, Proposals(changed, tmp_path), recorder, remaining), recorder

    return build


def states(recorder):
    return [(row["trial"], row["state"], row["reason"]) for row in recorder.snapshot().rows]


def test_at_most_one_request_per_slot_and_none_beyond_the_budget(make, finish):
    searcher, _ = make(remaining=3)
    requests = {name: searcher.suggest(name)["request"] for name in "ab"}
    assert searcher.suggest("c") is None
    searcher.on_trial_complete("a", {"update": TrialUpdate(finish(requests["a"]))})
    c = searcher.suggest("c")["request"]
    assert c.trial == 2
    assert searcher.suggest("d") is None, "one of the two under way may have to be given out again"
    searcher.on_trial_complete("b", {"update": TrialUpdate(finish(requests["b"]))})
    searcher.on_trial_complete("c", error=True)
    assert searcher.suggest("d")["request"] == c
    searcher.on_trial_complete("d", {"update": TrialUpdate(finish(c))})
    assert searcher.suggest("e") == Searcher.FINISHED


def test_every_end_is_recorded(make, finish):
    searcher, recorder = make()
    a = searcher.suggest("a")["request"]
    b = searcher.suggest("b")["request"]
    searcher.on_trial_result("a", {"update": TrialUpdate(TrialResult(a, "running", epochs=1), ({"epoch": 1},))})
    searcher.on_trial_complete("a", {"update": TrialUpdate(finish(a), ({"epoch": 2},))})
    for name in ("b", "again"):
        searcher.on_trial_complete(name, error=True)
        assert searcher.suggest("again")["request"] == b, "a trial whose actor died is given out once more"
    searcher.on_trial_complete("again", {"update": TrialUpdate(TrialResult(b, "failed", "it raised"))})
    c, d = (searcher.suggest(name)["request"] for name in "cd")
    update = TrialUpdate(TrialResult(c, "running", epochs=3, metrics={"first": 1.0}))
    searcher.on_trial_result("c", {"update": update})
    searcher.on_trial_complete("c", {"update": update})
    searcher.on_trial_complete("d", {"update": TrialUpdate(TrialResult(d, "failed", "diverged"))})
    assert states(recorder) == [
        (0, "finished", ""),
        (1, "failed", "it raised"),
        (2, "stopped", "stopped by the scheduler after epoch 3"),
        (3, "failed", "diverged"),
    ]


def test_only_an_request_that_was_stopped_is_dropped(space, tmp_path, finish):
    dropped = []
    recorder = Recorder(space, tmp_path)
    searcher = JournalSearcher(space, Proposals(space, tmp_path), recorder, 4, drop=dropped.append)
    a, b = (searcher.suggest(name)["request"] for name in "ab")
    searcher.on_trial_complete(
        "a", {"update": TrialUpdate(TrialResult(a, "running", epochs=3, metrics={"first": 1.0}))}
    )
    assert dropped == [a]
    searcher.on_trial_complete("b", {"update": TrialUpdate(finish(b))})
    searcher.suggest("c")
    searcher.on_trial_complete("c", error=True)
    assert dropped == [a]


def test_the_wall_clock_runs_from_the_first_trial_and_ends_asking(make, finish):
    searcher, _ = make(wall_clock_s=1e-9)
    a = searcher.suggest("a")["request"]
    assert not searcher.more_may_come()
    assert searcher.verdict == "", "not before another one would have been given out"
    assert searcher.suggest("b") == Searcher.FINISHED
    assert searcher.verdict == "the wall clock of 1e-09 s ran out"
    searcher.on_trial_complete("a", {"update": TrialUpdate(finish(a))})


def test_a_wall_clock_that_runs_out_when_all_is_given_out_ends_nothing_early(make, finish):
    searcher, _ = make(remaining=1, wall_clock_s=1e-9)
    a = searcher.suggest("a")["request"]
    assert searcher.suggest("b") is None
    searcher.on_trial_complete("a", {"update": TrialUpdate(finish(a))})
    assert searcher.suggest("b") == Searcher.FINISHED
    assert searcher.verdict == ""


def lose(searcher, name, request, reason):
    """Let a slot's group be lost, as a trial actor tells it: it gives the trial back, then ends."""
    result = TrialResult(request, "interrupted", reason)
    searcher.on_trial_result(name, {"update": TrialUpdate(result, group_lost=True)})
    searcher.on_trial_complete(name, error=True)


def test_a_run_whose_groups_never_start_is_given_up(make):
    searcher, recorder = make(remaining=8)
    requests = {name: searcher.suggest(name)["request"] for name in "ab"}
    for name, request in requests.items():
        lose(searcher, name, request, "no CPU")
    assert searcher.suggest("c") == Searcher.FINISHED
    assert searcher.verdict == "no CPU"
    assert states(recorder) == []


def test_a_trial_whose_slot_is_lost_goes_to_another_slot(make, finish, monkeypatch):
    searcher, recorder = make(remaining=4)
    a, b = (searcher.suggest(name)["request"] for name in "ab")
    lose(searcher, "b", b, "slot 1: no worker")
    assert searcher.suggest("c") is None, "that slot is passed over"
    searcher.on_trial_complete("a", {"update": TrialUpdate(finish(a))})
    assert searcher.suggest("c")["request"] == b
    assert searcher.suggest("d") is None
    assert "slot 1: no worker; trial 1 goes to another slot" in recorder.snapshot().notices[0]
    monkeypatch.setattr("search.tune.searcher.time.monotonic", lambda: 1e9)
    assert searcher.suggest("d")["request"].trial == 2, "after a while it is tried again"
    assert searcher.verdict == ""
    searcher.on_trial_complete("c", {"update": TrialUpdate(finish(b))})
    assert [row["trial"] for row in recorder.snapshot().rows] == [0, 1]
    assert searcher.suggest("e")["request"].trial == 3
    assert searcher.suggest("f") is None


def test_a_full_disk_ends_the_search_and_no_trial(make, finish, monkeypatch):
    searcher, recorder = make()
    a, b = (searcher.suggest(name)["request"] for name in "ab")
    searcher.on_trial_complete("a", {"update": TrialUpdate(TrialResult(a, "interrupted", "the disk is full (export)"))})
    with pytest.raises(DiskFullError, match="the disk is full"):
        searcher.raise_if_over()
    assert searcher.suggest("c") is None
    assert states(recorder) == []

    def no_room(row):
        raise OSError(errno.ENOSPC, "No space left on device", str(recorder.folder / "trials.csv"))

    searcher.disk_full = ""
    monkeypatch.setattr(recorder._trials, "append", no_room)
    searcher.on_trial_complete("b", {"update": TrialUpdate(finish(b))})
    with pytest.raises(DiskFullError, match=r"the disk is full .*trials\.csv"):
        searcher.raise_if_over()
    assert [trial.state.name for trial in searcher._proposals._journal.trials] == ["RUNNING", "RUNNING"]


def test_a_run_whose_actors_all_die_is_ended_and_its_trials_are_left_for_later(make):
    searcher, recorder = make(remaining=8)
    for number in range(20):
        if searcher.suggest(str(number)) == Searcher.FINISHED:
            break
        searcher.on_trial_complete(str(number), error=True)
    assert searcher.verdict == "the actor of trial 0 died 5 times; see log.txt"
    assert states(recorder) == [], "it is the fault of no trial"


def test_a_single_slot_is_tried_again_at_once(make, finish):
    searcher, _ = make(remaining=4)
    searcher._slots = 1
    searcher.on_trial_complete("a", {"update": TrialUpdate(finish(searcher.suggest("a")["request"]))})
    for name in "bc":
        request = searcher.suggest(name)["request"]
        assert request.trial == 1
        lose(searcher, name, request, "slot 0: no worker")
    lose(searcher, "d", searcher.suggest("d")["request"], "slot 0: no worker")
    assert searcher.verdict == "slot 0: no worker"


def test_a_cluster_that_loses_a_node_keeps_its_other_slots_busy(space, tmp_path, finish):
    nodes, moment = [Node(1, 0)] * 2, [0.0]
    capacity = Capacity(
        space.resources.planned,
        lambda: Available(len(nodes), 0, "it", tuple(nodes)),
        lambda slots: None,
        lambda: moment[0],
    )
    recorder = Recorder(space, tmp_path)
    searcher = JournalSearcher(space, Proposals(space, tmp_path), recorder, 8, capacity=capacity)
    far, near = (searcher.suggest(name)["request"] for name in ("far", "near"))
    del nodes[1]
    moment[0] = REPLAN_S
    searcher.on_trial_complete("near", {"update": TrialUpdate(finish(near))})
    near = searcher.suggest("near")["request"]
    assert near.trial == 2, "the trial on the lost node has not been given back yet"
    assert searcher.suggest("c") is None
    lost = TrialUpdate(TrialResult(far, "interrupted", "slot 0: no worker"), group_lost=True)
    searcher.on_trial_result("far", {"update": lost})
    searcher.on_trial_complete("far", error=True)
    assert recorder.snapshot().notices[0].endswith("goes to another slot, the cluster has lost the node of this one")
    assert searcher.suggest("d") is None
    searcher.on_trial_complete("near", {"update": TrialUpdate(finish(near))})
    assert searcher.suggest("e")["request"] == far
    nodes += [Node(1, 0)] * 2
    moment[0] = 2 * REPLAN_S
    assert [searcher.suggest(name)["request"].trial for name in "fg"] == [3, 4]
    assert searcher.suggest("h") is None


def test_a_trial_whose_node_is_lost_goes_on_at_once_where_the_cluster_has_another(space, tmp_path, finish):
    cluster = Available(2, 0, "it", (Node(1, 0), Node(1, 0)))
    capacity = Capacity(space.resources.planned, lambda: cluster, lambda slots: None)
    recorder = Recorder(space, tmp_path)
    searcher = JournalSearcher(space, Proposals(space, tmp_path), recorder, 8, capacity=capacity)
    far = searcher.suggest("far")["request"]
    searcher.suggest("near")
    lost = TrialUpdate(TrialResult(far, "interrupted", "slot 0: its node has left"), group_lost=True, node_lost=True)
    searcher.on_trial_result("far", {"update": lost})
    searcher.on_trial_complete("far", error=True)
    assert recorder.snapshot().notices[0].endswith("its node has left; trial 0 goes to another slot")
    assert searcher.suggest("c")["request"] == far, "no slot rests"


def test_a_run_whose_trials_all_fail_for_one_reason_is_ended(make, finish):
    searcher, recorder = make(remaining=60, trials=60)
    for number in range(40):
        request = searcher.suggest(str(number))
        if request == Searcher.FINISHED:
            break
        request = request["request"]
        failed = TrialResult(request, "failed", "KeyError: 'a'" if (number % 7 and number < 12) or number > 20 else "b")
        searcher.on_trial_complete(str(number), {"update": TrialUpdate(failed)})
    assert searcher.verdict == "the last 10 trials failed alike: KeyError: 'a'"
    assert len(states(recorder)) == 31


def test_a_cluster_that_others_use_is_waited_for(space, tmp_path, finish):
    recorder = Recorder(space, tmp_path)
    searcher = JournalSearcher(space, Proposals(space, tmp_path), recorder, 4, shared=True)
    for name in map(str, range(20)):
        request = searcher.suggest(name)["request"]
        busy = TrialUpdate(TrialResult(request, "interrupted", "had no worker"), group_lost=True, no_place=True)
        searcher.on_trial_result(name, {"update": busy})
        searcher.on_trial_complete(name, error=True)
    assert searcher.verdict == ""
    assert len(recorder.snapshot().notices) == 20, "and each time it is said"
    searcher.on_trial_complete("a", {"update": TrialUpdate(finish(searcher.suggest("a")["request"]))})
    assert states(recorder) == [(0, "finished", "")]


def test_a_trial_that_no_slot_can_finish_ends_the_run_and_fails_nothing(make):
    searcher, recorder = make(remaining=3)
    for name in map(str, range(20)):
        request = searcher.suggest(name)
        if request == Searcher.FINISHED:
            break
        request = request["request"]
        alive = TrialResult(request, "running", epochs=1)
        searcher.on_trial_result(name, {"update": TrialUpdate(alive, ({"epoch": 1},), True)})
        lose(searcher, name, request, "slot 0: something else is full")
        searcher._rest_until.clear()
    assert searcher.verdict == "trial 0 was given back 4 times; the last time, slot 0: something else is full"
    assert states(recorder) == []


def test_without_a_place_nothing_is_given_out_and_no_death_ends_the_run(space, tmp_path):
    capacity = Capacity(
        space.resources.planned, lambda: Available(0, 0, "it", (Node(0, 0),)), lambda slots: None, most=3
    )
    searcher = JournalSearcher(space, Proposals(space, tmp_path), Recorder(space, tmp_path), 4, capacity=capacity)
    assert searcher.suggest("a") is None
    assert searcher.verdict == ""
    searcher._rest_until.append(1e12)
    assert searcher.suggest("a") is None


def test_the_wall_clock_cuts_nothing_where_the_last_replicate_runs(make, monkeypatch):
    searcher, _ = make(remaining=1, wall_clock_s=1e-9, replicates=2)
    assert searcher.suggest("a")["request"].trial == 0
    monkeypatch.setattr(Proposals, "lacking", 0)
    assert searcher.suggest("b") is None
    assert searcher.verdict == ""


def fail(searcher, name, reason):
    request = searcher.suggest(name)["request"]
    searcher.on_trial_complete(name, {"update": TrialUpdate(TrialResult(request, "failed", reason))})


def test_a_search_ends_when_more_trials_have_failed_than_may(make):
    searcher, _ = make(max_failures=1)
    fail(searcher, "a", "one")
    assert searcher.verdict == ""
    fail(searcher, "b", "another")
    assert searcher.verdict == "2 trials failed, more than budget.max_failures; the last one: another"
    assert searcher.suggest("c") == Searcher.FINISHED


def test_a_hard_wall_clock_does_not_wait_for_what_is_under_way(make):
    searcher, _ = make(wall_clock_s=1e-9, wall_clock_hard=True)
    searcher.raise_if_over()
    searcher.suggest("a")
    with pytest.raises(TimeIsUpError, match="the wall clock of 1e-09 s ran out"):
        searcher.raise_if_over()
    soft, _ = make(wall_clock_s=1e-9)
    soft.suggest("a")
    soft.raise_if_over()


def test_a_point_that_is_added_comes_next_and_counts(make):
    searcher, _ = make(remaining=2)
    searcher.suggest("a")
    request = searcher.add({"x": 0.25, "kind": "b"})
    assert (request.parameters["x"], request.parameters["kind"]) == (0.25, "b")
    assert searcher.suggest("b")["request"] == request
    with pytest.raises(ControlError, match=r"all 8 trials have been given out; first have more: `trials N`"):
        searcher.add({"x": 0.5})


def test_more_trials_and_fewer_but_not_fewer_than_there_are(make, finish):
    searcher, _ = make(remaining=8)
    a = searcher.suggest("a")["request"]
    searcher.add({"x": 0.25})
    with pytest.raises(ControlError, match="2 trials have been given out already; fewer than that cannot be had"):
        searcher.have_trials(1)
    searcher.have_trials(2)
    b = searcher.suggest("b")["request"]
    searcher.on_trial_complete("a", {"update": TrialUpdate(finish(a))})
    searcher.on_trial_complete("b", {"update": TrialUpdate(finish(b))})
    assert searcher.suggest("c") == Searcher.FINISHED
    searcher.have_trials(3)
    assert searcher.suggest("c")["request"].trial == 2


def test_a_search_that_is_paused_gives_out_nothing_but_keeps_what_it_has(make, finish):
    searcher, _ = make()
    a = searcher.suggest("a")["request"]
    searcher.paused = True
    searcher.on_trial_complete("a", {"update": TrialUpdate(finish(a))})
    assert searcher.suggest("b") is None
    assert searcher.more_may_come()
    searcher.paused = False
    assert searcher.suggest("b")["request"].trial == 1
