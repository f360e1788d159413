import pytest

from model.opposites import opposite_words


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("lift foot", "lower foot", "lift/lower"),
        ("foot lifts", "lowering the foot", "lifts/lowering"),
        ("raised hand", "hand drops", "raised/drops"),
        ("arm swings forward", "arm swings backward", "forward/backward"),
        ("turn left", "turn right", "left/right"),
        ("hand moves upward", "hand moves down", "upward/down"),
        ("Opening fist", "fist closes", "opening/closes"),
        ("walk fast", "walk slowly", "fast/slowly"),
        ("push handle", "pulls handle", "push/pulls"),
        ("wrist stays still", "wrist swings", "still/swings"),
        ("elbow bends", "elbow straightens", "bends/straightens"),
    ],
)
def test_opposites(first, second, words):
    assert opposite_words(first, second) == words
    assert opposite_words(second, first) == "/".join(reversed(words.split("/")))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("arm swings forward and back", "arm swings back and forth"),
        ("lift and lower foot", "lower foot"),
        ("heel strikes the ground", "foot strikes the ground"),
        ("lift foot", "lift foot"),
        ("open hand", "open fist"),
        ("elbow bends and straightens", "elbow bends"),
    ],
)
def test_no_opposites(first, second):
    assert opposite_words(first, second) is None
    assert opposite_words(second, first) is None
