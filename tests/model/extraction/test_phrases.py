from pathlib import Path

import pytest

from model.extraction.phrases import MOST_WORDS, phrase_fault, tidy_phrase
from model.sub_actions.vocabulary import load_vocabulary

VOCABULARIES = sorted((Path(__file__).parents[3] / "spaces" / "sub_actions").glob("*.yaml"))


def test_one_spelling():
    assert tidy_phrase("  Arm  swings\nforward. ") == "arm swings forward"


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("walk", "has 1 word, it must have 2 to 6"),
        ("", "has 0 words"),
        ("one two three four five six seven", "has 7 words"),
        ("arm swings quickly", "has the adverb 'quickly'"),
        ("arm (slowly) swings", "has the adverb 'slowly'"),
        ("arm lifts to balance", "gives a purpose ('to balance')"),
        ("to keep balance", "gives a purpose ('to keep')"),
        ("arm lifts in order to stop", "gives a purpose ('in order to')"),
        ("arm bends for landing", "gives a purpose ('for landing')"),
        ("arm swings so that it stops", "gives a purpose ('so that')"),
        ("arm is used to", "gives a purpose ('to')"),
        ("arm \x07 swings", "has characters that cannot be printed"),
        ("arm \ud800 swings", "has characters that cannot be printed"),
    ],
)
def test_what_is_refused(phrase, expected):
    assert expected in phrase_fault(phrase)


@pytest.mark.parametrize(
    "phrase",
    [
        "belly moves up",
        "fly wheel turns",
        "arm swings to the side",
        "hip sways from side to side",
        "weight moves from heel to toe",
        "elbow bends to 90 degrees",
        "forearm parallel to ground",
        "arm still for two seconds",
    ],
)
def test_what_is_let_through(phrase):
    assert phrase_fault(phrase) is None


@pytest.mark.parametrize("path", VOCABULARIES, ids=lambda path: path.stem)
def test_phrases_that_people_wrote_keep_the_rules_but_for_their_length(path):
    for phrase in load_vocabulary(path).all_phrases():
        assert tidy_phrase(phrase) == phrase
        assert phrase_fault(phrase) is None or len(phrase.split()) > MOST_WORDS
