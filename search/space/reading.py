"""Read a space file: YAML to a checked `Space`, with messages that name the file and the dotted key."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from results.records.files import TAG, PlainLoader, load_plain
from results.records.objectives import NAME, Guard, Objective
from search.exceptions import InputError, one_line
from search.space.parameters import Categorical, FloatRange, IntegerRange
from search.space.resources import ACCELERATOR, ENVIRONMENT_NAME, Resources
from search.space.schema import CLASS, HOOK, Budget, HalvingSettings, Hooks, Sampler, Space, Sweep, Track

PARAMETERS: dict[str, type[BaseModel]] = {
    "choice": Categorical,
    "int": IntegerRange,
    "float": FloatRange,
    "log": FloatRange,
}
SECTIONS: dict[str, type[BaseModel]] = {
    "budget": Budget,
    "resources": Resources,
    "sampler": Sampler,
    "halving": HalvingSettings,
    "sweep": Sweep,
    "track": Track,
    "hooks": Hooks,
    "guards": Guard,
    "objectives": Objective,
}
# Plain words that are no text, as in YAML 1.2; PyYAML has those of 1.1, where no is false, 12:30 is 750 and 017 is 15.
WORDS = {
    "merge": (r"<<", ["<"]),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}
EXPECTED = {  # instead of a pattern
    CLASS: "a class as module:class, such as model.study:ShapeActionStudy",
    NAME: "letters, digits, `_`, `-` and `.`, a letter or a digit first",
    ACCELERATOR: "letters, digits, `_`, `-` and `.`",
    ENVIRONMENT_NAME: "the name of an environment variable, letters, digits and `_`",
    HOOK: "a command or a URL on one line",
}
SPELLINGS = ("minimise", "maximise", "minimize", "maximize")


class SpaceError(InputError):
    """A space file that cannot be used; the message names the file and the dotted key and says what to do."""


class _Loader(PlainLoader):
    """Reads words as YAML 1.2 does, and keys that are text alone."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        for key, _ in node.value:
            if key.tag not in (f"{TAG}str", f"{TAG}merge"):
                written = key.value if isinstance(key, yaml.ScalarNode) else "that stands here"
                problem = f"the key {written} is no text; write it in quotes"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        return super().construct_mapping(node, deep)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        text = self.construct_scalar(node)
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


class _Dumper(yaml.SafeDumper):
    """Quotes text that readers of YAML 1.1 or of 1.2 would take for something else."""


_Loader.yaml_implicit_resolvers = {}
for _kind, (_words, _first) in WORDS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(TAG + _kind, re.compile(f"(?:{_words})$"), _first)
_Loader.add_constructor(f"{TAG}int", _Loader.construct_integer)


def load_yaml(text: str) -> Any:
    """Read YAML of plain values; `1e-4` is a number, `no` a word, and a key that is given twice is refused.

    Raises:
        yaml.YAMLError: It is not YAML, or has values that could not be recorded as they are, such as dates.
    """
    return load_plain(text, _Loader)


def dump_yaml(values: Mapping[str, Any]) -> str:
    """Return a mapping as YAML, in its order, that `load_yaml` reads back as it was."""
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def read_space(path: Path) -> Space:
    """Read and check a space file.

    Raises:
        SpaceError: The file is missing, is not YAML, or does not describe a space.
    """
    return parse_space(read_document(path), path)


