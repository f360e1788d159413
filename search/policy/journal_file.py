"""The journal as a file: what of it can be trusted, and where the rest goes.

Owns cutting it where it is damaged. Nothing is thrown away: what is left of an unfinished last line is no loss, and
anything else that does not fit is kept beside it. Trials that are missing afterwards are taken from `trials.csv` by
`search.policy.proposals`.
"""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path

DAMAGED = ".damaged"


def cut_damage(journal: Path) -> str:
    """Cut a journal before its first line that is no entry; the next entry would be glued to it, or never be read.

    Returns:
        One line on what was cut; "" where the journal is whole or missing.
    """
    if not journal.is_file():
        return ""
    data = journal.read_bytes()
    whole = list(takewhile(_is_entry, data.splitlines(keepends=True)))
    kept = sum(map(len, whole))
    if kept == len(data):
        return ""
    if b"\n" not in data[kept:]:
        _truncate(journal, kept)
        return f"{journal}: the last line was cut off; {len(whole)} complete lines kept"
    _keep_beside(journal, data)
    _truncate(journal, kept)
    where, old = f"{journal}, line {len(whole) + 1}", f"{journal.name}{DAMAGED}"
    return f"{where}: damaged; the lines before it are kept, the old file is {old}"


def set_aside(journal: Path, reason: str) -> str:
    """Empty a journal whose entries do not fit together or belong to other trials, and say so in one line."""
    _keep_beside(journal, journal.read_bytes())
    _truncate(journal, 0)
    return f"{journal}: {reason}; begun anew from trials.csv, the old file is {journal.name}{DAMAGED}"


def _is_entry(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        entry = json.loads(line)
    except ValueError:
        return False
    return isinstance(entry, dict) and "op_code" in entry


def _keep_beside(journal: Path, data: bytes) -> None:
    place = journal.with_name(journal.name + DAMAGED)
    number = 1
    while place.exists():
        number += 1
        place = journal.with_name(f"{journal.name}{DAMAGED}-{number}")
    place.write_bytes(data)


def _truncate(journal: Path, size: int) -> None:
    with journal.open("r+b") as file:
        file.truncate(size)
