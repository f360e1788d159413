import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from search.space.reading import SpaceError, dump_yaml, load_yaml, parse_space, read_space
from search.space.schema import Space

SPACES = sorted(Path(__file__).parents[3].glob("spaces/*.yaml"))
FILE = Path("spaces/toy.yaml")
NOT_PLAIN = ("!!binary gIGC", "!!set {x}", "!!timestamp 2020-01-01", "!mine x", "{1: a}", "{true: a}", "{[a]: b}", "\0")


def changed(document: dict, dotted: str, value) -> dict:
    """Return the document with one entry set, or removed where the value is `...`."""
    copy = yaml.safe_load(yaml.safe_dump(document))
    *parents, last = dotted.split("/")
    place = copy
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return copy


@pytest.mark.parametrize("file", SPACES, ids=lambda file: file.name)
def test_shipped_spaces_are_valid(file):
    assert read_space(file).parameters


def test_there_are_shipped_spaces():
    assert SPACES


@pytest.mark.parametrize(
    ("dotted", "value", "message"),
    [
        ("budgte", {}, r"toy\.yaml: budgte: unknown key; did you mean 'budget'\?"),
        ("zzz", 1, r"zzz: unknown key; known keys: name, study, seed"),
        ("name", ..., r"toy\.yaml: name: is missing"),
        ("name", "a/b", r"name: expected letters, digits, `_`, `-` and `\.`, a letter or a digit first"),
        ("study", "model.study", r"study: expected a class as module:class"),
        ("seed", -1, r"seed: input should be greater than or equal to 0 \(found -1\)"),
        ("seed", "zero", r"seed: expected a number, found the text 'zero'"),
        ("parameters", {}, r"parameters: dictionary should have at least 1 item"),
        ("parameters/x", 3, r"parameters\.x: expected something like"),
        ("parameters/x/type", "flaot", r"parameters\.x\.type: is 'flaot'; expected one of .*did you mean 'float'"),
        ("parameters/x/type", ..., r"parameters\.x\.type: is missing; expected one of choice, int, float, log"),
        ("parameters/x/hihg", 2, r"parameters\.x\.hihg: unknown key; did you mean 'high'"),
        ("parameters/x/low", 1.0, r"parameters\.x: low is 1 and high is 1; expected low < high"),
        ("parameters/x/low", "1e-4", r"parameters\.x\.low: expected a number, .* '1e-4'; write it as a plain"),
        ("parameters/x/low", True, r"parameters\.x\.low: expected a number, found True"),
        ("parameters/x/high", float("inf"), r"parameters\.x\.high: input should be a finite number"),
        ("parameters/x", {"type": "log", "low": 0, "high": 1}, r"parameters\.x: low is 0; a log range needs low > 0"),
        ("parameters/x", {"type": "int", "low": 1, "high": 2.5}, r"parameters\.x\.high: .* a valid integer"),
        ("parameters/x", {"type": "int", "low": 1, "high": 4, "step": 0}, r"parameters\.x\.step: .*greater than"),
        ("parameters/x", {"type": "int", "low": 0, "high": 4, "log": True}, r"x: low is 0; log: true needs low >= 1"),
        ("parameters/x", {"type": "int", "low": 1, "high": 4, "log": 1}, r"parameters\.x\.log: .* a valid boolean"),
        (
            "parameters/x",
            {"type": "int", "low": 1, "high": 9, "step": 2, "log": True},
            r"parameters\.x: step: a logarithmic scale has none; leave it out, or take log: false",
        ),
        ("parameters/width/values", [], r"parameters\.width\.values: tuple should have at least 1 item"),
        ("parameters/width/values", [8, 16, 8], r"parameters\.width: values has 8 twice"),
        ("parameters/width/values", [0.1, "1e-4"], r"parameters\.width\.values\.1: '1e-4' is a number .* quotes"),
        ("parameters/epochs", {"type": "int", "low": 1, "high": 4}, r"parameters\.epochs: is set by the search itself"),
        ("parameters/sleep_s", {"type": "int", "low": 1, "high": 4}, r"parameters\.sleep_s: is also given under fixed"),
        ("parameters/x.y", {"type": "int", "low": 1, "high": 4}, r"parameters\.x\.y: lies inside the parameter 'x'"),
        ("parameters/state", {"type": "int", "low": 1, "high": 4}, r"parameters\.state: is the name of a column"),
        ("parameters/names", {"type": "int", "low": 1, "high": 4}, r"parameters\.names: is the name of a column"),
        ("parameters/first_std", {"type": "int", "low": 1, "high": 4}, r"parameters\.first_std: is the name of a col"),
        ("parameters/n,m", {"type": "int", "low": 1, "high": 4}, r"parameters\.n,m: has something else in its"),
        ("parameters/a\nb", {"type": "int", "low": 1, "high": 4}, r"something else in its name than letters.*; rename"),
        ("parameters/x", {"type": "int", "low": 0, "high": 2**63 - 1}, r"parameters\.x: low and high: expected whole"),
        ("parameters/x", {"type": "float", "low": -1e308, "high": 1e308}, r"parameters\.x: low and high: are too far"),
        ("parameters/width/values", [1, 1.0], r"parameters\.width: values has 1 and 1\.0, which are equal; keep one"),
        ("parameters/width/values", [1, True], r"parameters\.width: values has 1 and True, which are equal"),
        ("parameters/width/values", ["true", True], r"values has 'true' and True, which are equal"),
        ("parameters/width/values", ["", "a"], r"parameters\.width\.values\.0: '' cannot stand in a table"),
        ("parameters/width/values", ["a\nb", "a b"], r"values\.0: 'a\\nb' cannot stand in a table"),
        ("parameters/width/values", ["\ud800", "a"], r"values\.0: '\\ud800' cannot stand in a table"),
        ("parameters/width/values", [{"a": 1}], r"values\.0: expected .*, null or a list of these, found \{'a': 1\}"),
        ("parameters/width/values", [8, [[{}]]], r"values\.1: expected .*, null or a list of these, found \{\}"),
        ("parameters/width/values", [[8], [16, "1"]], r"values\.1: '1' is a number written as text"),
        ("parameters/width/values", [None, None], r"parameters\.width: values has None twice; keep one"),
        ("parameters/width/values", ["null", None], r"width: values has 'null' and None, which are equal; keep one"),
        ("parameters/width/values", [None, ""], r"values\.1: '' cannot stand in a table"),
        ("parameters/width/values", ["[8]", [8]], r"values has '\[8\]' and \[8\], which are equal; keep one"),
        ("parameters/width/values", [[8], [8.0]], r"values has \[8\] and \[8\.0\], which are equal; keep one"),
        ("parameters/width/values", [math.inf, 1], r"values\.0: inf is not a number between -2\*\*53 and 2\*\*53"),
        ("seed", 10**30, r"seed: 1000000000.* is too large"),
        ("seed", 2**62 + 1, r"seed: input should be less than or equal to"),
        ("budget/trials", 10**12, r"budget\.trials: input should be less than or equal to 10000000"),
        ("parameters/sleep_s.a", {"type": "int", "low": 1, "high": 4}, r"fixed\.sleep_s: is 0\.0, but parameters\.sle"),
        ("fixed/threads", 3, r"fixed\.threads: is set by the search itself; give resources\.cpus instead"),
        ("objectives", [], r"objectives: tuple should have at least 1 item"),
        ("objectives/0/direction", "minimum", r"objectives\.0\.direction: is 'minimum'; .*did you mean 'minimi"),
        ("objectives/0/refrence", 1, r"objectives\.0\.refrence: unknown key; did you mean 'reference'"),
        ("objectives/1/name", "one", r"objectives: two objectives have the name 'one'"),
        ("objectives/1/metric", "first", r"objectives: two objectives have the metric 'first'"),
        ("guards/progress", {}, r"guards\.progress: guard 'progress' has no bound"),
        ("guards/progress", 3, r"guards\.progress: expected bounds such as"),
        ("guards/progress/atleast", 3, r"guards\.progress\.atleast: unknown key; did you mean 'at_least'"),
        ("guards", [1], r"guards: expected a mapping"),
        ("budget/trails", 3, r"budget\.trails: unknown key; did you mean 'trials'"),
        ("budget/trials", 0, r"budget\.trials: input should be greater than or equal to 1"),
        ("budget/trials", 2.5, r"budget\.trials: input should be a valid integer"),
        ("budget/epochs", ..., r"budget\.epochs: is missing"),
        ("resources", {"cpu": 1}, r"resources\.cpu: unknown key; did you mean 'cpus'"),
        ("sampler", {"name": "tpee"}, r"sampler: name: is 'tpee'; expected one of tpe, .*; did you mean 'tpe'\?"),
        ("sampler", {"name": "gp", "arguments": {"n": 1}}, r"sampler: arguments: only count for a module:class, not"),
        ("hooks", {"on_ende": "true"}, r"hooks\.on_ende: unknown key; did you mean 'on_end'\?"),
        ("track", {"callbacks": ["Mine"]}, r"track\.callbacks\.0: expected a class as module:class"),
        ("track", {"callbacks": ["a:B", "a:B"]}, r"track: callbacks: a:B is given twice"),
        ("track", {"tensorboard": "off"}, r"track\.tensorboard: input should be a valid boolean"),
        ("hooks", {"on_end": " "}, r"hooks\.on_end: expected a command or a URL on one line"),
        ("hooks", {"on_end": "x\0y"}, r"hooks\.on_end: expected a command or a URL on one line"),
        ("guards", {"progress": {"below": math.nan}}, r"guards\.progress\.below: input should be a finite number"),
        ("guards", {"progress": {"below": "1"}}, r"guards\.progress\.below: expected a number, found the text"),
        ("guards", {"progress": {"below": True}}, r"guards\.progress\.below: expected a number, found True"),
        ("guards", {"progress": {"below": 0, "above": 1}}, r"guards\.progress: no value is both < 0 and > 1"),
        ("guards", {"progress": {"below": 1, "at_least": 1}}, r"guards\.progress: no value is both < 1 and ≥ 1"),
        ("guards", {"progress": {"metric": "x", "below": 1}}, r"guards\.progress\.metric: is given by the key above"),
        ("objectives/0/reference", True, r"objectives\.0\.reference: expected a number, found True"),
        ("objectives/0/name", "x" * 300, r"objectives\.0\.name: string should have at most 100"),
        ("fixed", {"clip": math.inf}, r"fixed\.clip: is inf, which cannot be recorded"),
        ("fixed", {"a": [{"b": {0: 1}}]}, r"fixed\.a\.0\.b: has the key 0, which is no text"),
        ("resources", {"slots": 1, "max_slots": 5}, r"resources: max_slots: only counts where slots are found out"),
        ("resources", {"env": {"1A": "x"}}, r"resources\.env\.1A: expected the name of an environment variable"),
        ("parameters/x", {"type": "float", "low": 0, "high": 1e300, "step": 1}, r"parameters\.x: step: 1 is too small"),
        ("parameters/x", {"type": "int", "low": 1, "high": 8, "step": 100}, r"parameters\.x: step: 100 is more than"),
        ("parameters/x", {"type": "float", "low": 1, "high": 8, "log": True}, r"x\.log: unknown key; write type: log"),
        ("sweep", {"parameter": "x", "factors": [1.00000001], "epochs": 1}, r"sweep: a factor of 1"),
        ("sweep", {"parameter": "x", "factors": [0.5, 0.5], "epochs": 1}, r"sweep: an amount is given twice"),
        ("halving", {"first_rung": 1, "reduction": 1.0000001}, r"halving\.reduction: input should be greater"),
    ],
)  # fmt: skip
def test_mistakes_are_named(document, dotted, value, message):
    with pytest.raises(SpaceError, match=message) as caught:
        parse_space(changed(document, dotted, value), FILE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", r"space\.yaml, line 1: is not valid YAML"),
        ("name: a\nname: b\n", r"line 2: is not valid YAML: the key 'name' is given twice"),
        ("- 1\n", r"expected a mapping of keys to values, found list"),
        ("", r"expected a mapping of keys to values, found NoneType"),
    ],
)
def test_what_is_not_a_space_is_refused(tmp_path, text, message):
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(SpaceError, match=message):
        read_space(tmp_path / "space.yaml")


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(SpaceError, match=r"absent\.yaml: cannot be read \(No such file"):
        read_space(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpaceError, match="is not a text file"):
        read_space(tmp_path / "binary.yaml")


