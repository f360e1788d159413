from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from model.training.replicas import Replicas


@pytest.mark.parametrize(("recordings", "size"), [(8, 1), (8, 2), (7, 3), (3, 3)])
def test_the_parts_of_all_replicas_are_the_whole_step_in_order(recordings: int, size: int) -> None:
    parts = [list(range(recordings))[Replicas(rank, size).share(recordings)] for rank in range(size)]
    assert [r for part in parts for r in part] == list(range(recordings))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_fewer_recordings_than_replicas_are_not_divided() -> None:
    assert [Replicas(rank, 4).share(3) for rank in range(4)] == [slice(0, 3)] * 4


def test_a_single_replica_exchanges_nothing() -> None:
    alone, part = Replicas(), torch.ones(3, 2, requires_grad=True)
    assert alone.gather(part, 3) is part
    alone.mean_gradients([torch.nn.Parameter(torch.ones(2))])
    assert Replicas.of_process_group() == Replicas(0, 1)


GATHER = """
import json, sys, torch, torch.distributed as dist
from model.training.replicas import Replicas
dist.init_process_group("gloo")
replicas = Replicas.of_process_group()
x = torch.arange(10, dtype=torch.float64).view(5, 2)
before, after = (torch.nn.Parameter(torch.tensor([2.0, 3.0], dtype=torch.float64)) for _ in range(2))
part = x[replicas.share(5)] * before
whole = replicas.gather(part, 5)
loss = ((whole * after).sum() / whole.square().sum()).log()  # no mean over recordings
loss.backward()
replicas.mean_gradients([before, after])
found = {"whole": whole, "before": before.grad, "after": after.grad}
json.dump({name: t.tolist() for name, t in found.items()}, open(sys.argv[2], "w"))
dist.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_gathered_parts_give_the_loss_and_the_gradients_of_the_whole(
    size: int, replicas: Callable[[str, int, dict], list[dict]]
) -> None:
    x = torch.arange(10, dtype=torch.float64).view(5, 2)
    before, after = (torch.nn.Parameter(torch.tensor([2.0, 3.0], dtype=torch.float64)) for _ in range(2))
    whole = x * before
    ((whole * after).sum() / whole.square().sum()).log().backward()
    assert before.grad is not None
    assert after.grad is not None
    for replica in replicas(GATHER, size, {}):
        assert replica["whole"] == whole.tolist()
        torch.testing.assert_close(torch.tensor(replica["before"], dtype=torch.float64), before.grad)
        torch.testing.assert_close(torch.tensor(replica["after"], dtype=torch.float64), after.grad)
