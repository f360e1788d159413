"""What a search survives: each fault in a real run of the toy study, with real processes, several times.

    python -m benchmarks.search.faults [--times 3] [--only worker ...] [--keep DIR]

Prints a row per fault, as docs/faults.md has it. Every run is compared with an undisturbed one: a trial is lost where
any of its recorded values differs, repeated where it has two rows or an epoch twice.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import pandas as pd

from benchmarks.command_line import PATH, POSITIVE, benchmark
from benchmarks.search.fault_run import TRIALS, FaultRun, lost_and_repeated, running_in_journal

TRIAL_ACTOR, CONTROLLER, WORKER = r"^ray::ResourceTrainable", r"^ray::TrainController", r"^ray::RayTrainWorker"
MAILBOX = r"^ray::Mailbox"
HUNG_AFTER_S = 4.0
DISK = "8m"
MORE = 10  # trials, so that a slot that is back has something to do


class Result(NamedTuple):
    """What came of one run."""

    free_s: float  # seconds until the slots worked again, or until the processes were gone
    codes: tuple[int, ...]  # exit codes, of the run and of its resumption
    said: str  # what it said of the fault
    lost: int = 0  # trials lost
    repeated: int = 0  # trials or epochs recorded twice
    running: int = 0  # trials left running in the journal at the end


Fault = tuple["FaultRun", Result, dict[int, str]]  # the run, what came of it, and the reasons of trials that must fail


def line(text: str, word: str) -> str:
    """Return the first line with a word, without what the log puts in front of it."""
    found = next((entry for entry in text.splitlines() if word in entry), "nothing")
    return found.split(": ", 1)[1] if found[:2] == "20" and ": " in found else found


def killed(pattern: str, word: str, folder: Path) -> Fault:
    """A process of the search is killed while two trials are under way."""
    run = FaultRun(folder, budget={"trials": TRIALS + MORE})
    run.start()
    run.until_running()
    free_s = run.until_slots_work(run.kill(pattern))
    return run, Result(free_s, (run.finish(),), line(run.log, word)), {}


def driver(folder: Path) -> Fault:
    """The driver is killed."""
    run = FaultRun(folder)
    process = run.start()
    run.until_running()
    process.kill()
    process.wait()
    free_s = run.until_gone()
    return run, Result(free_s, (process.returncode, _resumed(run)), line(run.log, "goes on after")), {}


def interrupted(times: int, folder: Path) -> Fault:
    """Ctrl-C, so many times."""
    run = FaultRun(folder)
    process = run.start()
    run.until_running()
    began = time.monotonic()
    for number in range(times):
        time.sleep(0.3 * (number > 0))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
    code = run.finish(60)
    said = line(run.output, "stopped at once" if times > 1 else "interrupted,")
    run.until_gone()
    free_s = time.monotonic() - began
    return run, Result(free_s, (code, _resumed(run)), said), {}


def disk_full(folder: Path) -> Fault:
    """The disk of the run folder fills up; then there is room again."""
    place = folder / "runs"
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)], check=True)
    run = FaultRun(folder)
    run.start()
    run.until_running()
    filler = place / "filler"
    began = time.monotonic()
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    code = run.finish(120)
    said = line(run.output, "disk is full")
    run.until_gone()
    free_s = time.monotonic() - began
    filler.unlink()
    return run, Result(free_s, (code, _resumed(run)), said), {}


def mishap(name: str, reason: str, folder: Path) -> Fault:
    """The study misbehaves in its third trial."""
    run = FaultRun(folder, {"misbehave": {"5": name}}, {"hung_after_s": HUNG_AFTER_S, "trials": TRIALS + MORE})
    run.start()
    code = run.finish()
    trials = pd.read_csv(run.run / "trials.csv", parse_dates=["first_step", "ended"])
    bad = trials[trials["trial"] == 2].iloc[0]
    after = trials[(trials["slot"] == bad["slot"]) & (trials["first_step"] >= bad["ended"])]
    free_s = (after["first_step"].min() - bad["ended"]).total_seconds()
    return run, Result(free_s, (code,), str(bad["reason"])), {2: reason}


def hung(folder: Path) -> Fault:
    """A worker stands still, as one that waits for a lock or a broken driver of a device."""
    run = FaultRun(folder, budget={"hung_after_s": HUNG_AFTER_S, "trials": TRIALS + MORE})
    run.start()
    run.until_running()
    free_s = run.until_slots_work(run.kill(WORKER, signal.SIGSTOP)) - HUNG_AFTER_S
    return run, Result(free_s, (run.finish(),), line(run.log, "goes on after")), {}


def _resumed(run: FaultRun) -> int:
    run.start("--resume")
    return run.finish()


FAULTS: dict[str, Callable[[Path], Fault]] = {
    "driver": driver,
    "trial-actor": partial(killed, TRIAL_ACTOR, "its actor died"),
    "mailbox": partial(killed, MAILBOX, "the mailbox of the run died"),
    "controller": partial(killed, CONTROLLER, "goes on after"),
    "worker": partial(killed, WORKER, "goes on after"),
    "disk-full": disk_full,
    "nan": partial(mishap, "nan", "^diverged: loss is nan in epoch 2$"),
    "exception": partial(mishap, "raise", "^KeyError: 'no such thing'$"),
    "hung": hung,
    "hung-always": partial(
        mishap, "hang_always", r"^hung \(no news for \d+ s\) 2 times after epoch 6, its last checkpoint$"
    ),
    "ctrl-c": partial(interrupted, 1),
    "ctrl-c-twice": partial(interrupted, 2),
}


def suffer(name: str, folder: Path, whole: Path) -> Result:
    """Let one fault befall one run, and judge it."""
    try:
        run, result, failed = FAULTS[name](folder)
        lost, repeated = lost_and_repeated(whole, run, failed)
        return result._replace(lost=lost, repeated=repeated, running=running_in_journal(run.run))
    finally:
        FaultRun(folder).close()
        if os.path.ismount(folder / "runs"):
            shutil.copytree(folder / "runs", folder / "kept", dirs_exist_ok=True)
            subprocess.run(["umount", "-l", str(folder / "runs")], check=True)


@benchmark("python -m benchmarks.search.faults", several=("--only",))
@click.option("--times", type=POSITIVE, default=3, help="runs of each fault")
@click.option("--only", type=click.Choice(list(FAULTS)), multiple=True, default=list(FAULTS), help="these faults alone")
@click.option("--keep", type=PATH, help="folder for the runs (default: a temporary one)")
def main(times: int, only: tuple[str, ...], keep: Path | None) -> int:
    """Let each fault befall real searches, and print a row for each."""
    place = keep or Path(tempfile.mkdtemp(prefix="faults-"))
    whole = FaultRun(place / "whole", budget={"trials": TRIALS + MORE})
    if not (whole.run / "report.html").exists():
        whole.start()
        assert whole.finish() == 0, whole.output
    print("| fault | runs | lost | repeated | running in the journal | slots free after s | exit codes | said |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in only:
        results = []
        for number in range(times):
            try:
                results.append(suffer(name, place / f"{name}-{number}", whole.run))
            except Exception:  # one run that goes wrong is a result as well
                traceback.print_exc()
        if not results:
            print(f"| {name} | 0 of {times} |", flush=True)
            continue
        sums = [sum(getattr(result, key) for result in results) for key in ("lost", "repeated", "running")]
        codes = ", ".join(sorted({" then ".join(map(str, result.codes)) for result in results}))
        free = "–".join(f"{pick(result.free_s for result in results):.1f}" for pick in (min, max))
        cells = [name, f"{len(results)} of {times}", *map(str, sums), free, codes, results[-1].said]
        print(f"| {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
