import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from search.policy.proposals import Proposals
from search.record.earlier_runs import (
    Reusable,
    check_comparable,
    content_key,
    fitting,
    read_earlier,
    read_points,
    read_warm_start,
    write_warm_start,
)
from search.record.origin import basis
from search.record.recorder import Recorder
from search.record.run_folder import RunFolder, RunFolderError
from search.space.reading import SpaceError, parse_space
from search.trials import TrialResult, TrialUpdate
from search.tune.searcher import JournalSearcher

ORIGIN = {"code": "c0de", "study": {"data_fingerprint": "f00d"}}


@pytest.fixture
def make_run(document, tmp_path, finish):
    """Makes a run folder with finished trials, without Ray."""

    def make(name, trials=4, origin=ORIGIN, **sections):
        space = parse_space({**document, **sections}, Path("toy.yaml"))
        folder = tmp_path / name
        folder.mkdir()
        RunFolder(folder).write_space(space, origin)
        proposals, recorder = Proposals(space, folder), Recorder(space, folder)
        for _ in range(trials):
            request = proposals.ask()
            recorder.begin(request)
            result = finish(request, first=request.parameters["x"], second=1 - request.parameters["x"])
            recorder.note(TrialUpdate(result, ({"epoch": 10, "seconds": 1.0, "loss": 0.5, **result.metrics},)))
            proposals.tell(result, recorder.end(result))
            (folder / "trials" / str(request.trial)).mkdir(parents=True)
            (folder / "trials" / str(request.trial) / "model.safetensors").write_text(f"model {request.trial}")
        return folder

    return make


def test_equal_work_has_an_equal_key_and_other_work_another(space):
    point = {"x": 0.5, "width": 8, "kind": "a"}
    key = content_key(space, ORIGIN, point, 3)
    assert key == content_key(space, ORIGIN, dict(reversed(point.items())), 3)
    threads = space.model_copy(update={"resources": space.resources.model_copy(update={"cpus": 7})})
    assert key == content_key(threads, ORIGIN, point, 3), "threads do not count"
    longer = space.model_copy(update={"budget": space.budget.model_copy(update={"epochs": 11})})
    other = [
        content_key(space, ORIGIN, point, 4),
        content_key(space, ORIGIN, {**point, "x": 0.25}, 3),
        content_key(space, {**ORIGIN, "code": "other"}, point, 3),
        content_key(space, {**ORIGIN, "study": {"data_fingerprint": "other"}}, point, 3),
        content_key(longer, ORIGIN, point, 3),
        content_key(space.model_copy(update={"fixed": {"sleep_s": 1.0}}), ORIGIN, point, 3),
        content_key(space.model_copy(update={"study": "other:Study"}), ORIGIN, point, 3),
    ]
    assert len({key, *other}) == 8


def test_a_second_run_of_the_same_search_takes_everything_over(make_run, space, tmp_path):
    first = make_run("first", trials=4)
    folder = tmp_path / "second"
    folder.mkdir()
    reusable = Reusable(space, basis(ORIGIN), [read_earlier(first)], folder)
    assert len(reusable) == 4
    proposals, recorder = Proposals(space, folder, (), reusable.seeds), Recorder(space, folder)
    searcher = JournalSearcher(space, proposals, recorder, 6, reusable)
    request = searcher.suggest("a")["request"]
    assert request.trial == 4, "the first four were there"
    rows = recorder.snapshot().rows
    assert [row["reason"] for row in rows] == [f"reused: trial {n} of {first}" for n in range(4)]
    kept_columns = ["state", "seed", "x", "width", "kind", "first", "second", "progress"]
    pd.testing.assert_frame_equal(
        pd.read_csv(folder / "trials.csv")[kept_columns], pd.read_csv(first / "trials.csv")[kept_columns]
    )
    pd.testing.assert_frame_equal(pd.read_csv(folder / "curves.csv"), pd.read_csv(first / "curves.csv"))
    assert (folder / "trials" / "2" / "model.safetensors").read_text() == "model 2"
    again = Proposals(space, folder)
    assert again.reconcile(RunFolder(folder).ended(space)) == [4]
    assert again.ask() == request


def test_a_point_takes_the_seed_that_it_was_trained_with(make_run, document, space, tmp_path):
    """Another seed of the run asks for other points; an equal one that comes first here is found all the same."""
    first = make_run("first", trials=3)
    known = [result.request for result in read_earlier(first).finished]
    changed = parse_space({**document, "seed": 90, "start": [known[2].parameters] * 2}, Path("toy.yaml"))
    folder = tmp_path / "second"
    folder.mkdir()
    reusable = Reusable(changed, basis(ORIGIN), [read_earlier(first)], folder)
    proposals = Proposals(changed, folder, (), reusable.seeds)
    requests = [proposals.ask(), proposals.ask()]
    assert requests[0].parameters == requests[1].parameters == known[2].parameters
    assert requests[0].seed == known[2].seed
    assert requests[1].seed == 91, "a duplicate is a replicate with the next seed"
    assert reusable.fetch(requests[0]) is not None
    assert reusable.fetch(requests[1]) is None


