from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from model.exceptions import InputError
from model.files import AsWritten, UniqueKeys, complaint, read_yaml, replacing, write_table


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("010", 10),
        ("-7", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        (".inf", float("inf")),
        ("1.2.3", "1.2.3"),
        ("e3", "e3"),
        ("true", True),
        ("~", None),
    ],
)
def test_numbers_of_yaml_1_2(text: str, value: object) -> None:
    read = yaml.load(text, Loader=UniqueKeys)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("loader", [UniqueKeys, AsWritten])
def test_merged_keys_may_be_overridden(loader: type[UniqueKeys]) -> None:
    text = "base: &base {a: x, b: y}\nmore:\n  <<: *base\n  b: z\n"
    assert yaml.load(text, Loader=loader)["more"] == {"a": "x", "b": "z"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", r"some\.yaml: line 3: .*the key c is written twice"),
        ("a: 1\n1: x\n01: y\n", "line 2: .*the key 1 is written twice"),
        ("a: 1\nb: [\n", r"some\.yaml: line 3: not a YAML file: "),
        ("- a\n", r"some\.yaml: expected keys, got list"),
        ("a: 2020-99-99\n", r"some\.yaml: not a YAML file: ValueError: month must be in 1\.\.12"),
        ('x: !!int ""\n', r"some\.yaml: not a YAML file: \w+Error: "),
        ("x: !!bool 7\n", r"some\.yaml: not a YAML file: KeyError: "),
        ("x: !!float word\n", r"some\.yaml: not a YAML file: ValueError: "),
        ("[" * 3000, r"some\.yaml: not a YAML file: is nested too deep"),
        (b"\xff\xfe\x00", r"some\.yaml: not a YAML file: it is no text"),
        (None, r"some\.yaml: cannot be read \(No such file or directory\)"),
    ],
)
def test_what_is_no_mapping_is_one_line_that_says_where(tmp_path: Path, text: str | bytes | None, message: str) -> None:
    path = tmp_path / "some.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as caught:
        read_yaml(path, InputError, "keys")
    assert "\n" not in str(caught.value)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _ordered(self) -> Inner:
        if self.low > self.high:
            raise ValueError("low: is above high")
        return self


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner = Inner()
    named: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"iner": {}}, "iner: unknown key; did you mean 'inner'?"),
        ({"inner": {"low": "x", "zzz": 1}}, "inner.zzz: unknown key; known keys: low, high"),
        ({"named": {"a": {"hihg": 1}}}, "named.a.hihg: unknown key; did you mean 'high'?"),
        ({"inner": {"low": 3}}, "inner.low: is above high"),
        ({"inner": 3}, "inner: input should be a valid dictionary or instance of Inner"),
    ],
)
def test_a_complaint_begins_with_the_dotted_key(values: dict, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    assert complaint(caught.value, Outer) == said
    assert complaint(caught.value, Outer, got=True).startswith(said)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.csv"
    assert write_table(path, ("a", "b"), [(1, "x, y"), (2, "z")]) == 2
    assert path.read_text() == 'a,b\n1,"x, y"\n2,z\n'
    with pytest.raises(ZeroDivisionError, match="zero"):
        write_table(path, ("a",), ([1 / number] for number in (1, 0)))
    assert path.read_text().startswith("a,b\n")
    assert os.listdir(path.parent) == ["table.csv"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    with replacing(tmp_path / "link") as part:
        part.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
