"""The workers of one trial: all of them do the same steps at the same time, and leave a trial together.

The first worker leads the others, and a failure of one becomes a failure of the trial. Steps and their results go over
a process group of their own (gloo), beside the one over which the study exchanges gradients: a worker that raised can
still be heard while the others wait for its gradients. What the study itself exchanges is its own affair.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from search.protocol import Study, TrainingRun
from search.record.outbox import pack, unpack
from search.worker.fresh import fresh_process

IDLE = timedelta(days=365)  # the others wait for a step as long as the first waits for a request
GRACE_S = 15.0  # workers that raise the same error arrive within seconds of one another
LINE_BYTES = 1024
SHUTDOWN = "shut down"
STEPS = ("trial", "train_epoch", "evaluate", "restore", SHUTDOWN)


class TeamError(RuntimeError):
    """A step failed on another worker than this."""


class TeamLostError(RuntimeError):
    """The workers are out of step, and have to be replaced."""


class Team:
    """This worker's place among those of its trial.

    Attributes:
        rank: From 0, the first worker.
        size: How many workers there are.
        lost: Why they have to be replaced; "" while they are in step.
        one_died: That is since one of them died: what else went wrong in the trial follows from it.
    """

    def __init__(self, grace_s: float = GRACE_S):
        """Join; every worker of torch's default process group has to.

        A worker that raised waits `grace_s` for the others to notice as well.
        """
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._group: Any = dist.new_group(backend="gloo", timeout=IDLE)
        self._grace_s = grace_s
        self.lost = ""
        self.one_died = False

    def broadcast(self, step: str, arguments: tuple[Any, ...] = ()) -> None:
        """Let the others do a step; the first worker alone calls this."""
        try:
            dist.broadcast_object_list([(step, arguments)], src=0, group=self._group)
        except RuntimeError as error:
            self._note_death(error)
            raise TeamLostError(self.lost) from error

    def receive(self) -> tuple[str, tuple[Any, ...]]:
        """Wait for the next step; the others alone call this."""
        received: list[Any] = [None]
        dist.broadcast_object_list(received, src=0, group=self._group)
        step, arguments = received[0]
        return step, arguments

    def run_on_all(self, step: Callable[[], Any]) -> Any:
        """Do a step, and return what it returns where it went well on every worker.

        Raises:
            TeamError: It went well here, but not on another worker.
            Exception: Whatever the step raised here.
            TeamLostError: Another worker has died.
        """
        trouble: BaseException | None = None
        result = None
        try:
            result = step()
        except (Exception, SystemExit) as error:  # a study may raise whatever it likes; it is raised again below
            trouble = error
        others = self._compare(trouble)
        if trouble is not None:
            raise trouble
        if others:
            raise TeamError(others)
        return result

    def _compare(self, trouble: BaseException | None) -> str:
        """Exchange what went wrong, and return the first trouble of any worker; "" for none."""
        line = f"worker {self.rank} of {self.size}: {_line(trouble)}" if trouble is not None else ""
        encoded = line.encode()[:LINE_BYTES].ljust(LINE_BYTES, b"\0")
        everyone = [torch.empty(LINE_BYTES, dtype=torch.uint8) for _ in range(self.size)]
        mine = torch.frombuffer(bytearray(encoded), dtype=torch.uint8)
        try:
            work: Any = dist.all_gather(everyone, mine, group=self._group, async_op=True)
            work.wait(timedelta(seconds=self._grace_s) if line else IDLE)
        except RuntimeError as error:
            if line and "timed out" in str(error):
                self.lost = line
            else:
                self._note_death(error)
            if trouble is not None:
                return line
            raise TeamLostError(self.lost) from error
        lines = [bytes(text.tolist()).rstrip(b"\0").decode(errors="replace") for text in everyone]
        return next((text for text in lines if text), "")

    def _note_death(self, error: RuntimeError) -> None:
        self.lost, self.one_died = f"another worker of the trial died ({_line(error)})", True


class TeamStudy:
    """A study whose trials are trained by the whole team; for the first worker."""

    def __init__(self, study: Study, team: Team):
        """Lead a team in a study that each of them has."""
        self._study, self._team = study, team

    def trial(self, configuration: Mapping[str, Any], device: str) -> TrainingRun:
        """Begin a run of training on every worker."""
        self._team.broadcast("trial", (dict(configuration), device))
        return _LedRun(self._team.run_on_all(lambda: self._study.trial(configuration, device)), self._team)


class _LedRun:
    """One trial of a team. What is written is written by the first worker alone: the others hold the same."""

    def __init__(self, run: TrainingRun, team: Team):
        self._run, self._team = run, team

    def _on_all(self, step: str) -> dict[str, float]:
        self._team.broadcast(step)
        result: dict[str, float] = self._team.run_on_all(getattr(self._run, step))
        return result

    def train_epoch(self) -> dict[str, float]:
        return self._on_all("train_epoch")

    def evaluate(self) -> dict[str, float]:
        return self._on_all("evaluate")

    def save(self, folder: Path) -> None:
        self._run.save(folder)

    def restore(self, folder: Path) -> None:
        self._team.broadcast("restore", (pack(folder),))  # the others may be on machines that do not see the folder
        self._team.run_on_all(lambda: self._run.restore(folder))

    def export(self, folder: Path) -> None:
        self._run.export(folder)


def follow(study: Study, team: Team) -> None:
    """Do the steps that the first worker says, until it shuts them down.

    Raises:
        Exception: A step failed here while the others could not be told; they wait for this worker's part of it.
    """
    run: TrainingRun | None = None
    with ExitStack() as trial:
        while True:
            step, arguments = team.receive()
            assert step in STEPS, step
            if step == SHUTDOWN:
                return
            if step == "trial":
                run = None  # its memory is needed for the next one
                trial.close()
                trial.enter_context(fresh_process(int(arguments[0].get("seed", 0))))
            try:
                run = _do(study, run, step, arguments, team)
            except (Exception, SystemExit):
                # A study may raise whatever it likes. The first worker fails the trial and goes on to the next, unless
                # this one is out of step.
                if team.lost:
                    raise


def _do(study: Study, run: TrainingRun | None, step: str, arguments: tuple[Any, ...], team: Team) -> TrainingRun:
    """Do one step together with the first worker, and return the run of training."""
    if step == "trial":
        begun: TrainingRun = team.run_on_all(lambda: study.trial(*arguments))
        return begun
    assert run is not None, "no step comes before the beginning of a trial"
    if step == "restore":
        with tempfile.TemporaryDirectory() as folder:
            unpack(io.BytesIO(arguments[0]), Path(folder, "state"))
            team.run_on_all(lambda: run.restore(Path(folder, "state")))
    else:
        team.run_on_all(getattr(run, step))
    return run


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1]}".rstrip(": ")
