"""CPUs and GPUs that a dead run of Ray Train still claims, and how they are freed.

Ray keeps the placement group of an actor that died for as long as the job lasts. Ray Train has a cleaner for that, but
it learns of a group's claim only once its workers are up, and it needs the dashboard.
"""

from __future__ import annotations

from typing import Any

import ray
from ray._private.state import state
from ray.core.generated.gcs_pb2 import ActorTableData, PlacementGroupTableData  # type: ignore[attr-defined]
from ray.util import remove_placement_group
from ray.util.placement_group import PlacementGroup


def free_orphans() -> int:
    """Free what actors of this job claimed that are dead by now, and return how many claims that were.

    No public interface says who made a placement group, but that of the dashboard, which a cluster need not have.
    """
    job = ray.get_runtime_context().get_job_id()
    accessor = state._connect_and_get_accessor()
    freed = 0
    for entry in accessor.get_placement_group_table():
        claim = PlacementGroupTableData.FromString(entry)
        removed = claim.state == PlacementGroupTableData.REMOVED
        if not removed and claim.creator_job_id.hex() == job and _is_orphan(claim, accessor):
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(claim.placement_group_id)))
            freed += 1
    return freed


def _is_orphan(claim: Any, accessor: Any) -> bool:
    if not claim.creator_actor_id.strip(b"\xff"):
        return False  # the driver's
    if claim.creator_actor_dead:
        return True
    # A claim that arrives just after its actor's death does not know of it.
    actor = accessor.get_actor_info(ray.ActorID(claim.creator_actor_id))
    return actor is not None and ActorTableData.FromString(actor).state == ActorTableData.DEAD
