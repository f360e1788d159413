"""Files and the mistakes in them: YAML that loses nothing that was written, one sentence per mistake, whole writes."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from model.exceptions import InputError

TAG = "tag:yaml.org,2002:"
MODEL_FILE = "model.safetensors"  # a trained model, in a folder of its own
BRANCHES = ("str", "dict[str,any]")  # how pydantic names the branches of a union, which are no keys


class UniqueKeys(yaml.SafeLoader):
    """Refuse a key that is written twice, which YAML would answer by keeping the last one; numbers are YAML 1.2's."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make the dictionary of one mapping."""
        nodes = [key for key, _ in node.value if key.tag != f"{TAG}merge"]
        keys = [self.construct_object(key, deep=True) for key in nodes]
        for key, written in zip(keys, nodes, strict=True):
            if keys.count(key) > 1:
                problem = f"the key {key} is written twice"
                raise yaml.constructor.ConstructorError(None, None, problem, written.start_mark)
        return super().construct_mapping(node, deep=deep)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """Read an integer, in which a leading 0 means nothing."""
        sign, kind, digits = re.fullmatch(r"([-+]?)(0[box])?(\w+)", self.construct_scalar(node)).groups()  # type: ignore[union-attr]
        return int(sign + digits, {"0b": 2, "0o": 8, "0x": 16}.get(kind, 10))


class AsWritten(UniqueKeys):
    """Read every plain word as the string that it is: 3.0, 007, no and 2026-01-01 keep their spelling."""


def _known(*tags: str) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return what PyYAML recognises in plain words, by their first letter, less the tags that are not given."""
    return {
        first: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(TAG) in tags]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


# PyYAML's numbers are those of YAML 1.1, where 1e-3 is a word, 010 is 8 and 1:30 is 90.
UniqueKeys.yaml_implicit_resolvers = _known("null", "merge", "bool", "timestamp", "value")
UniqueKeys.add_implicit_resolver(
    f"{TAG}int", re.compile(r"([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
UniqueKeys.add_implicit_resolver(
    f"{TAG}float",
    re.compile(r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"),
    list("-+0123456789."),
)
UniqueKeys.add_constructor(f"{TAG}int", UniqueKeys.construct_integer)
AsWritten.yaml_implicit_resolvers = _known("null", "merge")


def read_yaml(
    path: Path,
    error: type[InputError],
    expected: str,
    loader: type[UniqueKeys] = UniqueKeys,
    unreadable: str = "{path}: cannot be read ({reason})",
) -> dict[Any, Any]:
    """Read a YAML file that holds a mapping; the loader is `AsWritten` where words must keep their spelling.

    `expected` is what should be in the file, for the message where it is no mapping, and `unreadable` the message where
    there is no file or no permission.

    Raises:
        InputError: Of the type `error`: one line that names the file, and the line where it can.
    """
    try:
        content = _loaded(path.read_text(encoding="utf-8"), loader)
    except OSError as problem:
        raise error(unreadable.format(path=path, reason=problem.strerror or problem)) from None
    except UnicodeDecodeError:
        raise error(f"{path}: not a YAML file: it is no text in UTF-8") from None
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = "" if mark is None else f"line {mark.line + 1}: "
        reason = getattr(problem, "problem", None) or " ".join(str(problem).split())
        raise error(f"{path}: {line}not a YAML file: {reason}") from None
    if not isinstance(content, dict):
        raise error(f"{path}: expected {expected}, got {type(content).__name__}")
    return content


def _loaded(text: str, loader: type[UniqueKeys]) -> Any:
    """Return what YAML says.

    Raises:
        yaml.YAMLError: It is none, or has a value that is not what it says, such as `!!int word` or a 13th month.
    """
    try:
        return yaml.load(text, Loader=loader)
    except RecursionError:
        raise yaml.YAMLError("is nested too deep") from None
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise yaml.YAMLError(f"{type(problem).__name__}: {problem}"[:200]) from problem


def complaint(error: ValidationError, model: type[BaseModel] | None = None, *, got: bool = False) -> str:
    """Say in one sentence what is wrong with a user's values, beginning with the dotted key.

    An unknown key is nearly always the cause of the rest, so it is named first, and the keys of the model that was
    validated are offered for it; None leaves the words to pydantic. With `got` it ends with the value that came.
    """
    details = error.errors()
    detail = next((entry for entry in details if model and entry["type"] == "extra_forbidden"), details[0])
    location = [str(part) for part in detail["loc"] if part not in BRANCHES]
    message = detail["msg"].removeprefix("Value error, ")
    if model is not None and detail["type"] == "extra_forbidden":
        known = _keys_of(model, location[:-1])
        close = get_close_matches(location[-1], known, n=1)
        return f"{'.'.join(location)}: unknown key; " + (
            f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        )
    if model is not None:
        inner, _, rest = message.partition(": ")
        if location and isinstance(detail["input"], dict) and inner in _keys_of(model, location):
            location, message = [*location, inner], rest  # a check of several keys together says which is wrong
        message = message[0].lower() + message[1:]
    value = f" (got {detail['input']!r:.80})" if got and location else ""
    return ": ".join(filter(None, [".".join(location), message])) + value


def _keys_of(model: Any, location: Sequence[str]) -> list[str]:
    for part in location:
        fields = getattr(model, "model_fields", {})
        inner = [kind for kind in get_args(model) if kind is not Ellipsis] or [None]  # of a tuple, or of a choice
        model = fields[part].annotation if part in fields else inner[-1]
    return list(getattr(model, "model_fields", ()))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all: give the path to write to, which takes the file's place in one step.

    A reader, or a crash, meets the old content or the new, never a part. A link stays one, and folders are made.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        _sync(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Make what was written survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a CSV file for people, whole or not at all, and return the number of its rows without the header."""
    count = 0
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow(row)
    return count
