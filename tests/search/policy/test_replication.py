"""Replicates as pure logic: what is trained again, in which order, and that an interruption changes nothing."""

import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.tune.search import Searcher

from results.front.front import summarise
from search.policy.proposals import Proposals
from search.policy.replication import Replication, TrainedPoint, foreseen_replicates, missing, off_front
from search.record.earlier_runs import Reusable, basis, read_earlier
from search.record.recorder import Recorder
from search.record.run_folder import RunFolder
from search.space.reading import SpaceError, parse_space
from search.trials import TrialResult, TrialUpdate
from search.tune.scheduler import HalvingScheduler
from search.tune.searcher import JournalSearcher

ORIGIN = {"code": "c0de", "study": {"data_fingerprint": "f00d"}}


@pytest.fixture
def repeating(document):
    """A space with replicates."""

    def make(seeds=3, **sections):
        budget = {**document["budget"], "replicates": seeds, **sections.pop("budget", {})}
        resources = {"cpus": 1, "gpus": 0, "slots": 2}
        return parse_space({**document, "resources": resources, **sections, "budget": budget}, Path("toy.yaml"))

    return make


def attempt(x, first, second, state="finished", round_=0, progress=1.0):
    metrics = {"first": first, "second": second, "progress": progress} if state == "finished" else {}
    return TrainedPoint({"x": x, "width": 8, "kind": "a"}, state, metrics, round_)


def wanted(trials, space):
    return [point["x"] for point in missing(trials, space)]


# The front is 1, 2, 3 and reaches over 0.8 in both: near is what 0.04 less in both would bring to it.
TRIALS = [
    attempt(1, 0.0, 0.8),
    attempt(2, 0.4, 0.4),
    attempt(3, 0.8, 0.0),
    attempt(4, 0.43, 0.43),  # near
    attempt(5, 0.45, 0.45),  # not near
    attempt(6, 0.1, 0.1, progress=0.0),  # breaks its guard
    attempt(7, 0.0, 0.0, state="failed"),
]


def test_the_front_and_what_is_near_it_lack_seeds_second_seeds_first(repeating):
    assert wanted(TRIALS, repeating(3)) == [1, 2, 3, 4, 1, 2, 3, 4]
    assert wanted(TRIALS, repeating(2)) == [1, 2, 3, 4]
    assert wanted(TRIALS, repeating(1)) == []
    assert wanted(TRIALS[5:], repeating(3)) == []
    assert wanted([*TRIALS, attempt(2, 0.4, 0.4, round_=1)], repeating(3)) == [1, 2, 3, 4, 1, 3, 4]


def test_means_decide(repeating):
    lucky = [*TRIALS, attempt(2, 0.9, 0.9, round_=1), attempt(2, 0.9, 0.9, round_=1)]
    # 2 has the mean 0.73 now, so 4 is on the front, and 5 has come near.
    assert wanted(lucky, repeating(3)) == [1, 4, 3, 5, 1, 4, 3, 5]
    guarded = [*TRIALS, attempt(3, 0.8, 0.0, progress=-2.0, round_=1)]
    assert 3 not in wanted(guarded, repeating(3)), "a guard is kept by the mean or not at all"


def test_failures_are_attempts_and_there_are_at_most_two_per_seed(repeating):
    failures = [attempt(2, 0, 0, state="failed", round_=1) for _ in range(6)]
    counts = [wanted([*TRIALS, *failures[:n]], repeating(3)).count(2) for n in range(7)]
    assert counts == [2, 2, 2, 2, 1, 0, 0], "six in all, the trial of the budget is one"


def test_there_are_never_more_replicates_than_trials_times_seeds(repeating):
    had = [attempt(9, 0, 0, state="failed", round_=1) for _ in range(2 * len(TRIALS) - 3)]
    assert wanted([*TRIALS, *had], repeating(3)) == [1, 2, 3], "the front comes first"


