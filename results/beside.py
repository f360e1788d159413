"""Owns work in a process of its own, beside this one: for what takes long and needs nothing but its arguments."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
TASK, RESULT, SAID = "task", "result", "said"
log = logging.getLogger(__name__)


class Beside(Generic[Result]):
    """A function at work in another process, from entering to leaving; leaving early ends it."""

    def __init__(self, worthwhile: bool, function: Callable[..., Result], *arguments: Any):
        """Prepare.

        Args:
            worthwhile: Whether to start a process, which takes a second; else the function is called in this one, when
                its result is asked for.
            function: Of a module; it has the same effect if it is called again.
            arguments: What `pickle` takes.
        """
        self._worthwhile = worthwhile
        self._function, self._arguments = function, arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._left = ExitStack()

    def __enter__(self) -> Beside[Result]:
        if self._worthwhile:
            with suppress(OSError):  # no room for the arguments, no further process: it is done in this one
                self._start()
        return self

    def _start(self) -> None:
        self._folder = Path(self._left.enter_context(tempfile.TemporaryDirectory()))
        (self._folder / TASK).write_bytes(pickle.dumps((self._function, self._arguments)))
        modules = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
        code = f"import sys; from {__name__} import main; main(sys.argv[1])"
        with (self._folder / SAID).open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code, str(self._folder)],
                env={**os.environ, "PYTHONPATH": modules},
                stdin=subprocess.PIPE,  # closes with this process, however it ends
                stdout=subprocess.DEVNULL,
                stderr=said,
            )

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()  # closes its end of the pipe as well
        self._left.close()

    def result(self) -> Result:
        """Wait for what the function returns; if its process fails, for whatever reason, call it in this one."""
        if self._process is None:
            return self._function(*self._arguments)
        code, said = self._process.wait(), (self._folder / SAID).read_text(errors="replace").strip()
        if said or code:
            log.warning("%s in another process: exit code %d: %s", self._function.__name__, code, said)
        if code:
            return self._function(*self._arguments)
        found: Result = pickle.loads((self._folder / RESULT).read_bytes())
        return found


def main(path: str) -> None:
    """Do what `Beside` left in a folder."""
    folder = Path(path)
    threading.Thread(target=_follow, args=(folder,), daemon=True).start()
    function, arguments = pickle.loads((folder / TASK).read_bytes())
    (folder / RESULT).write_bytes(pickle.dumps(function(*arguments)))


def _follow(folder: Path) -> None:
    """End with the process that asked."""
    while os.read(0, 1):  # not `sys.stdin`: a thread that waits in it would not let the process end
        continue
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
