from pathlib import Path

import pytest
import yaml

from search.run import main
from search.space.assignments import assign, read_assignments
from search.space.reading import SpaceError, parse_space


def test_values_are_yaml():
    texts = ["a=16", "b.c=2.5e-3", "d=native", "e={rate: 2}", "f= [1, 2]", "g=null", "h=x=y"]
    assert read_assignments(texts) == {
        "a": 16,
        "b.c": 0.0025,
        "d": "native",
        "e": {"rate": 2},
        "f": [1, 2],
        "g": None,
        "h": "x=y",
    }


def test_files_are_seen_from_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "mine").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    values = read_assignments(["data={npz: mine.npz}", "vocabulary=mine.yaml", "a=mine", "b=folder"])
    assert values == {
        "data": {"npz": str(tmp_path / "mine.npz")},
        "vocabulary": str(tmp_path / "mine.yaml"),
        "a": str(tmp_path / "mine"),
        "b": "folder",
    }


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["codes"], "--set codes: expected KEY=VALUE, such as codebook_size=16"),
        (["=3"], "--set =3: expected KEY=VALUE"),
        (["a="], "--set a=: expected KEY=VALUE"),
        (["a..b=1"], r"--set a\.\.b=1: expected KEY=VALUE"),
        (["a=1", "a=2"], "--set a: is given twice"),
        (["a={b: 1"], r"--set a: '\{b: 1' is not valid YAML"),
    ],
)
def test_what_is_no_assignment_is_refused(texts, message):
    with pytest.raises(SpaceError, match=message):
        read_assignments(texts)


def test_a_key_that_is_set_is_not_searched_any_more(document):
    before = yaml.safe_dump(document)
    document["parameters"]["training.rate"] = {"type": "log", "low": 0.1, "high": 1.0}
    changed = assign(document, {"width": 16, "training": {"rate": 0.5}, "data.file": "x"})
    assert changed["fixed"] == {"sleep_s": 0.0, "width": 16, "training": {"rate": 0.5}, "data": {"file": "x"}}
    assert list(changed["parameters"]) == ["x", "kind"]
    del document["parameters"]["training.rate"]
    assert yaml.safe_dump(document) == before


def test_a_sweep_of_a_key_that_is_set_ends_with_it(document):
    document["sweep"] = {"parameter": "x", "factors": [0.5], "epochs": 1}
    assert "sweep" not in assign(document, {"x": 0.25})
    assert assign(document, {"width": 8})["sweep"] == document["sweep"]


def test_a_value_has_no_keys_inside(document):
    with pytest.raises(SpaceError, match=r"--set sleep_s\.long: fixed\.sleep_s has no keys inside; set it"):
        assign(document, {"sleep_s.long": 1})
    with pytest.raises(SpaceError, match=r"--set a\.b: fixed has no keys inside"):
        assign({"fixed": [1]}, {"a.b": 1})


def test_a_mistyped_key_ends_with_one_line(space_folder, capsys):
    assert main(["toy.yaml", "--set", "speel_s=1"]) == 2
    assert "toy.yaml: fixed.speel_s: unknown key" in capsys.readouterr().err
    assert main(["toy.yaml", "--set", "width"]) == 2
    assert capsys.readouterr().err.startswith("error: --set width: expected KEY=VALUE")
    assert not (space_folder / "runs").exists()


def test_what_is_searched_under_a_condition_on_a_fixed_key_is_searched_always_or_never(document):
    document["parameters"] |= {
        "level": {"type": "int", "low": 1, "high": 9, "when": {"kind": "a"}},
        "x2": {"type": "float", "low": 0.0, "high": 1.0, "when": {"kind": ["a", "b"], "width": 8}},
        "deep": {"type": "float", "low": 0.0, "high": 1.0, "when": {"level": 3}},
    }
    parameters = {kind: assign(document, {"kind": kind})["parameters"] for kind in ("a", "b", "c")}
    assert parameters["a"]["level"]["when"] == {}
    assert parameters["a"]["x2"]["when"] == {"width": 8}
    assert parameters["a"]["deep"]["when"] == {"level": 3}
    assert set(parameters["b"]) == {"x", "width", "x2"}, "nor what depends on it"
    assert set(parameters["c"]) == {"x", "width"}
    assert parse_space(assign(document, {"kind": "a"}), Path("toy.yaml")).parameters["level"].when == {}


