from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.policy.proposals import Proposals
from search.policy.samplers import check_sampler, distribution, drawn_points, first_points, made_sampler
from search.space.parameters import Categorical, FloatRange, IntegerRange
from search.space.reading import SpaceError, parse_space
from search.space.schema import Sampler

optuna.logging.set_verbosity(optuna.logging.WARNING)
NAMES = ["tpe", "gp", "nsga2", "nsga3", "qmc", "random"]
LENGTH = 14


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (Categorical(type="choice", values=[8, "b", 0.5]), CategoricalDistribution((8, "b", 0.5))),
        (IntegerRange(type="int", low=2, high=9), IntDistribution(2, 9)),
        (IntegerRange(type="int", low=2, high=9, step=3), IntDistribution(2, 8, step=3)),
        (IntegerRange(type="int", low=2, high=9, log=True), IntDistribution(2, 9, log=True)),
        (Categorical(type="choice", values=[None, [8, [1]]]), CategoricalDistribution(("null", "[8, [1]]"))),
        (FloatRange(type="float", low=0, high=1), FloatDistribution(0.0, 1.0)),
        (FloatRange(type="float", low=0, high=1, step=0.25), FloatDistribution(0.0, 1.0, step=0.25)),
        (FloatRange(type="float", low=0.05, high=0.95, step=0.15), FloatDistribution(0.05, 0.95, step=0.15)),
        (FloatRange(type="float", low=0, high=1, step=0.3), FloatDistribution(0.0, 0.9, step=0.3)),
        (FloatRange(type="log", low=0.1, high=1), FloatDistribution(0.1, 1.0, log=True)),
    ],
)
def test_parameters_become_distributions(parameter, expected):
    assert distribution(parameter) == expected


@pytest.fixture
def proposals(document, tmp_path):
    """Opens the journal of a run; the same folder again is a run that is resumed."""

    def make(name, folder="run", **settings):
        (tmp_path / folder).mkdir(exist_ok=True)
        sampler = {"name": name, "startup_trials": 3, "population": 4}
        space = parse_space({**document, "sampler": sampler} | settings, Path("toy.yaml"))
        return Proposals(space, tmp_path / folder)

    return make


def search(proposals, finish, trials):
    """Ask and tell one by one; the objectives pull x in opposite directions, with a guard that half of it breaks."""
    requests = []
    for _ in range(trials):
        request = proposals.ask()
        x, width = request.parameters["x"], request.parameters["width"]
        proposals.tell(finish(request, first=x**2 + 1 / width, second=(x - 1) ** 2, progress=1 - x))
        requests.append(request)
    return requests


@pytest.mark.parametrize("name", NAMES)
def test_every_sampler_proposes_points_of_the_space(proposals, finish, name):
    requests = search(proposals(name), finish, LENGTH)
    assert all(0 <= request.parameters["x"] <= 1 for request in requests)
    assert {request.parameters["width"] for request in requests} <= {8, 16, 32}
    assert len({request.parameters["x"] for request in requests}) > LENGTH // 2


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_run_goes_on_as_it_would_have_gone(proposals, finish, name):
    whole = search(proposals(name, "whole"), finish, LENGTH)
    begun = search(proposals(name, "broken"), finish, LENGTH - 3)
    assert begun + search(proposals(name, "broken"), finish, 3) == whole


@pytest.mark.parametrize(("name", "trials"), [("tpe", 40), ("gp", 40), ("nsga2", 40)])
def test_samplers_that_learn_find_more_than_chance(proposals, finish, name, trials):
    """Where both objectives agree on x = 0.8, a fifth of all points would lie within 0.1 of it by chance."""
    run, near = proposals(name), 0
    for number in range(trials):
        request = run.ask()
        miss = abs(request.parameters["x"] - 0.8)
        run.tell(finish(request, first=miss, second=miss**2))
        near += number >= trials // 2 and miss < 0.1
    assert near >= 0.45 * trials / 2, near


@pytest.mark.parametrize("name", NAMES)
def test_samplers_see_the_order_of_a_choice_and_people_its_values(document, proposals, finish, name):
    parameters = {
        "width": document["parameters"]["width"] | {"ordered": True},
        "x": document["parameters"]["x"] | {"when": {"width": [16, 32]}},
        "kind": document["parameters"]["kind"],
    }
    how = {"parameters": parameters, "start": [{"width": 32}]}

    def searched(folder, trials):
        run, requests = proposals(name, folder, **how), []
        for _ in range(trials):
            request = run.ask()
            width, x = request.parameters["width"], request.parameters.get("x", 0.5)
            run.tell(finish(request, first=x**2 + 1 / width, second=(x - 1) ** 2, progress=1.0))
            requests.append(request)
        return run, requests

    run, requests = searched("whole", 8)
    assert requests[0].parameters["width"] == 32
    assert {request.parameters["width"] for request in requests} <= {8, 16, 32}
    assert all(("x" in request.parameters) == (request.parameters["width"] > 8) for request in requests)
    seen, kept = (trial.trials[0] for trial in (run._journal.memory, run._journal))
    assert (seen.params["width"], seen.distributions["width"]) == (2, IntDistribution(0, 2))
    assert (kept.params["width"], kept.distributions["width"]) == (32, CategoricalDistribution((8, 16, 32)))
    assert searched("broken", 5)[1] + searched("broken", 3)[1] == requests


