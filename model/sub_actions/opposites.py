"""Which phrases say opposite things, such as "lift foot" and "lower foot".

Word lists (`opposites.yaml`), no inference: enough to warn a person of merges that a sentence encoder suggests because
opposites occur in the same contexts, or to forbid them. Words that are opposites in one use only ("back of the hand",
"right angle", "in all directions") are looked at with their neighbours.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from model.exceptions import InputError
from model.files import AsWritten, read_yaml

NEGATIONS = frozenset({"no", "not", "never", "without"})
_PREFIXES = ("un", "dis", "ir", "non", "no ")  # the last is that of a denied word, see `_words`
_LISTS = read_yaml(Path(__file__).with_suffix(".yaml"), InputError, "lists of words", AsWritten)
OPPOSITES: dict[str, str] = _LISTS["opposites"]
_REWRITTEN = [(re.compile(rf"\b(?:{pattern})\b"), replacement) for pattern, replacement in _LISTS["rewritten"].items()]


def opposite_words(first: str, second: str) -> str | None:
    """Return the pair of opposite words of two phrases, as "word/word"; None where there is none.

    A word counts only where the other phrase does not have it too, and only where its own phrase does not say the
    opposite as well: "lift and lower" is no opposite of "lower", nor of "drop".
    """
    left, right = _words(first), _words(second)
    if found := _denied(left, right):
        return found
    only_left, only_right = left.keys() - right.keys(), right.keys() - left.keys()
    for line in sorted(_lines(only_left) & _lines(only_right)):
        one, other = _TABLE[line]
        for side, against in ((one, other), (other, one)):
            hit, counter = only_left & side, only_right & against
            if hit and counter and not left.keys() & against and not right.keys() & side:
                return f"{left[min(hit)]}/{right[min(counter)]}"
    return None


def _denied(left: dict[str, str], right: dict[str, str]) -> str | None:
    """Return words that one phrase says and the other denies: "steady" and "unsteady", "pause" and "no pause"."""
    for one, other, swap in ((left, right, False), (right, left, True)):
        for negated in sorted(word for word in other if word.startswith(_PREFIXES) and word not in one):
            for prefix in _PREFIXES:
                stem = negated.removeprefix(prefix)
                if 3 < len(stem) < len(negated) and stem in one and stem not in other:
                    pair = (one[stem], other[negated])
                    return "/".join(reversed(pair) if swap else pair)
    return None


def _lines(stems: Iterable[str]) -> set[int]:
    """Return the lines of the table in which one of the words stands."""
    return {line for stem in stems for line in _LINES_OF.get(stem, ())}


@lru_cache(maxsize=4096)
def _words(phrase: str) -> dict[str, str]:
    """Return the words of a phrase by their stem; a word that is denied has "no " before both."""
    text = phrase.lower()
    for pattern, replacement in _REWRITTEN:
        text = pattern.sub(replacement, text)
    words: dict[str, str] = {}
    denied = ""
    for word in re.findall(r"[a-z]+", text):
        if word in NEGATIONS:
            denied = "no "
        else:
            words[denied + _stem(word)] = denied + word
            denied = ""
    return words


def _stem(word: str) -> str:
    """Take endings off, so that "lifts", "lifting" and "lift" agree; only ever compared with other stems."""
    for ending in ("ing", "ly", "ed", "s"):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    if len(word) > 3 and word[-1] == "i":
        word = word[:-1] + "y"
    return word.removesuffix("e") if len(word) > 3 else word


_TABLE = [tuple(frozenset(map(_stem, side.split())) for side in sides) for sides in OPPOSITES.items()]
_LINES_OF: defaultdict[str, list[int]] = defaultdict(list)
for _line, _sides in enumerate(_TABLE):
    for _word in _sides[0] | _sides[1]:
        _LINES_OF[_word].append(_line)
