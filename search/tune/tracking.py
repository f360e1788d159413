"""Trials in TensorBoard, MLflow and Weights & Biases, by Tune's callbacks.

They get the parameters and the seed of a trial, and every epoch's losses and metrics at its epoch. The run folder has
all of it anyway; nothing is read back from there.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.logger import LoggerCallback
from ray.tune.result import TRAINING_ITERATION

from search.exceptions import InputError, one_line, redacted
from search.space.named import made
from search.space.schema import Space
from search.trials import TrialRequest
from search.tune.trial import REQUEST_KEY, UPDATE_KEY

log = logging.getLogger(__name__)

EVENTS_FOLDER = "tensorboard"
FLUSH_S = 5
MOST_FAILURES = 3  # in a row
GOODBYE_S = 30.0


def trackers(space: Space, folder: Path, notice: Callable[[str], None] = log.warning) -> list[Callback]:
    """Return the callbacks that a space asks for; `notice` is told where one fails."""
    found: list[LoggerCallback] = []
    if space.track.tensorboard:
        found.append(EventFiles(folder / EVENTS_FOLDER))
    if space.track.mlflow is not None:
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        found.append(MLflowLoggerCallback(tracking_uri=space.track.mlflow, experiment_name=space.name))
    if space.track.wandb is not None:
        from ray.air.integrations.wandb import WandbLoggerCallback

        found.append(WandbLoggerCallback(project=space.track.wandb, group=space.name))
    found += [_made(name) for name in space.track.callbacks]
    return [PerEpoch(callback, notice) for callback in found]


def check_trackers(space: Space, file: Path) -> None:
    """Ask each tracker of a space once, before the search; messages name the file.

    Raises:
        InputError: It does not answer, or would take nothing.
    """
    for name in space.track.callbacks:
        try:
            _made(name)
        except InputError as error:
            raise InputError(f"{file}: {error}") from error
    if space.track.mlflow is not None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        from mlflow import MlflowClient

        try:
            MlflowClient(space.track.mlflow).search_experiments(max_results=1)
        except Exception as error:  # whatever its store or its network raises
            raise InputError(
                f"{file}: track.mlflow: {redacted(space.track.mlflow)}: {redacted(one_line(error))[:200]}; give a "
                "server, or a file such as sqlite:///mlruns.db"
            ) from error
    if space.track.wandb is not None:
        import wandb  # type: ignore[import-not-found]

        if not wandb.api.api_key and os.environ.get("WANDB_MODE", "online") == "online":
            raise InputError(f"{file}: track.wandb: there is no key; call `wandb login`, or set WANDB_MODE=offline")


def _made(name: str) -> LoggerCallback:
    """Return a callback that a space names as `module:class`.

    Raises:
        InputError: It cannot be made, or is none.
    """
    try:
        return made(name, LoggerCallback, {})
    except ValueError as error:
        raise InputError(f"track.callbacks: {error}") from error


class PerEpoch(LoggerCallback):
    """Lets a callback of Tune see trials as this project has them: a result per epoch, parameters as configuration.

    It works in a thread of its own, so that a slow server makes no trial wait. What fails, such as a server that is
    gone, costs the trial it fails at; after some in a row the tracker is left alone. Nothing of it ends the search.
    """

    def __init__(self, callback: LoggerCallback, notice: Callable[[str], None]):
        """Stand in front of a callback; `notice` is told when it fails."""
        self._callback, self._notice = callback, notice
        self._views: dict[str, Any] = {}
        self._ready, self._failures = False, 0
        self._setup: tuple[tuple[Any, ...], dict[str, Any]] = (), {}
        self._jobs: queue.SimpleQueue[tuple[str, Callable[[], None]] | None] = queue.SimpleQueue()  # of which trial
        self._thread = threading.Thread(target=self._work, name="tracker", daemon=True)

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Let it prepare, and again before the next trial where that fails."""
        self._setup = args, kwargs
        if not self._thread.is_alive():
            self._thread.start()
        self._jobs.put(("", self._prepare))

    def log_trial_start(self, trial: Trial) -> None:
        """Tell it of a trial."""
        view = _View(trial)

        def start() -> None:
            if self._failures < MOST_FAILURES:
                self._prepare()
                self._callback.log_trial_start(view)  # type: ignore[arg-type]
                self._views[trial.trial_id] = view

        self._jobs.put((trial.trial_id, start))

    def log_trial_result(self, iteration: int, trial: Trial, result: dict[str, Any]) -> None:
        """Tell it of the epochs since the last update."""
        rows = result[UPDATE_KEY].rows

        def tell() -> None:
            view = self._views.get(trial.trial_id)
            for row in rows if view is not None else ():
                epoch = {TRAINING_ITERATION: int(row["epoch"]), **{name: row[name] for name in row if name != "epoch"}}
                self._callback.log_trial_result(iteration, view, epoch)  # type: ignore[arg-type]

        self._jobs.put((trial.trial_id, tell))

    def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
        """Tell it of the end."""
        update = (trial.last_result or {}).get(UPDATE_KEY)
        failed = failed or (update is not None and update.result.state == "failed")

        def end() -> None:
            view = self._views.pop(trial.trial_id, None)
            if view is not None:
                self._callback.log_trial_end(view, failed)
                self._failures = 0

        self._jobs.put((trial.trial_id, end))

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """Wait, not for ever, until it has been told everything."""
        close = getattr(self._callback, "on_experiment_end", None)
        if close is not None:
            self._jobs.put(("", lambda: close(trials, **info)))
        self._jobs.put(None)
        self._thread.join(GOODBYE_S)
        if self._thread.is_alive():
            self._notice(f"{self._name}: does not answer, and misses the last trials")

    def _work(self) -> None:
        while (told := self._jobs.get()) is not None:
            trial, job = told
            try:
                job()
            except Exception as error:  # trackers raise whatever their network and files do
                self._failures += 1
                view = self._views.pop(trial, None)
                with suppress(Exception):  # so that it does not look as if it were running for ever
                    if view is not None:
                        self._callback.log_trial_end(view, True)
                log.warning("%s fails", self._name, exc_info=True)
                last = self._failures == MOST_FAILURES
                then = "it gets no more trials" if last else "it is tried again with the next trial"
                if self._failures in (1, MOST_FAILURES):
                    self._notice(f"{self._name}: {redacted(one_line(error))[:200]}; {then}")

    def _prepare(self) -> None:
        if not self._ready:
            self._callback.setup(*self._setup[0], **self._setup[1])
            self._ready = True

    @property
    def _name(self) -> str:
        return type(self._callback).__name__.removesuffix("LoggerCallback")

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles callbacks when it begins, but open files and connections cannot be kept."""
        return {}


class EventFiles(LoggerCallback):
    """A TensorBoard event file per trial, written as its epochs come in."""

    def __init__(self, folder: Path):
        """Prepare to write into a folder for each trial."""
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def log_trial_start(self, trial: Trial) -> None:
        """Open the file of a trial; its parameters come first."""
        from tensorboardX import SummaryWriter

        writer = SummaryWriter(str(self._folder / str(trial)), flush_secs=FLUSH_S)
        text = "\n".join(f"- {name}: {value}" for name, value in trial.config.items())
        writer.add_text("configuration", text, 0)
        self._writers[trial.trial_id] = writer

    def log_trial_result(self, iteration: int, trial: Trial, result: dict[str, Any]) -> None:
        """Write an epoch."""
        for name, value in result.items():
            if name != TRAINING_ITERATION and isinstance(value, int | float) and math.isfinite(value):
                self._writers[trial.trial_id].add_scalar(name, value, result[TRAINING_ITERATION])

    def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
        """Close the file."""
        self._writers.pop(trial.trial_id).close()


class _View:
    """A trial of Tune whose configuration is what the space file and `trials.csv` call it."""

    def __init__(self, trial: Trial):
        request: TrialRequest = trial.config[REQUEST_KEY]
        self._trial = trial
        self.config = {**request.parameters, "seed": request.seed}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trial, name)

    def __str__(self) -> str:
        return str(self._trial)