def read_document(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        SpaceError: The file is missing, is not YAML, or holds something else.
    """
    try:
        values = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpaceError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise SpaceError(f"{path}: is not a text file; expected YAML") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise SpaceError(f"{path}{line}: is not valid YAML: {problem}") from None
    if not isinstance(values, dict):
        raise SpaceError(f"{path}: expected a mapping of keys to values, found {type(values).__name__}")
    return values


def parse_space(document: Mapping[str, Any], path: Path) -> Space:
    """Check what a space file says.

    Args:
        document: The file's content.
        path: What the message calls the source.

    Raises:
        SpaceError: Something is unknown, missing or out of range.

    Example:
        >>> document = load_yaml('''
        ... name: example
        ... study: model.study:ShapeActionStudy
        ... parameters:
        ...   codebook_size: {type: choice, values: [8, 16, 32]}
        ...   training.learning_rate: {type: log, low: 1e-4, high: 1e-2}
        ... objectives:
        ...   - {metric: stitch_fvu, name: fidelity, direction: minimise, reference: 1.0}
        ... budget: {trials: 20, epochs: 10}
        ... ''')
        >>> space = parse_space(document, Path("example.yaml"))
        >>> space.parameters["training.learning_rate"].has(1e-3)
        True
        >>> space.configuration({"codebook_size": 16, "training.learning_rate": 1e-3}, seed=0)
        {'codebook_size': 16, 'training': {'learning_rate': 0.001}, 'epochs': 10, 'seed': 0, 'threads': 1}
        >>> parse_space({**document, "budgte": {}}, Path("example.yaml"))
        Traceback (most recent call last):
        search.space.reading.SpaceError: example.yaml: budgte: unknown key; did you mean 'budget'?
    """
    arranged = dict(document)
    guards = arranged.pop("guards", None)
    if guards is not None:
        arranged["guards"] = _guards(path, guards)
    _check_types(path, arranged.get("parameters"))
    try:
        return Space.model_validate(arranged)
    except ValidationError as error:
        raise SpaceError(one_line(f"{path}: {_complaint(error, arranged)}")) from None


def _guards(path: Path, guards: Any) -> list[dict[str, Any]]:
    if not isinstance(guards, Mapping):
        raise SpaceError(f"{path}: guards: expected a mapping such as stitch_fvu: {{below: 1.0}}, found {guards!r}")
    for metric, bounds in guards.items():
        if not isinstance(bounds, Mapping):
            raise SpaceError(f"{path}: guards.{metric}: expected bounds such as {{below: 1.0}}, found {bounds!r}")
        if "metric" in bounds:
            raise SpaceError(f"{path}: guards.{metric}.metric: is given by the key above it; remove it")
    return [{**bounds, "metric": metric} for metric, bounds in guards.items()]


def _check_types(path: Path, parameters: Any) -> None:
    """Refuse an unknown parameter type here: pydantic's message about it is not fit for a user."""
    if not isinstance(parameters, Mapping):
        return
    for name, entry in parameters.items():
        if not isinstance(entry, Mapping):
            raise SpaceError(
                f"{path}: parameters.{name}: expected something like {{type: choice, values: [8, 16]}}, found {entry!r}"
            )
        kind = entry.get("type")
        if not isinstance(kind, str) or kind not in PARAMETERS:
            found = "is missing" if kind is None else f"is {kind!r}"
            raise SpaceError(
                f"{path}: parameters.{name}.type: {found}; expected one of {', '.join(PARAMETERS)}"
                f"{_suggestion(str(kind), list(PARAMETERS))}"
            )


def _complaint(error: ValidationError, document: Mapping[str, Any]) -> str:
    """Return one sentence about the first thing that is wrong; an unknown key comes before what it caused."""
    details = error.errors()
    detail = next((entry for entry in details if entry["type"] == "extra_forbidden"), details[0])
    location = _location(detail, document)
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        known = _known_keys(location[:-1], document)
        if location[0] == "parameters" and location[-1] == "log":
            return f"{key}: unknown key; write type: log"
        hint = _suggestion(location[-1], known) or f"; known keys: {', '.join(known)}"
        return f"{key}: unknown key{hint}"
    if detail["type"] == "missing":
        return f"{key}: is missing"
    if location and location[-1] == "direction":
        return f"{key}: is {detail['input']!r}; expected minimise or maximise{_suggestion(detail['input'], SPELLINGS)}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "string_pattern_mismatch":
        message = f"expected {EXPECTED.get(detail['ctx']['pattern'], message)}"
    if detail["type"] == "value_error":
        return f"{key}: {message}" if key else message
    return f"{key or 'space'}: {message[0].lower()}{message[1:]} (found {detail['input']!r:.80})"


def _location(detail: ErrorDetails, document: Mapping[str, Any]) -> list[str]:
    """Turn pydantic's location into the user's dotted key: guards by metric, no tags of unions."""
    parts = list(detail["loc"])
    if len(parts) > 2 and parts[0] == "parameters":
        del parts[2]
    if len(parts) > 1 and parts[0] == "guards" and isinstance(parts[1], int):
        parts[1] = document["guards"][parts[1]]["metric"]
    return [str(part) for part in parts if part != "[key]"]


def _known_keys(location: list[str], document: Mapping[str, Any]) -> list[str]:
    model: type[BaseModel] = Space
    if location and location[0] == "parameters":
        model = PARAMETERS[document["parameters"][location[1]]["type"]]
    elif location:
        model = SECTIONS[location[0]]
    hidden = {"metric"} if model is Guard else set()
    return [key for key in model.model_fields if key not in hidden]


def _suggestion(word: Any, known: Any) -> str:
    close = get_close_matches(str(word), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
