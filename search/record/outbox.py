"""What a trial writes on a node that does not see the run folder, and how it gets there.

A node that does not see the run folder has a folder that stands in for it. A trial's exported files travel whole,
through the mailbox on the driver's node, before its end is told.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from search.record.checkpoints import TRIALS_FOLDER, UNFINISHED
from search.record.disk import written_whole
from search.trials import TrialResult

SESSION_FILE = ".session"
MOST_BYTES = 256 * 2**20


class TooLargeError(ValueError):
    """More files than can be sent."""


def open_session(folder: Path) -> str:
    """Mark a run folder, and return the mark."""
    session = uuid4().hex
    (folder / SESSION_FILE).write_text(session, encoding="utf-8")
    return session


def sees(folder: Path, session: str) -> bool:
    """Say whether this node sees the very folder that was marked, not another one of the same name."""
    try:
        return (folder / SESSION_FILE).read_text(encoding="utf-8") == session
    except OSError:
        return False


class Outbox:
    """Where a worker writes, and what it sends."""

    def __init__(self, folder: Path, session: str, send: Callable[[int, bytes], object]):
        """Find out whether anything has to be sent; `session` is "" where every worker is on the driver's machine.

        `send` takes a trial's number and its packed files.
        """
        self._direct = not session or sees(folder, session)
        self._send = send
        # By the session, so that a worker that takes another's place here finds its checkpoints.
        self.folder = folder if self._direct else Path(tempfile.gettempdir()) / f"search-{session}"

    def sent(self, result: TrialResult) -> TrialResult:
        """Send the files of a trial that has finished, and return how it ended."""
        if self._direct:
            return result
        place = self.folder / TRIALS_FOLDER / str(result.request.trial)
        try:
            if result.state == "finished":
                self._send(result.request.trial, pack(place))
        except (OSError, TooLargeError) as error:
            return result.ending("failed", f"its files could not be sent to the run folder: {error}")
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return result

    def discard(self) -> None:
        """Remove what stands in for the run folder, once no trial is left in it."""
        trials = self.folder / TRIALS_FOLDER
        if not self._direct and not (trials.is_dir() and any(trials.iterdir())):
            shutil.rmtree(self.folder, ignore_errors=True)


def pack(folder: Path) -> bytes:
    """Return the files of a folder, without checkpoints, as a tar archive.

    Raises:
        TooLargeError: They are more than `MOST_BYTES`.
    """
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    files = [file for file in files if UNFINISHED not in file.relative_to(folder).parts]
    size = sum(file.stat().st_size for file in files)
    if size > MOST_BYTES:
        raise TooLargeError(
            f"{size / 2**20:.0f} MiB, at most {MOST_BYTES / 2**20:.0f} can be; give a folder that every node sees "
            "with --out"
        )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in files:
            archive.add(file, arcname=str(file.relative_to(folder)))
    return packed.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Write packed files to a folder, which appears whole or not at all."""
    with written_whole(folder) as draft, tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(draft, filter="data")
