"""One trial in a worker: build, train epoch by epoch, evaluate, export; and what counts as a failure.

Owns the order in which a study is used. No Ray in here: reports go to a function that says whether to go on.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import yaml

from search.messages import Order, Outcome, Report, now
from search.protocol import Study, TrainingRun
from search.schema import Space

CONFIGURATION_FILE = "configuration.yaml"


class DivergedError(ArithmeticError):
    """A loss or an objective is not a finite number, or is missing."""


class TrialLoop:
    """Runs one order of a study."""

    def __init__(self, study: Study, space: Space, folder: Path, slot: int, report: Callable[[Report], bool]):
        """Prepare a trial.

        Args:
            study: What is searched.
            space: With the resources found out.
            folder: The run folder.
            slot: Where this runs.
            report: Takes news of the trial and returns whether to go on.
        """
        self._study = study
        self._space = space
        self._folder = folder
        self._slot = slot
        self._report = report

    def run(self, order: Order) -> Outcome:
        """Run a trial to its end; whatever it raises becomes its recorded reason.

        Returns:
            finished, failed, or stopped where a report was answered with no.
        """
        self._progress = Outcome(order, "running", slot=self._slot, started=now())
        try:
            return self._run(order)
        except DivergedError as error:
            return self._progress.ending("failed", str(error))
        except Exception as error:
            # A study may raise whatever it likes; a trial that fails is a recorded state and never ends the run.
            lines = str(error).strip().splitlines() or [""]
            reason = f"{type(error).__name__}: {lines[-1]}".rstrip(": ")
            return replace(self._progress.ending("failed", reason), trace=traceback.format_exc())

    def _run(self, order: Order) -> Outcome:
        began = perf_counter()
        configuration = self._space.configuration(order.parameters, order.seed)
        run = self._study.trial(configuration, "cuda" if self._space.resources.gpus else "cpu")
        self._progress = replace(self._progress, first_step=now())
        for epoch in range(1, self._space.budget.epochs + 1):
            losses, metrics = self._epoch(run, epoch)
            row = {"epoch": epoch, "seconds": perf_counter() - began, **losses, **metrics}
            if not self._report(Report(self._progress, (row,), evaluated=bool(metrics))):
                return self._progress.ending("stopped", f"stopped after epoch {epoch}")
        self._export(run, order, configuration)
        return self._progress.ending("finished", "")

    def _epoch(self, run: TrainingRun, epoch: int) -> tuple[dict[str, float], dict[str, float]]:
        """Train one epoch and return its losses, and its metrics where it is evaluated."""
        losses = _floats(run.train_epoch())
        _check_finite(losses, f"epoch {epoch}")
        self._progress = replace(self._progress, epochs=epoch)
        if not self._space.evaluates(epoch):
            return losses, {}
        metrics = _floats(run.evaluate())
        for metric in self._space.metrics:
            if metric not in metrics:
                raise DivergedError(f"metric {metric!r} was not measured; the study gives {', '.join(metrics)}")
        objectives = {objective.metric: metrics[objective.metric] for objective in self._space.objectives}
        _check_finite(objectives, f"the evaluation after epoch {epoch}")
        self._progress = replace(self._progress, metrics=metrics)
        return losses, metrics

    def _export(self, run: TrainingRun, order: Order, configuration: Mapping[str, Any]) -> None:
        folder = self._folder / "trials" / str(order.trial)
        folder.mkdir(parents=True, exist_ok=True)
        run.export(folder)
        text = yaml.safe_dump(dict(configuration), sort_keys=False, allow_unicode=True)
        (folder / CONFIGURATION_FILE).write_text(text, encoding="utf-8")


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(key): float(value) for key, value in values.items()}


def _check_finite(values: Mapping[str, float], where: str) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise DivergedError(f"diverged: {name} is {value} in {where}")
