"""What hooks are told, by a real shell and a real server."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from search.exceptions import InputError
from search.record.recorder import Recorder
from search.space.schema import Hooks as Section
from search.space.schema import Space
from search.trials import TrialRequest, TrialResult
from search.watch.hooks import Hooks, check_hooks


class Server(HTTPServer):
    """Keeps what is posted."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.told: list[dict] = []
        self.status = 200


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening
        listening.shutdown()


@pytest.fixture
def hooked(space: Space, tmp_path: Path) -> Callable[..., tuple[Hooks, Recorder]]:
    def make(**section: str) -> tuple[Hooks, Recorder]:
        recorder = Recorder(space, tmp_path)
        return Hooks(space.model_copy(update={"hooks": Section(**section)}), recorder), recorder

    return make


def end(recorder: Recorder, number: int, finish: Callable[..., TrialResult], **values: float) -> None:
    request = TrialRequest(number, {"x": number / 8, "width": 8, "kind": "a"}, number)
    recorder.begin(request)
    recorder.end(finish(request, **values) if values else TrialResult(request, "failed", f"reason {number}"))


def test_a_url_is_told_of_the_front_when_it_has_a_new_point_and_only_then(hooked, server, finish, monkeypatch) -> None:
    monkeypatch.setenv("PLACE", f"http://127.0.0.1:{server.server_port}/front")
    hooks, recorder = hooked(on_front="$PLACE")
    for number, (first, second) in enumerate([(0.5, 0.5), (0.9, 0.9), (0.2, 0.8)]):
        end(recorder, number, finish, first=first, second=second)
        hooks.look(recorder.snapshot())
    hooks.look(recorder.snapshot())
    assert [told["trial"] for told in server.told] == [0, 2]
    assert server.told[1]["event"] == "on_front"
    assert server.told[1]["text"].startswith("toy: the front has 2 points, hypervolume 2.")
    assert server.told[1]["run"] == str(recorder.folder)


def test_a_command_is_told_of_failures_together(hooked, finish, tmp_path) -> None:
    hooks, recorder = hooked(on_failure=f'echo "$SEARCH_EVENT $SEARCH_TRIAL $SEARCH_TEXT" >> {tmp_path}/said')
    with hooks:
        end(recorder, 0, finish)
    end(recorder, 1, finish)
    end(recorder, 2, finish)
    hooks.look(recorder.snapshot())
    hooks.ended(3, "ended early")
    assert (tmp_path / "said").read_text().splitlines() == [
        "on_failure 0 toy: trial 0: reason 0",
        "on_failure 2 toy: 2 trials failed; the last, trial 2: reason 2",
    ]


def test_the_end_is_told_with_its_exit_code(hooked, server) -> None:
    hooks, _ = hooked(on_end=f"http://127.0.0.1:{server.server_port}/")
    hooks.ended(3, "ended early")
    assert server.told[0].items() >= {"event": "on_end", "exit_code": 3, "text": "toy: ended early"}.items()


def test_a_hook_that_fails_is_told_of_once_and_costs_nothing_else(hooked, server, finish, caplog) -> None:
    server.status = 500
    place = f"http://user:secret@127.0.0.1:{server.server_port}/"
    hooks, recorder = hooked(on_failure="exit 7", on_front=place, on_end="http://127.0.0.1:1/")
    for number in (0, 1):
        end(recorder, number, finish)
        hooks.look(recorder.snapshot())
    assert recorder.snapshot().notices == ("hooks.on_failure: Command 'exit 7' returned non-zero exit status 7.",)
    end(recorder, 2, finish, first=0.5, second=0.5)
    hooks.look(recorder.snapshot())
    assert "secret" not in "".join(recorder.snapshot().notices)
    hooks.ended(0, "done")
    assert "hooks.on_end: <urlopen error [Errno 111] Connection refused>" in recorder.snapshot().notices[-1]


def test_another_seed_of_a_point_is_no_new_point(hooked, finish, tmp_path) -> None:
    hooks, recorder = hooked(on_front=f"echo $SEARCH_TRIAL >> {tmp_path}/said")
    point = {"x": 0.5, "width": 8, "kind": "a"}
    for number, value in enumerate((0.5, 0.9, 0.7)):
        request = TrialRequest(number, point, number, replicate=number > 0)
        recorder.begin(request)
        recorder.end(finish(request, first=value, second=value))
        hooks.look(recorder.snapshot())
    assert (tmp_path / "said").read_text() == "0\n"


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("$NO_SUCH_PLACE", "is not set here; set it"),
        (" ${NO_SUCH_PLACE} ", "is not set here; set it"),
        ("https://example.org/$NO_SUCH_PLACE", "is not set here; set it"),
        ("# https://example.org", "is empty or a comment"),
        ("https://", "is no whole URL"),
        ("http:/example.org", "is no whole URL"),
    ],
)
def test_a_hook_that_would_call_nothing_is_refused(space: Space, hook: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"toy\.yaml: hooks\.on_end: .*{message}"):
        check_hooks(space.model_copy(update={"hooks": Section(on_end=hook)}), Path("toy.yaml"))


@pytest.mark.parametrize("hook", ["HTTPS://example.org/$PLACE", "$PLACE", "echo $NO_SUCH_PLACE", "exit 7"])
def test_other_hooks_are_taken(space: Space, monkeypatch: pytest.MonkeyPatch, hook: str) -> None:
    monkeypatch.setenv("PLACE", "there")
    check_hooks(space.model_copy(update={"hooks": Section(on_end=hook)}), Path("toy.yaml"))


def test_what_an_earlier_session_had_is_no_news(hooked, space, finish, tmp_path) -> None:
    hooks, recorder = hooked(on_failure=f"touch {tmp_path}/said")
    end(recorder, 0, finish)
    hooks = Hooks(space.model_copy(update={"hooks": Section(on_failure=f"touch {tmp_path}/said")}), recorder)
    hooks.look(recorder.snapshot())
    assert not (tmp_path / "said").exists()
