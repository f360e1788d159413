"""How a search scales with its slots and its trials: trials per second and the driver's memory, quarter by quarter.

    python -m benchmarks.search.scale                                  # 1,000 trials on 1, 2, 4 and 8 slots
    python -m benchmarks.search.scale --trials 200 --slots 2 --json scale.json

The trials do nothing (two epochs without a pause), so that what is measured is the search itself. Each number of slots
gets a Ray of its own, started here with as many CPUs as slots, whatever the machine has. The pace should be flat from
the first quarter of the trials to the last; what the driver keeps of each trial makes its memory grow.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import pandas as pd
from rich.table import Table

from benchmarks.command_line import JSON, POSITIVE, PROGRESS, BenchmarkError, benchmark, finish, table_of
from benchmarks.machine import machine, versions
from benchmarks.search.overhead_runs import COMMAND, space, write_search

QUARTERS = 4
SAMPLE_S = 0.5
START_DEADLINE_S = 120.0
STOP_DEADLINE_S = 15.0


@benchmark("python -m benchmarks.search.scale", several=("--slots",))
@click.option("--trials", type=click.IntRange(min=QUARTERS), default=1000, metavar="N")
@click.option("--slots", type=POSITIVE, multiple=True, default=[1, 2, 4, 8], metavar="N ...")
@click.option("--sampler", default="random", help="of the search (default random)")
@JSON
def main(trials: int, slots: tuple[int, ...], sampler: str, json: Path | None) -> int:
    """Measure trials per second and the driver's memory."""
    found = {}
    for number in slots:
        found[str(number)] = run_once(trials, number, sampler)
        pace = statistics.median(found[str(number)]["trials_per_s"])
        PROGRESS.print(f"{number} slots: {pace:.1f} trials per second")
    where = {"machine": machine(), "versions": versions("ray", "optuna")}
    result = {**where, "trials": trials, "sampler": sampler, "slots": found}
    return finish(result, json, [table(result)])


@contextmanager
def ray_cluster(cpus: int) -> Iterator[str]:
    """Give the address of a Ray with so many CPUs, gone at the end.

    Raises:
        BenchmarkError: It did not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={port}"]
    sessions = tempfile.mkdtemp(prefix="ray-scale-")
    command += [f"--num-cpus={cpus}", "--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={sessions}"]
    head = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + START_DEADLINE_S
        while not _listens(port):
            if head.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError("ray did not start; try `ray start --head` by hand")
            time.sleep(0.5)
        yield f"127.0.0.1:{port}"
    finally:
        head.terminate()
        with suppress(subprocess.TimeoutExpired):
            head.wait(STOP_DEADLINE_S)
        if head.poll() is None:
            os.killpg(head.pid, signal.SIGKILL)
            head.wait()
        for entry in Path("/proc").glob("[0-9]*"):  # workers have other names, but name their session's folder
            with suppress(OSError):
                if sessions.encode() in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
        shutil.rmtree(sessions, ignore_errors=True)


def _listens(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(0.5)
        return one.connect_ex(("127.0.0.1", port)) == 0


def run_once(trials: int, slots: int, sampler: str) -> dict[str, Any]:
    """Run one search; return trials per second and the driver's memory in MiB, in each quarter of the trials.

    Raises:
        BenchmarkError: The search failed.
    """
    with tempfile.TemporaryDirectory() as name, ray_cluster(slots) as address:
        folder = Path(name)
        document = space(trials, slots, 0.0)
        document["budget"] |= {"epochs": 2, "evaluate_every": 2}
        write_search(folder, {**document, "sampler": {"name": sampler}})
        with (folder / "output.txt").open("w") as output:
            driver = subprocess.Popen(
                [*COMMAND, "--address", address], cwd=folder, stdout=output, stderr=subprocess.STDOUT
            )
            samples = _watch(driver)
        if driver.returncode:
            last = (folder / "output.txt").read_text().strip().splitlines()[-1:]
            raise BenchmarkError(f"the search on {slots} slots failed: {' '.join(last)}")
        table = pd.read_csv(folder / "run" / "trials.csv")
        return quarters(pd.to_datetime(table["ended"]).map(lambda moment: moment.timestamp()).tolist(), samples)


def _watch(driver: subprocess.Popen) -> list[tuple[float, float]]:
    """Return the driver's resident memory (moment, MiB) until it ends."""
    samples, page = [], os.sysconf("SC_PAGE_SIZE")
    while driver.poll() is None:
        with suppress(OSError, IndexError):
            resident = int(Path(f"/proc/{driver.pid}/statm").read_text().split()[1]) * page
            samples.append((time.time(), resident / 2**20))
        time.sleep(SAMPLE_S)
    driver.wait()
    return samples


def quarters(ended: list[float], samples: list[tuple[float, float]]) -> dict[str, Any]:
    """Divide a search into quarters of its trials, by when each ended, in seconds; samples are (moment, MiB)."""
    ended = sorted(ended)
    edges = [ended[round(n * (len(ended) - 1) / QUARTERS)] for n in range(QUARTERS + 1)]
    pace = [(len(ended) - 1) / QUARTERS / max(1e-9, b - a) for a, b in itertools.pairwise(edges)]
    memory = []
    for a, b in itertools.pairwise(edges):
        within = [size for moment, size in samples if a <= moment <= b]
        memory.append(statistics.median(within) if within else float("nan"))
    return {"trials_per_s": pace, "memory_mib": memory}


def table(result: dict[str, Any]) -> Table:
    """Return both figures by slots and quarters."""
    rows = []
    for slots, found in result["slots"].items():
        pace, memory = found["trials_per_s"], found["memory_mib"]
        rows.append([slots, "  ".join(f"{x:.1f}" for x in pace), "  ".join(f"{x:.0f}" for x in memory)])
    title = f"{result['trials']} trials that do nothing, sampler {result['sampler']}; quarters of the trials"
    return table_of(("slots", "trials per second", "driver memory, MiB"), rows, left=0, title=title)


if __name__ == "__main__":
    sys.exit(main())
