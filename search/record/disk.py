"""Folders that appear whole or not at all, and whether the disk they should be on is full.

A full disk is the fault of no trial: the search has to stop and say so. Libraries wrap the system's error in errors of
their own, so its words count as well, and where they say nothing, a small file is tried. The same words may come from
elsewhere, such as a full /dev/shm; then the run folder's disk has room.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

QUOTA = "Disk quota exceeded"  # of a home folder, where runs are
SHARED = "workers are out of shared memory"  # what a DataLoader says where /dev/shm filled up under its processes
WORDS = ("No space left on device", QUOTA, SHARED)
CODES = (errno.ENOSPC, errno.EDQUOT)
DISK_FULL = "the disk is full"
PROBE_BYTES = 1 << 20
LITTLE_BYTES = 1 << 30  # where less is free, an error that speaks of a full disk means this one
NO_ROOM = "something else than the run folder's disk is full; is it /dev/shm, or the folder for temporary files?"


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
    place = folder.absolute()
    while not place.exists():  # nothing has been written there yet
        place = place.parent
    if says_full(error):
        file = getattr(error, "filename", None)
        inside = isinstance(file, str | Path) and Path(file).absolute().is_relative_to(folder.absolute())
        quota = getattr(error, "errno", None) == errno.EDQUOT or QUOTA in str(error)
        return inside or quota or shutil.disk_usage(place).free < LITTLE_BYTES or not _has_room(place)
    return not _has_room(place)


def says_full(error: BaseException) -> bool:
    """Say whether an error speaks of a full disk, whichever it is."""
    of_system = isinstance(error, OSError) and error.errno in CODES
    return of_system or any(words in str(error) for words in WORDS)


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
