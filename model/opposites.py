"""Recognising phrases that say opposite things, such as "lift foot" and "lower foot".

Word lists, no inference: enough to warn a person of merges that a sentence encoder suggests because
opposites occur in the same contexts.
"""

from __future__ import annotations

import re

OPPOSITES = (
    ("lift raise rise", "lower drop fall sink"),
    ("forward", "back backward"),
    ("left", "right"),
    ("up upward upright", "down downward"),
    ("open", "close shut"),
    ("fast quick rapid brisk", "slow"),
    ("push", "pull"),
    ("in inward", "out outward"),
    ("start begin", "stop end"),
    ("bend flex fold", "straighten extend stretch"),
    ("high", "low"),
    ("tense stiff stiffen tighten rigid clench", "relax loose loosen limp"),
    ("large wide big", "small narrow little"),
    ("no still rest motionless", "move swing shake jerk"),
    ("long", "short"),
    ("hard strong heavy", "soft gentle light weak"),
    ("smooth steady even", "jerky irregular uneven"),
    ("accelerate", "decelerate brake slow"),
    ("stand", "sit lie"),
    ("clockwise", "counterclockwise anticlockwise"),
    ("toward", "away"),
    ("front", "rear back"),
)


def opposite_words(first: str, second: str) -> str | None:
    """The pair of opposite words of two phrases, as "word/word"; None where there is none.

    A word counts only where the other phrase does not have it too: "lift and lower" is no opposite of
    "lower".
    """
    left, right = _words(first), _words(second)
    only_left, only_right = left.keys() - right.keys(), right.keys() - left.keys()
    for one, other in _TABLE:
        for side, against in ((one, other), (other, one)):
            hit, counter = only_left & side, only_right & against
            if hit and counter:
                return f"{left[min(hit)]}/{right[min(counter)]}"
    return None


def _words(phrase: str) -> dict[str, str]:
    """The words of a phrase by their stem."""
    return {_stem(word): word for word in re.findall(r"[a-z]+", phrase.lower())}


def _stem(word: str) -> str:
    """Takes endings off, so that "lifts", "lifting" and "lift" agree; only ever compared with other stems."""
    for ending in ("ing", "ly", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


_TABLE = tuple((frozenset(map(_stem, one.split())), frozenset(map(_stem, other.split()))) for one, other in OPPOSITES)
