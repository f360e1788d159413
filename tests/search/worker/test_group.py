from types import SimpleNamespace

import pytest
import torch
from ray.exceptions import ActorUnavailableError

from search.space.resources import Resources
from search.trials import TrialRequest, WorkerContext
from search.worker import work as worker
from search.worker.group import scaling
from tests.search import toy_study


@pytest.mark.parametrize(
    ("resources", "workers", "each"),
    [
        ({"cpus": 2, "gpus": 0}, 1, {"CPU": 2}),
        ({"cpus": 1, "gpus": 0, "workers": 3}, 3, {"CPU": 1}),
        ({"cpus": 4, "gpus": 0.25}, 1, {"CPU": 4, "GPU": 0.25}),
        ({"cpus": 4, "gpus": 1, "workers": 2}, 2, {"CPU": 4, "GPU": 1}),
        ({"cpus": 1, "gpus": 0, "memory_gib": 2}, 1, {"CPU": 1, "memory": 2 * 2**30}),
        (
            {"cpus": 1, "gpus": 1, "accelerator": "A100", "custom": {"fast_disk": 0.5}},
            1,
            {"CPU": 1, "GPU": 1, "accelerator_type:A100": 0.001, "fast_disk": 0.5},
        ),
    ],
)
def test_ray_train_is_asked_for_what_the_space_says(resources, workers, each):
    asked = scaling(Resources(**resources))
    assert asked.num_workers == workers
    assert asked.resources_per_worker == each
    assert asked.use_gpu == ("GPU" in each)


class Mailbox:
    """What a worker uses of it, in this process; it cannot be reached for the second report."""

    def __init__(self, context, requests):
        self.updates = []
        self._answers = {
            "context": lambda: context,
            "at_work": lambda *where: None,
            "next_request": lambda *who: requests.pop(0),
            "deliver": self.take,
        }

    def __getattr__(self, name):
        return SimpleNamespace(remote=self._answers[name])

    def take(self, slot, generation, update):
        self.updates.append(update)
        if len(self.updates) == 2:
            raise ActorUnavailableError("the network is away", None)
        return True


def test_a_mailbox_that_cannot_be_reached_is_no_fault_of_the_trial(space, tmp_path, monkeypatch):
    runtime = SimpleNamespace(get_node_id=lambda: "here", current_actor="me")
    stub = SimpleNamespace(get=lambda value: value, get_runtime_context=lambda: runtime)
    monkeypatch.setattr(worker, "ray", stub)
    monkeypatch.setattr(worker, "get_context", lambda: SimpleNamespace(get_world_rank=lambda: 0))
    monkeypatch.setattr(worker, "WorkerGauge", lambda *what: SimpleNamespace(set=lambda: None))
    request = TrialRequest(0, {"x": 0.5, "width": 8, "kind": "a"}, 3)
    mailbox = Mailbox(WorkerContext(space, tmp_path, [toy_study.ToyStudy({})]), [request, None])
    threads = torch.get_num_threads()
    try:
        with pytest.raises(ActorUnavailableError):
            worker.work({"mailbox": mailbox, "slot": 0, "generation": 1})
    finally:
        torch.set_num_threads(threads)
    assert [update.result.state for update in mailbox.updates] == ["running", "running"], "none says that it failed"
