"""Lines as pure logic: which trainings go on, to where, and that an interruption changes nothing."""

from pathlib import Path

import pytest

from search.policy.lines import continuations, next_lines
from search.policy.proposals import Proposals
from search.policy.replication import TrainedPoint
from search.space.reading import SpaceError, parse_space


@pytest.fixture
def sweeping(document):
    """A space with a sweep."""

    def make(sweep=None, **sections):
        swept = {"parameter": "x", "factors": [0.5, 1.5], "epochs": 3, **(sweep or {})}
        resources = {"cpus": 1, "gpus": 0, "slots": 2}
        return parse_space({**document, "resources": resources, "sweep": swept, **sections}, Path("toy.yaml"))

    return make


def trained(x, first=0.5, second=0.5, state="finished", round_=0, progress=1.0, **line):
    metrics = {"first": first, "second": second, "progress": progress} if state == "finished" else {}
    return TrainedPoint({"x": x, "width": 8, "kind": "a", **line}, state, metrics, round_)


def wanted(trials, space):
    return [(line.parameters["line"], line.parameters["x"]) for line in continuations(trials, space)]


def test_what_is_on_the_front_goes_on_in_every_direction(sweeping):
    trials = [trained(0.4, 0.2, 0.8), trained(0.6, 0.8, 0.2), trained(0.5, 0.9, 0.9)]
    expected = [("0.4 > 0.2", 0.2), ("0.4 > 0.6", 0.6), ("0.6 > 0.3", 0.3), ("0.6 > 0.9", 0.9)]
    assert wanted(trials, sweeping()) == expected
    assert len(wanted(trials, sweeping({"of": "all"}))) == 6


@pytest.mark.parametrize(
    "trial",
    [
        trained(0.4, state="running"),
        trained(0.4, state="failed"),
        trained(0.4, state="stopped"),
        trained(0.4, progress=0.0),
        trained(0.4, round_=1),
        trained(0.4, first=2.5),
    ],
    ids=["running", "failed", "stopped", "guard", "replicate", "beyond the reference"],
)
def test_what_is_not_on_the_front_does_not_go_on(sweeping, trial):
    assert wanted([trial], sweeping()) == []


def test_a_line_goes_on_in_its_direction_as_long_as_it_is_in_range_and_on_the_front(sweeping):
    space, trials = sweeping(), [trained(0.4, 0.2, 0.8)]
    trials.append(trained(0.2, 0.1, 0.9, line="0.4 > 0.2"))
    trials.append(trained(0.6, 0.9, 0.9, line="0.4 > 0.6"))
    assert wanted(trials, space) == [("0.4 > 0.2 > 0.1", 0.1)], "the other way is dominated"
    trials.append(trained(0.1, state="running", line="0.4 > 0.2 > 0.1"))
    assert wanted(trials, space) == [], "it has been asked for"
    assert wanted(trials, sweeping({"most": 1})) == []
    assert next_lines({"x": 0.7, "width": 8}, space) == [{"x": 0.35, "width": 8, "line": "0.7 > 0.35"}], (
        "1.05 is outside"
    )


def test_objectives_that_are_maximised_count_as_such(sweeping, document):
    second = {**document["objectives"][1], "direction": "maximise", "reference": 0.1}
    space = sweeping(objectives=[document["objectives"][0], second])
    trials = [trained(0.4, 0.2, 0.8), trained(0.6, 0.3, 0.7), trained(0.2, 0.1, 0.05)]
    assert {x for _, x in wanted(trials, space)} == {0.2, 0.6}, (
        "the first dominates, the last is no better than nothing"
    )


def test_a_line_goes_on_from_the_very_trial_that_is_on_the_front(sweeping):
    """Of two seeds of a point the second is the better one."""
    trials = [trained(0.4, 0.9, 0.9), trained(0.4, 0.2, 0.2)]
    assert {line.parent for line in continuations(trials, sweeping())} == {1}


