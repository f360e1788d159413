"""Runs of which nothing is left to do: they are concluded, and Ray is not started for it."""

import io
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from search.cluster import Dashboard
from search.preparation import Options, build_study, prepare, settle_resources
from search.run import main
from search.session import Session
from search.tune.preflight import Available


@pytest.fixture
def resumed(space_folder, document, run_here, capfd):
    """Makes a run that has spent its budget, and goes on with it; returns exit code and output."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def resume(**sections) -> tuple[int, str]:
        Path("toy.yaml").write_text(yaml.safe_dump({**document, **sections}, sort_keys=False))
        run_here(Path("toy.yaml"), Path("runs/toy"))
        return main(["toy.yaml", "--resume"]), capfd.readouterr().out

    yield resume
    root.handlers[:], root.level = handlers, level


def test_a_run_in_which_every_trial_fails_says_so(resumed: Callable) -> None:
    code, output = resumed(fixed={"misbehave": {"all": "raise"}}, budget={"trials": 3, "epochs": 5})
    assert code == 1
    assert "trials: 3 failed" in output
    assert "no trial finished; the first reason: KeyError: 'no such thing'; more in runs/toy/log.txt" in output
    assert "starting Ray" not in output


@pytest.mark.slow
def test_a_finished_run_has_its_results_written_again(resumed: Callable) -> None:
    code, output = resumed(budget={"trials": 3, "epochs": 2}, guards={})
    assert code == 0, output
    assert "resuming runs/toy: 3 trials have ended, 0 to go" in output
    assert "starting Ray" not in output
    assert Path("runs/toy/report.html").is_file()


def greeting(notes: Callable[..., list[str]] | None) -> list[str]:
    """What a session of the toy study says before its first trial, from its plan on."""
    options = Options(Path("toy.yaml"))
    prepared = settle_resources(prepare(options), Available(2, 0, "here"), options.file)
    study, terminal = build_study(prepared, options.file), io.StringIO()
    if notes is not None:
        study.notes = notes
    run = SimpleNamespace(space=prepared.space, remaining=8, proposals=SimpleNamespace(lacking=0))
    Session(prepared, study, options, terminal)._greet(run, Dashboard("", "", ""))
    return terminal.getvalue().splitlines()[1:]


def test_the_notes_of_a_study_follow_the_plan(space_folder: Path) -> None:
    (plan,) = greeting(None)
    assert plan.startswith("8 trials; 10 epochs each")

    def notes(configurations: list[dict]) -> list[str]:
        widths = sorted({values["width"] for values in configurations})
        return [f"widths from {widths[0]} to {widths[-1]}", f"{len({values['x'] for values in configurations})} of x"]

    assert greeting(notes) == [plan, "widths from 8 to 32", "2 of x"]


def test_a_study_that_cannot_make_its_notes_is_searched_all_the_same(space_folder: Path) -> None:
    def notes(configurations: list[dict]) -> list[str]:
        raise KeyError("no such thing")

    assert greeting(notes)[1:] == ["the study has no notes: KeyError: 'no such thing'"]
