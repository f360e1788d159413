"""Train a configuration of a run again, through the study that the run names.

The study is imported by its name when it is asked for: this package reads run folders, and only what is to be trained
needs the model. What a study offers is the search's protocol; `load_export`, which puts exported weights back, may be
missing, and then nothing can be measured again.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from results.exceptions import RecordError
from results.export.best import CONFIGURATION_FILE
from results.records.files import read_mapping
from results.records.run import Run

MEMBERS = ("check", "provenance", "trial")  # of a study, as far as it is used here
REMEASURED = 1e-3  # another processor rounds otherwise, and a token half-way between two codes may then take the other


class Retraining:
    """A configuration with its study.

    Attributes:
        configuration: Complete, as the trial was given it, from an exported folder of the run.
        device: "cpu", or "cuda" where the run's trials had GPUs.

    Raises:
        RecordError: The study cannot be imported, or refuses data or configuration.
    """

    def __init__(self, run: Run, folder: Path):
        path = folder / CONFIGURATION_FILE
        self.configuration = read_mapping(path, path, "rebuild the run")
        epochs, gpus = self.configuration.get("epochs"), run.space.resources.get("gpus")
        if isinstance(epochs, bool) or not isinstance(epochs, int):
            raise RecordError(f"{path}: epochs: expected a whole number, found {epochs!r:.60}; rebuild the run")
        self.device = "cuda" if isinstance(gpus, int | float) and gpus > 0 else "cpu"
        study = _study(run)
        try:
            self._study = study(self.configuration)
            self._study.check(self.configuration)
        except (ValueError, OSError) as error:
            raise RecordError(f"{path}: {_line(error)}") from None

    def other_data(self, run: Run) -> list[str]:
        """Return a line if the data are no longer those of the run."""
        recorded = run.space.provenance.get("study")
        before = recorded.get("data_fingerprint") if isinstance(recorded, Mapping) else None
        now = self._study.provenance().get("data_fingerprint")
        if before is None or now is None or before == now:
            return []
        return [f"the data are not those of the run: their fingerprint is {now!s:.12}, it was {before!s:.12}"]

    def measure(self, folder: Path) -> dict[str, float] | None:
        """Return the metrics of the exported checkpoint; None where the study cannot load one.

        Raises:
            RecordError: The checkpoint does not fit.
        """
        trial = self._study.trial(self.configuration, self.device)
        if not hasattr(trial, "load_export"):
            return None
        try:
            trial.load_export(folder)
        except (ValueError, OSError) as error:
            raise RecordError(_line(error)) from None
        return {str(name): float(value) for name, value in trial.evaluate().items()}

    def train(self, seed: int, after_epoch: Callable[[], None]) -> dict[str, float]:
        """Train with a seed and return the metrics; none of them where the loss is no longer a finite number."""
        trial = self._study.trial(self.configuration | {"seed": seed}, self.device)
        for _ in range(int(self.configuration["epochs"])):
            losses = trial.train_epoch()
            after_epoch()
            if not all(map(math.isfinite, losses.values())):
                return {}
        return {str(name): float(value) for name, value in trial.evaluate().items()}


def _study(run: Run) -> Any:
    module_name, colon, class_name = run.space.study.partition(":")
    if not colon:
        raise RecordError(f"{run.folder}: space.yaml names no study, so nothing can be trained again")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # as the search looks for it
    try:
        study = getattr(importlib.import_module(module_name), class_name)
    except (Exception, SystemExit) as error:  # a module may raise whatever it likes while it is imported
        raise RecordError(f"{run.folder}: study {run.space.study} cannot be imported here: {_line(error)}") from None
    # What is called next gets a configuration of the run's: it must not be whatever a stranger has named.
    if not isinstance(study, type) or not all(hasattr(study, member) for member in MEMBERS):
        raise RecordError(f"{run.folder}: {run.space.study} is not a study; restore the space.yaml of this run")
    return study


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def remeasured_differences(measured: Mapping[str, float], recorded: Mapping[str, float]) -> list[str]:
    """Return a line for each metric recorded in trials.csv that a checkpoint does not measure as it was."""
    lines = []
    for name, value in recorded.items():
        now = measured.get(name, math.nan)
        if not abs(now - value) <= REMEASURED * max(1.0, abs(value)):
            lines.append(f"the checkpoint measures {name} {now:.6g}, trials.csv has {value:.6g}")
    return lines
