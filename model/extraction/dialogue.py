"""Asks a language model for phrases until an answer can be used, three times at most.

A bad answer stays in the conversation, followed by what is wrong with it, so that the model can mend it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from model.extraction.answer import AnswerError, Phrases, read_answer, without_thoughts
from model.extraction.backends import Answer, LanguageModel, Message, NoAnswerError
from model.extraction.prompt import Request, correction

MOST_ATTEMPTS = 3


class Attempt(NamedTuple):
    """One answer and what came of it."""

    time: str  # when it came, ISO 8601 in UTC
    answer: Answer
    reasons: tuple[str, ...]  # why it was not used; empty for the one that was


def ask(model: LanguageModel, request: Request, keep: Callable[[Sequence[Attempt]], None]) -> Phrases:
    """Ask until an answer can be used.

    Args:
        model: Whom to ask.
        request: What to ask for.
        keep: Called after every answer with all attempts so far.

    Raises:
        LanguageModelSetupError: The model cannot be asked.
        NoAnswerError: No answer that can be used: time, a refusal, a cut answer, or three bad ones.
    """
    conversation = [Message("user", request.prompt())]
    attempts: list[Attempt] = []
    while True:
        answer = model.answer(conversation, request.schema())
        phrases, reasons = _judge(answer, request)
        attempts.append(Attempt(now(), answer, tuple(reasons)))
        keep(attempts)
        if phrases is not None:
            return phrases
        if answer.ending != "whole":
            raise NoAnswerError(reasons[0])
        if len(attempts) == MOST_ATTEMPTS:
            more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
            raise NoAnswerError(
                f"none of {MOST_ATTEMPTS} answers could be used; the last one: {reasons[0]}{more}; "
                "try again with another --seed, a larger model or fewer --phrases"
            )
        # An empty message is an error at some endpoints.
        said = without_thoughts(answer.text) or "(nothing)"
        conversation += [Message("assistant", said), Message("user", correction(reasons))]


def now() -> str:
    """Return the time, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _judge(answer: Answer, request: Request) -> tuple[Phrases | None, list[str]]:
    if answer.ending == "refused":
        said = " ".join(answer.text.split())[:200]
        return None, [f"the model refused{f' ({said})' if said else ''}: reword the labels file or try another model"]
    if answer.ending == "cut":
        return None, [
            f"the answer was cut after {len(answer.text)} characters: ask for fewer --phrases, "
            "or give the model a longer context"
        ]
    try:
        return read_answer(answer.text, request), []
    except AnswerError as error:
        return None, error.reasons