def test_a_condition_on_what_is_not_searched_any_more_is_never_met(document):
    document["parameters"] |= {
        "flag": {"type": "choice", "values": [True, False]},
        "a": {"type": "choice", "values": [True, False], "when": {"flag": False}},
        "c": {"type": "int", "low": 1, "high": 9, "when": {"a": True}},
    }
    assert "c" not in assign(document, {"flag": True})["parameters"]
    assert assign(document, {"flag": False})["parameters"]["c"]["when"] == {"a": True}


def test_a_comment_is_no_value():
    with pytest.raises(SpaceError, match=r"--set noise: '# x' is a comment; put the value in quotes"):
        read_assignments(["noise=# x"])
    assert read_assignments(["a=null", "b=~"]) == {"a": None, "b": None}


def test_words_are_no_paths_where_none_are_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").touch()
    assert read_assignments(["a=here", "b=x.yaml"], paths=False) == {"a": "here", "b": "x.yaml"}
    assert read_assignments(["a=here"]) == {"a": str(tmp_path / "here")}


def test_conditions_on_null_and_on_lists_are_seen(document):
    document["parameters"] |= {
        "q.rate": {"type": "choice", "values": [None, 0.5]},
        "sizes": {"type": "choice", "values": [[8], [8, 8]], "when": {"q.rate": None}},
        "level": {"type": "int", "low": 1, "high": 9, "when": {"sizes": [[8, 8]]}},
    }
    parameters = {
        text: assign(document, read_assignments([text]))["parameters"]
        for text in ("q.rate=null", "q={rate: null}", "q={}", "q.rate=0.5", "sizes=[8, 8]", "sizes=[8]")
    }
    assert [sorted({"sizes", "level"} & set(kept)) for kept in parameters.values()] == [
        ["level", "sizes"],
        ["level", "sizes"],
        [],
        [],
        ["level"],
        [],
    ]
    assert parameters["q.rate=null"]["sizes"]["when"] == parameters["sizes=[8, 8]"]["level"]["when"] == {}
    assert parse_space(assign(document, {"q.rate": None}), Path("toy.yaml")).fixed["q"] == {"rate": None}


def test_conditions_inside_of_what_is_set_and_starting_points_are_seen(document):
    document["parameters"] |= {"q.size": {"type": "int", "low": 1, "high": 9, "when": {"q.kind": "vq"}}}
    document["parameters"] |= {"q.kind": {"type": "choice", "values": ["vq", "no"]}}
    document["start"] = [{"q.kind": "vq", "x": 0.5}]
    changed = assign(document, {"q.kind": "vq"})
    assert changed["parameters"]["q.size"]["when"] == {}
    assert changed["start"] == [{"x": 0.5}]
    document["parameters"]["level"] = {"type": "int", "low": 1, "high": 9, "when": {"q.kind": "vq"}}
    assert assign(document, {"q": {"kind": "vq"}})["parameters"]["level"]["when"] == {}
    assert "level" not in assign(document, {"q": {"kind": "no"}})["parameters"]
    assert read_assignments([f"x={'a' * 5000}"])["x"] == "a" * 5000


def test_a_part_of_the_space_file_is_no_key_of_the_study(document):
    message = r"--set budget\.epochs: .* budget is a part of the space file: change it there; --trials sets the number"
    with pytest.raises(SpaceError, match=message):
        assign(document, {"budget.epochs": 3})
    with pytest.raises(SpaceError, match=r"--set guards: .* guards is a part of the space file: change it there$"):
        assign(document, {"guards": 3})
    of_the_study = {**document, "fixed": {"guards": {"low": 1}}}
    assert assign(of_the_study, {"guards.low": 3})["fixed"] == {"guards": {"low": 3}}
