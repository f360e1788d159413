"""What a trial writes on a node that does not see the run folder, and how it gets there.

A node that does not see the run folder has a folder that stands in for it. A trial's exported files travel whole,
through the mailbox on the driver's node, before its end is told.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO
from uuid import uuid4

from search.record.checkpoints import TRIALS_FOLDER, UNFINISHED
from search.record.disk import written_whole
from search.trials import TrialResult

SESSION_FILE = ".session"
PART = ".part"  # of packed files that have not come whole
PIECE_BYTES = 64 * 2**20  # sent at a time: files may be of any size


def open_session(folder: Path) -> str:
    """Mark a run folder, and return the mark: new words for this session, and the run's own after the last hyphen."""
    file = folder / SESSION_FILE
    run = file.read_text(encoding="utf-8").rpartition("-")[2] if file.exists() else uuid4().hex
    session = f"{uuid4().hex}-{run}"
    file.write_text(session, encoding="utf-8")
    return session


def stand_in(session: str) -> Path:
    """Return the folder that stands in for a run folder, of a mark, on a node that does not see it.

    It is the same in each session of a run, so that a trial goes on from the checkpoints that an earlier one left.
    """
    return Path(tempfile.gettempdir()) / f"search-{session.rpartition('-')[2]}"


def remove_stand_in(session: str) -> None:
    """Remove what a run has left on this node."""
    shutil.rmtree(stand_in(session), ignore_errors=True)


def sees(folder: Path, session: str) -> bool:
    """Say whether this node sees the very folder that was marked, not another one of the same name."""
    try:
        return (folder / SESSION_FILE).read_text(encoding="utf-8") == session
    except OSError:
        return False


class Outbox:
    """Where a worker writes, and what it sends."""

    def __init__(self, folder: Path, session: str, send: Callable[[int, str, bytes, bool], bool]):
        """Find out whether anything has to be sent; `session` is "" where every worker is on the driver's machine.

        `send` takes a trial's number, a name for its packed files, a piece of them, and whether it is the last; it
        returns whether it is wanted, which it is not from a worker whose slot has been given to others.
        """
        self.direct = not session or sees(folder, session)
        self._send = send
        self.folder = folder if self.direct else stand_in(session)

    def sent(self, result: TrialResult) -> None:
        """Send the files of a trial that has ended, and remove them here; they stay where others train it by now.

        Raises:
            OSError: They cannot be read or kept; what a worker needs to take the trial up again stays.
        """
        if self.direct:
            return
        place = self.folder / TRIALS_FOLDER / str(result.request.trial)
        if result.state != "interrupted" and any(_files(place)):
            with tempfile.TemporaryFile(dir=self.folder) as packed:
                write_packed(place, packed)
                packed.seek(0)
                piece, name = packed.read(PIECE_BYTES), uuid4().hex
                while piece:
                    following = packed.read(PIECE_BYTES)
                    if not self._send(result.request.trial, name, piece, not following):
                        return
                    piece = following
        shutil.rmtree(place, ignore_errors=True)


def write_packed(folder: Path, packed: IO[bytes]) -> None:
    """Write the files of a folder, without checkpoints, as a tar archive."""
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in _files(folder):
            archive.add(file, arcname=str(file.relative_to(folder)))


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a trial, without its checkpoints."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and UNFINISHED not in file.relative_to(folder).parts:
            yield file


def pack(folder: Path) -> bytes:
    """Return what `write_packed` writes."""
    packed = io.BytesIO()
    write_packed(folder, packed)
    return packed.getvalue()


def unpack(packed: IO[bytes], folder: Path) -> None:
    """Write packed files to a folder, which appears whole or not at all."""
    with written_whole(folder) as draft, tarfile.open(fileobj=packed) as archive:
        archive.extractall(draft, filter="data")


def keep_piece(folder: Path, trial: int, name: str, piece: bytes, last: bool) -> None:
    """Write a piece of the packed files of a trial beside its folder in a run folder; with the last, unpack them."""
    part = folder / TRIALS_FOLDER / f".{trial}-{name}{PART}"
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as file:
        file.write(piece)
    if last:
        with part.open("rb") as whole:
            unpack(whole, folder / TRIALS_FOLDER / str(trial))
        part.unlink()
