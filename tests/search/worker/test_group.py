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
    """What a worker uses of it, in this process; answers that are errors are raised."""

    def __init__(self, context, requests, answers=()):
        self.updates = []
        self._requests, self._delivered = iter(requests), iter(answers)
        self._answers = {
            "context": lambda: context,
            "at_work": lambda *where: None,
            "next_request": lambda *who: self.answer(next(self._requests)),
            "deliver": self.take,
        }

    def __getattr__(self, name):
        return SimpleNamespace(remote=self._answers[name])

    def answer(self, value):
        if isinstance(value, Exception):
            raise value
        return value

    def take(self, slot, generation, update):
        self.updates.append(update.result.state)
        return self.answer(next(self._delivered, True))


@pytest.fixture
def at_work(space, tmp_path, monkeypatch):
    """Lets a worker do what a mailbox says."""
    runtime = SimpleNamespace(get_node_id=lambda: "here", current_actor="me")
    stub = SimpleNamespace(get=lambda value: value, get_runtime_context=lambda: runtime)
    monkeypatch.setattr(worker, "ray", stub)
    monkeypatch.setattr(worker, "get_context", lambda: SimpleNamespace(get_world_rank=lambda: 0))
    monkeypatch.setattr(worker, "WorkerGauge", lambda *what: SimpleNamespace(set=lambda: None))
    monkeypatch.setattr(worker, "PING_S", 0.0)
    threads = torch.get_num_threads()

    def work(requests, answers=()):
        mailbox = Mailbox(WorkerContext(space, tmp_path, [toy_study.ToyStudy({})]), requests, answers)
        worker.work({"mailbox": mailbox, "slot": 0, "generation": 1})
        return mailbox.updates

    yield work
    torch.set_num_threads(threads)


REQUEST = TrialRequest(0, {"x": 0.5, "width": 8, "kind": "a"}, 3)
AWAY = ActorUnavailableError("the network is away", None)


def test_a_mailbox_that_cannot_be_reached_is_no_fault_of_the_trial(at_work):
    assert at_work([REQUEST, None], [True, AWAY]) == ["running", "running"], "none says that it failed"


def test_a_worker_asks_again_once_the_mailbox_is_back(at_work):
    said = at_work([AWAY, REQUEST, AWAY, AWAY, REQUEST, None], [True, AWAY])
    assert said[:2] == ["running", "running"]
    assert said[-1] == "finished"


def test_a_mailbox_that_stays_away_ends_the_worker(at_work, monkeypatch):
    monkeypatch.setattr(worker, "MAILBOX_BACK_S", 0.0)
    with pytest.raises(ActorUnavailableError, match="the network is away"):
        at_work([AWAY] * 100)
