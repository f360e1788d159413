import pytest
from ray.tune.search import Searcher

from search.messages import Outcome, Report
from search.proposals import Proposals
from search.recorder import Recorder
from search.searcher import JournalSearcher


@pytest.fixture
def make(space, tmp_path):
    def build(remaining=4, **budget):
        changed = space.model_copy(update={"budget": space.budget.model_copy(update=budget)})
        recorder = Recorder(changed, tmp_path)
        return JournalSearcher(changed, Proposals(changed, tmp_path), recorder, remaining), recorder

    return build


def states(recorder):
    return [(row["trial"], row["state"], row["reason"]) for row in recorder.snapshot().rows]


def test_at_most_one_order_per_slot_and_none_beyond_the_budget(make, finish):
    searcher, _ = make(remaining=3)
    orders = {name: searcher.suggest(name)["order"] for name in "ab"}
    assert searcher.suggest("c") is None
    searcher.on_trial_complete("a", {"report": Report(finish(orders["a"]))})
    assert searcher.suggest("c")["order"].trial == 2
    assert searcher.suggest("d") == Searcher.FINISHED


def test_every_end_is_recorded(make, finish):
    searcher, recorder = make()
    a = searcher.suggest("a")["order"]
    searcher.suggest("b")
    searcher.on_trial_result("a", {"report": Report(Outcome(a, "running", epochs=1), ({"epoch": 1},))})
    searcher.on_trial_complete("a", {"report": Report(finish(a), ({"epoch": 2},))})
    searcher.on_trial_complete("b", error=True)
    c, d = (searcher.suggest(name)["order"] for name in "cd")
    report = Report(Outcome(c, "running", epochs=3, metrics={"first": 1.0}))
    searcher.on_trial_result("c", {"report": report})
    searcher.on_trial_complete("c", {"report": report})
    searcher.on_trial_complete("d", {"report": Report(Outcome(d, "failed", "diverged"))})
    assert states(recorder) == [
        (0, "finished", ""),
        (1, "failed", "the trial's actor died; see log.txt"),
        (2, "stopped", "stopped by the scheduler after epoch 3"),
        (3, "failed", "diverged"),
    ]


def test_the_wall_clock_ends_asking(make):
    searcher, _ = make(wall_clock_s=1e-9)
    assert searcher.suggest("a") == Searcher.FINISHED
    assert "wall clock" in searcher.verdict


def test_a_run_whose_groups_never_start_is_given_up(make):
    searcher, _ = make(remaining=8)
    for name in "ab":
        order = searcher.suggest(name)["order"]
        searcher.on_trial_complete(name, {"report": Report(Outcome(order, "failed", "no CPU"), group_lost=True)})
    assert searcher.suggest("c") == Searcher.FINISHED
    assert searcher.verdict == "no CPU"


def test_a_run_goes_on_when_a_group_is_lost_later(make, finish):
    searcher, _ = make(remaining=8)
    searcher.on_trial_complete("a", {"report": Report(finish(searcher.suggest("a")["order"]))})
    for name in "bcd":
        order = searcher.suggest(name)["order"]
        searcher.on_trial_complete(name, {"report": Report(Outcome(order, "failed", "gone"), group_lost=True)})
    assert searcher.suggest("e")["order"].trial == 4