def test_a_round_wants_the_same_whatever_of_it_has_ended(repeating):
    space = repeating(2)
    plan = wanted(TRIALS, space)
    for ended in range(5):
        # The first replicates are so bad that a plan made from them would look elsewhere.
        asked = [attempt(x, 9.0, 9.0, round_=1) for x in plan[:ended]]
        next_up = Replication(space).missing([*TRIALS, *asked])
        if ended < 4:
            assert (next_up.round, [point["x"] for point in next_up.points]) == (1, plan[ended:])
        else:
            assert (next_up.round, [point["x"] for point in next_up.points]) == (2, [5])
    running = [attempt(x, 0, 0, state="running", round_=1) for x in plan]
    assert Replication(space).missing([*TRIALS, *running]).points == []


def test_trials_under_way_are_waited_for(repeating):
    assert Replication(repeating(2)).missing([*TRIALS, attempt(9, 0, 0, state="running")]).points == []


def test_rows_of_the_table_foretell_the_first_round(repeating):
    space = repeating(3)
    rows = [{"trial": n, "state": t.state, **t.parameters, **t.metrics} for n, t in enumerate(TRIALS)]
    assert foreseen_replicates(rows, space) == 8
    assert foreseen_replicates(rows, repeating(1)) == 0
    assert foreseen_replicates([], space) == 0


def test_trials_that_are_neither_on_nor_near_the_front_are_off_it(repeating):
    once = repeating(1)
    assert off_front(TRIALS, once) == [4, 5], "trial 6 failed and has no model"
    assert off_front([*TRIALS, attempt(8, 0.9, 0.9, state="running")], once) == [4, 5]
    assert off_front([attempt(1, 9.0, 9.0)], once) == []
    assert off_front(TRIALS[5:6], once) == [0]
    assert off_front(TRIALS[6:], once) == []
    # Three seeds of 5: off by their mean, though the second would be on the front by itself.
    seeds = [attempt(5, 0.45, 0.45), attempt(5, 0.3, 0.3), attempt(5, 0.9, 0.9)]
    assert off_front([*TRIALS[:4], *seeds], once) == [4, 5, 6]


def test_what_may_come_to_the_front_by_replicates_is_not_off_it(repeating):
    """Without 1 to 4, which lack seeds, 5 is the front, and what is far behind it is still not needed."""
    behind = [*TRIALS, attempt(8, 0.9, 0.9)]
    assert off_front(behind, repeating(1)) == [4, 5, 7]
    assert off_front(behind, repeating(2)) == [5, 7]
    again = [attempt(t.parameters["x"], *(t.metrics[m] for m in ("first", "second")), round_=1) for t in TRIALS[:4]]
    assert off_front([*behind, *again], repeating(2)) == [4, 5, 7], "all seeds are there"


