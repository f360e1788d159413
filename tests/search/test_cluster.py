"""A Ray that does not start; real clusters are in `on_ray`."""

import pytest
import ray

from search.cluster import ClusterError, start_local
from search.tune.preflight import Available


def test_a_ray_that_does_not_come_up_is_tried_without_its_dashboard_and_then_named(monkeypatch):
    asked = []

    def init(include_dashboard, **rest):
        asked.append(include_dashboard)
        raise Exception("some trace\nThe current node timed out during startup.")  # as Ray does, with a bare one

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setenv("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    with pytest.raises(ClusterError, match=r"^Ray does not start on this machine: The current node timed out"):
        start_local(Available(2, 0, "here"))
    assert asked == [True, False]
