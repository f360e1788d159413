"""What is lost when nodes and actors die, and the private interfaces of Ray that this package uses.

Ray Train replaces a worker that died and waits for CPUs as long as a group may take to start. That is right while the
node is there. Where it has gone, its CPUs may never come back, so the groups with workers on it end, and their trials
go to other slots.

Ray keeps the placement group of an actor that died for as long as the job lasts. Ray Train has a cleaner for that, but
it learns of a placement group only once its workers are up, and it asks the dashboard. On a cluster without one it asks
whichever cluster's dashboard has that port on the machine, which knows of no such actor, and takes the workers of a run
that lives (seen with Ray 2.60). So runs have none, and the trial actors clean up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray._private import parameter
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray._private.state import state
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled, its stub does not list it
from ray.core.generated.gcs_pb2 import ActorTableData, PlacementGroupTableData  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError
from ray.train import UserCallback
from ray.util import remove_placement_group
from ray.util.placement_group import PlacementGroup

from search.worker import launch
from search.worker.launch import SOCKET

NOT_NEEDED = ("PlacementGroupCleanerCallback", "DatasetsCallback")
MOST_OF_AN_ERROR = 300  # characters of it that are told


class NodeLostError(RuntimeError):
    """A node on which a group had a worker has left the cluster."""


class EndWithNode(UserCallback):
    """Ends a run of Ray Train, in its controller, when one of its workers died together with its node."""

    def __init__(self, mailbox: Any, slot: int):
        """Watch over the group of a slot; `mailbox` is the actor's handle."""
        self._mailbox, self._slot = mailbox, slot

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """End the run instead of replacing the worker, where it cannot be replaced in its place; else tell the error.

        Raises:
            NodeLostError: The node is gone; Ray Train then frees what the group holds and ends.
        """
        if lost := lost_node(ray.get(self._mailbox.nodes.remote(self._slot))):
            raise NodeLostError(f"node {lost} has left the cluster")
        for error in [one for one in worker_exceptions.values() if "RecycledError" not in repr(one)]:
            line = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            self._mailbox.ended.remote(self._slot, line.strip()[:MOST_OF_AN_ERROR])


def lean(trainer: Any) -> Any:
    """Return the class of a trainer whose runs have no cleaner of their own, and no manager of data sets (113 MiB).

    Nor do they ask the autoscaler for places: `search.cluster.ask_for` does, for all slots, and Ray heeds no more than
    the last request.
    """
    from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy

    class Silent(FixedScalingPolicy):
        def after_controller_start(self, train_run_context: Any) -> None:
            pass

        def _maybe_send_resource_request(self) -> None:
            pass

    class Trainer(trainer):
        def _initialize_and_run_controller(self, **given: Any) -> Any:
            return super()._initialize_and_run_controller(**given | {"scaling_policy": Silent(self.scaling_config)})

        def _create_default_callbacks(self) -> list[Any]:
            every = super()._create_default_callbacks()
            return [callback for callback in every if type(callback).__name__ not in NOT_NEEDED]

    return Trainer


@contextmanager
def born_in_the_nursery() -> Iterator[None]:
    """Let a raylet that this process starts in here take its workers from the nursery, where there is one."""
    name, known = "RayParams", parameter.RayParams
    if SOCKET in os.environ:
        setattr(parameter, name, partial(known, setup_worker_path=str(Path(launch.__file__).resolve())))
    try:
        yield
    finally:
        setattr(parameter, name, known)


def lost_node(nodes: Iterable[str]) -> str:
    """Return the address of one of these nodes, by Ray's identifiers, that is no longer alive; "" if all are."""
    dead = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if not node["Alive"]}
    return next((str(dead[node]) or node for node in nodes if node in dead), "")


def remove_placement_groups_of_the_dead() -> int:
    """Remove the placement groups of this job whose actors have died, and return how many there were.

    No public interface says who made a placement group, but that of the dashboard, which a cluster need not have.
    """
    job = ray.get_runtime_context().get_job_id()
    accessor = state._connect_and_get_accessor()
    removed = 0
    for entry in accessor.get_placement_group_table():
        group = PlacementGroupTableData.FromString(entry)
        there = group.state != PlacementGroupTableData.REMOVED
        if there and group.creator_job_id.hex() == job and _is_creator_dead(group, accessor):
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(group.placement_group_id)))
            removed += 1
    return removed


def _is_creator_dead(group: Any, accessor: Any) -> bool:
    if not group.creator_actor_id.strip(b"\xff"):
        return False  # the driver's
    if group.creator_actor_dead:
        return True
    # A placement group that arrives just after its actor's death does not know of it.
    actor = accessor.get_actor_info(ray.ActorID(group.creator_actor_id))
    return actor is not None and ActorTableData.FromString(actor).state == ActorTableData.DEAD


def send_token_where_asked(address: str) -> None:
    """Switch token authentication on where the cluster at `address` asks for it and the user has set no mode.

    Ray does so for `auto` and for its own local clusters. To an explicit address it would send no token and try for
    20 s; and with a token sent to a cluster that has none, the driver would refuse the cluster's own calls (measured).
    """
    if "://" in address:
        return
    try:
        GcsClient(address=address)
    except AuthenticationError:
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def first_number() -> int:
    """Return from where an actor counts that Ray may start again: 0, or a number that none before has reached."""
    return int(time.time()) if ray.get_runtime_context().was_current_actor_reconstructed else 0
