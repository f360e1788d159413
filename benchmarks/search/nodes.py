"""Clusters of several nodes on this machine, of which some see neither the code nor the run folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import uuid4


def can_hide() -> bool:
    """Say whether this machine lets a process have a view of the file system and processes of its own."""
    return shutil.which("unshare") is not None and not subprocess.call(
        ["unshare", "-rmpf", "--mount-proc", "mount", "-t", "tmpfs", "none", "/mnt"], stderr=subprocess.DEVNULL
    )


class Cluster:
    """Nodes on loopback, each with one CPU."""

    def __init__(self):
        self.temporary = Path(tempfile.mkdtemp(prefix="rc"))  # short: it holds Unix sockets
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        # Ray's head asks for a token where it finds one, its other nodes send none by themselves.
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid4().hex, "OMP_NUM_THREADS": "1"}
        self.environment["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = "0"  # nobody is left to wait for
        self.nodes: list[subprocess.Popen] = []
        self._commands: list[list[str]] = []

    def add(self, hidden: list[Path]) -> subprocess.Popen:
        """Start a node; the first is the head. Others find nothing in the folders that are hidden from them."""
        place = [f"--address={self.address}"] if self.nodes else ["--head", f"--port={self.address.split(':')[1]}"]
        ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1", *place]
        ray += ["--node-ip-address=127.0.0.1", "--disable-usage-stats"]
        if not self.nodes:
            ray += [f"--temp-dir={self.temporary}", "--include-dashboard=false"]
        else:
            mounts = "".join(f"mount -t tmpfs none {folder} && " for folder in hidden)
            ray = ["unshare", "-rmpf", "--mount-proc", "--kill-child", "sh", "-c", f'{mounts}exec "$@"', "sh", *ray]
        self._commands.append(ray)
        self.nodes.append(self._start(len(self.nodes)))
        return self.nodes[-1]

    def _start(self, number: int) -> subprocess.Popen:
        environment = {**os.environ, **self.environment, "RAY_TMPDIR": str(self.temporary)}
        environment.pop("PYTHONPATH", None)
        with self._said(number).open("w") as output:
            return subprocess.Popen(
                self._commands[number],
                cwd="/",
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _said(self, number: int) -> Path:
        return self.temporary / f"node{number}.txt"

    def up(self) -> bool:
        """Say whether every node is there; one that Ray gave up is begun again: it has 30 s, little on busy cores."""
        for number, node in enumerate(self.nodes):
            if node.poll() is not None:
                self.nodes[number] = self._start(number)
        return all("Ray runtime started" in self._said(number).read_text() for number in range(len(self.nodes)))

    def stop(self) -> None:
        """End the nodes, the head last."""
        for node in reversed(self.nodes):
            if node.poll() is None:
                node.send_signal(signal.SIGTERM)
                try:
                    node.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    os.killpg(node.pid, signal.SIGKILL)
        shutil.rmtree(self.temporary, ignore_errors=True)