@pytest.mark.parametrize(
    "sections",
    [{"origin": {**ORIGIN, "code": "other"}}, {"origin": {"study": ORIGIN["study"]}}, {"fixed": {"sleep_s": 1.0}}],
)
def test_other_work_is_not_taken_over(make_run, space, tmp_path, sections):
    reusable = Reusable(space, basis(ORIGIN), [read_earlier(make_run("first", **sections))], tmp_path)
    request = read_earlier(tmp_path / "first").finished[0].request
    assert reusable.seeds(request.parameters) == ()
    assert reusable.fetch(request) is None


def test_of_a_run_that_went_on_with_other_code_each_trial_counts_by_its_own(make_run, space, tmp_path):
    """Two trials of the first code, two of the second."""
    first = make_run("first", origin={**ORIGIN, "changed": [{"code": "0ther" * 4}]})
    table = pd.read_csv(first / "trials.csv")
    table.assign(code=[None, None, "0ther0ther0t", "0ther0ther0t"]).to_csv(first / "trials.csv", index=False)
    run = read_earlier(first)
    requests = [result.request for result in run.finished]
    of_first = Reusable(space, basis(ORIGIN), [run], tmp_path)
    of_second = Reusable(space, {**ORIGIN, "code": "0ther" * 4}, [run], tmp_path)
    assert [bool(of_first.seeds(request.parameters)) for request in requests] == [True, True, False, False]
    assert [bool(of_second.seeds(request.parameters)) for request in requests] == [False, False, True, True]
    assert [result.request for result in fitting(run, space)] == requests[2:], "the sampler knows one code's values"


def test_a_trial_whose_model_is_gone_is_done_again(make_run, space, tmp_path):
    first = make_run("first")
    shutil.rmtree(first / "trials" / "1")
    (first / "trials/3/model.safetensors").rename(first / "trials/3/configuration.yaml")  # as keep_models leaves it
    reusable = Reusable(space, basis(ORIGIN), [read_earlier(first)], tmp_path)
    requests = [result.request for result in read_earlier(first).finished]
    assert reusable.without_model == {first: 2}
    assert [reusable.fetch(request) is not None for request in requests] == [True, False, True, False]
    assert reusable.seeds(requests[1].parameters) == ()
    (first / "trials/2/model.safetensors").unlink()  # while the search goes on
    assert reusable.fetch(requests[2]) is None


def test_a_folder_without_a_run_is_refused(tmp_path, make_run):
    with pytest.raises(RunFolderError, match="holds no run; give the folder of an earlier one"):
        read_earlier(tmp_path)
    first = make_run("first")
    (first / "trials.csv").write_text("trial,state\n0,finshed\n")
    with pytest.raises(RunFolderError, match=r"trials\.csv, line 1: no column"):
        read_earlier(first)


def test_the_sampler_begins_with_the_values_of_an_earlier_run(make_run, space, tmp_path):
    earlier = read_earlier(make_run("first", trials=12))
    check_comparable(earlier, space, ORIGIN)
    results = fitting(earlier, space)
    assert len(results) == 12
    folder = tmp_path / "second"
    folder.mkdir()
    write_warm_start(results, folder)
    cold, warm = Proposals(space, tmp_path), Proposals(space, folder, read_warm_start(folder))
    assert [cold.ask().trial, warm.ask().trial] == [0, 0]
    space_tpe = space.model_copy(update={"sampler": space.sampler.model_copy(update={"startup_trials": 4})})
    (folder / "study.journal").unlink()
    first = [Proposals(space_tpe, folder, read_warm_start(folder)).ask() for _ in range(1)]
    assert first[0].parameters != cold.request(0).parameters, "a sampler that knows 12 trials does not begin at random"


