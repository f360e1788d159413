"""A real run, watched while it goes on: Ray's dashboard in a browser, Prometheus, and Optuna's dashboard."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
DASHBOARD = shutil.which("optuna-dashboard") or str(Path(sys.executable).with_name("optuna-dashboard"))
WAIT_S = 180.0


class Watched(NamedTuple):
    """A run that goes on until it is interrupted.

    Attributes:
        process: Its driver.
        folder: Working folder, with `output.txt`.
        dashboard: Address of Ray's dashboard.
        metrics: Address of the gauges.
    """

    process: subprocess.Popen
    folder: Path
    dashboard: str
    metrics: str

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "watched"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    shutil.copy(Path(__file__).parents[1] / "toy_study.py", folder)
    space = {
        "name": "watched",
        "study": "toy_study:ToyStudy",
        "parameters": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
        "fixed": {"sleep_s": 0.1, "width": 8, "kind": "a"},
        "objectives": [
            {"metric": "first", "name": "one", "direction": "minimise", "reference": 2.0},
            {"metric": "second", "name": "two", "direction": "minimise", "reference": 2.0},
        ],
        "budget": {"trials": 2000, "epochs": 20},
        "resources": {"slots": 2, "cpus": 1},
    }
    (folder / "watched.yaml").write_text(yaml.safe_dump(space, sort_keys=False))
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "search.run", "watched.yaml"],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def printed(name: str) -> str:
        assert process.poll() is None, (folder / "output.txt").read_text()
        found = re.search(rf"^{name}: (http://\S+)", (folder / "output.txt").read_text(), re.MULTILINE)
        return found[1] if found else ""

    try:
        dashboard = until(lambda: printed("dashboard"), "address of the dashboard")
        metrics = until(lambda: printed("metrics, for Prometheus"), "address of the gauges")
        yield Watched(process, folder, dashboard, metrics)
    finally:
        end(process, signal.SIGINT)


def end(process: subprocess.Popen, number: int) -> None:
    """End a process, by a signal if it takes it."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(condition: Callable[[], Any], what: str) -> Any:
    """Return the condition's first true value."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"after {WAIT_S:.0f} s: no {what}")


def asked(address: str, **headers: str) -> Any:
    """Return what a server answers, from JSON; None while it does not."""
    try:
        request = urllib.request.Request(address, headers=headers)
        return json.loads(urllib.request.urlopen(request, timeout=5).read())
    except (OSError, ValueError):
        return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def parent(pid: int) -> int:
    """Return the parent of a process; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def title(file: Path) -> str:
    """Return what a process in /proc calls itself; "" where it has ended."""
    try:
        return file.read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def ended(run: Path, state: str) -> int:
    """Return how many trials have ended so."""
    file = run / "trials.csv"
    return file.read_text().count(f",{state},") if file.exists() else 0


