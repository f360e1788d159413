"""The benchmark of the report: its made-up run reads as a recorded one, always the same; bad input is one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.report.__main__ import main
from benchmarks.report.made_up_run import write_run
from results import read_run
from results.front.overview import overview


@pytest.mark.slow
@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_a_made_up_run_reads_as_a_recorded_one(tmp_path: Path, objectives: int) -> None:
    write_run(tmp_path, 200, objectives)
    run = read_run(tmp_path)
    assert (len(run.trials), run.warnings) == (200, ())
    assert set(run.trials["state"]) >= {"finished", "stopped", "failed"}
    assert (
        run.curves.groupby("trial")["epoch"].max().reindex(run.trials["trial"]) == run.trials["epochs"].to_numpy()
    ).all()
    finished = run.trials[run.trials["state"] == "finished"]
    assert np.isfinite(finished["stitch_fvu"].to_numpy()).all()
    assert set(overview({"made": run}, "made").verdicts) >= {"front", "dominated", "guard"}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_run(tmp_path / name, 20)
    for file in ("space.yaml", "trials.csv", "curves.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--trials", "none"], "Invalid value for '--trials': 'none' is not a valid integer range"),
        (["--json", "nowhere/report.json"], "--json nowhere/report.json: there is no folder nowhere"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {complaint}")


@pytest.mark.slow
def test_every_part_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.json"
    arguments = ["--trials", "12", "--times", "1", "--no-page", "--profile", "--replicates", "2", "--json", str(file)]
    assert main(arguments) == 0
    assert "under the profiler" in capsys.readouterr().out
    (row,) = json.loads(file.read_text())["rows"]
    assert row["trials"] == 12
    assert all(row[f"{name}_s"] > 0 for name in ("results", "processor", "read", "front", "report", "figures"))
    assert row["page_mib"] > 1
    assert "aggregate.rebuild" in row["profile"]
