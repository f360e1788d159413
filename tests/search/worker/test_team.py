"""Two processes with a process group, without Ray: what happens to one of them ends the trial for both."""

import json
from pathlib import Path

import pytest
from warm_processes import exit_code, start

pytestmark = pytest.mark.slow  # each scene starts two processes that load torch

SCRIPT = """
import json, os, sys
from pathlib import Path
import torch
import torch.distributed as dist
from search.worker.team import SHUTDOWN, Team, TeamStudy, follow

rank, port, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)

class Run:
    def __init__(self, configuration):
        self.configuration, self.epoch = configuration, 0
        if configuration["mishap"] == "build" and rank == 1:
            raise ValueError("cannot build")

    def train_epoch(self):
        self.epoch += 1
        mishap = self.configuration["mishap"] if self.epoch == 2 else ""
        if mishap == "both":
            raise KeyError("no such thing")
        if mishap == f"only {rank}":
            raise ValueError("mine alone")
        if mishap == "die" and rank == 1:
            os._exit(1)
        total = torch.ones(1) * (rank + 1)
        dist.all_reduce(total)
        return {"loss": float(total) * self.epoch}

    def evaluate(self):
        return {"epoch": float(self.epoch)}

    def save(self, folder):
        (folder / "epoch").write_text(str(self.epoch))

    def restore(self, folder):
        self.epoch = int((folder / "epoch").read_text())

    def export(self, folder):
        (folder / f"model-{rank}").touch()

class Study:
    def trial(self, configuration, device):
        return Run(configuration)

def lead(team):
    study, seen = TeamStudy(Study(), team), []
    for mishap in sys.argv[4:]:
        if mishap == "restore":
            run = study.trial({"mishap": ""}, "cpu")
            (folder / "state").mkdir()
            (folder / "state" / "epoch").write_text("6")
            run.restore(folder / "state")
            seen.append(run.train_epoch())
            run.export(folder)
            continue
        try:
            run = study.trial({"mishap": mishap}, "cpu")
            seen.append([run.train_epoch(), run.train_epoch(), run.evaluate()])
        except Exception as error:
            seen.append(f"{type(error).__name__}: {error}"[:200])
            if team.lost:
                break
    if not team.lost:
        team.broadcast(SHUTDOWN)
    return {"seen": seen, "lost": team.lost, "died": team.one_died}

team = Team(grace_s=1.0)
if rank == 0:
    result = lead(team)
else:
    try:
        result = {"left": follow(Study(), team)}
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}", "lost": team.lost, "died": team.one_died}
(folder / f"{rank}.json").write_text(json.dumps(result))
os._exit(0)
"""


def play(folder: Path, port: int, *mishaps: str) -> tuple[dict, dict]:
    """Run a team of two through one trial per mishap; return what the first and the other worker saw."""
    processes = [start(SCRIPT, [str(rank), str(port), str(folder), *mishaps]) for rank in (0, 1)]
    for process in processes:
        assert exit_code(process, 120.0) is not None
    found = [folder / f"{rank}.json" for rank in (0, 1)]
    first, other = (json.loads(file.read_text()) if file.exists() else {} for file in found)
    return first, other


@pytest.fixture
def port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_failure_that_the_others_hear_of_costs_the_trial_and_no_more(tmp_path, port):
    first, other = play(tmp_path, port, "", "build", "both", "restore", "")
    well = [{"loss": 3.0}, {"loss": 6.0}, {"epoch": 2.0}]
    assert first["seen"] == [
        well,
        "TeamError: worker 1 of 2: ValueError: cannot build",
        "KeyError: 'no such thing'",
        {"loss": 21.0},
        well,
    ]
    assert (first["lost"], other) == ("", {"left": None})
    assert [file.name for file in tmp_path.glob("model-*")] == ["model-0"], "the first worker alone writes"


def test_a_worker_that_fails_while_the_first_waits_for_it_says_why(tmp_path, port):
    first, other = play(tmp_path, port, "", "only 1")
    assert other == {"error": "ValueError: mine alone", "lost": "worker 1 of 2: ValueError: mine alone", "died": False}
    assert first["died"], "the first worker is freed by the end of the other"


def test_the_first_worker_does_not_wait_for_one_that_waits_for_it(tmp_path, port):
    first, _ = play(tmp_path, port, "only 0")
    assert first == {"seen": ["ValueError: mine alone"], "lost": "worker 0 of 2: ValueError: mine alone", "died": False}


def test_a_death_is_told_from_a_failure(tmp_path, port):
    first, _ = play(tmp_path, port, "die")
    assert first["died"]
    assert first["lost"].startswith("another worker of the trial died (RuntimeError: ")
