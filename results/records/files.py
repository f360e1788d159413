"""How a record reaches the disk, and what becomes of a damaged line when it is read.

A search that goes on refuses a damaged line, since it would build on what it misread; a report leaves the line out and
says so.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import yaml
from pydantic import ValidationError

from results.exceptions import DamagedLine, RecordError
from results.records.text import cell

MOST_LINES = 20  # named per file; a file that is damaged throughout has one cause, not thousands


def csv_lines(rows: Iterable[Iterable[str]]) -> str:
    """Return rows of cells as CSV text, each line ended by a line feed."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def frame_text(frame: pd.DataFrame) -> str:
    """Return a data frame as CSV text in the form of the records; a missing number is an empty cell."""
    rows = (
        ["" if isinstance(value, float) and value != value else cell(value) for value in row]
        for row in frame.itertuples(index=False, name=None)
    )
    return csv_lines([[str(name) for name in frame.columns], *rows])


def write_atomically(path: Path, data: str | bytes | Path) -> None:
    """Replace a file in one step: a reader, or a crash, meets the old content or the new, never a part.

    `data` is the new content, or the file that has it.
    """
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        if isinstance(data, Path):
            with data.open("rb") as source:
                shutil.copyfileobj(source, file)
        else:
            file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new or replaced directory entry survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that is written twice, of which YAML would keep the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} is written twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_mapping(source: Path | bytes, name: Path, remedy: str) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; messages call it by the name, and say the remedy.

    Numbers are those of the writer, PyYAML's: it leaves a text such as 1e3 without quotes.

    Raises:
        RecordError: It cannot be read, is not YAML, has a key twice, or holds no mapping.
    """
    try:
        text = (source.read_bytes() if isinstance(source, Path) else source).decode()
        document = yaml.load(text, _UniqueKeys)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise RecordError(f"{name}{line}: not YAML ({problem}); {remedy}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{name}: cannot be read ({error}); {remedy}") from error
    if not isinstance(document, dict):
        raise RecordError(f"{name}: expected a mapping of keys; {remedy}")
    return document


def complaint(error: ValidationError) -> str:
    """Say, in one line, what pydantic found first: where, what is wrong, and what stood there."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "(top level)"
    found = repr(first["input"])
    return f"{key}: {first['msg']} (found {found if len(found) <= 60 else found[:60] + '…'})"


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
        """Note another loss; "" is none."""
        if line:
            self._lines.append(line)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line per loss, in the order in which they were met."""
        more = {path: count - MOST_LINES for path, count in self._of_file.items() if count > MOST_LINES}
        return (*self._lines, *(f"{path}: {count} further damaged lines are left out" for path, count in more.items()))
