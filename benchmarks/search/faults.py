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
from benchmarks.search.fault_run import ROOT, TRIALS, FaultRun, RayNotUpError, lost_and_repeated, running_in_journal
from benchmarks.search.nodes import Cluster
from search.exceptions import FAILED
from search.record.mirror import LEFT_OUT
from tests.search.toy_study import model

TRIAL_ACTOR, CONTROLLER, WORKER = r"^ray::ResourceTrainable", r"^ray::TrainController", r"^ray::RayTrainWorker"
MAILBOX = r"^ray::Mailbox"
GCS, RAYLET = r"^\S*/gcs_server ", r"^\S*/raylet/raylet "
MOST_STARTS = 5
HUNG_AFTER_S = 4.0
START_WITHIN_S = 60  # processes that start beside others need their time
DISK, SHM = "8m", "16m"
MODEL_MIB, BIG_MODELS = 300, 4
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


def head(pattern: str, folder: Path) -> Fault:
    """A process of Ray's own is killed, without which it cannot go on."""
    run = FaultRun(folder)
    run.start()
    run.until_running()
    moment = run.kill(pattern)
    code = run.finish()
    ended_s = time.time() - moment
    free_s = ended_s + run.until_gone()
    how = run.output.splitlines()[-1].strip()
    assert how.startswith("python -m search.run toy.yaml --resume"), run.output
    said = f"{line(run.output, 'does not answer')} ({ended_s:.0f} s after it was killed)"
    return run, Result(free_s, (code, _resumed(run)), said), {}


def no_start(mishap: str, folder: Path) -> Fault:
    """No worker can load the study, for it raises or ends the process; then it can."""
    folder.mkdir(parents=True)
    cause = folder / "died-loading"
    cause.write_text(mishap)
    run = FaultRun(folder, resources={"start_within_s": START_WITHIN_S})
    run.start()
    began = time.monotonic()
    code = run.finish()
    ended_s = time.monotonic() - began
    assert not run.ended(), "no trial is at fault"
    run.until_gone()
    cause.unlink()
    return run, Result(ended_s, (code, _resumed(run)), line(run.output, "ended early")), {}


def shm_full(folder: Path) -> Fault:
    """/dev/shm, one of this run's own, is full when a trial hands tensors over through it; then there is room again."""
    run = FaultRun(folder, {"misbehave": {"5": "loader"}})
    small = f'mount -t tmpfs -o size={SHM} tmpfs /dev/shm && exec "$@"'
    process = run.start(within=["unshare", "-m", "sh", "-c", small, "sh"])
    run.until_running()
    filler = Path(f"/proc/{process.pid}/root/dev/shm/filler")
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    run.until(lambda: "goes to another slot" in run.log, "trial given back")
    moment = time.time()
    filler.unlink()
    again_s = run.until_moving({2}, moment)
    return run, Result(again_s, (run.finish(),), line(run.log, "goes to another slot")), {}


def mirror(folder: Path) -> Fault:
    """A file stands where the mirror's folder was; then the folder is back."""
    run = FaultRun(folder, budget={"trials": TRIALS + MORE})
    copy, aside = folder / "copy", folder / "aside"
    run.start("--mirror", copy.as_uri())
    run.until_running()
    run.until((copy / "space.yaml").exists, "copy")
    copy.rename(aside)
    copy.touch()
    run.until(lambda: "it is tried again" in run.log, "notice")
    moment = time.time()
    copy.unlink()
    aside.rename(copy)
    run.until(lambda: "works again" in run.log or run.process.poll() is not None, "other notice")
    again_s = time.time() - moment
    code = run.finish()
    assert [run.log.count(said) for said in ("it is tried again", "works again")] == [1, 1], "one notice of each kind"
    kept = [file for file in run.run.rglob("*") if file.is_file() and not _left_out(file.relative_to(run.run))]
    lacking = sum(not _same(file, copy / file.relative_to(run.run)) for file in kept)
    return run, Result(again_s, (code,), line(run.log, "works again"), lost=lacking), {}


def _left_out(file: Path) -> bool:
    return any(part in LEFT_OUT or part.startswith(".") for part in file.parts)


def _same(file: Path, copy: Path) -> bool:
    return copy.exists() and file.read_bytes() == copy.read_bytes()


def big_model(folder: Path) -> Fault:
    """A model of 300 MiB is trained on a node that does not see the run folder; it has to arrive whole."""
    cluster = Cluster()
    run = FaultRun(folder, {"model_mib": MODEL_MIB}, {"trials": BIG_MODELS})
    try:
        cluster.add([])
        run.until(cluster.up, "head node")
        cluster.add([run.folder, *(ROOT / package for package in ("search", "results", "model"))])
        run.until(cluster.up, "second node")
        run.start("--address", cluster.address, environment=cluster.environment)
        code = run.finish()
    finally:
        cluster.stop()
    trials = pd.read_csv(run.run / "trials.csv", parse_dates=["ended"]).set_index("trial")
    places = {number: run.run / "trials" / str(number) for number in trials.index}
    far = [n for n, place in places.items() if str(run.folder) not in (place / "written.txt").read_text()]
    assert far, "no trial ran on the node that does not see the run folder"
    longest_s = max(places[n].stat().st_ctime - trials["ended"][n].timestamp() for n in far)
    other = [n for n, place in places.items() if (place / "model.safetensors").read_bytes() != _weights(trials, n)]
    return run, Result(longest_s, (code,), line(run.output, "nodes do not see"), lost=len(other)), {}


def _weights(trials: pd.DataFrame, number: int) -> bytes:
    return model(int(trials["seed"][number]), MODEL_MIB)


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
    for _ in range(MOST_STARTS):
        with suppress(RayNotUpError):
            run.start("--resume", output="resumed.txt")
            return run.finish()
    return FAILED


FAULTS: dict[str, Callable[[Path], Fault]] = {
    "driver": driver,
    "trial-actor": partial(killed, TRIAL_ACTOR, "its actor died"),
    "mailbox": partial(killed, MAILBOX, "the mailbox of the run died"),
    "gcs": partial(head, GCS),
    "raylet": partial(head, RAYLET),
    "controller": partial(killed, CONTROLLER, "goes on after"),
    "worker": partial(killed, WORKER, "goes on after"),
    "load-raises": partial(no_start, "raise"),
    "load-dies": partial(no_start, "die"),
    "disk-full": disk_full,
    "shm-full": shm_full,
    "mirror": mirror,
    "big-model": big_model,
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
    """Let one fault befall one run, once Ray has started for it, and judge it."""
    for _ in range(MOST_STARTS - 1):
        try:
            return _suffer(name, folder, whole)
        except RayNotUpError:
            shutil.rmtree(folder)
    return _suffer(name, folder, whole)


def _suffer(name: str, folder: Path, whole: Path) -> Result:
    try:
        run, result, failed = FAULTS[name](folder)
        lost, repeated = lost_and_repeated(whole, run, failed)
        return result._replace(lost=result.lost + lost, repeated=repeated, running=running_in_journal(run.run))
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
