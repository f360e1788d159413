import pytest
import torch

from search.space.resources import Resources
from search.tune import preflight
from search.tune.preflight import Available, Node, PreflightError, local_resources, plan


@pytest.mark.parametrize(
    ("wanted", "cpus", "gpus", "trials", "expected"),
    [
        ({}, 2, 0, 16, (1, 0, 2)),  # one CPU per slot
        ({}, 8, 0, 3, (1, 0, 3)),  # no more slots than trials
        ({"cpus": 3}, 8, 0, 16, (3, 0, 2)),
        ({"slots": 1}, 2, 0, 16, (1, 0, 1)),
        ({}, 16, 2, 16, (8, 1, 2)),  # one GPU per slot and its share of the CPUs
        ({"gpus": 0}, 16, 2, 100, (1, 0, 16)),
        ({"gpus": 0.25}, 16, 1, 100, (4, 0.25, 4)),
        ({"gpus": 0.4}, 16, 2, 100, (4, 0.4, 4)),  # 2 per device, not 5 in all
        ({"gpus": 0.1}, 16, 1, 100, (1, 0.1, 10)),
        ({"gpus": 2}, 16, 4, 100, (8, 2, 2)),
        ({"gpus": 0.5, "slots": 3}, 12, 2, 100, (4, 0.5, 3)),
    ],
)
def test_what_is_left_out_is_found_out(wanted, cpus, gpus, trials, expected):
    found = plan(Resources(**wanted), Available(cpus, gpus, "this machine"), trials)
    assert (found.cpus, found.gpus, found.slots) == expected


@pytest.mark.parametrize(
    ("wanted", "nodes", "expected"),
    [
        ({"cpus": 2}, [(3, 0), (3, 0)], (2, 0, 2)),  # not 3 of 6 CPUs in all: a worker lives on one node
        ({"workers": 2}, [(3, 0), (2, 0)], (1, 0, 2)),  # 5 workers make 2 trials
        ({"workers": 4, "cpus": 2}, [(4, 0), (4, 0)], (2, 0, 1)),  # one trial on both nodes
        ({}, [(16, 2), (4, 2), (8, 0)], (2, 1, 4)),  # as many CPUs as the poorest GPU's share
        ({"workers": 2}, [(16, 4)], (4, 1, 2)),
        ({"workers": 2, "slots": 1}, [(16, 4)], (8, 1, 1)),
        ({"slots": 3}, [(16, 2), (4, 2)], (4, 1, 3)),  # 20 / 3 = 6 CPUs would leave out the second node
        ({"gpus": 0.4, "cpus": 1}, [(8, 1), (8, 1)], (1, 0.4, 4)),
    ],
)
def test_workers_are_placed_node_by_node(wanted, nodes, expected):
    machines = tuple(Node(*node) for node in nodes)
    available = Available(sum(n.cpus for n in machines), sum(n.gpus for n in machines), "the cluster", machines)
    found = plan(Resources(**wanted), available, 100)
    assert (found.cpus, found.gpus, found.slots) == expected
    assert found.workers == wanted.get("workers", 1)


def test_workers_are_placed_where_all_that_they_need_is():
    nodes = (
        Node(8, 1, {"memory": 16 * 2**30, "accelerator_type:A100": 1.0}),
        Node(8, 1, {"memory": 64 * 2**30, "accelerator_type:T4": 1.0, "fast_disk": 3.0}),
    )
    available = Available(16, 2, "the cluster", nodes)

    def slots(**wanted):
        return plan(Resources(cpus=1, **wanted), available, 100).slots

    assert slots(gpus=0, memory_gib=8) == 2 + 8
    assert slots(gpus=0, custom={"fast_disk": 2}) == 1
    assert slots(gpus=0.25, accelerator="A100") == 4
    message = (
        r"one trial needs 1 CPU and 1 GPU and an H100, but the cluster has 16 CPUs and 2 GPUs and no H100 on 2 nodes"
    )
    with pytest.raises(PreflightError, match=message):
        slots(accelerator="H100")
    message = (
        r"needs 1 CPU and 1 GPU and 100 GiB of memory, but the cluster has 16 CPUs and 2 GPUs and 80 GiB of memory"
    )
    with pytest.raises(PreflightError, match=message):
        slots(memory_gib=100)
    with pytest.raises(PreflightError, match=r"2 slots x \(.* 2 fast_disk\) = .* 4 fast_disk, but .*; 1 would fit"):
        slots(gpus=0, custom={"fast_disk": 2}, slots=2)