@pytest.mark.parametrize("written", ["1e-4", "+1E-4", "1.e-4", ".1e-3", "1.0e-4"])
def test_a_number_with_an_exponent_is_a_number(written):
    assert load_yaml(f"low: {written}") == {"low": 1e-4}


def test_what_is_written_reads_back_as_it_was():
    values = {"commit": "12e4567890", "text": "1e-4", "number": 1e-4, "small": 1e-30, "no": "no", "nested": {"a": [1]}}
    assert load_yaml(dump_yaml(values)) == values
    assert yaml.safe_load(dump_yaml(values)) == values


def test_american_spelling_is_understood(document):
    space = parse_space(changed(document, "objectives/0/direction", "maximize"), FILE)
    assert space.objectives[0].direction == "maximise"


def test_writing_and_reading_gives_the_same_space(space: Space):
    assert parse_space(yaml.safe_load(yaml.safe_dump(space.document())), FILE) == space


def test_configuration_puts_dotted_parameters_in_their_places(document):
    document = changed(document, "parameters/training.rate", {"type": "log", "low": 1e-4, "high": 1.0})
    document = changed(document, "fixed/training", {"batch": 8})
    space = parse_space(document, FILE)
    configuration = space.configuration({"training.rate": 0.1, "x": 0.5}, 7)
    assert configuration == {
        "sleep_s": 0.0,
        "training": {"batch": 8, "rate": 0.1},
        "x": 0.5,
        "epochs": 10,
        "seed": 7,
        "threads": 1,
    }
    assert "rate" not in space.fixed["training"], "the space itself must not change"


