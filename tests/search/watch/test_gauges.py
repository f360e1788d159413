"""What the gauges say of a run that is made up; tests/search/on_ray/test_watching.py scrapes a real one."""

import math

import pytest

from results.front.front import summarise
from search.record.recorder import Recorder
from search.trials import TrialRequest, TrialResult, TrialUpdate
from search.watch.gauges import DESCRIPTIONS, Gauges


@pytest.fixture
def recorder(space, tmp_path):
    return Recorder(space, tmp_path)


@pytest.fixture
def gauges(space, recorder):
    return Gauges(space, recorder)


def look(gauges, recorder):
    return {(name, *sorted(labels.items())): value for name, value, labels in gauges.values(recorder.snapshot())}


def test_an_empty_run_has_an_empty_front(gauges, recorder):
    found = look(gauges, recorder)
    assert found[("search_hypervolume",)] == found[("search_front_size",)] == found[("search_slot_utilisation",)] == 0
    assert found[("search_trials", ("state", "running"))] == 0
    assert {key[0] for key in found} <= set(DESCRIPTIONS)


def test_ended_trials_count_by_state_and_make_the_front(space, gauges, recorder, finish):
    for number, x in enumerate((0.1, 0.5, 0.9)):
        request = TrialRequest(number, {"x": x, "width": 8, "kind": "a"}, number)
        recorder.begin(request)
        recorder.end(finish(request, x, 1 - x))
    recorder.begin(TrialRequest(3, {"x": 0.2, "width": 8, "kind": "a"}, 3))
    recorder.end(TrialResult(TrialRequest(3, {"x": 0.2, "width": 8, "kind": "a"}, 3), "failed", "no reason"))
    found = look(gauges, recorder)
    expected = summarise(recorder.snapshot().rows, space.objectives, space.guards, tuple(space.parameters))
    assert expected.hypervolume > 0
    assert found[("search_hypervolume",)] == expected.hypervolume
    assert found[("search_front_size",)] == len(expected.front)
    assert found[("search_trials", ("state", "finished"))] == 3
    assert found[("search_trials", ("state", "failed"))] == 1


def test_a_trial_under_way_shows_its_objectives_by_slot(space, gauges, recorder):
    request = TrialRequest(7, {"x": 0.5, "width": 8, "kind": "a"}, 7)
    recorder.begin(request)
    assert ("search_trial_on_slot", ("slot", "1")) not in look(gauges, recorder), "it has no slot yet"
    metrics = {objective.metric: 0.25 + n for n, objective in enumerate(space.objectives)}
    recorder.note(
        TrialUpdate(TrialResult(request, "running", epochs=2, slot=1, metrics=metrics), ({"epoch": 1}, {"epoch": 2}))
    )
    found = look(gauges, recorder)
    assert found[("search_trial_on_slot", ("slot", "1"))] == 7
    for number, objective in enumerate(space.objectives):
        assert found[("search_objective", ("objective", objective.name), ("slot", "1"))] == 0.25 + number
    assert found[("search_slot_utilisation",)] == 1 / space.resources.slots
    assert found[("search_epochs_per_second",)] > 0
    assert math.isfinite(found[("search_epochs_per_second",)])
    assert look(gauges, recorder)[("search_epochs_per_second",)] == 0, "none since the last look"
