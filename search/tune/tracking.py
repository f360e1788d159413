"""Trials in TensorBoard, MLflow and Weights & Biases, by Tune's callbacks.

They get the parameters and the seed of a trial, and every epoch's losses and metrics at its epoch. The run folder has
all of it anyway; nothing is read back from there.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.logger import LoggerCallback
from ray.tune.result import TRAINING_ITERATION

from search.space.schema import Space
from search.trials import TrialRequest, TrialUpdate
from search.tune.trial import REQUEST_KEY, UPDATE_KEY

log = logging.getLogger(__name__)

EVENTS_FOLDER = "tensorboard"
FLUSH_S = 5


def trackers(space: Space, folder: Path) -> list[Callback]:
    """Return the callbacks that a space asks for."""
    found: list[Callback] = []
    if space.track.tensorboard:
        found.append(PerEpoch(EventFiles(folder / EVENTS_FOLDER)))
    if space.track.mlflow is not None:
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        callback = MLflowLoggerCallback(tracking_uri=space.track.mlflow, experiment_name=space.name)
        found.append(PerEpoch(callback))
    if space.track.wandb is not None:
        from ray.air.integrations.wandb import WandbLoggerCallback

        found.append(PerEpoch(WandbLoggerCallback(project=space.track.wandb, group=space.name)))
    return found


class PerEpoch(LoggerCallback):
    """Lets a callback of Tune see trials as this project has them: a result per epoch, parameters as configuration.

    A tracker that fails, such as a server that is gone, is left out from then on: it must not end the search.
    """

    def __init__(self, callback: LoggerCallback):
        """Stand in front of a callback."""
        self._callback = callback
        self._views: dict[str, Any] = {}
        self._failed = False

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Let it prepare."""
        with self._surviving():
            self._callback.setup(*args, **kwargs)

    def log_trial_start(self, trial: Trial) -> None:
        """Tell it of a trial."""
        if self._failed:
            return
        with self._surviving():
            self._views[trial.trial_id] = view = _View(trial)
            self._callback.log_trial_start(view)  # type: ignore[arg-type]

    def log_trial_result(self, iteration: int, trial: Trial, result: dict[str, Any]) -> None:
        """Tell it of the epochs since the last update."""
        if self._failed:
            return
        update: TrialUpdate = result[UPDATE_KEY]
        with self._surviving():
            for row in update.rows:
                epoch = {TRAINING_ITERATION: int(row["epoch"]), **{name: row[name] for name in row if name != "epoch"}}
                self._callback.log_trial_result(iteration, self._views[trial.trial_id], epoch)

    def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
        """Tell it of the end."""
        if self._failed:
            return
        update = (trial.last_result or {}).get(UPDATE_KEY)
        failed = failed or (update is not None and update.result.state == "failed")
        with self._surviving():
            self._callback.log_trial_end(self._views.pop(trial.trial_id), failed)

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        """Leave the tracker out once it has failed; nothing is raised."""
        try:
            yield
        except Exception as error:
            # Trackers raise whatever their network and files do.
            self._failed = True
            log.warning("%s fails and gets no more trials: %s", type(self._callback).__name__, error, exc_info=True)

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
