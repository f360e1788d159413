"""Processes for scripts of several replicas. They are forks of a server that has loaded torch, which takes seconds."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["model.training.run", "search.worker.team"])


def start(script: str, arguments: Sequence[str], environment: dict[str, str] | None = None) -> BaseProcess:
    """Run Python code in a process of its own, as `python -c` would."""
    process = _FORKS.Process(target=_run, args=(script, list(arguments), environment or {}))
    process.start()
    return process


def exit_code(process: BaseProcess, timeout_s: float) -> int | None:
    """Wait for the end of a process; None if it goes on, and then it is killed."""
    process.join(timeout_s)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    return code


def _run(script: str, arguments: list[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    sys.argv = ["-c", *arguments]
    exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})
