import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from search.exceptions import InputError
from search.preparation import (
    Options,
    build_study,
    check_inside,
    prepare,
    run_provenance,
    settle_resources,
)
from search.space.reading import SpaceError
from search.studies import import_study
from search.tune.preflight import Available, Node

FILE = Path("toy.yaml")
MACHINE = Available(4, 0, "this machine")


class Told:
    def provenance(self):
        return {"data": "none"}


@pytest.fixture
def begin(space_folder):
    """Begin a run as the command line does, without Ray."""

    def run(**options):
        prepared = settle_resources(prepare(Options(FILE, **options)), MACHINE, FILE)
        prepared.folder.acquire()
        prepared.folder.write_space(prepared.space, run_provenance(prepared, Told()))
        prepared.folder._lock.close()
        return prepared.space

    return run


@pytest.fixture
def edit(space_folder, document):
    def change(**sections):
        FILE.write_text(yaml.safe_dump({**document, **sections}, sort_keys=False))

    return change


def test_the_command_line_overrules_the_file(begin):
    space = begin(trials=5, epochs=2, slots=1, seed=9)
    assert (space.budget.trials, space.budget.epochs, space.resources.slots, space.seed) == (5, 2, 1, 9)


def test_a_run_goes_on_as_it_was_begun(begin):
    space = begin(trials=5, epochs=2, slots=1, seed=9)
    assert begin(resume=True, slots=1) == space
    assert begin(resume=True, slots=1) == space, "also the second time"


def test_what_was_set_is_set_again_when_a_run_goes_on(begin):
    space = begin(assignments=("width=16", "sleep_s=0.5"))
    assert (space.fixed["width"], space.fixed["sleep_s"], "width" in space.parameters) == (16, 0.5, False)
    assert begin(resume=True) == space
    assert begin(resume=True, assignments=("width=16",)) == space
    with pytest.raises(SpaceError, match=r"fixed\.width: is 8, but the run in runs/toy was started with 16"):
        begin(resume=True, assignments=("width=8",))


def test_an_edited_budget_counts_when_a_run_goes_on(begin, edit):
    begin(epochs=10)
    edit(budget={"trials": 12, "epochs": 10})
    assert begin(resume=True).budget.trials == 12
    assert begin(resume=True, trials=20).budget.trials == 20
    assert begin(resume=True).budget.trials == 20


def test_what_was_changed_from_outside_stays_when_another_key_is_edited(begin, edit):
    begin(trials=20, slots=3)
    edit(budget={"trials": 8, "epochs": 10, "max_failures": 5}, resources={"start_within_s": 9.0})
    resumed = begin(resume=True)
    assert (resumed.budget.trials, resumed.budget.max_failures) == (20, 5)
    assert resumed.resources.start_within_s == 9.0


def test_slots_that_were_left_out_are_found_out_anew(begin):
    assert begin().resources.slots == 4
    resumed = settle_resources(prepare(Options(FILE, resume=True)), Available(2, 0, "a smaller machine"), FILE)
    assert resumed.space.resources.slots == 2


def test_an_edited_space_does_not_go_on(begin, edit):
    begin()
    edit(fixed={"sleep_s": 1.0})
    with pytest.raises(SpaceError, match=r"toy\.yaml: fixed\.sleep_s: is 1\.0, but the run in runs/toy"):
        begin(resume=True)
    edit(seed=4)
    with pytest.raises(SpaceError, match=r"toy\.yaml: seed: is 4, but the run in runs/toy was started with 3"):
        begin(resume=True)


def test_a_study_beside_the_space_file_is_found(space_folder, monkeypatch):
    (space_folder / "elsewhere").mkdir()
    monkeypatch.chdir(space_folder / "elsewhere")
    assert prepare(Options(Path(os.pardir) / "toy.yaml")).study.__name__ == "ToyStudy"


def test_a_deterministic_run_proposes_as_many_trials_at_once_as_it_has_slots(begin):
    assert begin(slots=3).batch is None
    space = begin(deterministic=True, slots=3, out=Path("runs/other"))
    assert space.batch == 3
    assert begin(resume=True, out=Path("runs/other")).batch == 3
    assert begin(resume=True, slots=2, out=Path("runs/other")).batch == 3, "the sequence stays what it was"


def test_starting_points_of_the_command_line_are_kept(begin, tmp_path):
    (tmp_path / "knee.yaml").write_text(yaml.safe_dump({"x": 0.5, "width": 16, "kind": "a", "epochs": 3}))
    space = begin(start=[tmp_path / "knee.yaml"])
    assert space.start == ({"x": 0.5, "width": 16, "kind": "a"},)
    (tmp_path / "knee.yaml").unlink()
    assert begin(resume=True) == space


def test_starting_points_that_are_edited_later_are_refused_not_passed_over(begin, edit):
    edit(start=[{"x": 0.5, "width": 16}])
    begin(assignments=("width=16",))
    assert begin(resume=True).start == ({"x": 0.5},)
    edit(start=[{"x": 0.25}])
    with pytest.raises(
        SpaceError, match=r"toy\.yaml: start: has changed since the run in runs/toy began, where alone it"
    ):
        begin(resume=True)


