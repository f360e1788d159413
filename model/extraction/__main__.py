"""Asks a language model for the phrases of each class: `python -m model.extraction LABELS.yaml --out F --model NAME`.

Reads a labels file (`model.extraction.labels`), asks for all classes in one request, checks the answer, has a bad one
mended, and writes a vocabulary (`model.sub_actions.vocabulary`). Exit codes: 0 written; 1 no answer that can be used
(bad to the last, refused, cut, too late, or the server failed); 2 something for the user to correct (labels file,
options, address, key, model name); 130 after Ctrl-C. Whatever the code, a vocabulary is there whole or not at all.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from model.command import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, PATH, NumberRange, console, fail, run_command
from model.extraction.backends import (
    ChatEndpoint,
    LanguageModel,
    LanguageModelSetupError,
    LocalLanguageModel,
    NoAnswerError,
)
from model.extraction.dialogue import MOST_ATTEMPTS, Attempt, ask
from model.extraction.files import TargetError, answers_path, check_target, write_answers, write_vocabulary
from model.extraction.labels import LabelsError, read_class_labels
from model.extraction.prompt import Request
from model.sub_actions.vocabulary import Vocabulary

MOST_PHRASES = 50
PACKAGE = "shape-action-search"

EPILOG = f"""\
\b
Exit codes: 0 written; 1 no answer that can be used: bad {MOST_ATTEMPTS} times, refused, cut, too late, or the server
failed; 2 something to correct: labels file, options, address, key or model name; 130 after Ctrl-C.
The key is read from OPENAI_API_KEY; a server of your own needs none. The answers, used or not, are kept beside FILE
with the ending .answers.jsonl."""


@click.command("python -m model.extraction", epilog=EPILOG)
@click.argument("labels", type=PATH, metavar="LABELS.yaml")
@click.option("--out", type=PATH, required=True, metavar="FILE", help="the vocabulary file to write")
@click.option("--model", required=True, metavar="NAME", help="at the endpoint; or a local folder or hub name")
@click.option(
    "--phrases", type=click.IntRange(2, MOST_PHRASES), default=10, metavar="M", help="for each class (default 10)"
)
@click.option("--style", type=click.Choice(["phases", "keywords"]), default="keywords", help="default keywords")
@click.option("--wordings", is_flag=True, help="also a keyword and a paraphrase of each phrase")
@click.option("--backend", type=click.Choice(["openai", "transformers"]), default="openai", help="default openai")
@click.option("--base-url", metavar="URL", help="of the endpoint; else OPENAI_BASE_URL is used")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="of the sampling; else the endpoint's, or 0")
@click.option("--temperature", type=NumberRange(0.0, 2.0), help="of the sampling; else the endpoint's or model's own")
@click.option("--timeout", type=NumberRange(0.001, 1e6), default=300.0, metavar="S", help="per answer (default 300)")
@click.option("--force", is_flag=True, help="overwrite FILE if it exists")
def extract(**given: Any) -> int:
    """Ask a language model for the phrases of each class of LABELS.yaml: the classes, and how they were recorded."""
    options = SimpleNamespace(**given)
    attempts: list[Attempt] = []
    try:
        return _extract(options, attempts)
    except (LabelsError, TargetError, LanguageModelSetupError) as error:
        return _fail(error, EXIT_BAD_INPUT, options.out, attempts)
    except NoAnswerError as error:
        return _fail(error, EXIT_FAILED, options.out, attempts)
    except OSError as error:
        return fail(f"{error.filename or options.out} cannot be written: {error.strerror}", EXIT_FAILED)
    except KeyboardInterrupt:
        kept = f"; the answers so far are in {answers_path(options.out)}" if attempts else ""
        print(f"stopped; {options.out} was not written{kept}", file=sys.stderr)
        return EXIT_INTERRUPTED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run_command(extract, arguments)


def _extract(options: SimpleNamespace, attempts: list[Attempt]) -> int:
    labels = read_class_labels(options.labels)
    check_target(options.out, options.labels, options.force)
    request = Request(labels, options.phrases, options.style, options.wordings)
    screen = console()
    model = _language_model(options)
    where = model.about()["base_url"] or "this machine"
    screen.print(
        f"asking {options.model} at {where}: {len(labels.classes)} classes, {options.phrases} phrases each",
        soft_wrap=True,
    )
    with screen.status("waiting for the answer"):
        phrases = ask(model, request, _keeper(options.out, attempts, screen))
    vocabulary = Vocabulary(
        name=labels.name,
        description=labels.summary(),
        style=options.style,
        titles=labels.titles,
        classes=phrases.classes,
        wordings=phrases.wordings,
        extraction={
            **model.about(),
            "style": options.style,
            "version": _version(),
            "time": attempts[-1].time,
            "attempts": len(attempts),
            "prompt": request.prompt(),  # long, so it comes last
        },
    )
    write_vocabulary(options.out, vocabulary)
    screen.print(_table(vocabulary))
    screen.print(f"written to {options.out}; read and edit it before you use it", soft_wrap=True)
    return 0


def _language_model(options: SimpleNamespace) -> LanguageModel:
    if options.backend == "openai":
        return ChatEndpoint(options.model, options.base_url, options.temperature, options.seed, options.timeout)
    if options.base_url is not None:
        raise LanguageModelSetupError("--base-url: means nothing with --backend transformers, which runs here")
    return LocalLanguageModel(options.model, options.temperature, options.seed or 0, options.timeout)


def _keeper(target: Path, attempts: list[Attempt], screen: Console) -> Callable[[Sequence[Attempt]], None]:
    def keep(so_far: Sequence[Attempt]) -> None:
        attempts[:] = so_far
        write_answers(answers_path(target), so_far)
        last = so_far[-1]
        if last.reasons and last.answer.ending == "whole":
            again = "; asking again" if len(so_far) < MOST_ATTEMPTS else ""
            more = f" (and {len(last.reasons) - 1} more)" if len(last.reasons) > 1 else ""
            screen.print(f"answer {len(so_far)} cannot be used: {last.reasons[0]}{more}{again}", soft_wrap=True)

    return keep


def _fail(error: Exception, code: int, target: Path, attempts: Sequence[Attempt]) -> int:
    kept = f" (what came back is in {answers_path(target)})" if attempts else ""
    return fail(f"{error}{kept}", code)


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


if __name__ == "__main__":
    sys.exit(main())
