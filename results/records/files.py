"""How a record reaches the disk, and what becomes of a damaged line when it is read.

A search that goes on refuses a damaged line, since it would build on what it misread; a report leaves the line out and
says so.
"""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import shutil
import stat
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import yaml
from pydantic import ValidationError

from results.exceptions import DamagedLine, RecordError
from results.records.text import cell

TAG = "tag:yaml.org,2002:"
PLAIN = ("null", "bool", "int", "float", "str", "seq", "map", "merge")
MOST_LEVELS = 50  # of nesting in YAML; an alias to itself has more
MOST_VALUES = 1_000_000  # aliases of aliases make many out of a few lines
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

    Raises:
        RecordError: A folder has its place.
    """
    part = path.with_name(f".{path.name}.part")
    for place in (path, part):
        if place.is_dir() and not place.is_symlink():
            raise RecordError(f"{place}: is a folder where a file belongs; move it away")
    part.unlink(missing_ok=True)  # it may be a link to a file that is not ours
    with part.open("xb") as file:
        if isinstance(data, Path):
            with data.open("rb") as source:
                shutil.copyfileobj(source, file)
        else:
            file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove a file, or a link whatever it leads to; a folder stays."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a new or replaced directory entry survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: It cannot be read, or is no file: a pipe would be waited for, and a device has no end.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no file", str(path))
        return file.read()


class PlainLoader(yaml.SafeLoader):
    """Reads YAML of plain values alone, and refuses a key that is given twice, of which YAML would keep the last.

    Numbers and words are those of PyYAML's own writer, which leaves a text such as 1e3 without quotes; dates are text.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping, whose keys differ."""
        keys: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in keys:
                raise _unfit(f"the key {key.value!r} is given twice", key)
            keys.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return a plain value."""
        if node.tag.removeprefix(TAG) not in PLAIN:
            kind = node.tag.replace(TAG, "!!")
            expected = "expected text, numbers, true, false, null, lists and mappings"
            raise _unfit(f"{kind} is no plain value; {expected}", node)
        return super().construct_object(node, deep)

    def construct_scalar(self, node: Any) -> Any:
        """Return a text that can be written again."""
        text = super().construct_scalar(node)
        if isinstance(text, str) and not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise _unfit("half of a pair of characters is no text", node)
        return text


PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, words) for tag, words in resolvers if tag != f"{TAG}timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _unfit(problem: str, node: yaml.Node | None = None) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark if node else None)


def load_plain(text: str, loader: type[yaml.SafeLoader] = PlainLoader) -> Any:
    """Read YAML whose values, with what aliases stand for, are neither too many nor too deep.

    Raises:
        yaml.YAMLError: It is not YAML, or has other values.
    """
    try:
        found = yaml.load(text, Loader=loader)
        values, levels = _extent(found, {})
    except RecursionError:
        values = levels = math.inf
    except yaml.reader.ReaderError as error:
        raise _unfit(f"{error.reason}, at position {error.position}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # of `!!int word`, and of a word without end
        raise _unfit(" ".join(str(error).split())[:200]) from error
    if levels > MOST_LEVELS:
        raise _unfit(f"is nested more than {MOST_LEVELS} levels deep")
    if values > MOST_VALUES:
        raise _unfit(f"has more than {MOST_VALUES:,} values")
    return found


def _extent(value: Any, known: dict[int, tuple[float, float]]) -> tuple[float, float]:
    """Return how many values there are inside of one, what aliases stand for included, and in how many levels."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if id(value) not in known:
        known[id(value)] = math.inf, math.inf  # of an alias to what it is inside of
        extents = [_extent(one, known) for one in inner]
        levels = 1 + max((levels for _, levels in extents), default=0)
        known[id(value)] = 1 + sum(values for values, _ in extents), levels
    return known[id(value)] if inner else (1, 1)


def read_mapping(source: Path | bytes, name: Path, remedy: str) -> dict[str, Any]:
    """Read a YAML file that holds a mapping of plain values; messages call it by the name, and say the remedy.

    Raises:
        RecordError: It cannot be read, is not YAML, has a key twice, or holds no mapping.
    """
    try:
        document = load_plain((read_bytes(source) if isinstance(source, Path) else source).decode())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise RecordError(f"{name}{line}: not YAML ({problem}); {remedy}") from error
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RecordError(f"{name}: cannot be read ({why}); {remedy}") from error
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


def beside(folder: Path, line: str) -> str:
    """Return a line that begins with a path in a folder as it reads beside the folder, wherever that lies."""
    return f"{folder.resolve().name}/{line.removeprefix(str(folder / '_')[:-1])}"


class LeftOut:
    """Collects the lines that were left out of a report, and whatever else was read with a loss."""

    def __init__(self, folder: Path) -> None:
        """Begin with nothing; `folder` is that of the run, beside which its files are named."""
        self._folder = folder
        self._lines: list[str] = []
        self._of_file: dict[Path, int] = {}

    def __call__(self, damage: DamagedLine) -> None:
        """Note a damaged line."""
        count = self._of_file[damage.path] = self._of_file.get(damage.path, 0) + 1
        if count <= MOST_LINES:
            self.say(f"{damage.path}, line {damage.line}: {damage.problem}; the line is left out")

    def say(self, line: str) -> None:
        """Note another loss, in a line that begins with the path of a file; "" is none."""
        if line:
            self._lines.append(beside(self._folder, line))

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line per loss, in the order in which they were met."""
        more = {path: count - MOST_LINES for path, count in self._of_file.items() if count > MOST_LINES}
        further = [f"{path}: {count} further damaged lines are left out" for path, count in more.items()]
        return (*self._lines, *(beside(self._folder, line) for line in further))
