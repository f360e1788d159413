import socket
import threading
from collections.abc import Iterator

import pytest

from search.watch import head
from search.watch.head import HeadLostError, HeadWatch, Vital


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as there:
        yield there


def vital(listener: socket.socket, patience_s: float = 0.0) -> Vital:
    return Vital("raylet", *listener.getsockname(), patience_s)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(head, "GRACE_S", 0.05)


class Told:
    """Who is told of a loss."""

    def __init__(self) -> None:
        self.losses: list[str] = []
        self.stuck: list[str] = []
        self.lost, self.ended = threading.Event(), threading.Event()
        self.watch = HeadWatch(self.on_loss, self.on_stuck)

    def on_loss(self, error: HeadLostError) -> None:
        self.losses.append(str(error))
        self.lost.set()

    def on_stuck(self, reason: str) -> None:
        self.stuck.append(reason)
        self.ended.set()


def test_a_process_that_listens_is_there_and_one_that_has_gone_is_named(listener: socket.socket) -> None:
    told, one = Told(), vital(listener)
    with told.watch.watching([one]):
        assert told.watch.loss() == ""
        assert not told.lost.wait(0.1)
        listener.close()
        assert told.lost.wait(60)
    said = f"Ray cannot go on: its raylet at 127.0.0.1:{one.port} does not answer any more"
    assert told.losses == [told.watch.loss()] == [said]


def test_where_the_loss_ends_nothing_the_watch_does(listener: socket.socket) -> None:
    told = Told()
    with told.watch.watching([vital(listener)]):
        listener.close()
        assert told.ended.wait(60)
    assert told.stuck == told.losses


def test_a_head_may_come_back(listener: socket.socket) -> None:
    told = Told()
    with told.watch.watching([vital(listener, patience_s=3600.0)]):
        listener.close()
        assert not told.lost.wait(0.1)
        assert told.watch.loss()


def test_ray_may_end_after_the_search(listener: socket.socket) -> None:
    told = Told()
    with told.watch.watching([vital(listener)]):
        pass
    listener.close()
    assert not told.lost.wait(0.1)
