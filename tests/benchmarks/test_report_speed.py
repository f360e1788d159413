"""The benchmark of the report: its made-up run reads as a recorded one, always the same; bad input is one line."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from results import read_run
from results.front.overview import overview

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool() -> ModuleType:
    """The module that makes up runs."""
    return importlib.import_module("benchmarks.report.made_up_run")


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_a_made_up_run_reads_as_a_recorded_one(tool: ModuleType, tmp_path: Path, objectives: int) -> None:
    tool.write_run(tmp_path, 200, objectives)
    run = read_run(tmp_path)
    assert (len(run.trials), run.warnings) == (200, ())
    assert set(run.trials["state"]) >= {"finished", "stopped", "failed"}
    assert (
        run.curves.groupby("trial")["epoch"].max().reindex(run.trials["trial"]) == run.trials["epochs"].to_numpy()
    ).all()
    finished = run.trials[run.trials["state"] == "finished"]
    assert np.isfinite(finished["stitch_fvu"].to_numpy()).all()
    assert set(overview({"made": run}, "made").verdicts) >= {"front", "dominated", "guard"}


def test_the_same_seed_gives_the_same_bytes(tool: ModuleType, tmp_path: Path) -> None:
    for name in ("one", "two"):
        tool.write_run(tmp_path / name, 20)
    for file in ("space.yaml", "trials.csv", "curves.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_bad_input_is_one_line() -> None:
    command = [sys.executable, "-m", "benchmarks.report", "--trials", "none"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "report_speed: argument --trials: expected a whole number of at least 1, got 'none'; see --help\n"
    )
