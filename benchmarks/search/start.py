"""How long a search takes from its command to the first training step, and the memory of a slot beside its data.

    python -m benchmarks.search.start                                  # 5 searches on 2 slots
    python -m benchmarks.search.start --code /path/to/older . --rounds 5    # this checkout and another one, in turns

Each search has a Ray of its own and trials that only wait. It is watched from outside, and stopped once all slots
train. `processor` is the time of all its processes up to the first step, which depends less than seconds do on what
else the machine does. Memory is proportional (PSS): what n processes share counts for one nth in each.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from shutil import copy
from typing import Any, NamedTuple

import click
import yaml
from rich.table import Table

from benchmarks.command_line import JSON, POSITIVE, PROGRESS, BenchmarkError, benchmark, finish, table_of
from benchmarks.machine import machine, versions
from benchmarks.search.pause_study import MARK
from model.command import PATH

HERE = Path(__file__).parent
SAMPLE_S = 0.1
SETTLE_S = 3.0  # after the last slot's first step
DEADLINE_S = 600.0
STAGES = {"loaded": ": loading ", "checked": "starting Ray", "Ray there": "dashboard: "}  # what the driver says then
# Kinds of processes by how their title begins; the first that fits.
OF_A_SLOT = {
    "trial actor": ("ray::WarmTrial", "ray::ResourceTrainable", "ray::ImplicitFunc"),
    "controller": ("ray::TrainController",),
    "worker": ("ray::RayTrainWorker",),
    "other actors": ("ray::SynchronizationActor", "ray::PlacementGroupCleaner", "ray::DatasetManager"),
}
OF_A_RUN = {"mailbox": ("ray::Mailbox",), "nursery": (f"{sys.executable} -m search.worker.nursery",)}
DRIVER, RAY = "driver", "Ray itself"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """One process at one moment."""

    title: str
    parent: int
    processor_s: float


@benchmark("python -m benchmarks.search.start", several=("--code",))
@click.option("--code", type=PATH, multiple=True, default=[Path(".")], metavar="DIR ...", help="checkouts, in turns")
@click.option("--slots", type=POSITIVE, default=2, metavar="N")
@click.option("--rounds", type=POSITIVE, default=5, metavar="N")
@JSON
def main(code: tuple[Path, ...], slots: int, rounds: int, json: Path | None) -> int:
    """Measure the start of a search and the memory of a slot."""
    found: dict[str, list[dict[str, Any]]] = {str(folder): [] for folder in code}
    for round_ in range(rounds):
        for folder in code:
            one = run_once(folder.resolve(), slots)
            found[str(folder)].append(one)
            PROGRESS.print(f"round {round_ + 1}, {folder}: first step after {one['seconds']['first step']:.1f} s")
            if json:
                finish({"slots": slots, "found": found}, json, [])
    where = {"machine": machine(), "versions": versions("ray", "torch", "optuna")}
    result = {**where, "slots": slots, "rounds": rounds, "found": found}
    return finish(result, json, [table(result, part) for part in ("seconds", "mib")])


def run_once(code: Path, slots: int) -> dict[str, Any]:
    """Run one search with the code of a checkout until all slots train; return its moments and its memory.

    Raises:
        BenchmarkError: It ended before, or took too long.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy(HERE / "pause_study.py", folder)
        (folder / "start.yaml").write_text(yaml.safe_dump(_space(folder, slots)))
        command = [sys.executable, "-m", "search.run", "start.yaml", "--out", "run"]
        output = folder / "output.txt"
        began = time.time()
        with output.open("w") as lines:
            driver = subprocess.Popen(
                command, cwd=folder, env={**os.environ, "PYTHONPATH": str(code)}, stdout=lines, stderr=lines
            )
        try:
            return _watch(driver, folder, output, slots, began)
        finally:
            driver.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                driver.wait(60.0)
            driver.kill()
            driver.wait()


def _space(folder: Path, slots: int) -> dict[str, Any]:
    names = ("first", "second")
    return {
        "name": "start",
        "study": "pause_study:PauseStudy",
        "parameters": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
        "fixed": {"folder": str(folder), "pause_s": 1.0},
        "objectives": [{"metric": n, "name": n, "direction": "minimise", "reference": 1.0} for n in names],
        "budget": {"trials": slots, "epochs": 600, "evaluate_every": 600},
        "resources": {"cpus": 1, "slots": slots},
    }


def _watch(driver: subprocess.Popen, folder: Path, output: Path, slots: int, began: float) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    processor: dict[int, float] = {}
    spent: list[tuple[float, float]] = []  # (moment, processor time of all processes up to then)
    while len(marks := list(folder.glob(f"{MARK}*"))) < slots:
        if driver.poll() is not None or time.time() - began > DEADLINE_S:
            last = output.read_text().strip().splitlines()[-1:]
            raise BenchmarkError(f"the search did not begin to train: {' '.join(last)}")
        processes = tree(driver.pid)
        processor |= {pid: process.processor_s for pid, process in processes.items()}
        spent.append((time.time(), sum(processor.values())))
        said = output.read_text()
        for stage, words in STAGES.items():
            if words in said:
                seconds.setdefault(stage, time.time() - began)
        time.sleep(SAMPLE_S)
    time.sleep(SETTLE_S)
    steps = sorted(float(mark.read_text()) for mark in marks)
    seconds |= {"first step": steps[0] - began, "last slot's": steps[-1] - began}
    seconds["processor"] = max(amount for moment, amount in spent if moment <= steps[0] or amount == spent[0][1])
    return {"seconds": seconds, "mib": memory(tree(driver.pid), driver.pid, slots)}


def tree(root: int) -> dict[int, Process]:
    """Return a process and all that come from it, by their identifiers, whoever their parents are by now."""
    every = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            used = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
            every[int(entry.name)] = Process(title, int(fields[1]), used)
    found, added = {root}, True
    while added:
        new = {pid for pid, process in every.items() if process.parent in found} - found
        found, added = found | new, bool(new)
    return {pid: every[pid] for pid in found if pid in every}


def kind_of(title: str) -> str:
    """Return what a process of a search is for, by its title."""
    for kind, beginnings in {**OF_A_SLOT, **OF_A_RUN}.items():
        if title.startswith(beginnings):
            return kind
    return DRIVER if " -m search.run " in f"{title} " else RAY


def memory(processes: Mapping[int, Process], driver: int, slots: int) -> dict[str, float]:
    """Return MiB by kind of process, for one slot where the kind belongs to slots; `slot` is the sum of those."""
    total: Counter[str] = Counter()
    for pid, process in processes.items():
        with suppress(OSError, StopIteration):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            mib = next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 2**10
            total[DRIVER if pid == driver else kind_of(process.title)] += mib
    by_kind = {kind: total[kind] / slots for kind in OF_A_SLOT}
    rest = {kind: total[kind] for kind in (*OF_A_RUN, DRIVER, RAY)}
    return {**by_kind, "slot": sum(by_kind.values()), **rest, "all": sum(total.values())}


def table(result: Mapping[str, Any], part: str) -> Table:
    """Return the medians over the rounds, a line for each checkout."""
    rows = []
    headings: Iterable[str] = ()
    for code, rounds in result["found"].items():
        headings = rounds[0][part]
        rows.append([code, *(f"{statistics.median(one[part][key] for one in rounds):.1f}" for key in headings)])
    what = {"seconds": "seconds until", "mib": "proportional memory, MiB"}[part]
    title = f"{what}; {result['slots']} slots, medians of {result['rounds']}"
    return table_of(("checkout", *headings), rows, title=title)


if __name__ == "__main__":
    sys.exit(main())
