"""Starts a worker process of Ray: asks the nursery for one, and starts one as Ray does where there is no nursery.

Ray's raylet runs this file in place of its own `setup_worker.py`, with the same arguments: the worker's script, its
options and, where it has a runtime environment, that environment. It imports nothing that takes time.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence

SOCKET = "SEARCH_NURSERY"  # environment variable: the socket at which the nursery listens
PATIENCE_S = 45.0  # in which the nursery is loaded; a raylet waits 60 s for a worker
ENVIRONMENT = "--serialized-runtime-env-context"
BORN = b"1"


def launch(arguments: Sequence[str]) -> None:
    """Return once there is a process that becomes this worker, or become it."""
    path = os.environ.get(SOCKET)
    if not path or not ask(path, arguments):
        start(arguments)


def ask(path: str, arguments: Sequence[str]) -> bool:
    """Ask the nursery at a socket for a worker, and say whether there is one."""
    blocked = [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])]
    request = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd(), "blocked": blocked}
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(path)
            socket.send_fds(connection, [b"\n"], [0, 1, 2])
            connection.sendall(json.dumps(request).encode())
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(1) == BORN
    except OSError:
        return False


def start(arguments: Sequence[str]) -> None:
    """Become the worker as Ray would have it; its own first step stands beside the worker's script."""
    if any(argument.startswith(ENVIRONMENT) for argument in arguments):
        script = next(argument for argument in arguments if not argument.startswith("-"))
        arguments = [os.path.join(os.path.dirname(script), "setup_worker.py"), *arguments]
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    launch(sys.argv[1:])
