"""A language model's HTTP endpoint on loopback that says what a test tells it to say, in the chat completions protocol.

A test takes it as the fixture `language_model_server`. What is queued with `say` comes first, one for each request;
after that every request is answered well, by the JSON schema that it carries. `requests` holds what was asked.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PARTS = ("arm", "wrist", "elbow", "hand", "shoulder", "hip", "knee", "foot", "torso", "forearm")
MOVES = ("swings forward", "turns inward", "stays bent", "moves up", "shakes", "hits the ground", "stops at once")


@dataclass(frozen=True)
class Reply:
    """One answer: a message, or an HTTP error where `status` is not 200; after `delay_s` in either case."""

    text: str | None = None
    finish: str = "stop"
    refusal: str | None = None
    status: int = 200
    error: str = ""
    code: str | None = None
    delay_s: float = 0.0
    body: bytes | None = None  # instead of all that, with the type text/html

    def payload(self, model: str) -> dict:
        if self.status != 200:
            return {"error": {"message": self.error, "type": "error", "param": None, "code": self.code}}
        message = {"role": "assistant", "content": self.text, "refusal": self.refusal}
        choice = {"index": 0, "message": message, "finish_reason": self.finish, "logprobs": None}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1767225600,
            "model": model,
            "choices": [choice],
            "usage": usage,
        }


def good_answer(names: list[str], phrases: int, wordings: bool = False) -> dict:
    """Half of each class's phrases shared with the other classes, half its own."""
    own = phrases - phrases // 2
    # 10 and 7 have no common divisor, so that 70 steps through both meet every pair once.
    distinct = [f"{PARTS[i % 10]} {MOVES[i % 7]}" for i in range(70)]
    if phrases // 2 + own * len(names) > len(distinct):
        distinct += [f"{phrase} {number} times" for number in range(2, 100) for phrase in distinct]
    shared, rest = distinct[: phrases // 2], distinct[phrases // 2 :]
    classes = {name: shared + rest[index * own : (index + 1) * own] for index, name in enumerate(names)}
    if not wordings:
        return {"classes": classes}
    used = dict.fromkeys(phrase for several in classes.values() for phrase in several)
    entries = [
        {"phrase": phrase, "keyword": phrase.split()[0], "paraphrase": f"the {' '.join(phrase.split()[:5])}"}
        for phrase in used
    ]
    return {"classes": classes, "wordings": entries}


class LanguageModelServer:
    """The endpoint; `url` is what `--base-url` takes."""

    def __init__(self) -> None:
        self.key: str | None = None  # another one is refused with 401; None takes any
        self.models: list[str] | None = None  # another one is answered with 404; None knows all
        self.structured = True  # False answers 400 to a request with response_format
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.asked = threading.Event()  # set as soon as a request has come
        self._queue: deque[Reply | Callable[[dict], Reply]] = deque()
        self.closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"owner": self}))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def say(self, *replies: str | dict | Reply | Callable[[dict], Reply]) -> None:
        """Queues answers: a text, an object to be written as JSON, a `Reply`, or what makes one of a request."""
        for reply in replies:
            made = Reply(json.dumps(reply)) if isinstance(reply, dict) else reply
            self._queue.append(Reply(made) if isinstance(made, str) else made)

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def reply(self, request: dict, headers: dict[str, str]) -> Reply:
        self.requests.append(request)
        self.headers.append(headers)
        self.asked.set()
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return Reply(status=401, error="Incorrect API key provided", code="invalid_api_key")
        if self.models is not None and request["model"] not in self.models:
            return Reply(status=404, error=f"The model {request['model']} does not exist", code="model_not_found")
        form = request.get("response_format")
        if form is not None and not self.structured:
            return Reply(status=400, error="response_format is not supported")
        if self._queue:
            reply = self._queue.popleft()
            return reply(request) if callable(reply) else reply
        if form is None:
            return Reply(status=500, error="nothing was queued, and the request has no schema to answer by")
        schema = form["json_schema"]["schema"]["properties"]
        classes = schema["classes"]["properties"]
        count = next(iter(classes.values()))["minItems"]
        return Reply(json.dumps(good_answer(list(classes), count, "wordings" in schema)))


class _Handler(BaseHTTPRequestHandler):
    owner: LanguageModelServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self._send(404, b"no such page", "text/plain")
            return
        reply = self.owner.reply(body, {name.lower(): value for name, value in self.headers.items()})
        self.owner.closing.wait(reply.delay_s)
        if reply.body is not None:
            self._send(reply.status, reply.body, "text/html")
        else:
            self._send_json(reply.status, reply.payload(body["model"]))

    def do_GET(self) -> None:
        if self.path != "/v1/models":
            self._send(404, b"no such page", "text/plain")
            return
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in self.owner.models or []]
        self._send_json(200, {"object": "list", "data": models})

    def _send_json(self, status: int, content: dict) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has given up, as some tests want

    def log_message(self, *_: object) -> None:
        pass
