import pytest

from model.extraction.labels import LabelsError, read_class_labels

HEAD = "name: steps\nsensor: accelerometer\nplace: wrist\n"


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "labels.yaml"
        path.write_text(text)
        return path

    return write


def test_a_list_of_names(file):
    labels = read_class_labels(file(HEAD + "classes: [walk, run]"))
    assert (labels.name, labels.class_names, labels.rate_hz, labels.titles) == ("steps", ("walk", "run"), None, {})
    assert labels.summary() == "accelerometer, worn at: wrist."


def test_names_with_notes_and_titles(file):
    labels = read_class_labels(
        file(
            HEAD + "rate_hz: 62.5\ndescription: >-\n  two\n  lines\nclasses:\n  a:\n  b: on a  bench\n  c: {title: saw}"
        )
    )
    assert [labels.classes[name].note for name in "abc"] == [None, "on a bench", None]
    assert labels.titles == {"c": "saw"}
    assert labels.summary() == "accelerometer, worn at: wrist, 62.5 Hz. two lines"


def test_names_keep_their_spelling(file):
    names = ("3.0", "1.10", "007", "1_000", "no", "on", "2026-01-01", "1e3")
    as_mapping = "".join(f"  {name}:\n" for name in names)
    assert read_class_labels(file(f"{HEAD}classes:\n{as_mapping}")).class_names == names
    assert read_class_labels(file(f"{HEAD}classes: [{', '.join(names)}]")).class_names == names


def test_frozen(file):
    labels = read_class_labels(file(HEAD + "classes: [walk, run]"))
    with pytest.raises(ValueError, match="frozen"):
        labels.name = "other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: [a, b]\nsensors: x", r"sensors: unknown key; did you mean 'sensor'\?"),
        ("classes: [a, b]\nzzz: x", "zzz: unknown key; known keys: name, sensor, place"),
        ("classes: {a: {titel: x}, b: }", r"classes\.a\.titel: unknown key; did you mean 'title'\?"),
        ("classes: {a: [x], b: }", "classes: a: expected nothing, a note, or a mapping with title and note"),
        ("classes: {a: {note: ' '}, b: }", r"classes\.a\.note: is empty"),
        ("classes: [a, a]", "classes: the class a is listed twice"),
        ("classes: {a: x, a: y}", "the key a is written twice"),
        ("classes: [a]", "classes: two or more classes are needed, got 1"),
        ("classes: [walk, WALK]", "classes: two classes differ only by upper and lower case"),
        ("classes: ['a  b', c]", "classes: a class name is empty, or has white space"),
        ("classes: [{a: x}, b]", "classes: {'a': 'x'} in the list is no name"),
        ("classes: {~: x, b: y}", "classes: the class name None is not a string"),
        (r'classes: ["\ud83d", b]', "classes: a class name has characters that cannot be printed"),
        (r'classes: {a: "\a x", b: }', r"classes\.a\.note: has characters that cannot be printed"),
        ("classes: walk", "classes: expected a list of names, or a mapping"),
        ("classes: [a, b]\nrate_hz: fast", "rate_hz: input should be a valid number"),
        ("classes: [a, b]\nrate_hz: 0", "rate_hz: input should be greater than 0"),
        ("classes: [a, b]\nrate_hz: .inf", "rate_hz: input should be a"),
        ("classes: [a, b]\ndescription: ''", "description: is empty"),
        ("", "classes: field required"),
        ("classes: [", "not a YAML file"),
        ("~: x", "the key None is not a string"),
    ],
)
def test_broken_files(file, text, message):
    with pytest.raises(LabelsError, match=rf"labels\.yaml: .*{message}") as caught:
        read_class_labels(file(HEAD + text))
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_hold_no_keys(file, tmp_path):
    with pytest.raises(LabelsError, match=r"nowhere\.yaml: cannot be read \(No such file"):
        read_class_labels(tmp_path / "nowhere.yaml")
    with pytest.raises(LabelsError, match="expected the keys name, sensor, place, rate_hz, description, classes"):
        read_class_labels(file("- walk"))
