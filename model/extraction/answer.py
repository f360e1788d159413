"""Finds the JSON object in what a language model said, and checks it against what was asked for.

Every complaint is written for the model, which is sent it, and for the user, who finds it in the file of answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from model.extraction.phrases import phrase_fault, tidy_phrase
from model.extraction.prompt import MOST_KEYWORD_WORDS, Request


class AnswerError(ValueError):
    """An answer that cannot be used; `reasons` are all that is wrong with it, one sentence each."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Phrases(NamedTuple):
    """The usable content of an answer."""

    classes: dict[str, tuple[str, ...]]  # of each class, in the order of the labels file
    wordings: dict[str, tuple[str, ...]]  # keyword and paraphrase of each phrase; empty where none were asked for


def read_answer(text: str, request: Request) -> Phrases:
    """Read and check an answer: JSON, as it is or with thoughts, code fences or sentences around it.

    Raises:
        AnswerError: With all that is wrong.
    """
    content = find_object(without_thoughts(text))
    reasons: list[str] = []
    classes = _classes(content.get("classes"), request, reasons)
    strange = [key for key in content if key not in (("classes", "wordings") if request.wordings else ("classes",))]
    reasons += [f"the key '{strange[0]}' was not asked for"] if strange else []
    if not reasons:
        _compare(classes, reasons)
    wordings = _wordings(content.get("wordings"), classes, reasons) if request.wordings and not reasons else {}
    if reasons:
        raise AnswerError(list(dict.fromkeys(reasons)))
    return Phrases(classes, wordings)


def without_thoughts(text: str) -> str:
    """Return a text without what a reasoning model thought aloud; its opening tag may be part of its prompt."""
    return re.sub(r"\A.*</think>|<think>.*", "", text, flags=re.DOTALL).strip()


def find_object(text: str) -> dict[str, Any]:
    """Return the last JSON object in a text that has the key `classes`.

    Raises:
        AnswerError: There is none.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_no_key_twice)
    found, first_error, position = None, None, text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            first_error = first_error or str(error)
            end = position + 1
        else:
            found = value if "classes" in value else found
        position = text.find("{", end)
    if found is None:
        if not text:
            raise AnswerError(["the answer is empty"])
        detail = f": {first_error}" if first_error else ""
        raise AnswerError([f"there is no complete JSON object with the key 'classes' in the answer{detail}"])
    return found


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise ValueError(f"the key '{twice[0]}' is there twice")
    return dict(pairs)


def _classes(content: Any, request: Request, reasons: list[str]) -> dict[str, tuple[str, ...]]:
    if not isinstance(content, Mapping):
        reasons.append("'classes' must be an object with one list of phrases for each class")
        return {}
    names = {name.casefold(): name for name in request.labels.class_names}
    given = {names.get(key.strip().casefold(), key): phrases for key, phrases in content.items()}
    if len(given) < len(content):
        reasons.append("a class is there twice, spelled in two ways")
    reasons += [f"the class '{name}' is missing" for name in names.values() if name not in given]
    reasons += [f"there is no class '{name}'" for name in given if name not in names.values()]
    known = [name for name in names.values() if name in given]
    return {name: _phrases(name, given[name], request.phrases, reasons) for name in known}


def _phrases(name: str, content: Any, count: int, reasons: list[str]) -> tuple[str, ...]:
    if not isinstance(content, list) or not all(isinstance(phrase, str) for phrase in content):
        reasons.append(f"class '{name}' must be a list of phrases")
        return ()
    phrases = tuple(tidy_phrase(phrase) for phrase in content)
    if len(phrases) != count:
        reasons.append(f"class '{name}' has {len(phrases)} phrases, it must have exactly {count}")
    twice = dict.fromkeys(phrase for phrase in phrases if phrases.count(phrase) > 1)
    reasons += [f"class '{name}' has the phrase '{phrase}' twice" for phrase in twice]
    for phrase in dict.fromkeys(phrases):
        if problem := phrase_fault(phrase):
            reasons.append(f"the phrase '{phrase}' {problem}")
    return phrases


def _compare(classes: Mapping[str, tuple[str, ...]], reasons: list[str]) -> None:
    seen: dict[frozenset[str], str] = {}
    for name, phrases in classes.items():
        other = seen.setdefault(frozenset(phrases), name)
        if other != name:
            reasons.append(f"the classes '{other}' and '{name}' have all the same phrases and cannot be told apart")


def _wordings(content: Any, classes: Mapping[str, tuple[str, ...]], reasons: list[str]) -> dict[str, tuple[str, ...]]:
    wanted = dict.fromkeys(phrase for phrases in classes.values() for phrase in phrases)
    parts = ("phrase", "keyword", "paraphrase")
    if not isinstance(content, list) or not all(_has_texts(entry, parts) for entry in content):
        reasons.append(f"'wordings' must be a list of objects with the texts {', '.join(parts)}")
        return {}
    # A phrase that several classes share is often given once for each of them: the first holds.
    given = {tidy_phrase(e["phrase"]): (tidy_phrase(e["keyword"]), tidy_phrase(e["paraphrase"])) for e in content[::-1]}
    reasons += [f"the phrase '{phrase}' has no wordings" for phrase in wanted if phrase not in given]
    reasons += [f"there are wordings of '{phrase}', which is no phrase" for phrase in given if phrase not in wanted]
    for phrase in wanted:
        if phrase in given:
            _check_wordings(phrase, *given[phrase], reasons)
    return {phrase: given[phrase] for phrase in wanted if phrase in given}


def _check_wordings(phrase: str, keyword: str, paraphrase: str, reasons: list[str]) -> None:
    if not 1 <= len(keyword.split()) <= MOST_KEYWORD_WORDS or not keyword.isprintable():
        reasons.append(f"the keyword '{keyword}' of '{phrase}' must have 1 to {MOST_KEYWORD_WORDS} words")
    if problem := phrase_fault(paraphrase):
        reasons.append(f"the paraphrase '{paraphrase}' of '{phrase}' {problem}")
    if len({phrase, keyword, paraphrase}) < 3:
        reasons.append(f"phrase, keyword and paraphrase of '{phrase}' must differ from each other")


def _has_texts(entry: Any, parts: tuple[str, ...]) -> bool:
    return isinstance(entry, Mapping) and all(isinstance(entry.get(part), str) for part in parts)
