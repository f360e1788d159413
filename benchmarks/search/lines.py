"""Lines for replayed searches: each is trained once, when a search first asks for it, and kept in a file.

A line goes on from the end of a training of the table, which `table.py --ends` kept, by real epochs; without these ends
only lines that are in the file can be replayed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.command_line import BenchmarkError
from benchmarks.search.table import Trainer
from results.records.text import ARROW
from search.space.schema import Space


class Lines:
    """The lines of a table, in a file of its own."""

    def __init__(self, file: Path, space: Space, space_file: Path, ends: Path | None):
        self._file, self._space, self._space_file, self._ends = file, space, space_file, ends
        self._trainer: Trainer | None = None
        self._known: dict[tuple[int, str, int], dict[str, float]] = {}
        if file.exists():
            for row in pd.read_csv(file).to_dict("records"):
                key = row.pop("configuration"), row.pop("line"), row.pop("step_epochs")
                self._known[key] = {str(name): float(value) for name, value in row.items()}

    def at(self, configuration: int, values: tuple[float, ...], epochs: int) -> dict[str, float]:
        """Return what is measured after a configuration has gone on to these values, so many epochs each.

        Raises:
            BenchmarkError: It is not in the file, and there is no end to go on from.
        """
        key = configuration, ARROW.join(map(repr, values)), epochs
        if key not in self._known:
            self._known[key] = self._train(configuration, values, epochs)
            row = dict(zip(("configuration", "line", "step_epochs"), key, strict=True)) | self._known[key]
            pd.DataFrame([row]).to_csv(self._file, mode="a", header=not self._file.exists(), index=False)
        return self._known[key]

    def _train(self, configuration: int, values: tuple[float, ...], epochs: int) -> dict[str, float]:
        if self._ends is None:
            raise BenchmarkError(
                f"{self._file}: has no line of configuration {configuration} through {ARROW.join(map(repr, values))}; "
                "give --ends, the folder in which table.py kept its trainings"
            )
        if self._trainer is None:
            self._trainer = Trainer(self._space, self._space_file)
        for steps in range(1, len(values)):
            place = self._place(configuration, values[: steps + 1], epochs)
            if not place.exists() or steps == len(values) - 1:
                run = self._go_on(configuration, values[: steps + 1], epochs)
                place.mkdir(parents=True, exist_ok=True)
                run.save(place)
        return self._trainer.measure(run)

    def _go_on(self, configuration: int, values: tuple[float, ...], epochs: int) -> Any:
        assert self._trainer is not None, "made before"
        weights = zip(values, [self._space.budget.epochs, *[epochs] * (len(values) - 1)], strict=True)
        stages = [{"action_weight": weight, "epochs": of_stage} for weight, of_stage in weights]
        line = {"action_weight": values[-1], "epochs": sum(stage["epochs"] for stage in stages), "stages": stages}
        run = self._trainer.run(configuration, configuration, **line)
        run.restore(self._place(configuration, values[:-1], epochs))
        for _ in range(epochs):
            run.train_epoch()
        return run

    def _place(self, configuration: int, values: tuple[float, ...], epochs: int) -> Path:
        assert self._ends is not None, "checked before"
        trunk = self._ends / str(configuration)
        return trunk if len(values) == 1 else trunk / f"{epochs} epochs {ARROW.join(map(repr, values))}"
