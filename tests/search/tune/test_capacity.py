import pytest

from search.space.resources import Resources
from search.tune.capacity import REPLAN_S, Capacity
from search.tune.preflight import Available, Node


class Cluster:
    """A cluster, and a clock."""

    def __init__(self, *cpus):
        self.nodes = [Node(number, 0) for number in cpus]
        self.looks, self.now, self.grown = 0, 0.0, []

    def look(self):
        self.looks += 1
        return Available(sum(n.cpus for n in self.nodes), 0, "the cluster", tuple(self.nodes))

    def capacity(self, **resources):
        return Capacity(Resources(**resources).planned, self.look, self.grown.append, lambda: self.now)


def test_the_number_of_slots_follows_the_nodes():
    cluster = Cluster(2, 2)
    capacity = cluster.capacity(cpus=1, gpus=0, slots=4)
    seen, settled = [], []
    for change in (None, [2, 2, 4], [2], [], [2, 2, 4], [2, 2, 4, 4]):
        cluster.now += REPLAN_S
        if change is not None:
            cluster.nodes = [Node(cpus, 0) for cpus in change]
        seen.append(capacity.slots())
        while capacity.given_back():
            pass
        settled.append(capacity.slots())
    assert seen == [4, 8, 8, 2, 8, 12], "trials on lost nodes still count as running"
    assert settled == [4, 8, 2, 1, 8, 12], "until they are given back"
    assert cluster.grown == [8, 12], "the mailbox keeps the slots that it has had"


def test_a_node_that_is_lost_leaves_the_other_slots_at_work():
    cluster = Cluster(1, 1, 1)
    capacity = cluster.capacity(cpus=1, gpus=0, slots=3)
    cluster.nodes, cluster.now = cluster.nodes[:2], REPLAN_S
    assert capacity.slots() == 3, "two are at work, and one trial waits for a worker"
    assert capacity.given_back()
    assert capacity.slots() == 2
    assert not capacity.given_back()
    assert capacity.slots() == 2, "a slot that lost its workers for another reason has its place still"


def test_a_node_known_to_be_lost_is_taken_into_account_at_once():
    cluster = Cluster(1, 1, 1)
    capacity = cluster.capacity(cpus=1, gpus=0, slots=3)
    cluster.nodes = cluster.nodes[:2]
    assert capacity.given_back(node_lost=True)
    assert capacity.slots() == 2
    cluster.nodes = [Node(1, 0), Node(1, 0), Node(1, 0)]
    assert capacity.given_back(node_lost=True), "another node has come for the one that went"
    assert capacity.slots() == 3


def test_a_node_that_comes_back_in_time_takes_the_trial_that_waits():
    cluster = Cluster(1, 1)
    capacity = cluster.capacity(cpus=1, gpus=0, slots=2)
    both = cluster.nodes
    cluster.nodes, cluster.now = both[:1], REPLAN_S
    assert capacity.slots() == 2
    cluster.nodes, cluster.now = both, 2 * REPLAN_S
    assert capacity.slots() == 2


def test_between_two_looks_nothing_is_asked_of_ray():
    cluster = Cluster(2)
    capacity = cluster.capacity(cpus=1, gpus=0, slots=2)
    cluster.nodes = [Node(8, 0)]
    assert capacity.slots() == 2
    assert cluster.looks == 0
    cluster.now = REPLAN_S
    assert [capacity.slots(), capacity.slots()] == [8, 8]
    assert cluster.looks == 1


@pytest.mark.parametrize(("cpus", "workers", "slots"), [(2, 1, 3), (2, 3, 1), (1, 2, 4), (1, 8, 1)])
def test_a_worker_lives_on_one_node_and_the_workers_of_a_trial_may_live_on_several(cpus, workers, slots):
    cluster = Cluster(3, 3, 2)
    cluster.now = -1.0
    capacity = cluster.capacity(cpus=cpus, gpus=0, workers=workers, slots=1)
    cluster.now = REPLAN_S
    assert capacity.slots() == slots


def test_a_cluster_that_scales_is_asked_for_as_many_places_as_there_are_trials_to_come():
    cluster, asked = Cluster(0), []
    resources = Resources(cpus=2, gpus=0, slots=1, workers=2)
    capacity = Capacity(
        resources.planned, cluster.look, cluster.grown.append, lambda: cluster.now, most=3, ask=asked.append
    )
    assert capacity.slots(lambda: 20) == 0, "none is given out before there is a place"
    cluster.nodes, cluster.now = [Node(0, 0), *[Node(8, 0)] * 3], REPLAN_S
    assert capacity.slots(lambda: 20) == 3, "12 CPUs of 24: no more than was wished for"
    assert capacity.slots(lambda: 1) == 3
    capacity.release()
    assert [len(bundles) for bundles in asked] == [6, 2, 0]
    assert asked[1] == [{"CPU": 2.0}] * 2
    assert cluster.grown == [3]