def test_steps_are_added_and_whole_numbers_stay_on_their_grid(sweeping, document):
    steps = {"factors": [], "steps": [-0.25, 0.25]}
    assert wanted([trained(0.5)], sweeping(steps)) == [("0.5 > 0.25", 0.25), ("0.5 > 0.75", 0.75)]
    whole = document["parameters"] | {"x": {"type": "int", "low": 2, "high": 20, "step": 3}}
    space = sweeping({"factors": [0.5, 1.1, 3.0]}, parameters=whole)
    assert wanted([trained(8)], space) == [("8 > 5", 5)], "4 is between two of 2, 5, 8; 8.8 is 8 again, 24 outside"


def test_the_configuration_of_a_line_has_its_stages(sweeping):
    space = sweeping()
    line = {"x": 0.1, "width": 8, "kind": "a", "line": "0.4 > 0.2 > 0.1"}
    configuration = space.configuration(line, 5)
    stages = [{"x": 0.4, "epochs": 10}, {"x": 0.2, "epochs": 3}, {"x": 0.1, "epochs": 3}]
    assert configuration == {"sleep_s": 0.0, "stages": stages, "x": 0.1, "width": 8, "kind": "a"} | {
        "epochs": 16,
        "seed": 5,
        "threads": 1,
    }
    before = space.before(line)
    assert before == {"x": 0.2, "width": 8, "kind": "a", "line": "0.4 > 0.2"}
    assert space.before(before) == {"x": 0.4, "width": 8, "kind": "a"}
    assert space.before({"x": 0.4}) is None
    assert "stages" not in space.configuration(space.before(before), 5)
    assert [epoch for epoch in range(11, 17) if space.evaluates(epoch)] == list(range(11, 17)), "every epoch of ten"
    sparse = sweeping(budget={"trials": 8, "epochs": 10, "evaluate_every": 20})
    assert [epoch for epoch in range(1, 17) if sparse.evaluates(epoch)] == [10, 13, 16]


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"parameter": "y"}, r"sweep.parameter: 'y' is not searched; expected one of x, width, kind"),
        ({"parameter": "kind"}, r"sweep.parameter: kind is a choice"),
        ({"steps": [0.1]}, r"sweep: expected either factors or steps"),
        ({"factors": []}, r"sweep: expected either factors or steps"),
        ({"factors": [1.0]}, r"sweep: a factor of 1 or a step of 0"),
        ({"factors": [-0.5]}, r"sweep.factors.0: .*greater than 0"),
        ({"epochs": 0}, r"sweep.epochs: .*greater than or equal to 1"),
        ({"faktors": [0.5]}, r"sweep.faktors: unknown key; did you mean 'factors'"),
        ({"of": "best"}, r"sweep.of: .*'front' or 'all'"),
    ],
)
def test_mistakes_are_named(sweeping, sweep, message):
    with pytest.raises(SpaceError, match=message) as caught:
        sweeping(sweep)
    assert "\n" not in str(caught.value)


def test_a_parameter_cannot_have_the_name_of_the_column(document):
    document["parameters"]["line"] = {"type": "int", "low": 1, "high": 3}
    with pytest.raises(SpaceError, match=r"parameters\.line: is the name of a column of the tables of trials"):
        parse_space(document, Path("toy.yaml"))


def values(request):
    x = request.parameters["x"]
    return x, 1 - x  # everything is on the front


def play(space, folder, finish, trials, crash_after=()):
    """Run trials one at a time, lines first; reopen the journal after some of them, as a crash would."""
    proposals, requests, ended = Proposals(space, folder), [], []
    left = trials
    while True:
        request = proposals.go_on()
        if request is None:
            if not left:
                return proposals, requests
            request, left = proposals.ask(left), left - 1
        requests.append(request)
        if len(requests) - 1 in crash_after:
            proposals = Proposals(space, folder)
            assert proposals.reconcile(ended) == [request.trial]
            again = proposals.ask() if request.of_budget else proposals.go_on()
            assert again == request, "run again under the same number, parameters, seed and parent"
        result = finish(request, *values(request))
        ended.append(result)
        proposals.tell(result)


