import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler
from ray.tune.utils.object_cache import _ObjectCache

from search.record.recorder import Recorder
from search.space.reading import SpaceError, parse_space
from search.trials import TrialRequest, TrialResult, TrialUpdate
from search.tune.scheduler import HalvingScheduler, WarmScheduler


@pytest.fixture
def space(document):
    return parse_space({**document, "halving": {"first_rung": 2, "startup_trials": 1}}, Path("toy.yaml"))


def row(epoch, first, second=0.5, progress=1.0):
    return {"epoch": epoch, "seconds": 1.0, "first": first, "second": second, "progress": progress}


def decide(scheduler, number, *rows, restarted_after=None):
    request = TrialRequest(number, {"x": 0.5}, number)
    update = TrialUpdate(TrialResult(request, "running", epochs=rows[-1]["epoch"]), rows, True, restarted_after)
    return scheduler.on_trial_result(None, SimpleNamespace(config={"request": request}), {"update": update})


def test_rungs_are_geometric_and_never_the_last_epoch(space):
    assert space.rungs == (2, 4, 8)
    assert [epoch for epoch in range(1, 11) if space.evaluates(epoch)] == list(range(1, 11))
    budget = space.budget.model_copy(update={"evaluate_every": 5})
    assert [e for e in range(1, 11) if space.model_copy(update={"budget": budget}).evaluates(e)] == [2, 4, 5, 8, 10]


def test_a_first_rung_beyond_the_budget_is_refused(document):
    with pytest.raises(SpaceError, match=r"halving\.first_rung: is 10, but trials have 10 epochs in all"):
        parse_space({**document, "halving": {"first_rung": 10}}, Path("toy.yaml"))
    with pytest.raises(SpaceError, match=r"halving\.reduction: input should be greater than or equal to 1"):
        parse_space({**document, "halving": {"first_rung": 2, "reduction": 1}}, Path("toy.yaml"))
    with pytest.raises(SpaceError, match=r"halving\.first_rng: unknown key; did you mean 'first_rung'"):
        parse_space({**document, "halving": {"first_rng": 2}}, Path("toy.yaml"))


def test_a_dominated_trial_is_stopped_at_a_rung(space):
    scheduler = HalvingScheduler(space, [])
    assert decide(scheduler, 0, row(2, 0.5)) == TrialScheduler.CONTINUE
    assert decide(scheduler, 1, row(1, 0.9)) == TrialScheduler.CONTINUE
    assert decide(scheduler, 1, row(2, 0.9)) == TrialScheduler.STOP
    assert decide(scheduler, 2, row(2, 0.4)) == TrialScheduler.CONTINUE


def test_all_evaluations_of_a_update_count_and_the_last_decides(space):
    scheduler = HalvingScheduler(space, [])
    decide(scheduler, 0, row(2, 0.5), {"epoch": 3, "seconds": 1.0, "loss": 2.0}, row(4, 0.5))
    assert decide(scheduler, 1, row(2, 0.9), row(4, 0.4)) == TrialScheduler.CONTINUE
    assert decide(scheduler, 2, row(2, 0.1), {"epoch": 3, "loss": 1.0, "seconds": 1.0}) == TrialScheduler.CONTINUE
    assert decide(scheduler, 2, row(4, 0.9)) == TrialScheduler.STOP


def test_what_a_dead_worker_had_reported_is_void(space):
    scheduler = HalvingScheduler(space, [])
    decide(scheduler, 0, row(2, 0.1))
    decide(scheduler, 0, row(2, 0.9), restarted_after=0)
    assert decide(scheduler, 1, row(2, 0.5)) == TrialScheduler.CONTINUE


def test_a_rung_that_a_trial_has_passed_stays_passed_when_it_goes_on(space):
    scheduler = HalvingScheduler(space, [])
    assert decide(scheduler, 0, row(2, 0.5)) == TrialScheduler.CONTINUE
    assert decide(scheduler, 1, row(2, 0.4)) == TrialScheduler.CONTINUE
    assert decide(scheduler, 0, row(2, 0.5), restarted_after=2) == TrialScheduler.CONTINUE, "it would be last by now"
    assert decide(scheduler, 0, row(4, 0.3)) == TrialScheduler.CONTINUE
    assert decide(scheduler, 0, row(2, 0.5), row(4, 0.9), restarted_after=2) == TrialScheduler.CONTINUE
    assert decide(scheduler, 1, row(4, 0.5)) == TrialScheduler.CONTINUE, "what came after the checkpoint is void"


def test_a_resumed_run_knows_what_it_knew(space, tmp_path):
    recorder = Recorder(space, tmp_path)
    request = TrialRequest(0, {"x": 0.5, "width": 8, "kind": "a"}, 0)
    recorder.begin(request)
    rows = (row(1, 0.5), {"epoch": 2, "seconds": 1.0, "loss": 1.0}, row(3, 0.5))
    recorder.note(TrialUpdate(TrialResult(request, "running", epochs=3), rows, evaluated=True))
    assert recorder.evaluations() == []
    recorder.end(TrialResult(request, "stopped", epochs=3))
    assert [entry["epoch"] for entry in recorder.evaluations()] == [1, 3]
    scheduler = HalvingScheduler(space, recorder.evaluations())
    assert decide(scheduler, 1, row(2, 0.9)) == TrialScheduler.STOP


class Controller:
    """As much of Tune's controller as has to do with idle actors."""

    def __init__(self):
        self._actor_cache, self._pending_trials, self.gone = _ObjectCache(), set(), []

    def _cleanup_cached_actors(self, force_all=False):
        self.gone += self._actor_cache.flush_cached_objects(force_all=force_all)

    def get_trials(self):
        return []


def test_idle_actors_are_kept_while_more_trials_may_come_and_none_after():
    controller, more = Controller(), [True]
    scheduler = WarmScheduler(lambda: more[0])
    trial = SimpleNamespace(placement_group_factory="alike")
    for _ in range(3):  # as Tune does for each trial that runs
        controller._actor_cache.increase_max("alike")
    for actor in "ab":
        scheduler.on_trial_complete(controller, trial, {})
        assert controller._actor_cache.cache_object("alike", actor)
        controller._actor_cache.decrease_max("alike")
        scheduler.choose_trial_to_run(controller)
    assert controller.gone == []
    more[0] = False
    controller._pending_trials = {"one that may take an idle actor"}
    scheduler.choose_trial_to_run(controller)
    assert controller.gone == []
    controller._pending_trials = set()
    scheduler.choose_trial_to_run(controller)
    assert controller.gone == ["a", "b"]
    assert pickle.loads(pickle.dumps(scheduler)), "Tune pickles it when it begins"
