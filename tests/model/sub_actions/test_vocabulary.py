import numpy as np
import pytest

from model.sub_actions.vocabulary import SubActionError, load_vocabulary, match_classes

TEXT = """
name: steps
description: two classes
classes:
  walk:
    - swing   arm
    - strike ground
  run: [strike ground]
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "phrases.yaml"
        path.write_text(text)
        return path

    return write


def test_phrases_class_by_class(file):
    vocabulary = load_vocabulary(file(TEXT))
    assert (vocabulary.name, vocabulary.class_names) == ("steps", ("walk", "run"))
    assert vocabulary.all_phrases() == ("swing arm", "strike ground", "strike ground")
    np.testing.assert_array_equal(vocabulary.class_of(), [0, 0, 1])


def test_dump_and_load_again(file):
    vocabulary = load_vocabulary(str(file(TEXT)))
    assert load_vocabulary(vocabulary.model_dump(mode="json")) == vocabulary
    assert load_vocabulary(vocabulary) is vocabulary


def test_titles_wordings_and_where_they_came_from(file):
    more = "titles: {RUN: quick steps}\nstyle: phases\nwordings: {swing arm: [ arm  swing ]}\nextraction: {model: m}"
    vocabulary = load_vocabulary(file(TEXT.replace("run:", "RUN:") + more))
    assert vocabulary.wordings == {"swing arm": ("arm swing",)}
    assert (vocabulary.style, vocabulary.extraction) == ("phases", {"model": "m"})
    assert (vocabulary.title("RUN"), vocabulary.title("walk")) == ("quick steps", "walk")
    matched = match_classes(vocabulary, ("run", "Walk"))
    assert (matched.title("run"), matched.title("Walk")) == ("quick steps", "Walk")


def test_numbers_name_classes(file):
    assert load_vocabulary(file("name: n\nclasses: {2: [a], 1: [b]}")).class_names == ("2", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: n\nclasses: {a: [x]}", "classes: two or more classes are needed, got 1"),
        ("name: n\nclasses: {a: [x], b: []}", "classes: class b has no phrases"),
        ("name: n\nclasses: {a: [x], b: [' ']}", "classes: class b has an empty phrase"),
        ("name: n\nclasses: {a: [x], b: [y z, y  z]}", "classes: class b lists the phrase 'y z' twice"),
        ("name: n\nclasses: {a: [x], b: y}", r"classes\.b: Input should be a valid"),
        ("name: n\nclasses: {a: [x], b: [on]}", r"classes\.b\.0: Input should be a valid string"),
        ("name: n\nclasses: {a: [x], on: [y]}", "class name True is not a string: put it in quotes"),
        ("name: n\nclasses: {a: [x], a: [y]}", "the key a is written twice"),
        ("name: n\nclasses: [a, b]", "classes: Input should be a valid dictionary"),
        ("classes: {a: [x], b: [y]}", "name: Field required"),
        ("name: n\nclass: {a: [x]}\nclasses: {a: [x], b: [y]}", "class: Extra inputs"),
        (f"{TEXT}style: words", "style: Input should be 'phases' or 'keywords'"),
        (f"{TEXT}titles: {{wolk: x}}", "titles: no class is 'wolk'; did you mean 'walk'"),
        (f"{TEXT}wordings: {{swing arms: [x]}}", "wordings: no phrase is 'swing arms'; did you mean 'swing arm'"),
        (f"{TEXT}wordings: {{swing arm: []}}", "wordings: the phrase 'swing arm' has no other wording"),
        (f"{TEXT}wordings: {{swing arm: ['']}}", "wordings: the phrase 'swing arm' has an empty wording"),
        (f"{TEXT}wordings: {{swing arm: [swing  arm]}}", "has the wording 'swing arm' twice"),
        ("name: [", "not a YAML file"),
        ("{[a]: 1}", "not a YAML file"),
        ("", "expected the keys name and classes"),
    ],
)
def test_broken_files(file, text, message):
    with pytest.raises(SubActionError, match=rf"phrases\.yaml: .*{message}") as caught:
        load_vocabulary(file(text))
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(SubActionError, match=r"none\.yaml cannot be read: No such file"):
        load_vocabulary(tmp_path / "none.yaml")


def test_match_takes_order_and_spelling_of_the_data(file):
    matched = match_classes(load_vocabulary(file(TEXT)), ["RUN", "Walk"])
    assert matched.classes == {"RUN": ("strike ground",), "Walk": ("swing arm", "strike ground")}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["walk", "fly"],
            r"steps: no phrases for fly and phrases for run, which the data does not have \(.*walk, fly\)",
        ),
        (["walk", "run", "fly"], r"steps: no phrases for fly \("),
        (["walk"], r"steps: phrases for run, which"),
    ],
)
def test_classes_that_do_not_match(file, names, message):
    with pytest.raises(SubActionError, match=message):
        match_classes(load_vocabulary(file(TEXT)), names)


def test_classes_that_differ_by_case_only(file):
    with pytest.raises(SubActionError, match="two classes differ only by upper and lower case"):
        match_classes(load_vocabulary(file("name: n\nclasses: {a: [x], A: [y]}")), ["a"])