@pytest.fixture(scope="module")
def prometheus(watched: Watched) -> Iterator[str]:
    """Address of a Prometheus that scrapes the run as `deploy/prometheus.yaml` says, but at the run's own port."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no Prometheus is installed (Debian: apt install prometheus)")
    written = yaml.safe_load((ROOT / "deploy" / "prometheus.yaml").read_text())
    written["global"]["scrape_interval"] = "1s"
    (job,) = [job for job in written["scrape_configs"] if job["job_name"] == "search"]
    job["static_configs"] = [{"targets": [urllib.parse.urlsplit(watched.metrics).netloc]}]
    (watched.folder / "prometheus.yaml").write_text(yaml.safe_dump(written))
    address = f"127.0.0.1:{free_port()}"
    with (watched.folder / "prometheus.txt").open("w") as output:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={watched.folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={watched.folder / 'prometheus'}",
                f"--web.listen-address={address}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    yield f"http://{address}"
    end(process, signal.SIGTERM)


@pytest.fixture(scope="module")
def optuna_dashboard(watched: Watched) -> Iterator[str]:
    """Address of Optuna's dashboard on the journal of the run."""
    if not Path(DASHBOARD).exists():
        pytest.skip("optuna-dashboard is not installed")
    until((watched.run / "study.journal").exists, "journal")
    port = free_port()
    process = subprocess.Popen(
        [DASHBOARD, str(watched.run / "study.journal"), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield f"http://127.0.0.1:{port}"
    end(process, signal.SIGTERM)


def query(prometheus: str, expression: str) -> list[dict]:
    """Ask Prometheus."""
    answer = asked(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    return answer["data"]["result"] if answer else []


def in_optuna(address: str) -> dict[str, int]:
    """Return how many trials Optuna's dashboard knows, by state."""
    studies = asked(f"{address}/api/studies")
    if not studies or not studies["study_summaries"]:
        return {}
    (study,) = studies["study_summaries"]
    assert study["study_name"] == "watched"
    details = asked(f"{address}/api/studies/{study['study_id']}?after=0")
    states = [trial["state"] for trial in details["trials"]] if details else []
    return {state: states.count(state) for state in set(states)}


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_workers_are_forks_that_share_what_is_loaded(watched: Watched) -> None:
    until(lambda: ended(watched.run, "finished") >= 2, "trial of each slot")
    titles = {int(file.parent.name): title(file) for file in Path("/proc").glob("[0-9]*/cmdline")}
    ours = {pid: words for pid, words in titles.items() if parent(parent(pid)) == watched.process.pid}
    workers = {pid: words for pid, words in ours.items() if words.startswith("ray::") and "Agent" not in words}
    (nursery,) = set(map(parent, workers))
    assert "search.worker.nursery" in titles[nursery]
    assert len([words for words in workers.values() if "RayTrainWorker" in words]) == 2, workers


def test_rays_dashboard_lists_the_groups_to_who_logs_in(watched: Watched, browser_of_servers: Any) -> None:
    until(lambda: ended(watched.run, "finished"), "finished trial")
    browser = browser_of_servers
    browser.visit(f"{watched.dashboard}/#/actors", width=1600)
    (field,) = browser.wait(lambda: browser.all("input[placeholder*='authentication token']"), "field for the token")
    assert "RayTrainWorker" not in browser.script("return document.body.innerText")
    field.send_keys((Path.home() / ".ray" / "auth_token").read_text().strip())
    (submit,) = [button for button in browser.all("button") if button.text.lower() == "submit"]
    submit.click()

    def actors() -> list[str]:
        return browser.script("return document.body.innerText").split("\t")

    names = until(lambda: (found := actors()).count("RayTrainWorker") >= 2 and found, "two workers on the page")
    assert names.count("TrainController") == 2

    def groups() -> set[tuple[str, str]]:
        fetch = "const done = arguments[0]; fetch('/api/train/v2/runs/v1').then(r => r.json()).then(done)"
        return {(run["name"], run["status"]) for run in browser.driver.execute_async_script(fetch)["train_runs"]}

    expected = {(f"watched-slot{slot}-group1", "RUNNING") for slot in (0, 1)}
    until(lambda: groups() == expected, "two groups that run")


def test_optunas_dashboard_shows_the_run_while_it_goes_on(watched: Watched, optuna_dashboard: str) -> None:
    until(lambda: in_optuna(optuna_dashboard).get("Complete"), "finished trial in Optuna's dashboard")
    assert watched.process.poll() is None


def test_prometheus_has_the_hypervolumes_that_the_run_records(
    watched: Watched, prometheus: str, optuna_dashboard: str
) -> None:
    gauge = 'ray_search_hypervolume{job="search", run="watched"}'
    at_first = until(lambda: query(prometheus, gauge), "hypervolume in Prometheus")
    until(lambda: query(prometheus, f"changes({gauge[:-1]}}}[10m]) >= 2"), "two changes of the hypervolume")
    objective = 'ray_search_objective{job="search", objective="one"}'
    until(lambda: {found["metric"]["slot"] for found in query(prometheus, objective)} == {"0", "1"}, "both slots")
    watched.process.send_signal(signal.SIGINT)
    assert watched.process.wait(60) == 130

    subprocess.run([sys.executable, "-m", "results", str(watched.run)], check=True, stdout=subprocess.DEVNULL)
    recorded = pd.read_csv(watched.run / "hypervolume.csv")["hypervolume"].tolist()
    series = query(prometheus, f"{gauge}[1h]")
    values = [float(value) for found in series for _, value in found["values"]]
    assert {found["metric"]["instance"] for found in at_first} == {urllib.parse.urlsplit(watched.metrics).netloc}
    assert len(set(values)) >= 3
    for value in set(values) - {0.0}:
        assert min(abs(value - known) for known in recorded) <= 1e-9 * value, f"{value} is in no row"
    # What was interrupted goes on when the run is resumed; until then Optuna knows it as running.
    left = ended(watched.run, "interrupted")
    assert 1 <= left <= 2, "a slot may have been between two trials"
    states = until(lambda: in_optuna(optuna_dashboard), "answer of Optuna's dashboard")
    assert states == {"Complete": ended(watched.run, "finished"), "Running": left}
