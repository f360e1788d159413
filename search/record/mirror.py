"""A copy of the run folder at a URL, kept while the run goes on.

The run folder stays the record, and a mirror that cannot be written stops no run. Any file system that pyarrow knows
will do: `s3://`, `gs://`, `hdfs://`, `file://`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from search.exceptions import InputError, one_line

EVERY_S = 20.0  # between two looks
LEFT_OUT = frozenset({"ray", "unfinished", "ends"})  # Ray's own files, and checkpoints of trials under way

log = logging.getLogger(__name__)


class MirrorError(InputError):
    """A URL that cannot be mirrored to."""


class Mirror:
    """Copies what is new, every few seconds and at the end."""

    def __init__(self, folder: Path, url: str, filesystem: Any = None, every_s: float = EVERY_S):
        """Find the file system; nothing is copied yet.

        A `filesystem` of pyarrow's stands in for the URL's; `url` is then a path in it.

        Raises:
            MirrorError: There is no such file system, or it cannot be written.
        """
        from pyarrow.fs import FileSystem

        self._folder, self._url, self._every_s = folder, url, every_s
        self._base: str
        try:
            self._filesystem, self._base = (filesystem, url) if filesystem else FileSystem.from_uri(url)
            self._filesystem.create_dir(self._base, recursive=True)
        except (OSError, ValueError, NotImplementedError) as error:
            raise MirrorError(f"--mirror {url}: cannot be written: {one_line(error)[:200]}") from error
        self._copied: dict[Path, tuple[int, int]] = {}
        self.trouble = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="mirror", daemon=True)

    def __enter__(self) -> Mirror:
        """Begin to copy."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Copy what is left."""
        self._done.set()
        self._thread.join()
        self.copy()

    def copy(self) -> int:
        """Copy every file that has changed since the last time, and return how many did; trouble is noted."""
        copied = 0
        for file, stamp in self._changed():
            try:
                self._copy(file)
            except FileNotFoundError:
                continue  # another has just taken its place
            except OSError as error:
                self.trouble = f"{self._url}: {file.relative_to(self._folder)}: {one_line(error)[:200]}"
                log.warning("mirror: %s", self.trouble)
                return copied
            self._copied[file], copied = stamp, copied + 1
        self.trouble = ""
        return copied

    def _keep(self) -> None:
        while not self._done.wait(self._every_s):
            self.copy()

    def _changed(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        """Yield changed files, those of trials first: a row of a table then has its model beside it."""
        files = [file for file in self._folder.rglob("*") if file.is_file() and self._belongs(file)]
        for file in sorted(files, key=lambda file: (len(file.relative_to(self._folder).parts) == 1, file)):
            try:
                found = file.stat()
            except FileNotFoundError:
                continue
            stamp = found.st_size, found.st_mtime_ns
            if self._copied.get(file) != stamp:
                yield file, stamp

    def _belongs(self, file: Path) -> bool:
        parts = file.relative_to(self._folder).parts
        return LEFT_OUT.isdisjoint(parts) and not any(part.startswith(".") for part in parts)

    def _copy(self, file: Path) -> None:
        place = f"{self._base}/{file.relative_to(self._folder).as_posix()}"
        data = file.read_bytes()
        self._filesystem.create_dir(place.rpartition("/")[0], recursive=True)
        with self._filesystem.open_output_stream(place) as stream:
            stream.write(data)
