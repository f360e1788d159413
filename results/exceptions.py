"""What goes wrong with what a user gave, or with what a run folder holds."""

from __future__ import annotations

from pathlib import Path


class InputError(ValueError):
    """What was asked for, or what it was asked of, cannot be used: one line says what is wrong and what to do."""


class RecordError(InputError):
    """A record of a run is missing, damaged or does not fit: the message names it and says what to do."""


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
