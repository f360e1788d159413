"""A copy of the run folder at a URL, kept while the run goes on.

The run folder stays the record, and a mirror that cannot be written stops no run. Any file system that pyarrow knows
will do: `s3://`, `gs://`, `hdfs://`, `file://`.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from yaml import YAMLError

from search.exceptions import InputError, one_line, redacted
from search.record.checkpoints import TRIALS_FOLDER
from search.record.run_folder import SPACE_FILE
from search.space.reading import load_yaml

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

        self._folder, self._url, self._every_s = folder, redacted(url), every_s
        self._base: str
        try:
            self._filesystem, self._base = (filesystem, url) if filesystem else FileSystem.from_uri(url)
            self._filesystem.create_dir(self._base, recursive=True)
        except (OSError, ValueError, NotImplementedError) as error:
            raise MirrorError(f"--mirror {self._url}: cannot be written: {redacted(one_line(error))[:200]}") from error
        self._copied: dict[Path, tuple[int, int]] = {}
        self._there: dict[str, int] = {}  # sizes of the trials' files that were there before
        self._since = time.time()  # what has changed later is copied whatever its size
        self.trouble = ""
        self.notice: Callable[[str], None] = log.warning  # is told when copying begins to fail, and when it works again
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="mirror", daemon=True)

    def check(self, begun: str) -> None:
        """Refuse a place that holds another run than the one that was begun then; "" for a new one.

        Raises:
            MirrorError: It does.
        """
        from pyarrow.fs import FileSelector

        try:
            found = self._filesystem.get_file_info(FileSelector(self._base, recursive=True, allow_not_found=True))
            spaces = [info.path for info in found if info.path.rpartition("/")[2] == SPACE_FILE]
            there = self._begun(min(spaces, key=len)) if spaces else begun
        except (OSError, ValueError, AttributeError, YAMLError) as error:
            raise MirrorError(f"--mirror {self._url}: cannot be read: {redacted(one_line(error))[:200]}") from error
        if there != begun:
            raise MirrorError(f"--mirror {self._url}: holds another run, begun {there}; give a place that is empty")
        for info in found:
            _, inside, name = f"/{info.path}".rpartition(f"/{TRIALS_FOLDER}/")
            if inside and info.is_file:
                self._there[f"{TRIALS_FOLDER}/{name}"] = info.size

    def _begun(self, space: str) -> str:
        """Return when the run was begun whose space is in a file there."""
        with self._filesystem.open_input_stream(space) as stream:
            document = load_yaml(stream.read().decode())
        return str(document.get("provenance", {}).get("created", "at a time that is not known"))

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
        copied, before, trouble = 0, self.trouble, ""
        for file, stamp in self._changed():
            try:
                self._copy(file)
            except FileNotFoundError:
                continue  # another has just taken its place
            except Exception as error:  # file systems raise errors of their own, and none may end the copying
                what = f"{self._url}: {file.relative_to(self._folder)}: {redacted(one_line(error))[:200]}"
                trouble = trouble or what
                continue
            self._copied[file], copied = stamp, copied + 1
        self.trouble = trouble
        if trouble and not before:
            self.notice(f"mirror: {trouble}; it is tried again")
        if before and not trouble:
            self.notice(f"mirror: {self._url} works again")
        return copied

    def _keep(self) -> None:
        while not self._done.wait(self._every_s):
            self.copy()

    def _changed(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        """Yield changed files, those of trials first: a row of a table then has its model beside it."""
        files = []
        for place, folders, names in os.walk(self._folder):  # unlike a glob, it bears that folders go on the way
            folders[:] = [name for name in folders if name not in LEFT_OUT and not name.startswith(".")]
            files += [Path(place, name) for name in names if not name.startswith(".")]
        for file in sorted(files, key=lambda file: (len(file.relative_to(self._folder).parts) == 1, file)):
            try:
                found = file.lstat()
            except FileNotFoundError:
                continue
            stamp = found.st_size, found.st_mtime_ns
            same = self._there.get(file.relative_to(self._folder).as_posix()) == found.st_size
            known = same and found.st_mtime < self._since
            if stat.S_ISREG(found.st_mode) and self._copied.get(file) != stamp and not known:
                yield file, stamp

    def _copy(self, file: Path) -> None:
        place = f"{self._base}/{file.relative_to(self._folder).as_posix()}"
        data = file.read_bytes()
        self._filesystem.create_dir(place.rpartition("/")[0], recursive=True)
        with self._filesystem.open_output_stream(place) as stream:
            stream.write(data)
