"""A language model behind an OpenAI-compatible HTTP endpoint: hosted, vLLM, Ollama, llama.cpp and others.

Owns the address, the key, the request, and what each failure means for the user. Asks for structured output by a JSON
schema, and without it once the endpoint has answered that it does not know it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from model.extraction.backends import Answer, LanguageModelSetupError, Message, NoAnswerError

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError
    from openai.types.chat import ChatCompletion

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
NO_KEY = "none"  # local servers ask for no key, but the client insists on sending one
CONNECT_TIMEOUT_S = 10.0
SCHEMA_NAME = "sub_actions"
UNKNOWN_REQUEST = (400, 422)  # how servers answer a request that has a part which they do not know
LONGEST_COMPLAINT = 200


class ChatEndpoint:
    """Asks over HTTP, once per answer: a failure is reported at once, not tried again.

    Args:
        model: Name of the model at the endpoint.
        base_url: Up to and without "chat/completions", often ending in "/v1"; None takes the environment's, else the
            client's own default.
        temperature: None leaves it to the endpoint.
        seed: None leaves it to the endpoint.
        timeout_s: The longest silence of the endpoint before the attempt is given up.

    Raises:
        LanguageModelSetupError: There is no key and no address, or one of them cannot be right.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        timeout_s: float = 300.0,
    ) -> None:
        import openai

        self.model, self.temperature, self.seed, self.timeout_s = model, temperature, seed, timeout_s
        url = (base_url or os.environ.get(URL_VARIABLE, "")).strip() or None
        if url is not None:
            _check_url(url)
        self._client = openai.OpenAI(
            api_key=_key(needed=url is None),
            base_url=url,
            timeout=openai.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
            max_retries=0,
        )
        self.base_url = without_credentials(str(self._client.base_url))
        self._structured = True

    def answer(self, conversation: Sequence[Message], schema: Mapping[str, Any]) -> Answer:
        """Answers the last message; see `model.extraction.backends.LanguageModel`."""
        import openai

        request: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.text} for message in conversation],
        }
        request |= {k: v for k, v in (("temperature", self.temperature), ("seed", self.seed)) if v is not None}
        try:
            completion = self._complete(request, schema)
        except openai.APIStatusError as error:
            if error.code == "content_filter":
                return Answer(_complaint(error), "refused")
            raise self._explain(error) from None
        except openai.APIConnectionError as error:
            raise self._explain_connection(error) from None
        except (openai.APIResponseValidationError, ValueError):
            raise self._no_endpoint() from None
        return self._read(completion)

    def about(self) -> dict[str, Any]:
        """Where the answers come from; the address without user name, password and query."""
        return {
            "model": self.model,
            "backend": "openai",
            "base_url": self.base_url,
            "temperature": self.temperature,
            "seed": self.seed,
        }

    def _complete(self, request: dict[str, Any], schema: Mapping[str, Any]) -> ChatCompletion:
        import openai

        form = {"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, "strict": True, "schema": schema}}
        if self._structured:
            try:
                return self._client.chat.completions.create(**request | {"response_format": form})
            except openai.APIStatusError as error:
                if error.status_code not in UNKNOWN_REQUEST or error.code == "content_filter":
                    raise
                self._structured = False
        return self._client.chat.completions.create(**request)

    def _read(self, completion: ChatCompletion) -> Answer:
        # The client hands on whatever JSON or text came, typed as a completion.
        choices = getattr(completion, "choices", None)
        message = getattr(choices[0], "message", None) if isinstance(choices, list) and choices else None
        if choices is None or message is None:
            raise self._no_endpoint()
        text = _encodable(message.content)
        refusal = getattr(message, "refusal", None)
        if refusal or choices[0].finish_reason == "content_filter":
            return Answer(_encodable(refusal) or text, "refused")
        return Answer(text, "cut" if choices[0].finish_reason == "length" else "whole")

    def _no_endpoint(self) -> LanguageModelSetupError:
        return LanguageModelSetupError(
            f"{self.base_url} answers, but not as a chat completion endpoint: check --base-url (it often ends in /v1)"
        )

    def _explain(self, error: APIStatusError) -> Exception:
        where, status, said = self.base_url, error.status_code, _complaint(error)
        if status in (401, 403):
            return LanguageModelSetupError(f"{where} does not accept the key ({said}): check {KEY_VARIABLE}")
        if status == 404:
            return LanguageModelSetupError(f"{where} does not know the model {self.model} ({said}): {self._offer()}")
        if status == 429:
            return NoAnswerError(f"{where} has had too many requests ({said}): wait and try again, or check the quota")
        if status >= 500:
            return NoAnswerError(f"{where} failed ({said}): look into the server's log, or try again later")
        return LanguageModelSetupError(f"{where} refuses the request ({said})")

    def _explain_connection(self, error: APIConnectionError) -> Exception:
        import openai

        cause = error.__cause__ or error
        # The client has one error for an address that does not respond and for an answer that takes too long.
        connected = type(cause).__name__ != "ConnectTimeout"
        if isinstance(error, openai.APITimeoutError) and connected:
            return NoAnswerError(
                f"{self.base_url} gave no answer within {self.timeout_s:g} s: give it longer with --timeout, "
                "or take a faster model"
            )
        return LanguageModelSetupError(
            f"{self.base_url} cannot be reached ({_line(cause)}): "
            f"is the server running? check --base-url or {URL_VARIABLE}"
        )

    def _offer(self) -> str:
        """What the endpoint has instead of the model that it does not know."""
        import openai

        try:
            models = self._client.with_options(timeout=CONNECT_TIMEOUT_S).models.list()
            names = [str(entry.id) for entry in models.data]
        except (openai.OpenAIError, AttributeError, TypeError, ValueError):
            names = []
        if not names:
            return "check --model, and --base-url (it often ends in /v1)"
        close = get_close_matches(self.model, names, n=3, cutoff=0.4) or names[:3]
        return f"check --model; it has {', '.join(close)}{' and others' if len(names) > len(close) else ''}"


def without_credentials(url: str) -> str:
    """An address without user name, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def _key(needed: bool) -> str:
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key and needed:
        raise LanguageModelSetupError(
            f"there is no key in {KEY_VARIABLE} and no address: set the key, or give the address of a server "
            "with --base-url, such as http://localhost:11434/v1"
        )
    if not (key.isascii() and key.isprintable()):
        raise LanguageModelSetupError(f"the key in {KEY_VARIABLE} has characters that no key has: copy it again")
    return key or NO_KEY


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        usable = usable and url.isprintable() and " " not in url
    except ValueError:
        usable = False
    if not usable:
        raise LanguageModelSetupError(
            f"--base-url (or {URL_VARIABLE}) is no address: expected one such as http://localhost:11434/v1"
        )


def _complaint(error: APIStatusError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, Mapping) else None
    return f"{error.status_code}: {_line(message)}" if message else f"HTTP status {error.status_code}"


def _line(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_COMPLAINT else f"{line[:LONGEST_COMPLAINT]}..."


def _encodable(text: object) -> str:
    """A text without halves of surrogate pairs, which JSON can carry but no file; nothing where it is no text."""
    return "" if not isinstance(text, str) else text.encode("utf-8", "replace").decode("utf-8")
