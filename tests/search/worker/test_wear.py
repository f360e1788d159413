import mmap
import os

import pytest

from search.trials import TrialRequest, TrialResult
from search.worker.wear import WorkerHealth, memory_bytes

GIB = 2**30


def after(health, reason=""):
    return health.after(TrialResult(TrialRequest(3, {}, 0), "failed" if reason else "finished", reason))


def test_a_fault_of_the_device_and_a_number_of_trials_wear_a_worker_out():
    assert (
        after(WorkerHealth(None), "RuntimeError: CUDA error: an illegal memory access")
        == "trial 3 ended with a CUDA error"
    )
    assert after(WorkerHealth(None), "ValueError: no") == ""
    health = WorkerHealth(2)
    assert [after(health), after(health)] == ["", "it has run 2 trials"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("held", "said"),
    [
        ([0.1, 0.5, 1.0, 1.4], ["", "", "", ""]),
        ([0.1, 0.5, 1.6], ["", "", "its memory has grown from 0.5 to 1.6 GiB"]),
        ([2.0, 2.0, 3.9, 4.1], ["", "", "", "its memory has grown from 2.0 to 4.1 GiB"]),
        ([9.0, 0.5, 1.0], ["", "", ""]),
    ],
)
def test_memory_that_creeps_up_wears_a_worker_out(held, said):
    moment = [0]
    health = WorkerHealth(None, lambda: {"memory": int(held[moment[0]] * GIB)})
    found = []
    for moment[0] in range(len(held)):
        found.append(after(health))
    assert found == said


@pytest.mark.slow
def test_what_is_only_waiting_to_be_freed_does_not_count():
    held = iter([0.5, 0.5, 3.0, 0.6])
    health = WorkerHealth(None, lambda: {"GPU memory": int(next(held) * GIB)})
    assert [after(health) for _ in range(3)] == ["", "", ""]


def test_memory_is_measured_in_bytes():
    before = memory_bytes()["memory"]
    with mmap.mmap(-1, 64 << 20) as block:  # a bytearray may take what the process has freed and still holds
        block.write(b"x" * (64 << 20))
        assert 60 << 20 < memory_bytes()["memory"] - before < 80 << 20
    assert before > os.sysconf("SC_PAGE_SIZE")
