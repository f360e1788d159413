"""A copy of the run folder at a URL, kept while the run goes on.

The run folder stays the record, and a mirror that cannot be written stops no run. Any file system that pyarrow knows
will do: `s3://`, `gs://`, `hdfs://`, `file://`. Nothing is removed there but checkpoints.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, NamedTuple

from yaml import YAMLError

from results.exceptions import RecordError
from results.records.append_table import parse_content, read_content
from results.records.tables import TRIALS_FILE
from search.exceptions import InputError, one_line, redacted
from search.record.checkpoints import TRIALS_FOLDER, checkpoint_of
from search.record.run_folder import SPACE_FILE
from search.space.reading import load_yaml

EVERY_S = 20.0  # between two looks
LEFT_OUT = frozenset({"ray"})  # Ray's own files
PIECE_BYTES = 16 * 2**20  # copied at a time: files may be of any size
LASTING = frozenset({"finished", "stopped"})  # states of trials that no resumption runs once more

log = logging.getLogger(__name__)


class MirrorError(InputError):
    """A URL that cannot be mirrored to, or that a run cannot be fetched from."""


class _Part(NamedTuple):
    """Files that are copied together: those of a checkpoint, or one by itself."""

    name: PurePosixPath  # of the checkpoint or the file, as seen from the run folder
    stamps: dict[Path, tuple[int, int]]  # size and time of each file
    checkpoint: bool
    content: bytes | None = None  # where it has been read already


class Mirror:
    """Copies what is new, every few seconds and at the end."""

    def __init__(
        self, folder: Path, url: str, filesystem: Any = None, every_s: float = EVERY_S, checkpoints: bool = False
    ):
        """Find the file system; nothing is copied yet.

        A `filesystem` of pyarrow's stands in for the URL's; `url` is then a path in it. `checkpoints` says whether
        those are copied as well; one that is there is removed when it is gone here.

        Raises:
            MirrorError: There is no such file system, or it cannot be written.
        """
        self._folder, self._url, self._every_s = folder, redacted(url), every_s
        self._with_checkpoints = checkpoints
        try:
            self._filesystem, self._base = open_place(url, filesystem)
        except (OSError, ValueError, NotImplementedError) as error:
            raise self._unwritable(error) from error
        self._copied: dict[Path, tuple[int, int]] = {}
        self._there: dict[str, int] = {}  # sizes of the trials' files that were there before
        self._checkpoints: set[PurePosixPath] = set()  # those that are there, whole or in part
        self._since = time.time()  # what has changed later is copied whatever its size
        self.trouble = ""
        self.notice: Callable[[str], None] = log.warning  # is told when copying begins to fail, and when it works again
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="mirror", daemon=True)

    def check(self, begun: str) -> None:
        """Refuse a place that holds another run than the one that was begun then, "" for a new one, or more of it.

        Raises:
            MirrorError: It does; what is there would be lost.
        """
        try:
            found = files_in(self._filesystem, self._base)
            spaces = [name for name in found if PurePosixPath(name).name == SPACE_FILE]
            there = self._begun(min(spaces, key=len)) if spaces else begun
            rows = self._read(TRIALS_FILE) if TRIALS_FILE in found else b""
        except (OSError, ValueError, AttributeError, YAMLError) as error:
            raise MirrorError(f"--mirror {self._url}: cannot be read: {redacted(one_line(error))[:200]}") from error
        if there != begun:
            raise MirrorError(f"--mirror {self._url}: holds another run, begun {there}; give a place that is empty")
        if more := self._only_there(rows):
            raise MirrorError(
                f"--mirror {self._url}: holds {len(more)} trials that the run folder lacks, such as {more[0]}, since "
                "the run has gone on elsewhere; move the folder away, so that --resume fetches the run from there, or "
                "give a place that is empty"
            )
        for name, size in found.items():
            if checkpoint := checkpoint_of(PurePosixPath(name)):
                self._checkpoints.add(checkpoint)
            elif name.startswith(f"{TRIALS_FOLDER}/"):
                self._there[name] = size

    def _begun(self, space: str) -> str:
        """Return when the run was begun whose space is in a file there."""
        document = load_yaml(self._read(space).decode())
        return str(document.get("provenance", {}).get("created", "at a time that is not known"))

    def _read(self, name: str) -> bytes:
        with self._filesystem.open_input_stream(f"{self._base}/{name}") as stream:
            content: bytes = stream.read()
            return content

    def _only_there(self, table: bytes) -> list[str]:
        """Return the trials that have ended by a table of the mirror's, and of which the run folder knows nothing.

        A trial is known by its number and its end: a run that went on in two places has two trials of one number.
        """
        complete = table.rpartition(b"\n")[0]  # the mirror's may be cut off, which the next copy mends
        try:
            there = parse_content(Path(TRIALS_FILE), complete, lambda damage: None).rows
            here = read_content(self._folder / TRIALS_FILE, lambda damage: None).rows
        except RecordError as error:
            raise MirrorError(f"--mirror {self._url}: cannot be compared with the run folder: {error}") from error
        known = {(row["trial"], row.get("ended")) for row in here}
        lasting = [row for row in there if row.get("state") in LASTING]
        return [row["trial"] for row in lasting if (row["trial"], row.get("ended")) not in known]

    def __enter__(self) -> Mirror:
        """Begin to copy.

        Raises:
            MirrorError: The place cannot be written.
        """
        try:
            self._filesystem.create_dir(self._base, recursive=True)
        except (OSError, ValueError, NotImplementedError) as error:
            raise self._unwritable(error) from error
        self._thread.start()
        return self

    def _unwritable(self, error: Exception) -> MirrorError:
        return MirrorError(f"--mirror {self._url}: cannot be written: {redacted(one_line(error))[:200]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Copy what is left."""
        self._done.set()
        self._thread.join()
        self.copy()

    def copy(self) -> int:
        """Copy every file that has changed since the last time, and return how many did; trouble is noted."""
        copied, before, trouble = 0, self.trouble, ""
        parts, missed = self._parts(), False
        for part in parts:
            if not self._has_changed(part):
                continue
            try:
                self._copy(part)
            except FileNotFoundError:  # another has just taken its place
                missed = missed or part.checkpoint
                continue
            except Exception as error:  # file systems raise errors of their own, and none may end the copying
                missed = missed or part.checkpoint
                trouble = trouble or f"{self._url}: {part.name}: {redacted(one_line(error))[:200]}"
                continue
            self._copied |= part.stamps
            copied += len(part.stamps)
        if not missed:  # else the one before it is the newest that is whole
            trouble = trouble or self._remove(self._checkpoints - {part.name for part in parts})
        self.trouble = trouble
        if trouble and not before:
            self.notice(f"mirror: {trouble}; it is tried again")
        if before and not trouble:
            self.notice(f"mirror: {self._url} works again")
        return copied

    def _keep(self) -> None:
        while not self._done.wait(self._every_s):
            self.copy()

    def _parts(self) -> list[_Part]:
        """Return what the run folder has: files of trials, the tables that name them, then checkpoints."""
        parts: dict[PurePosixPath, _Part] = {}
        for file in self._files():
            name = PurePosixPath(file.relative_to(self._folder).as_posix())
            checkpoint = checkpoint_of(name)
            with suppress(FileNotFoundError):
                found = file.lstat()
                if not stat.S_ISREG(found.st_mode):
                    continue
                # Read before models are looked for, so that each row of the copy has its model beside it.
                content = file.read_bytes() if name == PurePosixPath(TRIALS_FILE) else None
                part = _Part(checkpoint or name, {}, checkpoint is not None, content)
                parts.setdefault(part.name, part).stamps[file] = found.st_size, found.st_mtime_ns
        return sorted(parts.values(), key=lambda part: (part.checkpoint, len(part.name.parts) == 1, part.name))

    def _files(self) -> Iterator[Path]:
        """Yield the files of the run folder, its own before those of the folders in it."""
        for place, folders, names in os.walk(self._folder):  # unlike a glob, it bears that folders go on the way
            folders[:] = [name for name in folders if name not in LEFT_OUT and not name.startswith(".")]
            yield from (Path(place, name) for name in names if not name.startswith("."))

    def _has_changed(self, part: _Part) -> bool:
        if part.checkpoint and not self._with_checkpoints:
            return False
        for file, (size, time_ns) in part.stamps.items():
            same = self._there.get(str(part.name)) == size
            known = same and time_ns / 1e9 < self._since
            if self._copied.get(file) != (size, time_ns) and not known:
                return True
        return False

    def _copy(self, part: _Part) -> None:
        """Copy the files of a part; all are opened first, since what is then removed can still be read to its end."""
        with ExitStack() as opened:
            contents: dict[Path, Any] = {
                file: io.BytesIO(part.content) if part.content is not None else opened.enter_context(file.open("rb"))
                for file in part.stamps
            }
            if part.checkpoint:
                self._checkpoints.add(part.name)
            for file, content in contents.items():
                place = f"{self._base}/{file.relative_to(self._folder).as_posix()}"
                self._filesystem.create_dir(place.rpartition("/")[0], recursive=True)
                with self._filesystem.open_output_stream(place) as stream:
                    shutil.copyfileobj(content, stream, PIECE_BYTES)

    def _remove(self, checkpoints: set[PurePosixPath]) -> str:
        """Remove checkpoints that are there, and return what prevents it."""
        for name in sorted(checkpoints):
            try:
                self._filesystem.delete_dir(f"{self._base}/{name}")
            except FileNotFoundError:
                pass
            except Exception as error:  # as above
                return f"{self._url}: {name}: {redacted(one_line(error))[:200]}"
            self._checkpoints.remove(name)
        return ""


def open_place(url: str, filesystem: Any = None) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it, in its plain form; of a given file system, `url` is a path.

    Raises:
        OSError, ValueError, NotImplementedError: There is no such file system.
    """
    from pyarrow.fs import FileSystem, LocalFileSystem

    filesystem, base = (filesystem, url) if filesystem else FileSystem.from_uri(url)
    # A bucket may have names with several slashes; those of a disk are one.
    return filesystem, os.path.realpath(base) if isinstance(filesystem, LocalFileSystem) else base.rstrip("/")


def files_in(filesystem: Any, base: str) -> dict[str, int]:
    """Return the size of each file at a place, by its name as seen from there; no link is followed."""
    from pyarrow.fs import FileSelector, LocalFileSystem

    linked = isinstance(filesystem, LocalFileSystem)
    found = filesystem.get_file_info(FileSelector(base, recursive=True, allow_not_found=True))
    return {
        info.path.removeprefix(f"{base}/"): info.size
        for info in found
        if info.is_file
        and info.path.startswith(f"{base}/")
        and not (linked and os.path.realpath(info.path) != info.path)
    }
