"""A study whose training is a pause: what a search takes beyond it is overhead.

Every trial notes when its first epoch began and its last one ended, in seconds since 1970, as metrics; the first of
them also in a file of its own as soon as it begins, if the configuration has a `folder` for them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

EPOCHS = 10
MARK = "began-"  # files that a trial leaves, with its seed


def objectives(x: float) -> dict[str, float]:
    """Return two objectives that pull in opposite directions."""
    return {"first": x**2, "second": (x - 1) ** 2}


class PauseRun:
    """A trial of pauses."""

    def __init__(self, configuration: Mapping[str, Any]):
        self._x, self._pause_s = configuration["x"], configuration["pause_s"]
        self._began = self._ended = 0.0
        folder = configuration.get("folder")
        self._mark = Path(folder) / f"{MARK}{configuration['seed']}" if folder else None

    def train_epoch(self) -> dict[str, float]:
        if not self._began:
            self._began = time.time()
            if self._mark:
                self._mark.write_text(str(self._began))
        time.sleep(self._pause_s)
        self._ended = time.time()
        return {"loss": self._x}

    def evaluate(self) -> dict[str, float]:
        return objectives(self._x) | {"loop_began": self._began, "loop_ended": self._ended}

    def save(self, folder: Path) -> None:
        (folder / "state").write_text(str(self._began))

    def restore(self, folder: Path) -> None:
        self._began = float((folder / "state").read_text())

    def export(self, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"")


class PauseStudy:
    """Nothing is shared by its trials."""

    metrics: ClassVar[tuple[str, ...]] = ("first", "second", "loop_began", "loop_ended")

    def __init__(self, resolved: Mapping[str, Any]):
        pass

    @classmethod
    def resolve(cls, fixed: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        return dict(fixed)

    def check(self, configuration: Mapping[str, Any]) -> None:
        pass

    def provenance(self) -> dict[str, Any]:
        return {}

    def trial(self, configuration: Mapping[str, Any], device: str) -> PauseRun:
        return PauseRun(configuration)
