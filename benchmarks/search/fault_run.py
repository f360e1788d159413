"""One real search of the toy study in a folder of its own, watched from outside while something befalls it.

It talks to the search as a user does: by its command line, its signals and its run folder.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import optuna
import pandas as pd
import yaml

ROOT = Path(__file__).parents[2]
TOY_STUDY = ROOT / "tests" / "search" / "toy_study.py"
EPOCHS, EPOCH_S, TRIALS = 24, 0.25, 6
LAST_SAVE_S, FRESH_S = 1.5, 1.5  # a trial under way is saved every 0.5 s
SPACE = {
    "name": "toy",
    "study": "toy_study:ToyStudy",
    "seed": 3,
    "parameters": {
        "x": {"type": "float", "low": 0.0, "high": 1.0},
        "width": {"type": "choice", "values": [8, 16, 32]},
        "kind": {"type": "choice", "values": ["a", "b"]},
    },
    "objectives": [
        {"metric": "first", "name": "one", "direction": "minimise", "reference": 2.0},
        {"metric": "second", "name": "two", "direction": "minimise", "reference": 2.0},
    ],
    "resources": {"slots": 2, "cpus": 1},
    "sampler": {"name": "random"},
}
MOST_S = 900.0  # for whatever is waited for: on cores that others use, a start of Ray alone may take minutes
# Two agents of Ray's look every minute whether their node lives; they hold nothing, and are not waited for.
RAY = r"^ray::(?!DashboardAgent|RuntimeEnvAgent)|raylet/raylet|gcs_server"


class RayNotUpError(RuntimeError):
    """Ray did not start, to which it gives 30 s: on cores that others use as well that is no fault of a search."""


class FaultRun:
    """A search in a folder."""

    def __init__(
        self,
        folder: Path,
        fixed: dict | None = None,
        budget: dict | None = None,
        resources: dict | None = None,
        sections: dict | None = None,
    ):
        """Write the space, with further `sections`; nothing starts yet."""
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOY_STUDY, self.folder)
        space = {
            **SPACE,
            "fixed": {"sleep_s": EPOCH_S, "nested": {"died": str(self.folder / "died")}, **(fixed or {})},
            "resources": {**SPACE["resources"], **(resources or {})},
            "budget": {"trials": TRIALS, "epochs": EPOCHS, "checkpoint_every_s": 0.5, **(budget or {})},
            **(sections or {}),
        }
        (self.folder / "toy.yaml").write_text(yaml.safe_dump(space, sort_keys=False))
        self.run = self.folder / "runs" / "toy"
        self.trials: int = space["budget"]["trials"]
        self.process: subprocess.Popen | None = None

    def start(
        self,
        *arguments: str,
        output: str = "output.txt",
        environment: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> subprocess.Popen:
        """Call the command line in a process group of its own, as a terminal would; its output goes to a file.

        `environment` has further variables; `within` is a command that runs another one, such as `unshare`.
        """
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        environment.pop("OMP_NUM_THREADS", None)  # Ray gives each worker its own
        self._latest = self.folder / output
        with self._latest.open("w") as file:
            self.process = subprocess.Popen(
                [*within, sys.executable, "-m", "search.run", "toy.yaml", *arguments],
                cwd=self.folder,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    @property
    def output(self) -> str:
        """What the command line has printed."""
        return (self.folder / "output.txt").read_text()

    @property
    def log(self) -> str:
        """The run's log."""
        return (self.run / "log.txt").read_text()

    def finish(self, timeout_s: float = MOST_S) -> int:
        """Wait for the end of the command line.

        Raises:
            RayNotUpError: It came to nothing since Ray did not start.
        """
        assert self.process is not None, "nothing was started"
        try:
            code = self.process.wait(timeout_s)
        finally:
            self.process.kill()  # where it is still there
            self.process.wait()
        if "Ray does not start" in (said := self._latest.read_text()):
            raise RayNotUpError(said)
        return code

    def rows(self) -> list[str]:
        """Return the rows of `trials.csv`."""
        file = self.run / "trials.csv"
        return file.read_text().splitlines()[1:] if file.exists() else []

    def ended(self) -> set[int]:
        """Return the trials that have a row."""
        return {int(row.split(",")[0]) for row in self.rows()}

    def moments(self) -> dict[int, tuple[float, int]]:
        """Return when each trial under way was last saved and after which epoch, by its number."""
        found = {}
        for place in (self.run / "trials").glob("*/unfinished/[0-9]*"):
            with suppress(OSError):  # a newer one has just taken its place
                found[int(place.parts[-3])] = place.stat().st_mtime, int(place.name)
        return {number: saved for number, saved in found.items() if number not in self.ended()}

    def processes(self, pattern: str) -> list[int]:
        """Return the processes of this search whose command line matches, those that began first before others."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if (entry / "cwd").resolve() == self.folder and re.search(pattern, command):
                    began = (entry / "stat").read_text().rpartition(")")[2].split()[19]
                    found.append((int(began), int(entry.name)))
        return [number for _, number in sorted(found)]

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = MOST_S) -> float:
        """Wait until something holds, and return the seconds that it took."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout_s:
                raise TimeoutError(f"{self.folder}: no {what} within {timeout_s:g} s\n{self.output}")
            time.sleep(0.05)
        return time.monotonic() - began

    def until_running(self) -> set[int]:
        """Wait until both slots have saved a trial of which at least half is still to come, and return the two."""

        def young() -> set[int]:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"ended with {self.finish()}: {self.output}")
            return {number for number, (_, epoch) in self.moments().items() if epoch <= EPOCHS // 2}

        self.until(lambda: len(young()) >= 2, "two trials under way")
        return young()

    def until_moving(self, trials: set[int], since: float) -> float:
        """Wait until each of some trials has gone on or ended; return the seconds since a moment."""
        waiting = set(trials)

        def moved() -> bool:
            saved, ended = self.moments(), self.ended()
            waiting.difference_update({n for n in waiting if saved.get(n, (0.0, 0))[0] > since + 0.5 or n in ended})
            return not waiting

        self.until(moved, f"progress of trials {waiting}")
        return time.time() - since

    def until_slots_work(self, since: float) -> float:
        """Wait until both slots train at the same time again; return the seconds since a moment."""

        def training() -> bool:
            # A worker whose actor or controller was killed may save once more before it dies as well.
            saved = [moment for moment, _ in self.moments().values() if moment > since + LAST_SAVE_S]
            return sum(moment > time.time() - FRESH_S for moment in saved) == SPACE["resources"]["slots"]

        self.until(training, "work on both slots")
        return time.time() - since

    def until_gone(self) -> float:
        """Wait until no process of Ray's is left of this search."""
        return self.until(lambda: not self.processes(RAY), "end of Ray's processes")

    def kill(self, pattern: str, number: int = signal.SIGKILL) -> float:
        """Send a signal to one process, and return the moment.

        It is the one that began last: where Ray did not start at once, processes of its first start stay about.
        """
        os.kill(self.processes(pattern)[-1], number)
        return time.time()

    def close(self) -> None:
        """End what is left, by process id."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for process in self.processes(RAY):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def running_in_journal(run: Path) -> int:
    """Return how many trials the journal has as running."""
    backend = optuna.storages.journal.JournalFileBackend(str(run / "study.journal"))
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name="toy", storage=optuna.storages.JournalStorage(backend))
    return sum(not trial.state.is_finished() for trial in study.trials)


def lost_and_repeated(whole: Path, broken: FaultRun, failed: dict[int, str]) -> tuple[int, int]:
    """Compare a run with an undisturbed one, whose run folder is `whole`, with as many trials at least.

    Return how many trials have not the very result of the undisturbed run, and how many epochs or trials were recorded
    twice. Trials in `failed` have to fail, for a reason of that pattern.
    """
    one, other = (pd.read_csv(run / "trials.csv").set_index("trial").sort_index() for run in (whole, broken.run))
    one = one[one.index < broken.trials]
    assert len(one) == broken.trials, "the undisturbed run is too short"
    repeated = int(other.index.duplicated().sum())
    lost = 0
    for number, row in one.iterrows():
        found = other.loc[number] if number in other.index else None
        if found is not None and number in failed:
            lost += not (found["state"] == "failed" and re.search(failed[number], found["reason"]))
            continue
        same = ["state", "epochs", "seed", "x", "width", "kind", "chain", "first", "second"]
        lost += found is None or any(found[key] != row[key] for key in same)
    curves = pd.read_csv(broken.run / "curves.csv")
    repeated += int(curves.duplicated(["trial", "epoch"]).sum())
    complete = curves[curves["trial"].isin(set(one.index) - set(failed))].groupby("trial")["epoch"].apply(list)
    lost += sum(list(epochs) != list(range(1, EPOCHS + 1)) for epochs in complete)
    return lost, repeated