def test_a_resumed_run_knows_its_warm_start(make_run, space, tmp_path, finish):
    results = read_earlier(make_run("first", trials=12)).finished

    def run(name, pieces):
        folder, found = tmp_path / name, []
        folder.mkdir()
        write_warm_start(results, folder)
        for trials in pieces:
            proposals = Proposals(space, folder, read_warm_start(folder))
            for _ in range(trials):
                request = proposals.ask()
                proposals.tell(finish(request, first=request.parameters["x"]))
                found.append(request)
        return found

    assert run("broken", [3, 4]) == run("whole", [7])


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"fixed": {"sleep_s": 2.0}}, r"its fixed\.sleep_s differs, so its values cannot be compared; .*--start"),
        ({"budget": {"trials": 8, "epochs": 12}}, r"its budget\.epochs differs \(12 there, 10 here\)"),
        ({"origin": {**ORIGIN, "study": {"data_fingerprint": "x"}}}, "its data differs"),
        ({"origin": {**ORIGIN, "code": "x"}}, "its code differs"),
    ],
)
def test_values_that_cannot_be_compared_are_refused(make_run, space, sections, message):
    with pytest.raises(RunFolderError, match=message):
        check_comparable(read_earlier(make_run("first", **sections)), space, ORIGIN)


def test_trials_outside_the_space_are_left_out(make_run, document):
    earlier = read_earlier(make_run("first", trials=12))
    document["parameters"]["width"] = {"type": "choice", "values": [8, 16]}
    space = parse_space(document, Path("toy.yaml"))
    widths = [result.request.parameters["width"] for result in earlier.finished]
    assert 32 in widths
    assert len(fitting(earlier, space)) == sum(width < 32 for width in widths)


def test_a_damaged_warm_start_is_named(tmp_path):
    (tmp_path / "warm_start.json").write_text("[{")
    with pytest.raises(RunFolderError, match=r"warm_start\.json: cannot be read .* remove it to go on without"):
        read_warm_start(tmp_path)


def test_points_come_from_configurations(document, tmp_path):
    document["parameters"]["nested.rate"] = {"type": "log", "low": 0.1, "high": 1.0}
    space = parse_space(document, Path("toy.yaml"))
    file = tmp_path / "knee.yaml"
    file.write_text(yaml.safe_dump({"x": 0.5, "nested": {"rate": 0.2}, "epochs": 10, "sleep_s": 1}))
    assert read_points([file], space) == ({"x": 0.5, "nested.rate": 0.2},)
    file.write_text(yaml.safe_dump({"epochs": 10}))
    with pytest.raises(SpaceError, match=r"knee\.yaml: has no value of what is searched \(x, width"):
        read_points([file], space)
    file.write_text(yaml.safe_dump({"x": 2.0}))
    with pytest.raises(SpaceError, match=r"knee\.yaml: x: 2\.0 is outside what is searched"):
        read_points([file], space)


def test_a_configuration_may_have_null_and_lists(document, tmp_path):
    document["parameters"] |= {
        "rate": {"type": "choice", "values": [None, 0.5]},
        "sizes": {"type": "choice", "values": [[64], [64, 64]], "when": {"rate": None}},
    }
    space = parse_space(document, Path("toy.yaml"))
    file = tmp_path / "knee.yaml"
    for point in ({"rate": None, "sizes": [64, 64]}, {"sizes": [64], "rate": None}, {"rate": 0.5}):
        file.write_text(yaml.safe_dump({"x": None, **point}))
        assert read_points([file], space) == (point,), "null is no value of x, which is left open"
    file.write_text(yaml.safe_dump({"x": 0.5}))
    assert read_points([file], space) == ({"x": 0.5},)
    file.write_text(yaml.safe_dump({"rate": None, "sizes": [65]}))
    with pytest.raises(SpaceError, match=r"knee\.yaml: sizes: \[65\] is outside what is searched"):
        read_points([file], space)


def test_a_sampler_begins_with_null_and_lists_of_an_earlier_run(make_run, document):
    sizes = {"type": "choice", "values": [None, [64, 64], [8]]}
    document["parameters"]["sizes"] = sizes
    run = make_run("first", trials=12, parameters=document["parameters"])
    assert {result.request.parameters["sizes"] for result in read_earlier(run).finished} == {"null", "[64, 64]", "[8]"}
    assert len(fitting(read_earlier(run), parse_space(document, Path("toy.yaml")))) == 12
    sizes["values"] = [[64, 64], None]
    kept = fitting(read_earlier(run), parse_space(document, Path("toy.yaml")))
    assert {result.request.parameters["sizes"] for result in kept} == {"null", "[64, 64]"}


def test_no_work_twice_does_not_disturb_the_states(make_run, space, tmp_path):
    """A reused trial that an interruption cut off is fetched again."""
    first = make_run("first", trials=2)
    folder = tmp_path / "second"
    folder.mkdir()
    reusable = Reusable(space, basis(ORIGIN), [read_earlier(first)], folder)
    proposals = Proposals(space, folder, (), reusable.seeds)
    request = proposals.ask()
    again = Proposals(space, folder, (), reusable.seeds)
    assert again.reconcile([]) == [0]
    assert again.ask() == request
    update = reusable.fetch(request)
    assert isinstance(update.result, TrialResult)
    assert update.result.state == "finished"
