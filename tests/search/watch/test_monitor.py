import io
from datetime import UTC, datetime, timedelta

import pytest

from search.policy.replication import foreseen_replicates
from search.record.recorder import Recorder, Snapshot
from search.trials import TrialRequest, TrialResult
from search.watch.monitor import Monitor, Standing, duration, time_left_s


def snapshot(ended, ended_now, seconds, running=()):
    return Snapshot([{"state": "finished"}] * ended, list(running), seconds, ended_now, trials=8)


def test_time_left_goes_by_the_pace_of_this_session(space):
    assert time_left_s(snapshot(4, 0, 10.0), space) is None, "nothing is known before the first trial has ended"
    assert time_left_s(snapshot(4, 2, 10.0), space) == 4 * 5.0
    limited = space.model_copy(update={"budget": space.budget.model_copy(update={"wall_clock_s": 12.0})})
    assert time_left_s(snapshot(4, 2, 10.0), limited) == 2.0
    assert time_left_s(snapshot(4, 2, 20.0), limited) == 0.0


def test_before_a_trial_has_ended_the_time_left_goes_by_its_epochs(space):
    """Two slots, 8 trials of 10 epochs; 2 epochs took 4 s in one slot and 1 epoch 2 s in the other."""
    moments = [(datetime.now(UTC) - timedelta(seconds=seconds)).isoformat() for seconds in (4, 2)]
    running = [
        TrialResult(TrialRequest(number, {}, number), "running", epochs=epochs, first_step=moment)
        for number, epochs, moment in zip((0, 1), (2, 1), moments, strict=True)
    ]
    assert time_left_s(snapshot(0, 0, 60.0, running), space) == pytest.approx((80 - 3) * 2.0 / 2, rel=0.02)
    waiting = [TrialResult(TrialRequest(0, {}, 0), "running")]
    assert time_left_s(snapshot(0, 0, 60.0, waiting), space) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.4, "5 s"), (89, "89 s"), (125, "2 min"), (5300, "88 min"), (7200, "2.0 h")]
)
def test_durations_are_said_as_a_person_says_them(seconds, text):
    assert duration(seconds) == text


def test_without_a_terminal_a_line_says_how_the_run_stands(space, tmp_path, finish):
    recorder, output = Recorder(space, tmp_path), io.StringIO()
    requests = [TrialRequest(number, {"x": 0.5, "width": 8, "kind": "a"}, number) for number in range(3)]
    for request in requests:
        recorder.begin(request)
    recorder.end(finish(requests[0], 1.0, 0.5))
    recorder.end(TrialResult(requests[1], "failed", "diverged"))
    with Monitor(space, recorder, output):
        pass
    line = output.getvalue().strip()
    assert line.startswith("2 of 8 trials ended, 1 failed, 1 running | front 1, hypervolume 1.5000 | about ")


def test_a_run_whose_trials_all_failed_has_no_front_to_show(space, tmp_path):
    recorder, output = Recorder(space, tmp_path), io.StringIO()
    request = TrialRequest(0, {"x": 0.5, "width": 8, "kind": "a"}, 0)
    recorder.begin(request)
    recorder.end(TrialResult(request, "failed", "diverged"))
    with Monitor(space, recorder, output):
        pass
    assert "1 of 8 trials ended, 1 failed" in output.getvalue()
    assert "front" not in output.getvalue()


def test_replicates_are_counted_apart_and_foreseen(space, tmp_path, finish):
    space = space.model_copy(update={"budget": space.budget.model_copy(update={"replicates": 3, "trials": 2})})
    recorder, output = Recorder(space, tmp_path), io.StringIO()
    requests = [
        TrialRequest(number, {"x": number / 8, "width": 8, "kind": "a"}, number, number > 1) for number in range(4)
    ]
    requests[2].parameters["x"] = requests[3].parameters["x"] = 0.0
    for request in requests[:2]:
        recorder.begin(request)
        recorder.end(finish(request, 1.0 + request.trial, 0.5 - request.trial / 4))
    before = recorder.snapshot()
    assert (before.replicates, before.expected) == (frozenset(), 0)
    assert foreseen_replicates(before.rows, space) == 4
    second = before.seconds / 2
    assert time_left_s(before, space) == 0
    assert time_left_s(before, space, 4) == pytest.approx(4 * second)
    recorder.expect(4)
    for request in requests[2:]:
        recorder.begin(request)
    recorder.end(finish(requests[2], 0.5, 0.0))
    after = recorder.snapshot()
    assert (after.replicates, after.expected) == ({2}, 4)
    assert time_left_s(after, space) == pytest.approx(3 * after.seconds / 3)
    resumed = after._replace(expected=0, trials=5)
    assert time_left_s(resumed, space, 2) == pytest.approx((3 + 2) * after.seconds / 3), "replicates had are no trials"
    with Monitor(space, recorder, output):
        pass
    line = output.getvalue().strip()
    assert line.startswith("2 of 2 trials ended, 1 of 4 replicates, 1 running | front 1, hypervolume 2.1875 | about ")


def test_interrupted_trials_have_not_ended(space):
    states = ("finished", "interrupted", "stopped", "interrupted")
    rows = [
        {"trial": n, "state": state, "first": 0.5, "second": 0.5, "progress": 1.0} for n, state in enumerate(states)
    ]
    snapshot = Snapshot(rows, [], 10.0, 4, trials=8, lines=frozenset({2, 3}))
    assert (
        Standing(space).counts(snapshot).startswith("1 of 8 trials ended, 1 line, 1 stopped, 2 interrupted | front 1")
    )