def test_a_deterministic_run_on_a_cluster_that_grows_proposes_for_all_the_slots_it_may_get(space_folder, edit):
    edit(resources={"max_slots": 6})
    head = Available(0, 0, "the cluster", (Node(0, 0),), grows=True)
    prepared = prepare(Options(FILE, deterministic=True))
    assert settle_resources(prepared, head, FILE).space.batch == 6
    assert settle_resources(prepared, MACHINE, FILE).space.batch == 4


def test_an_environment_variable_that_is_null_has_to_be_set_here(space_folder, edit, monkeypatch):
    edit(resources={"env": {"TOKEN": None, "NCCL_DEBUG": "INFO"}})
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(SpaceError, match=r"toy\.yaml: resources\.env\.TOKEN: is null, but is not set here; set it"):
        prepare(Options(FILE))
    monkeypatch.setenv("TOKEN", "secret")
    space = prepare(Options(FILE)).space
    assert space.resources.environment == {"TOKEN": "secret", "NCCL_DEBUG": "INFO"}
    assert "secret" not in str(space.document())


def test_a_folder_with_a_configuration_is_a_starting_point(begin, tmp_path):
    (tmp_path / "knee").mkdir()
    (tmp_path / "knee/configuration.yaml").write_text(yaml.safe_dump({"x": 0.5, "width": 16, "kind": "a"}))
    assert begin(start=[tmp_path / "knee"]).start == ({"x": 0.5, "width": 16, "kind": "a"},)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 3}, r"toy\.yaml with --epochs 3: halving\.first_rung: is 4, but trials have 3 epochs in all"),
        ({"seed": -1}, r"toy\.yaml with --seed -1: seed: input should be greater than or equal to 0"),
    ],
)
def test_what_the_command_line_says_is_checked_like_the_file(begin, edit, wrong, message):
    edit(halving={"first_rung": 4})
    with pytest.raises(SpaceError, match=message):
        begin(**wrong)
    assert not Path("runs").exists()


@pytest.mark.parametrize("name", ["start", "warm_start"])
def test_what_only_the_beginning_of_a_run_can_follow_is_refused_later(begin, name):
    begin()
    with pytest.raises(InputError, match=r"only counts when a run begins; leave it out, or start a new run with --out"):
        begin(resume=True, **{name: [Path("old")]})


def test_runs_to_take_over_from_are_kept(space_folder):
    prepared = settle_resources(prepare(Options(FILE)), MACHINE, FILE)
    record = run_provenance(prepared, Told(), [Path("old")])
    assert record["reuse"] == [str(Path("old").resolve())]
    later = run_provenance(prepared._replace(recorded=record), Told(), [Path("older"), Path("old")])
    assert [Path(run).name for run in later["reuse"]] == ["old", "older"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": Path("s3://bucket/run")}, r"--out s3:/bucket/run: is a URL, but the run folder is a local"),
        (
            {"address": "ray://head:10001"},
            r"--address ray://head:10001: a search cannot be driven through a",
        ),
    ],
)
def test_places_with_which_a_search_cannot_be_are_refused(begin, options, message):
    with pytest.raises(InputError, match=message):
        begin(**options)


def test_a_job_of_ray_needs_a_folder_that_stays(begin, space_folder, monkeypatch):
    (space_folder / "working_dir_files").mkdir()
    for name in ("toy.yaml", "toy_study.py"):
        shutil.copy(space_folder / name, space_folder / "working_dir_files")
    monkeypatch.chdir(space_folder / "working_dir_files")
    with pytest.raises(InputError, match="--out: give an absolute folder: this job works in one that Ray removes"):
        begin()
    assert begin(out=space_folder / "run").name == "toy"


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            "resolve",
            r"toy\.yaml: study: toy_study:ToyStudy raises TypeError: no such \(test_prep.*, line \d+\)",
        ),
        ("__init__", r"toy\.yaml: study: toy_study:ToyStudy raises TypeError: no such"),
        ("check", r"toy\.yaml: study: toy_study:ToyStudy raises TypeError: no such"),
    ],
)
def test_a_fault_of_a_study_is_one_line_with_its_place(space_folder, monkeypatch, method, message):
    def fault(*arguments):
        raise TypeError("no\nsuch")

    monkeypatch.setattr(import_study("toy_study:ToyStudy", FILE), method, fault)
    with pytest.raises(SpaceError, match=message):
        build_study(settle_resources(prepare(Options(FILE)), MACHINE, FILE), FILE)


def test_points_inside_of_a_space_are_checked_as_well(space_folder, edit, document, monkeypatch):
    def refuses(configuration):
        if 0.3 < configuration["x"] < top:
            raise ValueError("x: lies in a hole")

    prepared = settle_resources(prepare(Options(FILE)), MACHINE, FILE)
    study = build_study(prepared, FILE)
    assert check_inside(study, prepared.space, FILE) == ""
    monkeypatch.setattr(study, "check", refuses, raising=False)
    top = 0.7
    told = check_inside(study, prepared.space, FILE)
    assert re.fullmatch(
        r"1\d of 32 points of the space will fail, such as x 0\.\d+, width \d+, kind .: x: lies in a hole", told
    )
    assert told == check_inside(study, prepared.space, FILE), "the same each time"
    monkeypatch.setattr(study, "check", lambda configuration: refuses({"x": 0.5}), raising=False)
    with pytest.raises(SpaceError, match=r"toy\.yaml: the study refuses each of 32 points of the space, such as x 0\."):
        check_inside(study, prepared.space, FILE)