class Player:
    """Plays whole runs without Ray; every result is a function of its request, with noise by the seed."""

    def __init__(self, space, folder, finish, reusable=None, failing=0.0):
        self.space, self.folder, self.finish, self.reusable, self.failing = space, folder, finish, reusable, failing
        folder.mkdir(exist_ok=True)
        self.begin()

    def begin(self):
        """Open the run folder, as each session does; returns the searcher."""
        RunFolder(self.folder).write_space(self.space, ORIGIN)
        ended = RunFolder(self.folder).ended(self.space)
        seeds = self.reusable.seeds if self.reusable else lambda parameters: ()
        self.proposals = Proposals(self.space, self.folder, (), seeds)
        again = self.proposals.reconcile(ended)
        self.recorder = Recorder(self.space, self.folder)
        self.recorder.clear_interrupted(ended, again, self.proposals.replicates)
        repeated = sum(result.request.trial in self.proposals.replicates for result in ended)
        remaining = max(0, self.space.budget.trials - (len(ended) - repeated))
        self.searcher = JournalSearcher(self.space, self.proposals, self.recorder, remaining, self.reusable)
        self.running = {}

    def result(self, request):
        noise = random.Random(request.seed * 1000 + int(1e6 * request.parameters["x"]))
        x, width, worse = (
            request.parameters["x"],
            request.parameters["width"],
            0.5 * (request.parameters["kind"] == "b"),
        )
        if request.replicate and noise.random() < self.failing:
            return TrialResult(request, "failed", "diverged", ended="2026-01-01T00:00:02+00:00")
        return self.finish(
            request, x**2 + 1 / width + noise.gauss(0, 0.05), (x - 1) ** 2 + worse + noise.gauss(0, 0.05)
        )

    def play(self, chance=None, most_events=None):
        """Go on until the end, or until so many trials have ended; trials under way end in an order drawn by chance."""
        name, events = 0, 0
        while True:
            while (suggested := self.searcher.suggest(str(name))) not in (None, Searcher.FINISHED):
                self.running[str(name)] = suggested["request"]
                name += 1
            if not self.running or events == most_events:
                return not self.running
            done = chance.choice(sorted(self.running)) if chance else min(self.running, key=int)
            result = self.result(self.running.pop(done))
            if result.state == "finished":
                place = self.folder / "trials" / str(result.request.trial)
                place.mkdir(parents=True, exist_ok=True)
                (place / "model.safetensors").touch()
            self.searcher.on_trial_complete(done, {"update": TrialUpdate(result)})
            events += 1

    def rows(self):
        rows = {row["trial"]: row for row in self.recorder.snapshot().rows}
        skipped = ("started", "first_step", "ended", "seconds", "reason", "slot", "epochs")
        return [{key: value for key, value in rows[n].items() if key not in skipped} for n in sorted(rows)]


def test_a_run_ends_with_every_point_on_and_near_the_front_having_its_seeds(repeating, tmp_path, finish):
    space = repeating(3, budget={"trials": 24})
    player = Player(space, tmp_path / "run", finish, failing=0.1)
    assert player.play()
    rows, replicates = player.rows(), player.proposals.replicates
    assert [row["trial"] for row in rows] == list(range(len(rows)))
    assert replicates == frozenset(range(24, len(rows)))
    assert len(replicates) > 4
    points = Counter((row["x"], row["width"], row["kind"]) for row in rows)
    assert max(points.values()) <= 6
    seeds = Counter((row["x"], row["width"], row["kind"], row["seed"]) for row in rows)
    assert set(seeds.values()) == {1}, "no point is trained twice with one seed"
    attempts = [TrainedPoint({k: r[k] for k in space.parameters}, r["state"], r) for r in rows]
    assert missing(attempts, space) == []
    snapshot = player.recorder.snapshot()
    assert len(snapshot.replicates) == snapshot.expected == len(replicates)


@pytest.mark.slow
def test_an_interruption_changes_nothing_whenever_it_comes(repeating, tmp_path, finish):
    space = repeating(3, budget={"trials": 16}).model_copy(update={"batch": 2})
    whole = Player(space, tmp_path / "whole", finish, failing=0.3)
    whole.play()
    rounds = {trial.user_attrs.get("round", 0) for trial in whole.proposals._journal.trials}
    assert max(rounds) >= 3, "the case is worth testing"
    for number in range(8):
        chance = random.Random(number)
        broken = Player(space, tmp_path / f"broken{number}", finish, failing=0.3)
        while not broken.play(chance, most_events=chance.randrange(1, 9)):
            if chance.random() < 0.5:
                broken.recorder.interrupt("by the user")
            broken.begin()
        assert broken.rows() == whole.rows()


@pytest.mark.slow
def test_more_trials_and_more_seeds_on_resumption(repeating, tmp_path, finish):
    player = Player(repeating(2, budget={"trials": 8}), tmp_path / "grown", finish)
    player.play()
    before = player.rows()
    player.space = repeating(3, budget={"trials": 14})
    player.begin()
    player.play()
    after = player.rows()
    assert after[: len(before)] == before
    proposed = [row for row in after if row["trial"] not in player.proposals.replicates]
    straight = Player(repeating(3, budget={"trials": 14}), tmp_path / "straight", finish)
    straight.play()
    keys = ("x", "width", "kind", "seed", "first")
    assert [[row[key] for key in keys] for row in proposed] == [
        [row[key] for key in keys] for row in straight.rows()[:14]
    ], "replicates leave no trace in what is proposed"
    attempts = [TrainedPoint({k: r[k] for k in player.space.parameters}, r["state"], r) for r in after]
    assert missing(attempts, player.space) == []