def test_null_and_lists_are_text_to_the_search_and_themselves_to_a_configuration(document):
    values = [None, [], [64, 64], [[128, 3], "a", True, None], "none", 0.5]
    document = changed(document, "parameters/nested.sizes", {"type": "choice", "values": values})
    document = changed(document, "start", [{"nested.sizes": None}, {"nested.sizes": [64, 64]}])
    document = changed(document, "parameters/level", {"type": "int", "low": 1, "high": 512, "log": True})
    space = parse_space(document, FILE)
    assert parse_space(load_yaml(dump_yaml(space.document())), FILE) == space
    texts = [parameters["nested.sizes"] for name, parameters in space.corners() if name == "nested.sizes"]
    assert texts == ["null", "[]", "[64, 64]", '[[128, 3], "a", true, null]', "none", 0.5]
    made = [space.configuration({"nested.sizes": text}, 0)["nested"]["sizes"] for text in texts]
    assert made == values
    made[2].append(1)
    assert space.configuration({"nested.sizes": "[64, 64]"}, 0)["nested"]["sizes"] == [64, 64]


@pytest.mark.parametrize("value", ["null", "[64, 64]", [64], [64, 64.0], [64, 64, 64], "None"])
def test_a_starting_point_is_one_of_the_values_as_they_are_written(document, value):
    document = changed(document, "parameters/sizes", {"type": "choice", "values": [None, [64, 64]]})
    with pytest.raises(SpaceError, match=r"start\.0\.sizes: .* is outside what is searched"):
        parse_space({**document, "start": [{"sizes": value}]}, FILE)