@pytest.mark.parametrize("name", NAMES)
def test_null_lists_and_whole_numbers_on_a_logarithmic_scale_are_searched(document, proposals, finish, name):
    """Under a condition on null and on a list; a resumed run goes on as it would have gone."""
    parameters = {
        "rate": {"type": "choice", "values": [None, 0.5]},
        "sizes": {"type": "choice", "values": [[64], [64, 64], [[8, 1]]], "ordered": True, "when": {"rate": None}},
        "x": {"type": "int", "low": 1, "high": 10**6, "log": True, "when": {"sizes": [[64], [64, 64]]}},
        "width": document["parameters"]["width"],
    }
    how = {"parameters": parameters, "start": [{"rate": None, "sizes": [64, 64], "x": 1000}]}

    def searched(folder, trials):
        run, requests = proposals(name, folder, **how), []
        for _ in range(trials):
            requests.append(run.ask())
            x, rate = requests[-1].parameters.get("x", 10), requests[-1].parameters["rate"]
            run.tell(finish(requests[-1], first=1 / x, second=x + (rate == "null")))
        return requests

    requests = searched("whole", 14)
    points = [request.parameters for request in requests]
    assert points[0] == {"rate": "null", "sizes": "[64, 64]", "x": 1000} | {"width": points[0]["width"]}
    assert {point["rate"] for point in points} == {"null", 0.5}
    assert all(("sizes" in point) == (point["rate"] == "null") for point in points)
    assert all(("x" in point) == (point.get("sizes") in ("[64]", "[64, 64]")) for point in points)
    assert sum(point.get("x", 10**6) < 10**4 for point in points) > 1, "evenly, a hundredth would be"
    assert all(isinstance(point.get("x", 1), int) for point in points)
    assert searched("broken", 9) + searched("broken", 5) == requests


def test_sobol_points_fill_the_range_evenly(proposals, finish):
    requests = search(proposals("qmc"), finish, 17)[1:]  # the first point is Optuna's random one
    counts = [sum(low <= request.parameters["x"] < low + 0.25 for request in requests) for low in (0, 0.25, 0.5, 0.75)]
    assert counts == [4, 4, 4, 4]


def test_a_step_keeps_to_its_grid(document, proposals, finish):
    x = {"type": "float", "low": 0.05, "high": 0.95, "step": 0.15}
    requests = search(proposals("random", parameters={**document["parameters"], "x": x}), finish, 30)
    assert {round(request.parameters["x"], 9) for request in requests} <= {0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95}


def test_steps_that_make_no_sense_are_refused(document):
    def parse(**x):
        document["parameters"]["x"] = x
        parse_space(document, Path("toy.yaml"))

    with pytest.raises(SpaceError, match=r"parameters\.x: step: a logarithmic scale has none"):
        parse(type="log", low=0.1, high=1.0, step=0.1)
    with pytest.raises(SpaceError, match=r"parameters\.x: step: 2 is more than high - low"):
        parse(type="float", low=0.0, high=1.0, step=2)


