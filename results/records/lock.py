"""The lock of a run folder, by which a search is known to work on it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK_FILE = ".lock"  # held by the search for as long as it lives


def is_searched(folder: Path) -> bool:
    """Say whether a search works on a run: it holds the folder's lock."""
    try:
        # Without waiting: in a stranger's folder it may be a pipe.
        with open(os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_NONBLOCK), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
