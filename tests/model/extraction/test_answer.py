import json

import pytest
from language_model_server import good_answer

from model.extraction.answer import AnswerError, find_object, read_answer
from model.extraction.labels import ClassLabels
from model.extraction.prompt import MOST_REASONS, Request, correction

NAMES = ["walk", "3.0", "Saw"]


def request_for(phrases=4, style="keywords", wordings=False):
    classes = {"walk": {"note": "outdoors"}, "3.0": {"title": "running"}, "Saw": {}}
    labels = ClassLabels(name="n", sensor="gyro{scope}", place="left wrist", rate_hz=16, classes=classes)
    return Request(labels, phrases, style, wordings)


@pytest.fixture
def answer():
    return good_answer(NAMES, 4)


def reasons_for(content, **asked):
    with pytest.raises(AnswerError, match=r"\w") as caught:
        read_answer(content if isinstance(content, str) else json.dumps(content), request_for(**asked))
    return caught.value.reasons


def test_an_answer_in_the_order_of_the_labels(answer):
    backwards = {"classes": dict(reversed(answer["classes"].items()))}
    phrases = read_answer(json.dumps(backwards), request_for())
    assert list(phrases.classes) == NAMES
    assert phrases.classes == {name: tuple(several) for name, several in answer["classes"].items()}
    assert phrases.wordings == {}


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "```json\n{}\n```",
        "Sure! Here it is:\n{}\nI hope that {{this}} helps.",
        '<think>maybe {{"classes": {{}}}}?</think>{}',
        'the opening tag was in the prompt {{"classes": 1}}</think>\n{}',
        'First a try: {{"classes": {{}}}} and then {}',
        "{{broken {}",
    ],
)
def test_what_may_stand_around_it(answer, form):
    assert list(read_answer(form.format(json.dumps(answer, indent=1)), request_for()).classes) == NAMES


def test_spelling_is_tidied(answer):
    answer["classes"]["walk"][0] = " Arm  SWINGS\nforward. "
    answer["classes"]["SAW"] = answer["classes"].pop("Saw")
    phrases = read_answer(json.dumps(answer), request_for()).classes
    assert phrases["walk"][0] == "arm swings forward"
    assert list(phrases) == NAMES


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the answer is empty"),
        ("<think>I do not know", "the answer is empty"),
        ("I cannot say.", "there is no complete JSON object with the key 'classes' in the answer"),
        ('{"walk": []}', "no complete JSON object with the key 'classes'"),
        ('{"classes": {"walk": ["a b", }', "no complete JSON object with the key 'classes' in the answer: "),
        ('{"classes": {"walk": [], "walk": []}}', "the key 'walk' is there twice"),
        ('{"classes": ["walk"]}', "'classes' must be an object"),
        ('{"classes":' + "[" * 100_000, "no complete JSON object"),
    ],
)
def test_what_is_no_object(text, reason):
    assert reason in reasons_for(text)[0]


def test_every_reason_is_named(answer):
    walk, run, saw = answer["classes"].values()
    content = {"classes": {"walk": [*walk, "arm lifts slowly"], "3.0": [run[0], run[0], "jump", 7], "swim": saw}}
    reasons = reasons_for({**content, "note": "hello"})
    assert reasons == [
        "the class 'Saw' is missing",
        "there is no class 'swim'",
        "class 'walk' has 5 phrases, it must have exactly 4",
        "the phrase 'arm lifts slowly' has the adverb 'slowly', say what can be measured instead",
        "class '3.0' must be a list of phrases",
        "the key 'note' was not asked for",
    ]


def test_phrases_twice_and_classes_alike(answer):
    walk = answer["classes"]["walk"]
    answer["classes"]["walk"] = [walk[0].upper(), *walk[:3]]
    assert reasons_for(answer) == [f"class 'walk' has the phrase '{walk[0]}' twice"]
    answer["classes"]["walk"], answer["classes"]["Saw"] = walk, walk[::-1]
    assert reasons_for(answer) == ["the classes 'walk' and 'Saw' have all the same phrases and cannot be told apart"]
    answer["classes"]["WALK"] = walk
    assert "a class is there twice, spelled in two ways" in reasons_for(answer)


def test_wordings():
    answer = good_answer(NAMES, 4, wordings=True)
    shared = answer["wordings"][0]
    answer["wordings"].append({**shared, "keyword": "another"})
    phrases = read_answer(json.dumps(answer), request_for(wordings=True))
    assert set(phrases.wordings) == {phrase for several in phrases.classes.values() for phrase in several}
    assert phrases.wordings[shared["phrase"]] == (shared["keyword"], shared["paraphrase"])


def test_bad_wordings():
    answer = good_answer(NAMES, 4, wordings=True)
    first, second, third, fourth = answer["wordings"][:4]
    first["keyword"] = "one two three four"
    second["paraphrase"] = "it moves quickly"
    third["keyword"] = third["phrase"]
    fourth["phrase"] = "no such phrase"
    reasons = reasons_for(answer, wordings=True)
    lost = list(dict.fromkeys(phrase for several in answer["classes"].values() for phrase in several))[3]
    assert reasons[:2] == [
        f"the phrase '{lost}' has no wordings",
        "there are wordings of 'no such phrase', which is no phrase",
    ]
    assert "the keyword 'one two three four'" in reasons[2]
    assert "has the adverb 'quickly'" in reasons[3]
    assert f"phrase, keyword and paraphrase of '{third['phrase']}' must differ" in reasons[4]
    answer["wordings"] = {"a": "b"}
    assert "'wordings' must be a list of objects" in reasons_for(answer, wordings=True)[0]
    assert "the key 'wordings' was not asked for" in reasons_for(answer, wordings=False)


def test_the_last_object_counts():
    assert find_object('{"classes": 1} {"other": 2} {"classes": 3}') == {"classes": 3}


def test_prompt_names_what_matters():
    prompt = request_for(phrases=7).prompt()
    for part in ("gyro{scope}", "left wrist", "16", '- "walk": outdoors', '- "3.0" (running)', '- "Saw"', "exactly 7"):
        assert part in prompt
    assert "3 are shared" in prompt
    assert "other 4 are" in prompt
    assert "phases" in request_for(style="phases").prompt()
    assert '"paraphrase"' not in prompt
    assert '"paraphrase"' in request_for(wordings=True).prompt()
    assert all(line == line.rstrip() for line in prompt.splitlines())


def test_schema_accepts_what_is_asked_for():
    schema = request_for(wordings=True).schema()
    assert schema["required"] == ["classes", "wordings"]
    classes = schema["properties"]["classes"]
    assert classes["required"] == NAMES
    assert not classes["additionalProperties"]
    assert classes["properties"]["walk"] == {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 4,
        "maxItems": 4,
    }


def test_a_correction_is_no_novel():
    text = correction([f"reason {n}" for n in range(100)])
    assert f"- reason {MOST_REASONS - 1}\n- and {100 - MOST_REASONS} more" in text
