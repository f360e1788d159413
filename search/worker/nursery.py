"""A process that has loaded what workers of Ray need, and forks each of them, on a Ray of this machine alone.

Ray starts a Python process for every actor, four for a slot and three more for a run. Each loads Ray and what its class
needs: 3 to 4 s of a processor and 110 to 260 MiB. A fork takes 0.1 to 0.3 s and shares what it does not change, 47 to
59 MiB are its own: docs/overhead.md has the figures. What a fork may not inherit is looked for, and where it is found
there is no nursery: workers then start as Ray starts them, see `search.worker.launch`.

The private side of Ray that this relies on: the parameter that names the first step of a worker (`nodes.py`); that
Ray's C++ reads `RAY_*` variables when it is loaded, one of which names the raylet; and that loading Ray Data makes an
identifier, after which all forks would make the same ones.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import logging
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search.worker.launch import BORN, ENVIRONMENT, SOCKET

# What has no part of Ray is loaded at once, beside the driver's own loading; the rest when the raylet is there.
FIRST = ("torch", "pandas", "pyarrow.dataset", "pyarrow.fs", "fsspec", "search.worker.trial_loop")
SECOND = ("search.tune.trial", "search.worker.mailbox", "search.worker.work")
RAYLET = "RAY_RAYLET_PID"
# Variables that Ray, Tune and Train set for their workers; others may count when a library is loaded, or Python starts.
OF_A_RUNNING_PROCESS = ("RAY_", "TUNE_", "TORCHFT_", "NCCL_", "PL_")
HARMLESS_THREAD = "jemalloc_bg_thd"  # Arrow's; jemalloc knows how to fork
READ_WITHIN_S = 5.0

log = logging.getLogger(__name__)


@contextmanager
def nursery(threads: int) -> Iterator[None]:
    """Have a nursery while in here, for raylets that this process starts.

    Numerical libraries loaded there take so many `threads` where the environment says nothing else, as in a worker that
    Ray starts with so many CPUs.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "socket")
        process = subprocess.Popen(
            [sys.executable, "-m", "search.worker.nursery", path],
            stdin=subprocess.PIPE,  # at whose end it ends, should this process be killed
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"OMP_NUM_THREADS": str(threads), **os.environ},
            start_new_session=True,  # Ctrl-C is for the driver
        )
        os.environ[SOCKET] = path
        try:
            yield
        finally:
            del os.environ[SOCKET]
            if process.poll() is not None:
                log.warning("there was no nursery (exit code %d): workers started slowly", process.returncode)
            process.kill()
            process.wait()


def main(path: str) -> None:
    """Fork workers until the driver has gone; in a fork, become its worker."""
    request = serve(path)
    if request is not None:
        become(request)


def serve(path: str) -> dict[str, Any] | None:
    """Wait for requests, and return each of them in a fork of its own; None, in the nursery, when the driver has gone.

    Raises:
        RuntimeError: This process may not be forked.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(128)
        for name in FIRST:
            importlib.import_module(name)
        raylet = None
        while True:
            ready, _, _ = select.select([0, listener.fileno()], [], [])
            if 0 in ready:
                return None
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(READ_WITHIN_S)
                try:
                    request, streams = _read(connection)
                except (OSError, ValueError):
                    continue
                environment = request["environment"]
                if raylet is None:
                    raylet = environment.get(RAYLET)
                    load(environment)
                if environment.get(RAYLET) == raylet and os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _answer(connection, streams)
                    return request
                for stream in streams:
                    os.close(stream)


def load(environment: Mapping[str, str]) -> None:
    """Load Ray and what stands on it in the environment of a worker, and find out whether forks are sound.

    Raises:
        RuntimeError: They are not.
    """
    os.environ.clear()
    os.environ.update(environment)
    import ray.actor

    # Classes of actors get an identifier when they are defined. Made by Ray's generator, the first one would seed it
    # here, and each fork would go on with the same numbers.
    name, known = "ActorClassID", ray.actor.ActorClassID

    class Drawn:
        @staticmethod
        def from_random() -> Any:
            return known(os.urandom(known.size()))

    setattr(ray.actor, name, Drawn)
    try:
        for module in SECOND:
            importlib.import_module(module)
    finally:
        setattr(ray.actor, name, known)
    if trouble := unsound():
        raise RuntimeError(trouble)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a worker but the raylet, which is not its parent
    gc.collect()
    gc.freeze()  # else the collector writes to every page that is shared


def unsound() -> str:
    """Return why forks of this process would not be sound; "" where they are."""
    import ray._raylet

    def identifier() -> bytes:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, ray._raylet.WorkerID.from_random().binary())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            made = answer.read()
        os.waitpid(child, 0)
        return made

    if identifier() == identifier():
        return "forks would make the same identifiers"
    # Forked once: BLAS has stopped its own threads, and starts them again where they are needed.
    threads = [Path(f"/proc/self/task/{task}/comm").read_text().strip() for task in os.listdir("/proc/self/task")]
    if len([thread for thread in threads if thread != HARMLESS_THREAD]) > 1:
        return f"there are other threads: {', '.join(threads)}"
    return "a GPU is in use" if sys.modules["torch"].cuda.is_initialized() else ""


def become(request: Mapping[str, Any]) -> None:
    """Become the worker that was asked for, as Ray's own first step would."""
    signal.pthread_sigmask(signal.SIG_SETMASK, request["blocked"])
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    random.seed()
    sys.modules["numpy"].random.seed()
    from ray._private.runtime_env.context import RuntimeEnvContext
    from ray._private.utils import update_envs
    from ray.core.generated.common_pb2 import Language  # type: ignore[attr-defined]  # made by protobuf

    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument(ENVIRONMENT, default="{}", dest="environment")
    parser.add_argument("--language")
    known, others = parser.parse_known_args(request["arguments"])
    context = RuntimeEnvContext.deserialize(known.environment)
    special = context.command_prefix or context.override_worker_entrypoint or context.py_executable != sys.executable
    if special or any(not name.startswith(OF_A_RUNNING_PROCESS) for name in context.env_vars):
        context.exec_worker(others, Language.PYTHON)
    update_envs(context.env_vars)
    sys.argv = others[next(at for at, word in enumerate(others) if not word.startswith("-")) :]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


def _read(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Read a request, and take the standard streams that come with it."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    pieces = list(iter(lambda: connection.recv(2**16), b""))
    return json.loads(b"".join(pieces)), streams


def _answer(connection: socket.socket, streams: list[int]) -> None:
    """In a fork: be a process group, take the streams, and end where nobody waits any more."""
    os.setpgid(0, 0)  # Ray ends a worker by its group
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    try:
        connection.sendall(BORN)
    except OSError:
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
