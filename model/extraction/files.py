"""The files of an extraction: the vocabulary, made to be read and edited by hand, and the raw answers beside it.

Both are written whole or not at all, and a vocabulary that exists is not replaced unless that is asked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from model.exceptions import InputError
from model.extraction.dialogue import Attempt
from model.files import replacing
from model.sub_actions.vocabulary import Vocabulary

HEADER = """\
# Phrases that a language model proposed. Read them, and edit what is above `extraction` as you like: the file is used
# as it stands, and docs/extraction.md says what to look for. The answers, word for word: {answers}
"""
LINE_WIDTH = 120


class TargetError(InputError):
    """The file that should be written cannot be, or is there already."""


def answers_path(target: Path) -> Path:
    """Return where the raw answers are kept."""
    return target.with_name(target.stem + ".answers.jsonl")


def check_target(target: Path, labels: Path, force: bool) -> None:
    """Refuse a target before anything is asked.

    Raises:
        TargetError: It exists and is not to be overwritten, is the labels file, or has no place.
    """
    if target.is_dir():
        raise TargetError(f"--out: {target} is a folder; name a file in it, such as {target / 'phrases.yaml'}")
    if target.exists() and labels.exists() and target.samefile(labels):
        raise TargetError(f"--out: {target} is the labels file itself; name another")
    if target.exists() and not force:
        raise TargetError(f"--out: {target} exists and may have been edited; name another, or --force overwrites it")
    folder = next(folder for folder in target.absolute().parents if folder.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise TargetError(f"--out: {target} cannot be written: {folder} is no folder that you may write to")


def write_answers(path: Path, attempts: Sequence[Attempt]) -> None:
    """Write one line of JSON per attempt, with why it was not used, if it was not."""
    lines = [
        {
            "attempt": number,
            "time": attempt.time,
            "ending": attempt.answer.ending,
            "not_used_because": list(attempt.reasons),
            "answer": attempt.answer.text,
        }
        for number, attempt in enumerate(attempts, 1)
    ]
    _write(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def write_vocabulary(path: Path, vocabulary: Vocabulary) -> None:
    """Write a vocabulary as YAML for people: a header, one phrase a line, where it came from at the end."""
    content: dict[str, Any] = vocabulary.model_dump(mode="json", exclude_defaults=True)
    if "wordings" in content:
        content["wordings"] = {phrase: _Line(others) for phrase, others in content["wordings"].items()}
    order = ("name", "description", "style", "titles", "classes", "wordings", "extraction")
    text = yaml.dump(
        {key: content[key] for key in order if key in content},
        Dumper=_ForPeople,
        sort_keys=False,
        allow_unicode=True,
        width=LINE_WIDTH,
    )
    _write(path, HEADER.format(answers=answers_path(path).name) + text)


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


class _Line(list[str]):
    """A list that is written on one line."""


class _ForPeople(yaml.SafeDumper):
    """Indents lists below their key, and writes long texts as blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_line(dumper: yaml.SafeDumper, line: _Line) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", line, flow_style=True)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else ">" if len(text) > LINE_WIDTH - 20 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_ForPeople.add_representer(_Line, _represent_line)
_ForPeople.add_representer(str, _represent_text)
