"""What makes a phrase usable as a sub-action: a short, measurable movement, without purpose and without adverb.

The rules look at English words alone, so they are rough on purpose: they find what a language model does wrong, and
what they let through is for a person to read.
"""

from __future__ import annotations

import re

FEWEST_WORDS = 2
MOST_WORDS = 6


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words in -ly that say what or which, not how.
NO_ADVERBS = _words("""
    anomaly apply assembly belly bubbly butterfly curly family fly hilly jelly only ply rely supply underbelly wobbly
""")
# After these words "to" gives a direction or a place, and what follows is no purpose.
BEFORE_DIRECTIONS = _words("""
    back close down due left next opposite over parallel perpendicular prior relative right similar up
""")
# Before these words too.
DIRECTIONS = _words("""
    a an the its their each one other both another this that left right up down side sides front back rear top bottom
    inside outside floor ground wall ceiling ankle arm arms chest chin ear ears elbow face feet fingers foot forearm
    hand hands head heel hip hips knee knees leg legs mouth palm shin shoulder shoulders shoulder-high shoulder-height
    thigh thighs toe toes torso trunk waist wrist wrists gravity horizontal vertical zero full half rest
""")


def tidy_phrase(phrase: str) -> str:
    """Return the spelling in which phrases are compared and kept: one blank between words, lower case, no full stop."""
    return " ".join(phrase.split()).rstrip(".;,").lower()


def phrase_fault(phrase: str) -> str | None:
    """Say why a tidy phrase cannot be used, as the end of a sentence about it; None where it can."""
    words = phrase.split()
    if not phrase.isprintable():
        return "has characters that cannot be printed"
    if not FEWEST_WORDS <= len(words) <= MOST_WORDS:
        count = f"{len(words)} word{'' if len(words) == 1 else 's'}"
        return f"has {count}, it must have {FEWEST_WORDS} to {MOST_WORDS}"
    return _adverb(words) or _purpose(phrase, words)


def _adverb(words: list[str]) -> str | None:
    for word in words:
        letters = word.strip(".,;:!?()'\"")
        if len(letters) > 3 and letters.endswith("ly") and letters not in NO_ADVERBS:
            return f"has the adverb '{letters}', say what can be measured instead"
    return None


def _purpose(phrase: str, words: list[str]) -> str | None:
    if found := re.search(r"\b(in order to|so that|so as to|for \w+ing)\b", phrase):
        return f"gives a purpose ('{found[1]}'), say only what moves"
    for index, word in enumerate(words):
        if word == "to" and not _is_direction(words, index):
            return f"gives a purpose ('{' '.join(words[index : index + 2])}'), say only what moves"
    return None


def _is_direction(words: list[str], index: int) -> bool:
    before, after = words[:index], words[index + 1 : index + 2]
    if not before or not after:
        return False
    known = after[0] in DIRECTIONS or after[0][0].isdigit()
    return known or before[-1] in BEFORE_DIRECTIONS or "from" in before
