"""Asks a language model for the phrases of each class: `python -m model.extraction LABELS.yaml --out F --model NAME`.

Reads a labels file (`model.extraction.labels`), asks for all classes in one request, checks the answer, has a bad one
mended, and writes a vocabulary (`model.sub_actions.vocabulary`). Exit codes: 0 written; 1 no answer that can be used
(bad to the last, refused, cut, too late, or the server failed); 2 something for the user to correct (labels file,
options, address, key, model name); 130 after Ctrl-C. Whatever the code, a vocabulary is there whole or not at all.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from model.command import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED
from model.extraction.backends import (
    ChatEndpoint,
    LanguageModel,
    LanguageModelSetupError,
    LocalLanguageModel,
    NoAnswerError,
)
from model.extraction.dialogue import MOST_ATTEMPTS, Attempt, ask
from model.extraction.files import (
    TargetError,
    answers_path,
    check_target,
    extraction_record,
    write_answers,
    write_vocabulary,
)
from model.extraction.labels import LabelsError, read_class_labels
from model.extraction.prompt import Request
from model.sub_actions.vocabulary import Vocabulary

MOST_PHRASES = 50
PACKAGE = "shape-action-search"

EPILOG = f"""\
exit codes: 0 written; 1 no answer that can be used: bad {MOST_ATTEMPTS} times, refused, cut, too late, or the server
failed; 2 something to correct: labels file, options, address, key or model name; 130 after Ctrl-C.
The key is read from OPENAI_API_KEY; a server of your own needs none. The answers, used or not, are kept beside FILE
with the ending .answers.jsonl."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0, 1, 2 or 130; see the module.
    """
    options = _parser().parse_args(arguments)
    attempts: list[Attempt] = []
    try:
        return _extract(options, attempts)
    except (LabelsError, TargetError, LanguageModelSetupError) as error:
        return _fail(str(error), EXIT_BAD_INPUT, options.out, attempts)
    except NoAnswerError as error:
        return _fail(str(error), EXIT_FAILED, options.out, attempts)
    except OSError as error:
        return _fail(f"{error.filename or options.out} cannot be written: {error.strerror}", 1, options.out, [])
    except KeyboardInterrupt:
        kept = f"; the answers so far are in {answers_path(options.out)}" if attempts else ""
        print(f"stopped; {options.out} was not written{kept}", file=sys.stderr)
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.extraction",
        description="Ask a language model for the phrases of each class.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("labels", type=Path, metavar="LABELS.yaml", help="the classes, and how they were recorded")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the vocabulary file to write")
    parser.add_argument("--model", required=True, metavar="NAME", help="at the endpoint; or a local folder or hub name")
    parser.add_argument("--phrases", type=_phrases, default=10, metavar="M", help="for each class (default 10)")
    parser.add_argument("--style", choices=("phases", "keywords"), default="keywords", help="default keywords")
    parser.add_argument("--wordings", action="store_true", help="also a keyword and a paraphrase of each phrase")
    parser.add_argument("--backend", choices=("openai", "transformers"), default="openai", help="default openai")
    parser.add_argument("--base-url", metavar="URL", help="of the endpoint; else OPENAI_BASE_URL is used")
    parser.add_argument("--seed", type=_seed, help="of the sampling; left to the endpoint, or 0 with transformers")
    parser.add_argument("--temperature", type=_temperature, help="of the sampling; else the endpoint's or model's own")
    parser.add_argument("--timeout", type=_seconds, default=300.0, metavar="S", help="per answer (default 300)")
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it exists")
    return parser


def _extract(options: argparse.Namespace, attempts: list[Attempt]) -> int:
    labels = read_class_labels(options.labels)
    check_target(options.out, options.labels, options.force)
    request = Request(labels, options.phrases, options.style, options.wordings)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    model = _language_model(options)
    where = model.about()["base_url"] or "this machine"
    console.print(f"asking {options.model} at {where}: {len(labels.classes)} classes, {options.phrases} phrases each")
    with console.status("waiting for the answer"):
        phrases = ask(model, request, _keeper(options.out, attempts, console))
    vocabulary = Vocabulary(
        name=labels.name,
        description=labels.summary(),
        style=options.style,
        titles=labels.titles,
        classes=phrases.classes,
        wordings=phrases.wordings,
        extraction=extraction_record(
            model.about(), attempts, style=options.style, version=_version(), prompt=request.prompt()
        ),
    )
    write_vocabulary(options.out, vocabulary)
    console.print(_table(vocabulary))
    console.print(f"written to {options.out}; read and edit it before you use it")
    return 0


def _language_model(options: argparse.Namespace) -> LanguageModel:
    if options.backend == "openai":
        return ChatEndpoint(options.model, options.base_url, options.temperature, options.seed, options.timeout)
    if options.base_url is not None:
        raise LanguageModelSetupError("--base-url: means nothing with --backend transformers, which runs here")
    return LocalLanguageModel(options.model, options.temperature, options.seed or 0, options.timeout)


def _keeper(target: Path, attempts: list[Attempt], console: Console) -> Callable[[Sequence[Attempt]], None]:
    def keep(so_far: Sequence[Attempt]) -> None:
        attempts[:] = so_far
        write_answers(answers_path(target), so_far)
        last = so_far[-1]
        if last.reasons and last.answer.ending == "whole":
            again = "; asking again" if len(so_far) < MOST_ATTEMPTS else ""
            more = f" (and {len(last.reasons) - 1} more)" if len(last.reasons) > 1 else ""
            console.print(f"answer {len(so_far)} cannot be used: {last.reasons[0]}{more}{again}")

    return keep


def _fail(message: str, code: int, target: Path, attempts: Sequence[Attempt]) -> int:
    kept = f" (what came back is in {answers_path(target)})" if attempts else ""
    print(f"error: {message}{kept}", file=sys.stderr)
    return code


def _table(vocabulary: Vocabulary) -> Table:
    users = Counter(phrase for phrases in vocabulary.classes.values() for phrase in phrases)
    table = Table("class", "phrases", "shared with another class", "its own")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, phrases in vocabulary.classes.items():
        shared = sum(users[phrase] > 1 for phrase in phrases)
        table.add_row(vocabulary.title(name), str(len(phrases)), str(shared), str(len(phrases) - shared))
    return table


def _version() -> str | None:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None


def _phrases(text: str) -> int:
    return int(_number(text, int, 2, MOST_PHRASES, "a number of phrases"))


def _seed(text: str) -> int:
    return int(_number(text, int, 0, 2**31 - 1, "a seed"))


def _temperature(text: str) -> float:
    return _number(text, float, 0.0, 2.0, "a temperature")


def _seconds(text: str) -> float:
    return _number(text, float, 0.001, 1e6, "a number of seconds")


def _number(text: str, kind: type[int] | type[float], low: float, high: float, what: str) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is no {what[2:]}; expected {what} from {low:g} to {high:g}")
    return value


if __name__ == "__main__":
    sys.exit(main())
