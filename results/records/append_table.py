"""A CSV file that only grows: append, widen, drop rows, and mend a line that was cut off.

One row is one `write`, so a crash can only cut the last line. A line without its line feed is never trusted,
even with all its cells: `0.12` may be what is left of `0.1234`.
"""

from __future__ import annotations

import csv
import errno
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from results.exceptions import DamagedLine, RecordError
from results.records.files import Damage, csv_lines, read_bytes, refuse, sync_folder, write_atomically
from results.records.text import cell

BOM = b"\xef\xbb\xbf"  # what a spreadsheet puts before the header


csv.field_size_limit(1 << 30)  # a text that an earlier version did not cut is still read


class Content(NamedTuple):
    """What a CSV file holds.

    Attributes:
        header: Column names; empty where the file has no complete line.
        rows: Texts by column.
        lines: Line number of each row in the file, from 1.
        cut: One line about an unfinished last line and what of the file counts; "" for a whole file, and for a text.
    """

    header: tuple[str, ...]
    rows: list[dict[str, str]]
    lines: list[int]
    cut: str


def read_content(path: Path, damage: Damage = refuse) -> Content:
    """Read a CSV file; a missing file reads as an empty one.

    `damage` is told of every complete line that does not fit the header or is not text; if it returns, the line is left
    out.

    Raises:
        RecordError: The file cannot be read, or has no sound header.
    """
    complete, tail = read_lines(path)
    content = parse_content(path, complete, damage)
    return content._replace(cut=cut_off(path, tail, len(content.rows)))


def read_lines(path: Path) -> tuple[bytes, str]:
    """Return the complete lines of a file, without the last line feed, and what follows them; nothing if it is missing.

    Raises:
        RecordError: It cannot be read.
    """
    try:
        complete, _, tail = read_bytes(path).rpartition(b"\n")
    except FileNotFoundError:
        return b"", ""
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); give a readable file") from error
    return complete, tail.decode("utf-8", errors="replace")


def cut_off(path: Path, tail: str, rows: int) -> str:
    """Say, in one line, that a file ends with an unfinished line and what of it counts; "" where there is no tail."""
    begin = tail if len(tail) <= 40 else tail[:40] + "…"
    return f"{path}: the last line was cut off ({begin!r}); {rows} complete rows kept" if begin else ""


def parse_content(
    path: Path, complete: bytes, damage: Damage, header: tuple[str, ...] = (), first_line: int = 1
) -> Content:
    """Read complete lines without the last line feed, as `read_content` does.

    The header is () if the first line that is not empty holds it.
    """
    rows: list[dict[str, str]] = []
    lines: list[int] = []
    for number, line in enumerate(complete.split(b"\n") if complete else (), start=first_line):
        cells = _cells(path, number, line, damage if header else refuse)
        if not cells:
            continue
        if not header:
            header = _header(path, number, cells)
        elif len(cells) != len(header):
            problem = f"expected {len(header)} cells, found {len(cells)}"
            damage(DamagedLine(path, number, problem, "restore the line or delete it"))
        else:
            rows.append(dict(zip(header, cells, strict=True)))
            lines.append(number)
    return Content(header, rows, lines, "")


def _cells(path: Path, number: int, line: bytes, damage: Damage) -> list[str]:
    text = line.removeprefix(BOM) if number == 1 else line
    try:
        return next(csv.reader([text.decode("utf-8").rstrip("\r")], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        damage(DamagedLine(path, number, f"not a line of CSV text ({error})", "restore the line or delete it"))
        return []


def _header(path: Path, number: int, cells: list[str]) -> tuple[str, ...]:
    twice = sorted({name for name in cells if cells.count(name) > 1})
    if twice or "" in cells:
        found = f"column {twice[0]!r} twice" if twice else "a column without a name"
        raise RecordError(f"{path}, line {number}: the header has {found}; restore the header")
    return tuple(cells)


def repair(path: Path) -> str:
    """Cut away an unfinished last line, in one step; say so in a line, "" when the file is whole or missing."""
    cut = read_content(path).cut
    if cut:
        complete, newline, _ = path.read_bytes().rpartition(b"\n")
        write_atomically(path, complete + newline)
    return cut


class AppendTable:
    """A CSV file with fixed leading columns and a sorted set of further ones that may grow.

    Attributes:
        path: The file.
        repaired: One line about what opening the table had to mend; "" when the file was whole.
        header: Its columns; () before the first row.
    """

    def __init__(self, path: Path, leading: Sequence[str], *, durable: bool):
        """Open the table, mending a last line that was cut off.

        Args:
            path: The file; made by the first row.
            leading: Columns that always come first, in this order.
            durable: Whether each row is forced to the disk before `append` returns.

        Raises:
            RecordError: The file is damaged or has other leading columns.
        """
        self.path = path
        self.repaired = repair(path)
        self._leading = tuple(leading)
        self._durable = durable
        self.header = read_content(path).header
        if self.header and self.header[: len(leading)] != self._leading:
            raise RecordError(
                f"{path}, line 1: expected the columns {', '.join(leading)} first, "
                f"found {', '.join(self.header)}; use another run folder or restore the space it was made with"
            )

    def write(self, row: Mapping[str, object]) -> None:
        """Append one row; a column that is new widens the whole file first, in one step."""
        new = set(row) - set(self.header or self._leading)
        text = ""
        if not self.header:
            self.header = (*self._leading, *sorted(new))
            text = csv_lines([self.header])
        elif new:
            rows = read_content(self.path).rows
            self.header = (*self._leading, *sorted({*self.header[len(self._leading) :], *new}))
            self._rewrite(rows)
        text += csv_lines([[cell(row.get(name)) for name in self.header]])
        self._write(text.encode())

    def remove(self, unwanted: Callable[[Mapping[str, str]], bool]) -> list[dict[str, str]]:
        """Remove rows in one step and return them; `unwanted` is told a row as text, and says whether it goes."""
        rows = read_content(self.path).rows
        dropped = [row for row in rows if unwanted(row)]
        if dropped:
            self._rewrite([row for row in rows if not unwanted(row)])
        return dropped

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        lines = [[row.get(name, "") for name in self.header] for row in rows]
        write_atomically(self.path, csv_lines([self.header, *lines]))

    def _write(self, data: bytes) -> None:
        fresh = not self.path.exists()
        with self.path.open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            try:
                written = file.write(data)
                if written != len(data):
                    raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes fit", str(self.path))
                if self._durable:
                    os.fsync(file.fileno())
            except OSError:
                file.truncate(size)  # half a row would swallow the next one
                raise
        if fresh and self._durable:
            sync_folder(self.path.parent)