def test_lines_come_before_new_points_with_the_seed_of_their_parent(sweeping, tmp_path, finish):
    proposals, requests = play(sweeping(), tmp_path, finish, 4)
    trunks = [request for request in requests if request.of_budget]
    assert len(trunks) == 4
    assert len(requests) > 8
    by_number = {request.trial: request for request in requests}
    for request in requests:
        if not request.of_budget:
            parent = by_number[request.parent]
            assert parent.seed == request.seed
            assert sweeping().before(request.parameters) == parent.parameters
            assert parent.trial < request.trial
    assert proposals.lines == {request.trial for request in requests if not request.of_budget}
    assert proposals.more_lines == 0
    assert proposals.ended_for_good() == list(range(len(requests)))


def test_samplers_know_nothing_of_lines(sweeping, space, tmp_path, finish):
    """The points of the budget are those of a run without a sweep."""
    _, with_lines = play(sweeping(), tmp_path / "with", finish, 12) if (tmp_path / "with").mkdir() is None else ()
    plain = Proposals(space, tmp_path)
    for request in (request for request in with_lines if request.of_budget):
        asked = plain.ask()
        assert asked.parameters == request.parameters
        plain.tell(finish(asked, *values(asked)))


@pytest.mark.parametrize("crash_after", [(0,), (1,), (2, 3), (5,)])
def test_an_interruption_changes_nothing(sweeping, tmp_path, finish, crash_after):
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    _, whole = play(sweeping(), tmp_path / "whole", finish, 4)
    _, broken = play(sweeping(), tmp_path / "broken", finish, 4, crash_after)
    assert broken == whole


def test_a_journal_that_is_lost_is_made_again_from_the_table(sweeping, tmp_path, finish):
    space = sweeping()
    _, requests = play(space, tmp_path, finish, 3)
    ended = [finish(request, *values(request)) for request in requests]
    (tmp_path / "study.journal").unlink()
    proposals = Proposals(space, tmp_path)
    proposals.reconcile(ended)
    assert [proposals.request(request.trial) for request in requests] == requests
    assert proposals.lines == {request.trial for request in requests if not request.of_budget}
    assert proposals.go_on() is None


def test_in_batches_nothing_depends_on_which_trial_ends_first(sweeping, tmp_path, finish):
    found = []
    for turn in (1, -1):
        folder = tmp_path / str(turn)
        folder.mkdir()
        proposals, order, left = Proposals(sweeping(batch=3), folder), [], 6
        while True:
            given = []
            while request := proposals.go_on():
                given.append(request)
            while not given and left and len(given) < 3:
                given.append(proposals.ask(left))
                given += [proposals.ask(left) for _ in range(2)]
                left -= 3
            if not given:
                break
            assert proposals.go_on() is None, "the batch has not ended"
            assert proposals.ask(3) is None
            for request in given[::turn]:
                proposals.tell(finish(request, *values(request)))
            order += given
        found.append(order)
    assert found[0] == found[1]
    assert any(not request.of_budget for request in found[0])


def test_replicates_repeat_lines_from_the_end_of_a_replicate_where_there_is_one(sweeping, tmp_path, finish):
    space = sweeping(budget={"trials": 2, "epochs": 10, "replicates": 2})
    proposals, requests = play(space, tmp_path, finish, 2)
    replicates = []
    while request := proposals.replicate():
        replicates.append(request)
        proposals.tell(finish(request, *values(request)))
    first = {str(request.parameters): request.seed for request in requests}
    assert {str(request.parameters) for request in replicates} == set(first), "every point is on the front"
    by_number = {request.trial: request for request in (*requests, *replicates)}
    gone_on = [request for request in replicates if "line" in request.parameters]
    assert gone_on
    for request in replicates:
        assert request.replicate
        assert request.seed != first[str(request.parameters)]
    for request in gone_on:
        if request.parent is not None:
            assert by_number[request.parent].parameters == space.before(request.parameters)
            assert by_number[request.parent].seed == request.seed
    assert any(request.parent is not None for request in gone_on)