def conditional(document):
    return {
        "kind": document["parameters"]["kind"],
        "x": document["parameters"]["x"] | {"when": {"kind": "a"}},
        "width": document["parameters"]["width"] | {"when": {"kind": ["b"]}},
        "level": {"type": "int", "low": 1, "high": 4, "when": {"width": [8, 16]}},
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_is_searched_only_under_its_condition(document, proposals, name):
    run = proposals(name, parameters=conditional(document), start=[{"kind": "b", "width": 8}])
    requests = [run.ask() for _ in range(30)]
    for request in requests:
        expected = {"kind"} | ({"x"} if request.parameters["kind"] == "a" else {"width"})
        expected |= {"level"} if request.parameters.get("width", 32) < 32 else set()
        assert set(request.parameters) == expected
    assert requests[0].parameters["width"] == 8
    assert {tuple(request.parameters) for request in requests} == {
        ("kind", "x"),
        ("kind", "width"),
        ("kind", "width", "level"),
    }


def test_corners_meet_the_conditions(document):
    space = parse_space({**document, "parameters": conditional(document)}, Path("toy.yaml"))
    assert list(space.corners()) == [
        ("kind", {"kind": "a", "x": 0.0}),
        ("kind", {"kind": "b", "width": 8, "level": 1}),
        ("x", {"kind": "a", "x": 0.0}),
        ("x", {"kind": "a", "x": 1.0}),
        ("width", {"kind": "b", "width": 8, "level": 1}),
        ("width", {"kind": "b", "width": 16, "level": 1}),
        ("width", {"kind": "b", "width": 32}),
        *(("level", {"kind": "b", "width": 8, "level": level}) for level in range(1, 5)),
    ]
    assert parse_space(space.document(), Path("space.yaml")) == space


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({"knid": "a"}, r"parameters\.width: when: 'knid' is no parameter"),
        ({"kind": "c"}, r"parameters\.width: when: kind is never 'c'"),
        ({"kind": None}, r"parameters\.width: when: kind is never None"),
        ({"kind": []}, r"parameters\.width\.when\.kind: tuple should have at least 1 item"),
        ({"size": [8, None]}, r"when: size is never 8; for the list itself write \[\[8, null\]\]"),
        ({"x": 0.5}, r"parameters\.width: when: 'x' is no choice and no int"),
        ({"level": 1}, r"parameters\.width: when: 'level' stands behind it; put it first"),
    ],
)
def test_conditions_that_never_hold_are_refused(document, when, message):
    p = document["parameters"]
    level = {"type": "int", "low": 1, "high": 4}
    document["parameters"] = {"kind": p["kind"], "x": p["x"], "width": p["width"] | {"when": when}, "level": level}
    document["parameters"] = {"size": {"type": "choice", "values": [[8, None], [9]]}, **document["parameters"]}
    with pytest.raises(SpaceError, match=message):
        parse_space(document, Path("toy.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_starting_points_come_first_and_are_completed(proposals, finish, name):
    start = [{"x": 0.25, "width": 16, "kind": "b"}, {"x": 0.75}]
    requests = search(proposals(name, start=start), finish, 6)
    assert requests[0].parameters == start[0]
    assert requests[1].parameters["x"] == 0.75
    assert set(requests[1].parameters) == {"x", "width", "kind"}
    assert len({request.parameters["x"] for request in requests}) >= 5


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"wdith": 8}, r"start\.0\.wdith: is not searched; did you mean 'width'"),
        ({"width": 9}, r"start\.0\.width: 9 is outside what is searched"),
        ({"x": 1.5}, r"start\.0\.x: 1\.5 is outside"),
        ({"x": "a"}, r"start\.0\.x: 'a' is outside"),
        ({"x": 0.5, "width": 8}, r"start\.0\.x: is only searched where width is 16 or 32, but here it is 8"),
        ({"x": 0.5}, r"start\.0\.x: is only searched where width is 16 or 32, so give that too"),
    ],
)
def test_starting_points_outside_the_space_are_refused(document, point, message):
    if "only" in message:
        x = document["parameters"].pop("x")
        document["parameters"]["x"] = {**x, "when": {"width": [16, 32]}}
    with pytest.raises(SpaceError, match=message):
        parse_space({**document, "start": [point]}, Path("toy.yaml"))


class Middle(optuna.samplers.RandomSampler):
    """A sampler of a user's own: the same x always."""

    def __init__(self, x, seed=None):
        super().__init__(seed=seed)
        self._x = x

    def sample_independent(self, study, trial, name, distribution):
        return self._x if name == "x" else super().sample_independent(study, trial, name, distribution)


def test_a_sampler_of_ones_own_proposes_and_repeats_itself(document):
    sampler = {"name": f"{__name__}:Middle", "arguments": {"x": 0.25}}
    space = parse_space({**document, "sampler": sampler}, Path("toy.yaml"))
    points = first_points(space, 12)
    assert {point["x"] for point in points} == {0.25}
    assert {point["width"] for point in points} == {8, 16, 32}, "its seed is another one for each trial"
    assert first_points(space, 12) == points
    assert parse_space(space.document(), Path("again.yaml")) == space


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "no_such_module:Middle"}, "no_such_module:Middle cannot be made: ModuleNotFoundError"),
        ({"name": f"{__name__}:Middle"}, "Middle cannot be made: TypeError: .*missing 1 required .*'x'"),
        ({"name": "json:JSONDecoder"}, "json:JSONDecoder is no BaseSampler of optuna"),
    ],
)
def test_what_is_no_sampler_is_refused_in_one_line(settings, message):
    with pytest.raises(ValueError, match=message):
        made_sampler(Sampler(**settings), 0)


class Stuck(optuna.samplers.RandomSampler):
    """A sampler that proposes as long as nothing has ended."""

    def sample_independent(self, study, trial, name, distribution):
        if study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE]):
            raise KeyError("too much")
        return super().sample_independent(study, trial, name, distribution)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "optuna.samplers:CmaEsSampler"}, "CmaEsSampler cannot propose: ValueError: .*multi-objective"),
        ({"name": "optuna.samplers:TPESampler", "arguments": {"n_startup_trials": "x"}}, "TPESampler cannot propose: "),
        ({"name": f"{__name__}:Stuck"}, "Stuck cannot propose: KeyError: 'too much'"),
    ],
)
def test_a_sampler_that_cannot_propose_is_refused_before_the_search(document, settings, message):
    space = parse_space({**document, "sampler": settings}, Path("toy.yaml"))
    with pytest.raises(ValueError, match=message):
        check_sampler(space, drawn_points(space, 16))


def test_a_sampler_that_can_is_taken(document):
    space = parse_space({**document, "sampler": {"name": "optuna.samplers:NSGAIISampler"}}, Path("toy.yaml"))
    check_sampler(space, drawn_points(space, 16))
