"""The loop that runs a trial in its worker: build, train epoch by epoch, evaluate, save, export.

`TrialLoop._train` is the search's inner loop; all else brings trials to it or takes their results away. A trial that
another worker has begun goes on from its last checkpoint. Whatever goes wrong becomes the recorded reason of the
trial. No Ray in here: updates go to a function that says whether to go on.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from results.records.tables import name_trouble
from search.exceptions import one_line
from search.protocol import Study, TrainingRun
from search.record.checkpoints import Checkpoints, DamagedCheckpointError, Progress, end_of, unfinished
from search.record.disk import DISK_FULL, NO_ROOM, is_full, says_full
from search.record.earlier_runs import content_key
from search.record.run_folder import CONFIGURATION_FILE
from search.space.reading import dump_yaml
from search.space.schema import Space
from search.trials import TrialRequest, TrialResult, TrialUpdate, now
from search.worker.fresh import fresh_process

CUDA_ERROR = "CUDA error"


class UnusableValueError(ArithmeticError):
    """A loss or an objective is not a finite number, or is missing."""


class TrialLoop:
    """Runs one request of a study."""

    def __init__(
        self,
        study: Study,
        space: Space,
        folder: Path,
        slot: int,
        deliver: Callable[[TrialUpdate], bool],
        basis: Mapping[str, Any] | None = None,
    ):
        """Prepare trials of a space whose resources were found out.

        `deliver` takes news of a trial and returns whether to go on. `basis` is what results depend on besides the
        configuration: a checkpoint is used only where it is the same.
        """
        self._study = study
        self._space = space
        self._folder = folder
        self._slot = slot
        self._deliver = deliver
        self._basis = basis or {}

    def run(self, request: TrialRequest) -> TrialResult:
        """Run a trial to its end; whatever it raises becomes its recorded reason.

        Returns:
            finished, failed, or stopped where an update was answered with no; interrupted where the disk is full, which
            is no fault of the trial.
        """
        self._progress = TrialResult(request, "running", slot=self._slot, started=now())
        self._saved, self._note = 0, ""
        self._writes = False  # into the run folder
        try:
            with fresh_process(request.seed):
                return self._train(request)
        except UnusableValueError as error:
            return self._progress.ending("failed", str(error))
        except (SystemExit, KeyboardInterrupt) as error:
            reason = f"the study ended its process ({type(error).__name__}: {one_line(error)})".replace(": )", ")")
            return replace(self._progress.ending("failed", reason), trace=traceback.format_exc())
        except Exception as error:
            # A study may raise whatever it likes; a trial that fails is a recorded state and never ends the run.
            reason = f"{type(error).__name__}: {_telling_line(error)}".rstrip(": ")
            if is_full(self._folder, error) or (self._writes and says_full(error)):
                return self._progress.ending("interrupted", f"{DISK_FULL} ({reason})")
            if says_full(error):
                return self._progress.ending("interrupted", f"{NO_ROOM} ({reason})")
            return replace(self._progress.ending("failed", reason), trace=traceback.format_exc())

    def _train(self, request: TrialRequest) -> TrialResult:
        """Train the epochs that are missing, each reported as it ends, and export the model."""
        configuration = self._space.configuration(request.parameters, request.seed)
        place = unfinished(self._folder, request.trial)
        checkpoints = Checkpoints(place, self._space.budget.checkpoint_every_s)
        key, epochs = self._key(request.parameters, request.seed), int(configuration["epochs"])
        self._whole, began, limit_s = epochs, perf_counter(), self._space.budget.trial_wall_clock_s
        run, rows = self._begin(request, configuration, checkpoints, key)
        goes_on = not rows or self._report(rows, True, self._progress.epochs)
        while goes_on and self._progress.epochs < epochs:
            epoch = self._progress.epochs + 1
            losses, metrics = self._epoch(run, epoch)
            seconds = self._progress.before_s + perf_counter() - began
            rows.append({"epoch": epoch, "seconds": seconds, **losses, **metrics})
            goes_on = self._report(rows[-1:], bool(metrics), 0 if len(rows) == 1 else None)
            if goes_on and checkpoints.due and epoch < epochs:
                self._save(run, checkpoints, self._checkpoint(key, seconds, rows))
            if goes_on and epoch < epochs and limit_s is not None and seconds > limit_s:
                reason = f"its {limit_s:g} s (budget.trial_wall_clock_s) ran out after epoch {epoch}"
                return self._progress.ending("stopped", reason)
        if not goes_on:
            return self._progress.ending("stopped", f"stopped after epoch {self._progress.epochs}")
        if self._space.sweep is not None:
            self._save(run, Checkpoints(end_of(self._folder, request.trial)), self._checkpoint(key, 0.0, []))
        self._export(run, request, configuration)
        return self._progress.ending("finished", "")

    def _key(self, parameters: Mapping[str, Any], seed: int) -> str:
        return content_key(self._space, self._basis, parameters, seed)

    def _begin(
        self, request: TrialRequest, configuration: Mapping[str, Any], checkpoints: Checkpoints, key: str
    ) -> tuple[TrainingRun, list[dict[str, float]]]:
        """Return the run of training and the rows of the epochs that it has trained already."""
        device = "cuda" if self._space.resources.gpus else "cpu"
        run = self._study.trial(configuration, device)
        try:
            found = checkpoints.newest(key)
            if found is not None:
                saved, state = found
                _restore(run, state)
                self._go_on(saved)
                return run, list(saved.rows)
            self._inherit(run, request)
        except DamagedCheckpointError as error:
            self._note = f"begun anew, its checkpoint is damaged: {error}"
            run = self._study.trial(configuration, device)  # what was half restored is of no use
        self._progress = replace(self._progress, first_step=now())
        return run, []

    def _inherit(self, run: TrainingRun, request: TrialRequest) -> None:
        """Let a line go on from the end of its parent; where that is not there, it trains all its stages itself."""
        before = self._space.before(request.parameters)
        if before is None or request.parent is None:
            return
        end = Checkpoints(end_of(self._folder, request.parent))
        found = end.newest(self._key(before, request.seed))
        if found is None:
            self._note = f"trains its whole line: the end of trial {request.parent} is not here"
            return
        saved, state = found
        _restore(run, state)
        self._progress = replace(self._progress, epochs=saved.epoch, inherited=saved.epoch)

    def _go_on(self, saved: Progress) -> None:
        self._note, self._saved = f"goes on after epoch {saved.epoch}, from its checkpoint", saved.epoch
        self._progress = replace(
            self._progress,
            epochs=saved.epoch,
            inherited=saved.inherited,
            metrics=saved.metrics,
            started=saved.started,
            first_step=saved.first_step,
            resumed=self._progress.started,
            before_s=saved.seconds,
        )

    def _checkpoint(self, key: str, seconds: float, rows: list[dict[str, float]]) -> Progress:
        p = self._progress
        return Progress(key, p.epochs, seconds, p.started, p.first_step, p.metrics, rows, p.inherited)

    def _save(self, run: TrainingRun, checkpoints: Checkpoints, saved: Progress) -> None:
        self._writes = True
        try:
            checkpoints.save(run, saved)
            self._saved = saved.epoch
        except Exception as error:
            # A study may raise whatever it likes; a trial that could not be saved can still be trained to its end.
            if says_full(error) or is_full(self._folder, error):
                raise
            self._note = f"no checkpoint after epoch {saved.epoch}: {type(error).__name__}: {error}"
        self._writes = False

    def _report(self, rows: list[dict[str, float]], evaluated: bool, restarted_after: int | None) -> bool:
        """Report rows, and return whether to go on."""
        exporting = self._progress.epochs == self._whole
        update = TrialUpdate(
            self._progress, tuple(rows), evaluated, restarted_after, self._saved, self._note, exporting=exporting
        )
        self._note = ""
        return self._deliver(update)

    def _epoch(self, run: TrainingRun, epoch: int) -> tuple[dict[str, float], dict[str, float]]:
        """Train one epoch and return its losses, and its metrics where it is evaluated."""
        losses = self._floats(run.train_epoch(), "train_epoch")
        _check_finite(losses, f"epoch {epoch}")
        self._progress = replace(self._progress, epochs=epoch)
        if not self._space.evaluates(epoch):
            return losses, {}
        metrics = self._floats(run.evaluate(), "evaluate")
        if both := losses.keys() & metrics.keys():
            raise UnusableValueError(f"{min(both)!r} is the name of a loss and of a metric; rename one of the two")
        for metric in self._space.metrics:
            if metric not in metrics:
                raise UnusableValueError(f"metric {metric!r} was not measured; the study gives {', '.join(metrics)}")
        objectives = {objective.metric: metrics[objective.metric] for objective in self._space.objectives}
        _check_finite(objectives, f"the evaluation after epoch {epoch}")
        self._progress = replace(self._progress, metrics=metrics)
        return losses, metrics

    def _floats(self, values: Any, source: str) -> dict[str, float]:
        """Return what a study reports as numbers, under names that its tables can have."""
        if not isinstance(values, Mapping):
            raise UnusableValueError(f"{source} returned {_shown(values)}; expected numbers by name")
        found = {}
        judged = [objective.metric for objective in self._space.objectives]
        for name, value in values.items():
            searched = name in self._space.parameters
            trouble = "is the name of a parameter" if searched else name_trouble(str(name), judged)
            if trouble:
                raise UnusableValueError(f"{source} returned {str(name)!r:.80}, which {trouble}; rename it")
            try:
                found[str(name)] = float(value)
            except (TypeError, ValueError):
                raise UnusableValueError(f"{source} returned {name}: {_shown(value)}, which is no number") from None
        return found

    def _export(self, run: TrainingRun, request: TrialRequest, configuration: Mapping[str, Any]) -> None:
        folder = self._folder / "trials" / str(request.trial)
        folder.mkdir(parents=True, exist_ok=True)
        self._writes = True
        run.export(folder)
        (folder / CONFIGURATION_FILE).write_text(dump_yaml(configuration), encoding="utf-8")


def _restore(run: TrainingRun, folder: Path) -> None:
    """Restore a run.

    Raises:
        DamagedCheckpointError: It cannot be restored from that.
    """
    try:
        run.restore(folder)
    except Exception as error:  # a study may raise whatever it likes
        raise DamagedCheckpointError(f"{folder}: {type(error).__name__}: {one_line(error)}") from error


def _telling_line(error: Exception) -> str:
    """Return the line of a message that says most: the last, but the first of what torch says of its device."""
    lines = str(error).strip().splitlines() or [""]
    return next((line for line in lines if CUDA_ERROR in line), lines[-1])


def _shown(value: Any) -> str:
    return one_line(repr(value))[:60]


def _check_finite(values: Mapping[str, float], where: str) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise UnusableValueError(f"diverged: {name} is {value} in {where}")
