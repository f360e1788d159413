"""What answers: a language model behind an OpenAI-compatible HTTP endpoint, or one that runs here.

`LanguageModel` is what the extraction needs of either. `ChatEndpoint` asks over HTTP (hosted, vLLM, Ollama, llama.cpp
and others), by a JSON schema, and without it once the endpoint has answered that it does not know it.
`LocalLanguageModel` loads weights through transformers, uses the tokenizer's chat template where it has one, and
samples from a seed. openai, torch and transformers are imported by whoever asks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit, urlunsplit

from model.exceptions import InputError
from model.hub_weights import PretrainedError, load_pretrained, quiet

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError
    from openai.types.chat import ChatCompletion
    from torch import Tensor

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
NO_KEY = "none"  # local servers ask for no key, but the client insists on sending one
CONNECT_TIMEOUT_S = 10.0
SCHEMA_NAME = "sub_actions"
UNKNOWN_REQUEST = (400, 422)  # how servers answer a request that has a part which they do not know
LONGEST_COMPLAINT = 200
NO_LIMIT = 1 << 20  # tokenizers without a limit name one of 1e30; no context is as long as this


class LanguageModelSetupError(InputError):
    """The model cannot be asked at all until the user corrects something: key, address or model name."""


class NoAnswerError(RuntimeError):
    """The model could be asked, but no whole answer came: time ran out, or the server failed."""


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    text: str


class Answer(NamedTuple):
    """What came back."""

    text: str  # what the model said, as it said it
    ending: Literal["whole", "cut", "refused"]  # cut by a limit on the length, refused by model or filter


class LanguageModel(Protocol):
    """A model that continues a conversation."""

    def answer(self, conversation: Sequence[Message], schema: Mapping[str, Any]) -> Answer:
        """Answer the last message, a user's.

        Args:
            conversation: User and assistant in turn, the user first.
            schema: JSON schema that the answer should keep to; a model that cannot be held to one ignores it.

        Raises:
            LanguageModelSetupError: The user must correct something.
            NoAnswerError: Time ran out, or the server failed.
        """
        ...

    def about(self) -> dict[str, Any]:
        """Return where the answers come from: model, backend, base_url, temperature, seed; None where one has none."""
        ...


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
        """Answer the last message; see `LanguageModel`."""
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
        """Return where the answers come from; the address without user name, password and query."""
        asked = {"temperature": self.temperature, "seed": self.seed}
        return {"model": self.model, "backend": "openai", "base_url": self.base_url, **asked}

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
        """Return what the endpoint has instead of the model that it does not know."""
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
    """Return an address without user name, password, query and fragment."""
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
    """Return a text without halves of surrogate pairs, which JSON carries but no file; "" where it is no text."""
    return "" if not isinstance(text, str) else text.encode("utf-8", "replace").decode("utf-8")


class LocalLanguageModel:
    """Loads weights and samples from them, on the GPU where there is one.

    Args:
        model: A folder, or a name on the Hugging Face hub.
        temperature: 0 takes the likeliest token each time; None leaves it to the model's own generation settings.
        seed: Of the sampling; every answer starts from it anew.
        timeout_s: After this time an answer is given up.

    Raises:
        LanguageModelSetupError: The model is not there, or is not one that continues text.
    """

    def __init__(self, model: str, temperature: float | None = None, seed: int = 0, timeout_s: float = 300.0) -> None:
        import torch

        self.model, self.temperature, self.seed, self.timeout_s = model, temperature, seed, timeout_s
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._tokenizer, weights = load_pretrained(model, _tokenizer_and_model)
            self._weights = weights.to(device).eval()
        except PretrainedError as error:
            raise LanguageModelSetupError(f"--model: {error}") from error
        except torch.OutOfMemoryError as error:
            raise _too_large(model, device) from error

    def answer(self, conversation: Sequence[Message], schema: Mapping[str, Any]) -> Answer:
        """Answer the last message; the schema is not enforced. See `LanguageModel`."""
        import torch

        tokens = self._tokens(conversation).to(self._weights.device)
        read = tokens["input_ids"].shape[1]
        room = self._context() - read
        if room < 1:
            raise LanguageModelSetupError(
                f"--model: the request has {read} tokens and {self.model} reads {self._context()}: "
                "take a model with a longer context, or ask for fewer --phrases"
            )
        began = time.monotonic()
        try:
            written = self._generate(tokens, room)[read:]
        except torch.OutOfMemoryError as error:
            raise _too_large(self.model, self._weights.device.type) from error
        ended = len(written) > 0 and int(written[-1]) in self._end_tokens()
        if not ended and len(written) < room and time.monotonic() - began >= self.timeout_s:
            raise NoAnswerError(
                f"{self.model} did not end its answer within {self.timeout_s:g} s: give it longer with --timeout, "
                "or take a smaller model"
            )
        text = self._tokenizer.decode(written, skip_special_tokens=True)
        return Answer(text, "whole" if ended or len(written) < room else "cut")

    def about(self) -> dict[str, Any]:
        """Return where the answers come from."""
        asked = {"temperature": self.temperature, "seed": self.seed}
        return {"model": self.model, "backend": "transformers", "base_url": None, **asked}

    def _tokens(self, conversation: Sequence[Message]) -> Any:
        with quiet():  # the tokenizer warns of a long text, which is refused above
            if self._tokenizer.chat_template:
                messages = [{"role": message.role, "content": message.text} for message in conversation]
                return self._tokenizer.apply_chat_template(
                    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
                )
            text = "\n\n".join(f"{message.role}: {message.text}" for message in conversation)
            return self._tokenizer(f"{text}\n\nassistant:", return_tensors="pt")

    def _generate(self, tokens: Any, room: int) -> Tensor:
        import torch

        sampling: dict[str, Any] = {"do_sample": self.temperature != 0}
        if self.temperature:
            sampling["temperature"] = self.temperature
        padding = self._tokenizer.pad_token_id
        if padding is None:
            padding = next(iter(self._end_tokens()), 0)
        devices = [0] if self._weights.device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(devices), quiet():
            torch.manual_seed(self.seed)
            return self._weights.generate(
                **tokens, **sampling, max_new_tokens=room, max_time=self.timeout_s, pad_token_id=padding
            )[0]

    def _context(self) -> int:
        """Return how many tokens the model reads and writes in all."""
        positions = getattr(self._weights.config.get_text_config(), "max_position_embeddings", NO_LIMIT)
        return min(positions, self._tokenizer.model_max_length, NO_LIMIT)

    def _end_tokens(self) -> set[int]:
        ends = self._weights.generation_config.eos_token_id
        ends = self._tokenizer.eos_token_id if ends is None else ends
        return set(ends if isinstance(ends, list) else [] if ends is None else [ends])


def _tokenizer_and_model(location: str, local: bool) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # Without the refusal transformers asks on the terminal whether to run code that comes with the weights.
    settings = {"local_files_only": local, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(location, **settings)
    loader: Any = AutoModelForCausalLM  # its types leave out that it answers a pair here
    weights, loading = loader.from_pretrained(location, output_loading_info=True, **settings)
    if missing := sorted(loading["missing_keys"]):
        # transformers would draw them at random: a text encoder loads that way, and then babbles.
        raise ValueError(f"weights are missing, such as {missing[0]}: it is no model that continues text")
    return tokenizer, weights


def _too_large(model: str, device: str) -> LanguageModelSetupError:
    return LanguageModelSetupError(f"--model: the memory of {device} is too small for {model}: take a smaller one")