def test_corners_are_every_choice_every_small_integer_and_both_ends(document):
    document = changed(document, "parameters/many", {"type": "int", "low": 0, "high": 1000, "step": 7})
    document = changed(document, "parameters/few", {"type": "int", "low": 2, "high": 8, "step": 3})
    corners = [(name, parameters[name]) for name, parameters in parse_space(document, FILE).corners()]
    values = {name: [value for key, value in corners if key == name] for name, _ in corners}
    assert values == {
        "x": [0.0, 1.0],
        "width": [8, 16, 32],
        "kind": ["a", "b"],
        "many": [0, 994],
        "few": [2, 5, 8],
    }


def test_evaluations_are_about_ten_per_trial(space: Space):
    epochs = {
        epochs: space.budget.model_copy(update={"epochs": epochs}).evaluation_epochs for epochs in (1, 10, 60, 64)
    }
    assert epochs == {1: 1, 10: 1, 60: 6, 64: 7}


@pytest.mark.slow
def test_reading_a_space_loads_neither_torch_nor_ray():
    code = (
        "import sys, search.space.reading, search.tune.preflight; print({'torch', 'ray', 'optuna'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *(("no", "no"), ("on", "on"), ("Yes", "Yes"), ("12:30", "12:30"), ("017", 17), ("1_000", "1_000"), ("=", "=")),
        *(("2024-01-01", "2024-01-01"), ("0x1f", 31), ("true", True), ("~", None), ("", None), (".inf", math.inf)),
        *(("0o17", 15), ("-3", -3), ("1.", 1.0), ("1e3", 1000.0)),
    ],
)
def test_plain_words_are_read_as_in_yaml_1_2(written, read):
    found = load_yaml(f"a: {written}")["a"]
    assert (found, type(found)) == (read, type(read))
    assert load_yaml(dump_yaml({"a": written}))["a"] == written, "as text it stays text ..."
    assert yaml.safe_load(dump_yaml({"a": written}))["a"] == written, "... for readers of YAML 1.1 too"


def test_aliases_of_aliases_are_counted(tmp_path):
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(SpaceError, match=r"bomb\.yaml: is not valid YAML: has more than 1,000,000 values"):
        read_space(tmp_path / "bomb.yaml")
    assert load_yaml("a: &a [1, 2]\nb: [*a, *a]") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}


@pytest.mark.parametrize("text", ["[" * 3000 + "]" * 3000, "{a: " * 60 + "1" + "}" * 60, "a: &a [*a]"])
def test_what_is_nested_without_end_is_refused(tmp_path, text):
    (tmp_path / "deep.yaml").write_text(f"fixed: {text}" if text[0] != "a" else text)
    with pytest.raises(SpaceError, match=r"deep\.yaml: is not valid YAML: is nested more than 50 levels deep"):
        read_space(tmp_path / "deep.yaml")


def test_a_mapping_is_merged_into_another():
    assert load_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}")["b"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    "written", ["!!int foo", "!!float foo", "!!bool foo", "!!timestamp foo", "9" * 5000, *NOT_PLAIN]
)
def test_a_word_that_is_not_what_it_says_is_refused(tmp_path, written):
    (tmp_path / "space.yaml").write_text(f"seed: {written}")
    with pytest.raises(SpaceError, match=r"space\.yaml(, line 1)?: is not valid YAML: \S"):
        read_space(tmp_path / "space.yaml")