def test_earlier_runs_answer_replicates(repeating, tmp_path, finish):
    space = repeating(3)
    first = Player(space, tmp_path / "first", finish)
    first.play()
    reusable = Reusable(space, basis(ORIGIN), [read_earlier(tmp_path / "first")], tmp_path / "second")
    second = Player(space, tmp_path / "second", finish, reusable)
    second.play()
    assert second.rows() == first.rows()
    reasons = [row["reason"] for row in second.recorder.snapshot().rows if row["state"] == "finished"]
    assert all(reason.startswith("reused: ") for reason in reasons)


def test_the_wall_clock_ends_replicates_too(repeating, tmp_path, finish):
    player = Player(repeating(3), tmp_path / "run", finish)
    player.play(most_events=8)
    player.searcher._budget = player.searcher._budget.model_copy(update={"wall_clock_s": 1e-9})
    player.searcher._slots += 1
    assert player.searcher.suggest("x") == Searcher.FINISHED


def test_replicates_are_never_stopped_early(repeating, tmp_path, finish):
    halving = {"first_rung": 2, "startup_trials": 1}
    space = repeating(3, halving=halving)
    player = Player(space, tmp_path / "run", finish)
    player.play(most_events=8)
    request = next(iter(player.running.values()))
    assert request.replicate
    scheduler = HalvingScheduler(space, [])
    rows = tuple({"epoch": epoch, "first": 99.0, "second": 99.0, "progress": 0.0} for epoch in (2, 4, 8))
    update = TrialUpdate(TrialResult(request, "running", epochs=8), rows, evaluated=True)
    for _ in range(3):
        trial = SimpleNamespace(config={"request": request})
        assert scheduler.on_trial_result(None, trial, {"update": update}) == "CONTINUE"
    assert all(not seen for seen in scheduler._halving._seen.values()), "nor are others compared with them"


def test_a_space_file_says_how_many(document, repeating):
    assert "replicates" not in repeating(1).document()["budget"], "older runs stay as they were written"
    assert parse_space(repeating(4).document(), Path("again.yaml")) == repeating(4)
    document["budget"]["replicates"] = 0
    with pytest.raises(SpaceError, match=r"budget\.replicates: .*greater than or equal to 1"):
        parse_space(document, Path("toy.yaml"))


@pytest.mark.parametrize("seeds", [1, 3])
def test_models_are_removed_as_the_search_goes_on_but_those_on_and_near_the_front(repeating, tmp_path, finish, seeds):
    def kept(player):
        """Which models there are, by the last trial that ended; all others are of trials off the front."""
        found = {int(file.parent.name) for file in player.folder.glob("trials/*/model.safetensors")}
        trained = player.proposals._trained()
        ended = {number for number, trial in enumerate(trained) if trial.state == "finished"}
        assert ended - found == set(off_front(trained, space))
        return found

    space = repeating(seeds, budget={"trials": 24}, keep_models="front")
    player = Player(space, tmp_path / "run", finish)
    player.play(most_events=23)
    kept(player)
    assert player.play()
    front = summarise(player.recorder.snapshot().rows, space.objectives, space.guards, space.columns).front
    assert set(front["trial"].astype(int)) <= kept(player)
    assert len(kept(player)) < len(player.rows()) - 4
    whole = Player(repeating(seeds, budget={"trials": 24}), tmp_path / "whole", finish)
    whole.play(most_events=23)
    assert whole.play()
    assert player.rows() == whole.rows(), "what is kept changes nothing of the search"
