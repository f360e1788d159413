"""What follows when a node leaves the cluster: the groups with workers on it end, and their trials go to other slots.

Ray Train replaces a worker that died and waits for CPUs as long as a group may take to start. That is right while the
node is there. Where it has gone, its CPUs may never come back, and a trial that waits for them loses that time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ray
from ray.train import UserCallback


class NodeLostError(RuntimeError):
    """A node on which a group had a worker has left the cluster."""


class EndWithNode(UserCallback):
    """Ends a run of Ray Train, in its controller, when one of its workers died together with its node."""

    def __init__(self, mailbox: Any, slot: int):
        """Watch over the group of a slot; `mailbox` is the actor's handle."""
        self._mailbox, self._slot = mailbox, slot

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """End the run instead of replacing the worker, where it cannot be replaced in its place.

        Raises:
            NodeLostError: The node is gone; Ray Train then frees what the group holds and ends.
        """
        if lost := lost_node(ray.get(self._mailbox.nodes.remote(self._slot))):
            raise NodeLostError(f"node {lost} has left the cluster")


def lost_node(nodes: Iterable[str]) -> str:
    """Return the address of one of these nodes that is no longer alive; "" if all are.

    Args:
        nodes: Ray's identifiers of nodes.
    """
    dead = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if not node["Alive"]}
    return next((str(dead[node]) or node for node in nodes if node in dead), "")
