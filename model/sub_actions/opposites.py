"""Recognising phrases that say opposite things, such as "lift foot" and "lower foot".

Word lists, no inference: enough to warn a person of merges that a sentence encoder suggests because opposites occur
in the same contexts, or to forbid them. Words that are opposites in one use only ("back of the hand", "right angle",
"in all directions") are looked at with their neighbours.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

# Words of a line belong together where some word is the opposite of several others ("back" of "front" and "forward"):
# a phrase that says both sides, such as "forward and back", is then opposed to neither.
OPPOSITES = (
    ("lift raise rise rose risen elevate hoist ascend", "lower drop fall fell fallen sink descend"),
    ("forward forth ahead front anterior", "back backward rear rearward behind posterior"),
    ("left leftward", "right rightward"),
    ("up upward uphill upstairs", "down downward downhill downstairs"),
    ("above over top", "below beneath under underneath bottom"),
    ("upper", "lower"),
    ("open spread unclench", "close shut clench"),
    ("grip grasp grab clutch squeeze clench catch hold held", "release throw"),
    ("fast faster quick quicker rapid brisk swift hasty accelerate", "slow slower sluggish decelerate brake"),
    ("sudden abrupt", "gradual"),
    ("push press", "pull tug drag"),
    ("in inward", "out outward"),
    ("inner inside inward internal medial", "outer outside outward external lateral"),
    ("on", "off"),
    ("start begin initiate", "stop end finish halt pause"),
    ("early initial first", "late final last"),
    ("bend bent flex fold curl", "straighten straight extend stretch"),
    ("extend reach stretch", "retract withdraw"),
    ("contract", "extend stretch relax"),
    ("high higher", "low lower"),
    ("tense stiff stiffen tight tighten rigid", "relax loose loosen limp"),
    ("large larger wide wider widen big bigger broad high", "small smaller narrow narrower little tiny slight low"),
    ("increase grow rise", "decrease shrink fade diminish drop fall"),
    ("still rest motionless static", "move swing shake jerk sway bounce bob rock oscillate tremble wave"),
    ("swing", "stance"),
    ("long longer", "short shorter brief"),
    ("deep deeper", "shallow"),
    ("hard strong stronger heavy violent vigorous forceful", "soft gentle gently light lighter weak weaker mild"),
    ("smooth steady even constant", "jerky jerk irregular uneven erratic"),
    ("regular rhythmic periodic", "irregular erratic random"),
    ("continuous constant", "intermittent"),
    ("stand stood", "sit sat lie lay lying squat crouch kneel"),
    ("sit sat", "lie lay lying"),
    ("upright", "lean slouch stoop hunch tilt lie lying"),
    ("vertical", "horizontal"),
    ("clockwise", "counterclockwise"),
    ("toward approach", "away retreat recede leave"),
    ("near", "far"),
    ("together", "apart separate"),
    ("together simultaneous simultaneously", "alternate alternating"),
    ("hit strike touch land", "leave"),
    ("enter", "leave exit"),
    ("same", "opposite different"),
    ("inhale", "exhale"),
    ("pronate", "supinate"),
    ("abduct", "adduct"),
    ("dorsiflex", "plantarflex plantar"),
    ("invert", "evert"),
    ("proximal", "distal"),
    ("concentric", "eccentric"),
    ("load", "unload"),
    ("symmetric symmetrical", "asymmetric asymmetrical"),
)

NEGATIONS = frozenset({"no", "not", "never", "without"})
_PREFIXES = ("un", "dis", "ir", "non", "no ")  # the last is that of a denied word, see `_words`

# What is written in several ways, and uses of words in which they have no opposite; each is rewritten beforehand.
_REWRITTEN = tuple(
    (re.compile(rf"\b(?:{pattern})\b"), replacement)
    for pattern, replacement in (
        (r"(?:counter|anti)[- ]?clockwise", "counterclockwise"),
        (r"(?:no|not|without|never)(?: any)? (?:movements?|motions?|moves?|moving)", "motionless"),
        (r"close(?:ly)? (?=to|by|against)", "near "),
        (r"(?:breath(?:es?|ing)) in", "inhale"),
        (r"(?:breath(?:es?|ing)) out", "exhale"),
        (r"right(?=[- ]angled?|[- ]angles| after| before)", ""),
        (r"straight (?=ahead|lines?|forwards?|back|backwards?|up|down|upwards?|downwards?|away|after)", ""),
        # The back and the front as parts of the body or of a thing.
        (r"(?:(?:the|a|his|her|their|your|my|of|lower|upper|mid) back)(?! and forth)", ""),
        (r"back (?=of|is|stays|straight\w*|remains|muscles|arches|rounds|bends|rests|leans|against)", ""),
        (r"(?<!front )to back", "to"),
        (r"back (?=to|into|onto)", ""),
        # A part of the body, a place or a cause, none of them a direction, and what weight does on something.
        (r"(?:lower|upper) (?=body|limbs?|half|extremity|stairs?|steps?)", ""),
        (r"rest(?:s|ing)? (?=(?:flat )?(?:on|against))", ""),
        (r"under (?=(?:the |a |its |body )*(?:impact|weight|load|strain))", ""),
        # "In", "on" and "out" say where something goes only at the end: not in "in bursts", "on the floor", "out of".
        (r"(?:in|on)(?= (?!and|or|then)\w)", ""),
        (r"out of", ""),
        (r"left over|light (?=switch|source|bulb)", ""),
        (r"at the same time", "simultaneously"),
        (r"over (?=and over|again)", ""),
    )
)


def opposite_words(first: str, second: str) -> str | None:
    """The pair of opposite words of two phrases, as "word/word"; None where there is none.

    A word counts only where the other phrase does not have it too, and only where its own phrase does not say the
    opposite as well: "lift and lower" is no opposite of "lower", nor of "drop".
    """
    left, right = _words(first), _words(second)
    found = _denied(left, right)
    if found is not None:
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
    """Words that one phrase says and the other denies: "steady" and "unsteady", "pause" and "no pause"."""
    for one, other, swap in ((left, right, False), (right, left, True)):
        for negated in sorted(word for word in other if word.startswith(_PREFIXES) and word not in one):
            for prefix in _PREFIXES:
                stem = negated.removeprefix(prefix)
                if 3 < len(stem) < len(negated) and stem in one and stem not in other:
                    pair = (one[stem], other[negated])
                    return "/".join(reversed(pair) if swap else pair)
    return None


def _lines(stems: Iterable[str]) -> set[int]:
    """The lines of the table in which one of the words stands."""
    return {line for stem in stems for line in _LINES_OF.get(stem, ())}


@lru_cache(maxsize=4096)
def _words(phrase: str) -> dict[str, str]:
    """The words of a phrase by their stem; a word that is denied has "no " before both."""
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
    """Takes endings off, so that "lifts", "lifting" and "lift" agree; only ever compared with other stems."""
    for ending in ("ing", "ly", "ed", "s"):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    if len(word) > 3 and word[-1] == "i":
        word = word[:-1] + "y"
    return word.removesuffix("e") if len(word) > 3 else word


_TABLE = tuple((frozenset(map(_stem, one.split())), frozenset(map(_stem, other.split()))) for one, other in OPPOSITES)
_LINES_OF: defaultdict[str, list[int]] = defaultdict(list)
for _line, _sides in enumerate(_TABLE):
    for _word in _sides[0] | _sides[1]:
        _LINES_OF[_word].append(_line)
