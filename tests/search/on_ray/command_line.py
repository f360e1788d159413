"""The search's command line, called as a user does: in a process of its own, in the working folder of a test."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml


def write_space(folder: Path, document: dict, **sections) -> None:
    (folder / "toy.yaml").write_text(yaml.safe_dump({**document, **sections}, sort_keys=False))


STARTED: list[subprocess.Popen] = []


def start(*arguments: str) -> subprocess.Popen:
    """Call the command line in a process group of its own, as a terminal would."""
    command = [sys.executable, "-m", "search.run", "toy.yaml", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with Path("output.txt").open("w") as output:
        STARTED.append(
            subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        )
    return STARTED[-1]


def search(*arguments: str) -> tuple[int, str]:
    """Call the command line to its end; return exit code and output."""
    return start(*arguments).wait(timeout=900), Path("output.txt").read_text()


def stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen, condition, what: str, timeout_s: float = 600.0):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"no {what}; the output so far:\n{Path('output.txt').read_text()}")


def lines(folder: str) -> list[str]:
    file = Path(folder, "trials.csv")
    return file.read_text().splitlines()[1:] if file.exists() else []