def test_memory_bounds_the_slots_of_one_machine_and_names_of_a_cluster_mean_nothing_there():
    here = Available(8, 0, "this machine", memory_gib=10)
    assert plan(Resources(memory_gib=4), here, 100).slots == 2
    with pytest.raises(PreflightError, match=r"resources.custom.tpu: only counts on a cluster; join one by --address"):
        plan(Resources(custom={"tpu": 1}), here, 100)
    with pytest.raises(PreflightError, match=r"resources.accelerator: only counts on a cluster"):
        plan(Resources(accelerator="A100"), here, 100)


def test_what_all_slots_need_together_is_counted_for_cpus_and_gpus():
    message = r"3 slots x \(2 CPUs and 2 GPUs\) = 6 CPUs and 6 GPUs, but the cluster has 8 CPUs and 4 GPUs; 2 would fit"
    with pytest.raises(PreflightError, match=message):
        plan(Resources(cpus=2, gpus=2, slots=3), Available(8, 4, "the cluster"), 16)


def test_the_message_says_how_large_the_nodes_are():
    available = Available(6, 0, "the cluster", (Node(4, 0), Node(2, 0)))
    message = r"needs 5 CPUs, but the cluster has 6 CPUs and no GPU on 2 nodes, at most 4 CPUs on one of them"
    with pytest.raises(PreflightError, match=message):
        plan(Resources(cpus=5), available, 16)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"cpus": 3}, r"one trial needs 3 CPUs, but this machine has 2 CPUs and no GPU"),
        ({"gpus": 1}, r"one trial needs 1 CPU and 1 GPU, but this machine has 2 CPUs and no GPU"),
        ({"slots": 3}, r"3 slots x \(1 CPU\) = 3 CPUs, but this machine has 2 CPUs and no GPU; 2 would fit"),
        ({"workers": 3}, r"one trial needs 3 workers x \(1 CPU\), but this machine has 2 CPUs and no GPU"),
        ({"workers": 2, "slots": 2}, r"2 slots x 2 workers x \(1 CPU\) = 4 CPUs, but this machine has 2 CPUs"),
        ({"workers": 2, "gpus": 0.5}, r"2 workers with 0\.5 GPUs each could land on one GPU"),
        ({"gpus": 1.5}, r"1\.5 GPUs per trial; a share must be below 1"),
    ],
)
def test_what_can_never_be_had_is_refused_with_the_arithmetic(wanted, message):
    with pytest.raises(PreflightError, match=message):
        plan(Resources(**wanted), Available(2, 0, "this machine"), 16)


def test_this_machine_has_something():
    assert local_resources().cpus >= 1


def test_gpus_that_torch_cannot_use_are_left_alone_and_named(monkeypatch):
    monkeypatch.setattr(preflight, "_local_gpus", lambda: 2)
    monkeypatch.setattr(torch.version, "cuda", None)
    available = local_resources()
    assert available.gpus == 0
    assert available.unused == f"2 GPUs of this machine are not used: torch {torch.__version__} is built for CPUs alone"
    assert plan(Resources(), available, 16).gpus == 0
    with pytest.raises(PreflightError, match=r"and no GPU \(2 GPUs of this machine are not used: torch"):
        plan(Resources(gpus=1), available, 16)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert local_resources().gpus == 2
    assert not local_resources().unused


def test_a_cluster_that_may_grow_is_not_refused_for_what_it_has_now():
    head = Available(0, 0, "the cluster", (Node(0, 0),), grows=True)
    found = plan(Resources(max_slots=4), head, 16)
    assert (found.cpus, found.gpus, found.slots) == (1, 0, 1)
    more = Available(8, 0, "the cluster", (Node(8, 0),), grows=True)
    assert plan(Resources(max_slots=4), more, 16).slots == 4
    assert plan(Resources(max_slots=4), more._replace(grows=False), 3).slots == 3
    with pytest.raises(PreflightError, match="one trial needs 1 CPU, but the cluster has 0 CPUs"):
        plan(Resources(), head, 16)


def test_slots_that_were_left_out_fit_into_the_free_memory():
    small = Available(64, 0, "this machine", memory_gib=8.0)
    assert plan(Resources(), small, 100).slots == 6
    assert plan(Resources(slots=64), small, 100).slots == 64, "what is asked for is tried"
    assert plan(Resources(), small._replace(memory_gib=0.1), 100).slots == 1
    assert 0.1 < local_resources().memory_gib < 1e5


def test_files_that_a_container_has_read_take_no_memory_from_it(tmp_path, monkeypatch):
    limits = {"memory.max": 8 * 2**30, "memory.current": 7 * 2**30, "memory.stat": f"anon 5\ninactive_file {2 * 2**30}"}
    for name, content in limits.items():
        (tmp_path / name).write_text(str(content))
    monkeypatch.setattr(preflight, "CGROUP", tmp_path)
    assert local_resources().memory_gib == pytest.approx(3.0)
    (tmp_path / "memory.max").write_text("max")
    assert local_resources().memory_gib > 3.0
