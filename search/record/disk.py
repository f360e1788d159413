"""Folders that appear whole or not at all, and whether the disk they should be on is full.

A full disk is the fault of no trial: the search has to stop and say so. Libraries wrap the system's error in errors of
their own, so its words count as well, and where they say nothing, a small file is tried.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

WORDS = ("No space left on device", "Disk quota exceeded")
CODES = (errno.ENOSPC, errno.EDQUOT)
DISK_FULL = "the disk is full"
PROBE_BYTES = 1 << 20


class DiskFullError(RuntimeError):
    """The run folder cannot be written any more; the message says where."""


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """Yield a draft that takes a folder's place when the block has ended; where the block raises, nothing changes."""
    draft = folder.with_name(f".{folder.name}-{uuid4().hex}")
    try:
        draft.mkdir(parents=True)
        yield draft
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def is_full(folder: Path, error: BaseException) -> bool:
    """Say whether an error came of a full disk, in writing to this folder."""
    if isinstance(error, OSError) and error.errno in CODES:
        return True
    return any(words in str(error) for words in WORDS) or not _has_room(folder)


def _has_room(folder: Path) -> bool:
    probe = folder / f".room-{uuid4().hex}"
    try:
        probe.write_bytes(b"\0" * PROBE_BYTES)
    except OSError as error:
        return error.errno not in CODES
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return True
