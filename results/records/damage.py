"""Owns what becomes of a damaged line: it is refused, or left out with a warning.

A search that goes on refuses, since it would build on what it misread; a report leaves the line out and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from results.records.errors import RecordError

MOST_LINES = 20  # named per file; a file that is damaged throughout has one cause, not thousands


class DamagedLine(RecordError):
    """A line of a record that does not fit.

    Attributes:
        path: The file.
        line: Number of the line, from 1.
        problem: What was expected and what came.
    """

    def __init__(self, path: Path, line: int, problem: str, remedy: str):
        super().__init__(f"{path}, line {line}: {problem}; {remedy}")
        self.path, self.line, self.problem = path, line, problem


Damage = Callable[[DamagedLine], None]


def refuse(damage: DamagedLine) -> NoReturn:
    """Let damage end the reading."""
    raise damage


class LeftOut:
    """Collects the lines that were left out of a report, and whatever else was read with a loss."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._of_file: dict[Path, int] = {}

    def __call__(self, damage: DamagedLine) -> None:
        """Note a damaged line."""
        count = self._of_file[damage.path] = self._of_file.get(damage.path, 0) + 1
        if count <= MOST_LINES:
            self._lines.append(f"{damage.path}, line {damage.line}: {damage.problem}; the line is left out")

    def say(self, line: str) -> None:
        """Note another loss."""
        self._lines.append(line)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line per loss, in the order in which they were met."""
        more = {path: count - MOST_LINES for path, count in self._of_file.items() if count > MOST_LINES}
        return (*self._lines, *(f"{path}: {count} further damaged lines are left out" for path, count in more.items()))
