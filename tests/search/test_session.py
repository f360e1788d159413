"""Runs of which nothing is left to do: they are concluded, and Ray is not started for it."""

import logging
import re
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from results.exceptions import RecordError
from results.front.front import front
from search.cluster import Dashboard
from search.preparation import Options, build_study, prepare, prepare_study, settle_resources
from search.record.mirror import Mirror
from search.run import main
from search.space.reading import SpaceError, parse_space
from search.studies import import_study
from search.tune.fit import RunContext
from search.tune.preflight import Available
from search.watch.head import HeadLostError, Vital


@pytest.fixture
def logs():
    """Gives the log back to pytest, from which a search takes it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def resumed(logs, space_folder, document, run_here, capfd):
    """Makes a run that has spent its budget, and goes on with it; returns exit code and output."""

    def resume(**sections) -> tuple[int, str]:
        Path("toy.yaml").write_text(yaml.safe_dump({**document, **sections}, sort_keys=False))
        run_here(Path("toy.yaml"), Path("runs/toy"))
        return main(["toy.yaml", "--resume"]), capfd.readouterr().out

    return resume


def test_a_run_in_which_every_trial_fails_says_so(resumed: Callable) -> None:
    code, output = resumed(fixed={"misbehave": {"all": "raise"}}, budget={"trials": 3, "epochs": 5})
    assert code == 1
    assert "trials: 3 failed" in output
    assert "no trial finished; the first reason: KeyError: 'no such thing'; more in runs/toy/log.txt" in output
    assert "starting Ray" not in output


@pytest.mark.slow
def test_a_finished_run_has_its_results_written_again(resumed: Callable, capfd: pytest.CaptureFixture[str]) -> None:
    code, output = resumed(budget={"trials": 3, "epochs": 2}, guards={})
    assert code == 0, output
    assert "resuming runs/toy: 3 trials have ended, 0 to go" in output
    assert "starting Ray" not in output
    assert Path("runs/toy/report.html").is_file()
    assert main(["toy.yaml", "--resume", "--trials", "5", "--dry-run"]) == 0
    said = capfd.readouterr().out
    assert "5 trials of 2 epochs (10) into runs/toy" in said
    assert "goes on from there: 3 finished, lines and replicates included; none of these is trained again" in said
    assert "the first points" not in said


def prepared_lines(space_folder: Path, prepare_for_all: Callable[..., list[str]] | None) -> list[str]:
    options = Options(Path("toy.yaml"))
    prepared = settle_resources(prepare(options), Available(2, 0, "here"), options.file)
    study = build_study(prepared, options.file)
    if prepare_for_all is not None:
        study.prepare = prepare_for_all
    return prepare_study(study, prepared.space, space_folder / "study")


def test_a_study_prepares_for_the_corners_of_the_space(space_folder: Path) -> None:
    assert prepared_lines(space_folder, None) == []

    def for_all(configurations: list[dict], folder: Path) -> list[str]:
        widths = sorted({values["width"] for values in configurations})
        return [f"widths from {widths[0]} to {widths[-1]}", folder.name]

    assert prepared_lines(space_folder, for_all) == ["widths from 8 to 32", "study"]


def test_what_a_study_refuses_to_prepare_is_one_line(space_folder: Path) -> None:
    def for_all(configurations: list[dict], folder: Path) -> list[str]:
        raise ValueError("width: 32 cannot be had")

    with pytest.raises(SpaceError, match=r"toy_study:ToyStudy: width: 32 cannot be had"):
        prepared_lines(space_folder, for_all)


def test_a_run_that_is_stopped_while_its_study_prepares_leaves_nothing_to_resume(
    space_folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare_for_all(study: object, configurations: list[dict], folder: Path) -> list[str]:
        folder.mkdir(parents=True)
        (folder / "begun").touch()
        raise KeyboardInterrupt

    toy = import_study("toy_study:ToyStudy", Path("toy.yaml"))
    monkeypatch.setattr(toy, "prepare", prepare_for_all, raising=False)
    assert main(["toy.yaml"]) == 130
    said = capfd.readouterr()
    assert "interrupted" in said.err
    assert "--resume" not in said.out + said.err
    assert not Path("runs/toy").exists()


def test_a_run_goes_on_with_changed_code_only_where_that_is_wished_for(
    resumed: Callable, capfd: pytest.CaptureFixture[str]
) -> None:
    study = Path("study_that_changes.py")  # no other test has loaded it from elsewhere
    study.write_text(Path("toy_study.py").read_text())
    sections = {"study": "study_that_changes:ToyStudy", "fixed": {"misbehave": {"all": "raise"}}}
    code, output = resumed(**sections, budget={"trials": 1, "epochs": 3})
    assert code == 1, output
    study.write_text(study.read_text() + "\n# changed\n")
    assert main(["toy.yaml", "--resume"]) == 2
    assert "runs/toy: the code of the study has changed since this run was begun" in capfd.readouterr().err
    assert main(["toy.yaml", "--resume", "--accept-changed-code"]) == 1, capfd.readouterr().err
    assert len(yaml.safe_load(Path("runs/toy/space.yaml").read_text())["provenance"]["changed"]) == 1
    assert main(["toy.yaml", "--resume"]) == 1, "it is asked about once"


def test_a_study_that_cannot_be_sent_to_workers_is_refused_before_ray_starts(
    space_folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(study: object, resolved: dict) -> None:
        study.lock = threading.Lock()

    monkeypatch.setattr(import_study("toy_study:ToyStudy", Path("toy.yaml")), "__init__", init)
    assert main(["toy.yaml"]) == 2
    said = capfd.readouterr()
    assert "study: toy_study:ToyStudy: its attribute lock cannot be sent to workers (cannot pickle" in said.err
    assert "starting Ray" not in said.out
    assert not Path("runs").exists() or not any(Path("runs").iterdir())


def test_rows_of_trials_that_failed_go_when_they_are_run_again(
    resumed: Callable, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _ = resumed(fixed={"misbehave": {"4": "raise"}}, budget={"trials": 3, "epochs": 2}, guards={})
    assert code == 0

    def stop(session: object, run: RunContext, dashboard: object) -> None:
        rows = [row["trial"] for row in run.recorder.snapshot().rows]
        assert (rows, run.remaining, run.proposals.ask().trial) == ([0, 2], 1, 1)
        raise KeyboardInterrupt

    monkeypatch.setattr("search.session.cluster.start_local", lambda available: None)
    monkeypatch.setattr("search.session.Session._greet", stop)
    assert main(["toy.yaml", "--resume", "--retry-failed"]) == 130
    assert "1 that had failed are run again" in capfd.readouterr().out


@pytest.mark.slow
def test_a_run_that_only_a_mirror_has_is_fetched_and_gone_on_with(
    resumed: Callable, space_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    resumed(budget={"trials": 3, "epochs": 2}, guards={})
    there = f"file://{space_folder / 'there'}"
    files = Mirror(Path("runs/toy"), there).copy()
    (space_folder / "there/trials/1/model.safetensors").unlink()
    shutil.rmtree("runs")
    assert main(["toy.yaml", "--resume", "--mirror", there, "--dry-run"]) == 2
    assert "runs/toy: holds no run yet; without --dry-run it is fetched" in capfd.readouterr().err
    assert not Path("runs").exists()
    Path("other").mkdir()
    Path("other/notes").touch()
    assert main(["toy.yaml", "--resume", "--mirror", there, "--out", "other"]) == 2
    assert "error: other: holds no run but something else, so none is fetched" in capfd.readouterr().err
    assert main(["toy.yaml", "--resume", "--mirror", there]) == 0
    said = capfd.readouterr().out.splitlines()
    assert re.fullmatch(rf"fetching {files - 1} files of the run \(\d\.\d MB\) from {there}", said[0])
    assert said[1] == "the mirror lacks the models of 1 trials that have finished (1)"
    assert "resuming runs/toy: 3 trials have ended, 0 to go" in said
    table = Path("runs/toy/trials.csv")
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))
    assert main(["toy.yaml", "--resume", "--mirror", there]) == 2
    assert "holds 2 trials that the run folder lacks, such as 1, since" in capfd.readouterr().err


def test_models_off_the_front_go_where_that_is_asked_for_later(
    resumed: Callable, document: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.session.rebuild", lambda folder: None)
    resumed(budget={"trials": 6, "epochs": 2}, guards={})
    before = {file.parent.name for file in Path("runs/toy/trials").glob("*/model.safetensors")}
    Path("toy.yaml").write_text(Path("toy.yaml").read_text() + "keep_models: front\n")
    assert main(["toy.yaml", "--resume"]) == 0
    kept = {file.parent.name for file in Path("runs/toy/trials").glob("*/model.safetensors")}
    assert kept < before == set("012345")
    rows = pd.read_csv("runs/toy/trials.csv", dtype={"trial": str})
    objectives = parse_space(document, Path("toy.yaml")).objectives
    assert set(front(rows, objectives, [])["trial"]) <= kept
    assert len(list(Path("runs/toy/trials").glob("*/configuration.yaml"))) == len(rows) == 6


def on_a_cluster(monkeypatch: pytest.MonkeyPatch, raylet: Vital, search: Callable[[RunContext], str]) -> None:
    """Let a cluster seem to start whose raylet is that, and search like that."""
    monkeypatch.setattr("search.session.cluster.start_local", lambda available: Dashboard("", "", ""))
    monkeypatch.setattr("search.session.cluster.vitals", lambda joined: [raylet])
    monkeypatch.setattr("search.session.run_search", search)


def begin_a_trial(run: RunContext) -> None:
    request = run.proposals.ask(1)
    assert request is not None
    run.recorder.begin(request)


def test_whatever_ray_raises_without_its_head_ends_the_run_early(
    space_folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(run: RunContext) -> str:
        begin_a_trial(run)
        listener.close()
        raise RuntimeError("the actor died")

    listener = socket.create_server(("127.0.0.1", 0))
    on_a_cluster(monkeypatch, Vital("raylet", *listener.getsockname(), 3600.0), search)
    assert main(["toy.yaml"]) == 3
    said = capfd.readouterr()
    assert "trials: 1 interrupted; ended early: Ray cannot go on: its raylet at 127.0.0.1:" in said.out
    assert said.out.endswith("to go on:\n  python -m search.run toy.yaml --resume\n")


def test_a_head_that_has_come_back_by_then_was_lost_all_the_same(
    space_folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(run: RunContext) -> str:
        begin_a_trial(run)
        raise HeadLostError("Ray cannot go on: its head does not answer any more")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        on_a_cluster(monkeypatch, Vital("raylet", *listener.getsockname(), 3600.0), search)
        assert main(["toy.yaml"]) == 3
    assert "trials: 1 interrupted; ended early: Ray cannot go on: its head" in capfd.readouterr().out


@pytest.mark.parametrize(("error", "code"), [(RecordError("damaged"), 2), (KeyboardInterrupt(), 130)])
def test_the_hook_of_the_end_is_told_the_exit_code(
    space_folder: Path,
    document: dict,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
) -> None:
    def fail(*_: object) -> None:
        raise error

    Path("toy.yaml").write_text(yaml.safe_dump({**document, "hooks": {"on_end": "echo $SEARCH_EXIT_CODE > told"}}))
    on_a_cluster(monkeypatch, Vital("raylet", "127.0.0.1", 1, 3600.0), lambda run: "")
    monkeypatch.setattr("search.session.Session._conclude", fail)
    assert main(["toy.yaml"]) == code
    assert Path("told").read_text() == f"{code}\n"


def test_a_search_that_cannot_come_back_from_ray_is_ended(
    space_folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    def search(run: RunContext) -> str:
        begin_a_trial(run)
        listener.close()
        assert ended.wait(60), "nobody looked"
        return ""

    codes: list[int] = []
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    on_a_cluster(monkeypatch, Vital("raylet", *listener.getsockname(), 0.0), search)
    monkeypatch.setattr("search.session.os._exit", end)
    monkeypatch.setattr("search.watch.head.GRACE_S", 0.0)
    monkeypatch.setattr("search.watch.head.LOOK_EVERY_S", 0.01)
    main(["toy.yaml"])
    assert codes == [3]
    last = "does not answer any more; to go on:\n  python -m search.run toy.yaml --resume\n"
    assert last in capfd.readouterr().out
    assert ",interrupted," in Path("runs/toy/trials.csv").read_text()
