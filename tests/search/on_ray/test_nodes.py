"""The placement groups of a dead actor are removed from a real Ray, and no others."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import time
import ray
from ray.util import placement_group, placement_group_table
from search.worker.nodes import remove_placement_groups_of_the_dead

@ray.remote(num_cpus=0)
class Claimant:
    def claim(self, cpus):
        place = placement_group([{"CPU": cpus}])
        ray.get(place.ready())
        return place.id.hex()

def claimed():
    return {key for key, entry in placement_group_table().items() if entry["state"] != "REMOVED"}

ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
mine = placement_group([{"CPU": 1}])
ray.get(mine.ready())
alive, dead = Claimant.remote(), Claimant.remote()
kept, left = ray.get([alive.claim.remote(1), dead.claim.remote(1)])
late = dead.claim.remote(4)  # waits for CPUs, as a group does that finds none
deadline = time.monotonic() + 240
while len(claimed()) < 4:
    assert time.monotonic() < deadline, claimed()
    time.sleep(0.1)
assert remove_placement_groups_of_the_dead() == 0
ray.kill(dead)
while remove_placement_groups_of_the_dead() == 0:
    assert len(claimed()) == 4, claimed()
    assert time.monotonic() < deadline, "nothing was freed"
    time.sleep(0.1)
assert claimed() == {mine.id.hex(), kept}, (claimed(), left)
assert remove_placement_groups_of_the_dead() == 0
while ray.available_resources().get("CPU") != 2.0:
    assert time.monotonic() < deadline, ray.available_resources()
    time.sleep(0.1)
ray.shutdown()
"""


def test_the_placement_group_of_a_dead_actor_is_removed_and_no_other():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
