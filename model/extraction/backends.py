"""What the extraction needs of a language model, and how one fails; the back ends fulfil it.

`model.extraction.chat_endpoint` asks over HTTP, `model.extraction.local_language_model` loads weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from model.exceptions import InputError


class LanguageModelSetupError(InputError):
    """The model cannot be asked at all until the user corrects something: key, address or model name."""


class NoAnswerError(RuntimeError):
    """The model could be asked, but no whole answer came: time ran out, or the server failed."""


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    text: str


class Answer(NamedTuple):
    """What came back.

    Attributes:
        text: What the model said, as it said it.
        ending: `whole`, `cut` where a limit on the length ended it, or `refused` where the model or a filter did.
    """

    text: str
    ending: Literal["whole", "cut", "refused"]


class LanguageModel(Protocol):
    """A model that continues a conversation."""

    def answer(self, conversation: Sequence[Message], schema: Mapping[str, Any]) -> Answer:
        """Answers the last message, a user's.

        Args:
            conversation: User and assistant in turn, the user first.
            schema: JSON schema that the answer should keep to; a model that cannot be held to one ignores it.

        Raises:
            LanguageModelSetupError: The user must correct something.
            NoAnswerError: Time ran out, or the server failed.
        """
        ...

    def about(self) -> dict[str, Any]:
        """Where the answers come from: model, backend, base_url, temperature and seed; None where not applicable."""
        ...
