"""A run on real Ray that its user steers while it goes on, from another process."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from search.record.run_folder import RunFolder
from tests.search.on_ray.command_line import lines, start, wait_for, write_space

pytestmark = pytest.mark.slow


def control(*words: str, code: int = 0) -> str:
    """Give a command, and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "search.control", "runs/toy", *words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    return (done.stdout if code == 0 else done.stderr).strip()


def test_a_run_is_steered_from_outside(space_folder: Path, document: dict) -> None:
    write_space(
        space_folder,
        document,
        fixed={"sleep_s": 1.0, "misbehave": {"4": "talk"}},
        budget={"trials": 9, "epochs": 20, "checkpoint_every_s": 0},
        resources={"slots": 2, "memory_gib": 0.25, "env": {"OMP_NUM_THREADS": "7"}},
    )
    process = start()
    wait_for(process, lambda: Path("runs/toy/trials/0").exists(), "trial under way")
    seen = wait_for(process, lambda: re.search("^(?s:.*)trial 0: epoch ", control()), "first epoch")
    assert seen[0].startswith("0 of 9 trials ended, 2 running")
    assert control("stop", "0") == "trial 0 is stopped"
    assert control("pause").startswith("paused: no trial is given out; ")
    assert control("add", "x=0.25", "width=8").startswith("trial ")
    assert "wdith: is not searched; did you mean 'width'?" in control("add", "wdith=8", code=2)
    assert control("trials", "6") == "6 trials in all"
    assert "fewer than that cannot be had" in control("trials", "1", code=2)
    ended = wait_for(process, lambda: "running" not in control() and len(lines("runs/toy")), "end of what was running")
    assert ended < 6
    assert "paused: no trial is given out" in control()
    assert control("continue") == "goes on"
    assert process.wait(timeout=300) == 0, Path("output.txt").read_text()

    trials = pd.read_csv("runs/toy/trials.csv").set_index("trial")
    assert len(trials) == 6
    assert trials["state"].value_counts().to_dict() == {"finished": 5, "stopped": 1}
    assert trials.loc[0, "reason"] == "stopped by the user"
    assert ((trials["x"] == 0.25) & (trials["width"] == 8)).sum() == 1
    assert set(trials["threads_given"].dropna()) == {7.0}, "workers have the variables of resources.env"
    assert {"epoch 1", "epoch 20", "from C"} <= set(Path("runs/toy/trials/1/log.txt").read_text().splitlines())
    assert not Path("runs/toy/trials/2/log.txt").exists()
    assert yaml.safe_load(Path("runs/toy/space.yaml").read_text())["budget"]["trials"] == 6
    assert RunFolder(Path("runs/toy")).read_space()[0].budget.trials == 6
    output = Path("output.txt").read_text()
    for said in ("from outside: trial 0 is stopped", "comes next: x 0.25, width 8", "6 of 6 trials ended"):
        assert said in output
    assert "no search runs here" in control()
    assert "no search runs here" in control("pause", code=2)
