"""The whole way from a folder of recordings and a list of classes to a search, in the documented four commands."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from model.dataset.__main__ import main as dataset
from model.extraction.__main__ import main as extraction
from model.sub_actions.__main__ import main as sub_actions
from results.records.run import read_trials

pytestmark = pytest.mark.slow
SPACE = Path(__file__).parents[3] / "spaces" / "tradeoff.yaml"
TEMPO_HZ = {"resting": 0.0, "strolling": 1.0, "marching": 2.0, "sprinting": 3.0}
LABELS = """
name: gait
sensor: three-axis accelerometer
place: right wrist
rate_hz: 25
classes:
  resting: sits on a chair
  strolling:
  marching: arms swing wide
  sprinting:
"""


def write_recordings(folder: Path) -> None:
    """Writes 10 people doing 4 things, a CSV file each, and the table of labels."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    rows = []
    for person in range(10):
        for name, tempo in TEMPO_HZ.items():
            t = np.arange(75) / 25
            swing = np.sin(2 * np.pi * (tempo * t[:, None] + rng.random(3))) * (tempo > 0)
            samples = pd.DataFrame(swing + 0.05 * rng.normal(size=swing.shape), columns=["x", "y", "z"])
            file = f"{name}-{person}.csv"
            samples.to_csv(folder / file, index=False)
            rows.append({"file": file, "label": name, "group": f"person {person}"})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)


def test_from_recordings_and_class_names_to_a_search_in_four_commands(
    tmp_path, language_model_server, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    write_recordings(tmp_path / "recordings")
    (tmp_path / "labels.yaml").write_text(LABELS)

    def run(main: Callable[[Sequence[str]], int], *arguments: str) -> str:
        assert main(arguments) == 0
        return capsys.readouterr().out

    run(dataset, "csv", "recordings", "mine.npz", "--rate", "25")
    run(extraction, "labels.yaml", "--out", "mine.yaml", "--model", "any", "--base-url", language_model_server.url)
    assert "12" in run(sub_actions, "mine.yaml", "--k", "12", "--out", "pictures")
    assert list((tmp_path / "pictures").glob("*.png"))
    mine = ("--set", "data={npz: mine.npz}", "--set", "vocabulary=mine.yaml", "--slots", "1")
    small = ("--epochs", "3", "--set", "architecture={length: 64, patches: 16, tokens: 8, width: 16, heads: 2}")
    done = subprocess.run(
        [sys.executable, "-m", "search.run", str(SPACE), *mine, *small, "--trials", "2", "--out", "runs/mine"],
        env={**os.environ, "PYTHONPATH": str(SPACE.parents[1])},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    trials = read_trials(tmp_path / "runs" / "mine")
    assert (trials["state"] == "finished").all(), trials["reason"].tolist()
    assert trials["line"].isna().sum() == 2, "what is on the front goes on besides"
    space = yaml.safe_load((tmp_path / "runs" / "mine" / "space.yaml").read_text())
    assert space["provenance"]["study"]["classes"] == sorted(TEMPO_HZ)
    assert space["provenance"]["study"]["channels"] == ["x", "y", "z"]
    assert space["fixed"]["vocabulary"]["classes"].keys() == TEMPO_HZ.keys()
