"""A study whose trials note when their first epoch begins, in a file each, and then pause."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

MARK = "began-"


class StartRun:
    """A trial that only waits."""

    def __init__(self, configuration: Mapping[str, Any]):
        self._x, self._began = configuration["x"], Path(configuration["folder"]) / f"{MARK}{configuration['seed']}"

    def train_epoch(self) -> dict[str, float]:
        if not self._began.exists():
            self._began.write_text(str(time.time()))
        time.sleep(1.0)
        return {"loss": self._x}

    def evaluate(self) -> dict[str, float]:
        return {"first": self._x**2, "second": (self._x - 1) ** 2}

    def save(self, folder: Path) -> None:
        (folder / "state").write_text("")

    def restore(self, folder: Path) -> None:
        pass

    def export(self, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"")


class StartStudy:
    """Nothing is shared by its trials."""

    metrics: ClassVar[tuple[str, ...]] = ("first", "second")

    def __init__(self, resolved: Mapping[str, Any]):
        pass

    @classmethod
    def resolve(cls, fixed: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        return dict(fixed)

    def check(self, configuration: Mapping[str, Any]) -> None:
        pass

    def provenance(self) -> dict[str, Any]:
        return {}

    def trial(self, configuration: Mapping[str, Any], device: str) -> StartRun:
        return StartRun(configuration)
