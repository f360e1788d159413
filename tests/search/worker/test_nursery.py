"""Workers that are forks of one process: each its own, as if Ray had started it, and started by Ray where not so."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.worker import launch
from search.worker.nursery import RAYLET, nursery

WORKER = """
import json, os, random, sys
import ray
print(json.dumps({
    "arguments": sys.argv[1:], "name": __name__, "path": sys.path[0], "folder": os.getcwd(), "group": os.getpgrp(),
    "pid": os.getpid(), "parent": os.getppid(), "forked": "torch" in sys.modules, "word": os.environ.get("RAY_WORD"),
    "drawn": random.random(), "identifier": ray._raylet.WorkerID.from_random().hex(),
}))
"""


@pytest.fixture
def start(tmp_path):
    """Start a worker by the launcher, as a raylet does, and return what it says of itself."""
    (tmp_path / "default_worker.py").write_text(WORKER)
    (tmp_path / "setup_worker.py").write_text("import sys; print('{\"set_up\": %d}' % len(sys.argv))")

    def run(*options: str, raylet: str = "1", **variables: str) -> dict:
        command = [sys.executable, launch.__file__, "-s", str(tmp_path / "default_worker.py"), *options]
        environment = {**os.environ, RAYLET: raylet, **variables}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return run


def in_environment(**variables: str) -> list[str]:
    return ["--language=PYTHON", f"{launch.ENVIRONMENT}={json.dumps({'env_vars': variables})}"]


def test_a_launcher_loads_nothing_that_takes_time():
    code = "import sys; import search.worker.launch; print([m for m in ('ray', 'torch', 'numpy') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.slow
def test_without_a_nursery_workers_start_as_ray_starts_them(start, tmp_path):
    for variables in ({}, {launch.SOCKET: str(tmp_path / "absent")}):
        worker = start("--node-id=7", **variables)
        assert worker["arguments"] == ["--node-id=7"]
        assert not worker["forked"]
        assert start("--node-id=7", *in_environment(WORD="a"), **variables) == {"set_up": 6}


@pytest.mark.slow
def test_forks_are_workers_of_their_own(start, tmp_path):
    with nursery(1):
        while not start().get("forked"):
            pass  # a busy machine, on which it is not loaded in time
        first, second = (
            start("--node-id=7", *in_environment(RAY_WORD="a", PL_DISABLE_FORK="1")),
            start("--node-id=8", RAY_WORD="b"),
        )
        path = Path(os.environ[launch.SOCKET])
        other_raylet, own_process = start(raylet="2"), start(*in_environment(OMP_NUM_THREADS="1"))
    assert not path.exists()
    assert launch.SOCKET not in os.environ
    for worker in (first, second):
        assert worker["forked"]
        assert (worker["name"], worker["path"], worker["folder"]) == ("__main__", str(tmp_path), str(tmp_path))
        assert worker["group"] == worker["pid"]
    assert (first["arguments"], first["word"]) == (["--node-id=7"], "a")
    assert (second["arguments"], second["word"]) == (["--node-id=8"], "b")
    assert first["parent"] == second["parent"]
    assert first["drawn"] != second["drawn"]
    assert first["identifier"] != second["identifier"]
    assert not other_raylet["forked"]  # Ray's C++ knows the first raylet, and would end with it
    assert not own_process["forked"], "libraries have read their variables when they were loaded"


@pytest.mark.slow
def test_a_nursery_ends_with_its_driver():
    code = "from search.worker.nursery import nursery\nwith nursery(1): print('there', flush=True); input()"
    driver = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert driver.stdout is not None
    driver.stdout.readline()
    children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children")
    (born,) = map(int, children.read_text().split())
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 120
    while Path(f"/proc/{born}").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not Path(f"/proc/{born}").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("", ""),
        ("ray._raylet.WorkerID.from_random()", "forks would make the same identifiers"),
        ("threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", "there are other threads"),
    ],
)
def test_what_a_fork_may_not_inherit_is_found(before, message):
    code = f"import threading, time, torch, ray\nfrom search.worker.nursery import unsound\n{before}\nprint(unsound())"
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.strip().startswith(message)
    assert bool(said.strip()) == bool(message)
