"""Runs of which nothing is left to do: they are concluded, and Ray is not started for it."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from search.run import main


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
