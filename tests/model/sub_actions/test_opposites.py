import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sub_actions.opposites import OPPOSITES, opposite_words

WORDS = [*" ".join([*OPPOSITES, *OPPOSITES.values()]).split(), "no", "without", "the", "of", "to", "ahead", "wrist"]


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
        ("arms go up", "arms go down", "up/down"),
        ("arm stays straight", "elbow stays bent", "straight/bent"),
        ("stretch the leg", "fold the leg", "stretch/fold"),
        ("breathe in deeply", "breathes out deeply", "inhale/exhale"),
        ("toes turn in", "toes turn out", "in/out"),
        ("puts a glove on", "takes a glove off", "on/off"),
        ("wrist turns clockwise", "wrist turns counter-clockwise", "clockwise/counterclockwise"),
        ("wrist turns clockwise", "wrist turns anti clockwise", "clockwise/counterclockwise"),
        ("step forward", "step back", "forward/back"),
        ("front foot lands", "back foot lands", "front/back"),
        ("hand behind the body", "hand in front of the body", "behind/front"),
        ("heel strikes the ground", "heel leaves the ground", "strikes/leaves"),
        ("hands move together", "hands move apart", "together/apart"),
        ("walks upstairs", "walks downstairs", "upstairs/downstairs"),
        ("vertical stroke", "horizontal stroke", "vertical/horizontal"),
        ("forearm pronates", "forearm supinates", "pronates/supinates"),
        ("hand grips the handle", "hand releases the handle", "grips/releases"),
        ("sits on a chair", "stands beside a chair", "sits/stands"),
        ("large circles", "small circles", "large/small"),
        ("moves faster", "moves slower", "faster/slower"),
        ("steadily turning", "turning irregularly", "steadily/irregularly"),
        ("steady pace", "unsteady pace", "steady/unsteady"),
        ("elbows fold", "elbows unfold", "fold/unfold"),
        ("pause between strokes", "no pause between strokes", "pause/no pause"),
        ("hands with weights lift", "hands without weights lift", "weights/no weights"),
        ("no movement at the wrist", "wrist shakes", "motionless/shakes"),
        ("hand above the head", "hand below the head", "above/below"),
        ("palm faces inward", "palm faces outward", "inward/outward"),
        ("gentle tremor", "violent tremor", "gentle/violent"),
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
        ("lift and lower foot", "drop the foot"),  # says both sides, so it is opposed to neither
        ("arm swings forward and back", "arm swings backward"),
        ("arm swings forward and back", "hand behind the body"),
        ("arm moves back and forth", "hand in front of the body"),
        ("elbow bends to a right angle", "left elbow bends"),
        ("back of the hand faces the floor", "hand moves forward"),
        ("back stays straight", "trunk leans forward"),
        ("muscles of the lower back", "lift the trunk"),
        ("back rests on the chair", "chest leans forward"),
        ("gravity pulls from belly to back", "foot steps forward"),
        ("lower body turns", "raise the knee"),
        ("jolts in all directions", "arm reaches out"),
        ("stands on one leg", "pushes off the ground"),
        ("hands drop back to the hips", "arm swings forward"),
        ("foot lands in front", "steps out of the door"),
        ("hand close to the body", "hand opens"),
        ("walks straight ahead", "elbow bends"),
        ("hand moves in a straight line", "elbow bends"),
        ("weight rests on one leg", "hips sway"),
        ("soles rest flat on the floor", "arm swings"),
        ("knees bend under the body weight", "chest leans over the front foot"),
        ("no pause between strokes", "arm swings"),
        ("trunk upright", "hand moves down"),
        ("under the table", "der table"),
        ("", "lift foot"),
    ],
)
def test_no_opposites(first, second):
    assert opposite_words(first, second) is None
    assert opposite_words(second, first) is None


def test_no_word_is_its_own_opposite():
    for one, other in OPPOSITES.items():
        both = f"{one} {other}"
        assert opposite_words(both, both) is None
        for word in one.split():
            for against in other.split():
                if word != against:
                    assert opposite_words(f"x {word}", f"x {against}") is not None, (word, against)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6), st.lists(st.sampled_from(WORDS), max_size=6))
def test_both_ways_round_say_the_same(first, second):
    one, other = " ".join(first), " ".join(second)
    there, back = opposite_words(one, other), opposite_words(other, one)
    assert (there is None) == (back is None)
    assert opposite_words(one, one) is None
