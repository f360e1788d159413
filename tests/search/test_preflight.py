import pytest

from search.preflight import Available, PreflightError, local_resources, plan
from search.schema import Resources


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
    ("wanted", "message"),
    [
        ({"cpus": 3}, r"one trial needs 3 CPUs, but this machine has 2 CPUs and no GPU"),
        ({"gpus": 1}, r"one trial needs 1 CPU and 1 GPU, but this machine has 2 CPUs and no GPU"),
        ({"slots": 3}, r"3 slots x \(1 CPU\) = 3 CPUs, but this machine has 2 CPUs and no GPU; 2 would fit"),
        ({"gpus": 1.5}, r"1\.5 GPUs per trial; a share must be below 1"),
    ],
)
def test_what_can_never_be_had_is_refused_with_the_arithmetic(wanted, message):
    with pytest.raises(PreflightError, match=message):
        plan(Resources(**wanted), Available(2, 0, "this machine"), 16)


def test_this_machine_has_something():
    assert local_resources().cpus >= 1
